//! The lab's verbs on containers.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;

use super::engine::{self, Seen, containers, docker};
use super::{container, state};
use crate::api::Api;
use crate::lab_file::{LabFile, ServiceState};
use crate::layout::Layout;
use crate::links::{Cut, CutMode};
use crate::output;
use crate::process::Signal;
use crate::ready::until;
use crate::status::{self, ServiceStatus, Status};
use crate::topology::{CentralId, Service, Target};

/// The network between the centrals.
const WAN: &str = "parkmesh-wan";
/// How long everything may take to become ready.
const PATIENCE: Duration = Duration::from_secs(240);

/// Whether the project has containers.
pub(crate) async fn running() -> Result<bool> {
    Ok(containers().await?.keys().any(|name| name.starts_with("central-")))
}

/// The lab as this machine sees it.
pub(crate) async fn file(layout: &Layout) -> Result<LabFile> {
    state::read(layout).await
}

/// Starts the containers and waits until every central sees all others and every container is healthy.
pub(crate) async fn up(layout: &Layout, centrals: Option<u16>) -> Result<()> {
    let begun = Instant::now();
    let environment: Vec<(&str, String)> =
        centrals.map(|count| ("CENTRALS", count.to_string())).into_iter().collect();
    engine::compose(&["up", "-d"], &environment).await?;
    output::line(format!(
        "containers made after {:.0} s; waiting until all are ready",
        begun.elapsed().as_secs_f64()
    ));
    let file = forget_cuts(layout).await?;
    wait(&file).await?;
    output::line(format!(
        "{} centrals ready after {:.0} s",
        file.centrals.len(),
        begun.elapsed().as_secs_f64()
    ));
    for central in &file.centrals {
        output::line(format!("{:<11} {}", central.id, central.gateway));
    }
    output::line(format!("keys and the admin token: {}", layout.lab_json().display()));
    Ok(())
}

async fn forget_cuts(layout: &Layout) -> Result<LabFile> {
    let mut file = file(layout).await?;
    file.cuts.clear();
    file.write(layout)?;
    Ok(file)
}

/// Until every central sees all others and every container is healthy.
async fn wait(file: &LabFile) -> Result<()> {
    let http = Api::http(Duration::from_secs(3))?;
    let wanted = u32::try_from(file.centrals.len())?.saturating_sub(1);
    let seen = until(PATIENCE, || async {
        let asked = file.centrals.iter().map(|central| {
            let api = Api::new(http.clone(), central.gateway.clone(), file.admin_token.clone());
            async move {
                match api.status().await {
                    Ok(status) if status.connected_peers >= wanted => None,
                    Ok(status) => Some(format!("{} sees {} of {wanted}", central.id, status.connected_peers)),
                    Err(error) => Some(format!("{}: {error:#}", central.id)),
                }
            }
        });
        let missing: Vec<String> = join_all(asked).await.into_iter().flatten().collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    });
    seen.await.map_err(|missing| anyhow::anyhow!("the mesh is not complete: {}", missing.join("; ")))?;
    let names: Vec<String> = file
        .centrals
        .iter()
        .flat_map(|central| Service::ALL.map(|service| container(central.id, service)))
        .collect();
    wait_healthy(&names).await
}

async fn wait_healthy(names: &[String]) -> Result<()> {
    let seen = until(PATIENCE, || async {
        let all = containers().await.map_err(|error| format!("{error:#}"))?;
        let waiting: Vec<String> = names
            .iter()
            .filter(|name| all.get(*name).and_then(|seen| seen.health.as_deref()) != Some("healthy"))
            .map(|name| {
                let seen = all.get(name);
                let word = |seen: &Seen| seen.health.clone().unwrap_or_else(|| seen.state.clone());
                format!("{name} {}", seen.map_or_else(|| "missing".to_owned(), word))
            })
            .collect();
        if waiting.is_empty() { Ok(()) } else { Err(waiting.join(", ")) }
    });
    seen.await.map_err(|waiting| anyhow::anyhow!("not healthy: {waiting}"))
}

/// Prints the state of containers, links and lag.
pub(crate) async fn show(layout: &Layout, json: bool) -> Result<()> {
    let file = file(layout).await?;
    let mut status = status::gather(&file, &Api::http(Duration::from_secs(3))?).await;
    with_containers(&mut status, &containers().await?);
    output::line(if json { serde_json::to_string_pretty(&status)? } else { status::render(&status) });
    Ok(())
}

/// Puts in what the engine says in the place of what is known of processes.
fn with_containers(status: &mut Status, all: &std::collections::BTreeMap<String, Seen>) {
    for central in &mut status.centrals {
        for service in Service::ALL {
            let seen = all.get(&container(central.id.central, service));
            let state = match seen.map(|seen| seen.state.as_str()) {
                Some("running" | "restarting") => ServiceState::Running,
                Some("paused") => ServiceState::Paused,
                Some("exited" | "dead") => ServiceState::Killed,
                _ => ServiceState::Down,
            };
            let ready = seen.and_then(|seen| seen.health.as_deref()).map(|health| health == "healthy");
            central.services.insert(service, ServiceStatus { pid: None, state, ready, ended: None });
        }
    }
}

fn names(target: Target) -> Result<Vec<String>> {
    ensure!(!target.of.clone, "clones are for the lab of processes");
    Ok(target.services().into_iter().map(|service| container(target.of.central, service)).collect())
}

async fn each(verb: &[&str], target: Target) -> Result<()> {
    let names = names(target)?;
    let mut words = verb.to_vec();
    words.extend(names.iter().map(String::as_str));
    docker(&words).await.map(drop)
}

/// Ends containers; they stay down until `start`.
pub(crate) async fn kill(target: Target, signal: &Signal) -> Result<()> {
    each(&["kill", "--signal", signal.name()], target).await
}

/// Starts what was killed; returns when it is healthy.
pub(crate) async fn start(layout: &Layout, target: Target) -> Result<()> {
    each(&["start"], target).await?;
    wait_healthy(&names(target)?).await?;
    // A new container network knows nothing of old cuts.
    let file = file(layout).await?;
    let about = |cut: &&Cut| cut.from == target.of.central || cut.to == target.of.central;
    for cut in file.cuts.iter().filter(about) {
        route(cut, true).await?;
    }
    Ok(())
}

/// Freezes containers.
pub(crate) async fn pause(target: Target) -> Result<()> {
    each(&["pause"], target).await
}

/// Lets what was frozen go on.
pub(crate) async fn resume(target: Target) -> Result<()> {
    each(&["unpause"], target).await
}

/// Cuts what flows between two centrals: a route into nothing in the network of the sender. `drop` says nothing to whoever sends;
/// `reset` refuses at once, but links that stand only go silent, as no container may break another's connection.
pub(crate) async fn partition(
    layout: &Layout,
    a: CentralId,
    b: CentralId,
    mode: CutMode,
    one_way: bool,
) -> Result<()> {
    let mut file = file(layout).await?;
    let mut cuts = vec![Cut { from: a, to: b, mode }];
    if !one_way {
        cuts.push(Cut { from: b, to: a, mode });
    }
    for cut in cuts {
        if !file.cuts.contains(&cut) {
            // The other mode, if it was cut already.
            let same_way = |other: &Cut| (other.from, other.to) == (cut.from, cut.to);
            if let Some(at) = file.cuts.iter().position(same_way) {
                let old = file.cuts.swap_remove(at);
                route(&old, false).await?;
            }
            route(&cut, true).await?;
            file.cuts.push(cut);
            file.write(layout)?;
        }
    }
    Ok(())
}

/// Takes a central off the network between the centrals, as `docker network disconnect` does.
pub(crate) async fn isolate(central: CentralId) -> Result<()> {
    docker(&["network", "disconnect", WAN, &container(central, Service::Mesh)]).await.map(drop)
}

/// Heals one pair, or everything: routes, and who was taken off the network.
pub(crate) async fn heal(layout: &Layout, pair: Option<(CentralId, CentralId)>) -> Result<()> {
    let mut file = file(layout).await?;
    if pair.is_none() {
        for central in &file.centrals {
            let mesh = container(central.id, Service::Mesh);
            if address(&mesh).await?.is_none() {
                docker(&["network", "connect", WAN, &mesh]).await?;
            }
        }
    }
    let meant = |cut: &Cut| pair.is_none_or(|(a, b)| [(a, b), (b, a)].contains(&(cut.from, cut.to)));
    for cut in file.cuts.clone().into_iter().filter(meant) {
        route(&cut, false).await?;
        file.cuts.retain(|other| *other != cut);
        file.write(layout)?;
    }
    Ok(())
}

/// A container's address between the centrals; none when it is off that network or down.
async fn address(name: &str) -> Result<Option<String>> {
    let format =
        format!("{{{{with index .NetworkSettings.Networks \"{WAN}\"}}}}{{{{.IPAddress}}}}{{{{end}}}}");
    let found = docker(&["inspect", "--format", &format, name]).await?;
    Ok(Some(found.trim().to_owned()).filter(|address| !address.is_empty()))
}

/// Adds or removes the route into nothing. Addresses change when containers start: what is removed is every one to the peer's.
async fn route(of: &Cut, cut: bool) -> Result<()> {
    let (from, to) = (container(of.from, Service::Mesh), container(of.to, Service::Mesh));
    let kind = match of.mode {
        CutMode::Drop => "blackhole",
        CutMode::Reset => "unreachable",
    };
    if address(&from).await?.is_none() {
        // Down or off the network: nothing flows, and a new start has no routes.
        return Ok(());
    }
    let Some(address) = address(&to).await? else { return Ok(()) };
    let image =
        docker(&["inspect", "--format", "{{.Config.Image}}", &from.replace("-mesh", "-nats")]).await?;
    let verb = if cut { "add" } else { "del" };
    let done = engine::ip(&from, image.trim(), &["route", verb, kind, &format!("{address}/32")]).await;
    match done {
        Err(error) if !cut && format!("{error:#}").contains("No such process") => Ok(()),
        Err(error) if cut && format!("{error:#}").contains("File exists") => Ok(()),
        other => other.map(drop),
    }
}

/// What to say to a verb that only the lab of processes has: why, and what there is instead.
pub(crate) fn not_here(verb: &str) -> String {
    let why = match verb {
        "clock" => "containers have the clock of their machine; nothing in their images can put it off",
        "disk" => "a container's volume has no size of its own that could be used up",
        "clone" => "a container's name and address are its own",
        "backfill" | "absence" => "it feeds the ledger over its bus, which no port of this machine leads to",
        "chaos" => "it needs clocks and disks; kill, partition and heal can be told by hand",
        "external" => "the compose file has no back office; EXTERNAL_API_URL of `sync` names a real one",
        _ => "it is about processes",
    };
    format!(
        "`{verb}` is for the lab of processes (`./lab {verb}` without --docker): {why}. In containers there are up, down, status, kill, \
         start, pause, resume, partition, isolate, heal, snapshot, restore, wipe, scenario and traffic"
    )
}
