//! What a lab looks like now: processes, links, lag, digests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::future::join_all;
use serde::Serialize;

use crate::api::{Api, P2pStatus};
use crate::lab_file::{CentralEntry, LabFile, ServiceEntry, ServiceState};
use crate::links::Cut;
use crate::process::Liveness;
use crate::ready::readyz;
use crate::topology::{Instance, Service};

/// A whole lab.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    pub(crate) ready: bool,
    pub(crate) centrals: Vec<CentralStatus>,
    /// Second sets of processes; they count for nothing here.
    pub(crate) clones: Vec<CentralStatus>,
    pub(crate) cuts: Vec<Cut>,
    /// `null` while not every central answers.
    pub(crate) digests_equal: Option<bool>,
}

/// One central.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CentralStatus {
    pub(crate) id: Instance,
    pub(crate) gateway: String,
    pub(crate) services: BTreeMap<Service, ServiceStatus>,
    pub(crate) connected_peers: Option<u32>,
    /// Events this central holds and its most backward peer lacks.
    pub(crate) behind_events: Option<i64>,
    /// State of the link to each peer.
    pub(crate) links: BTreeMap<String, String>,
    pub(crate) history_rows: Option<i64>,
    pub(crate) held_only_here: Option<i64>,
    pub(crate) digest: Option<String>,
    pub(crate) degraded: Vec<String>,
    /// What it is getting back, in words.
    pub(crate) recovery: Option<String>,
    /// Codes of its alarms.
    pub(crate) alarms: Vec<String>,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ServiceStatus {
    pub(crate) pid: Option<u32>,
    pub(crate) state: ServiceState,
    /// `null` for what has no `/readyz`.
    pub(crate) ready: Option<bool>,
    pub(crate) ended: Option<String>,
}

/// Asks everything at once.
pub(crate) async fn gather(file: &LabFile, http: &reqwest::Client) -> Status {
    let all = join_all(file.everything().map(|(of, entry)| central(file, of, entry, http))).await;
    let (centrals, clones): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| !one.id.clone);
    let digests: Vec<&Option<String>> = centrals.iter().map(|central| &central.digest).collect();
    let digests_equal = digests
        .iter()
        .all(|digest| digest.is_some())
        .then(|| digests.windows(2).all(|pair| matches!(pair, [one, other] if one == other)));
    Status { ready: file.ready, cuts: file.cuts.clone(), digests_equal, centrals, clones }
}

async fn central(
    file: &LabFile,
    of: Instance,
    entry: &CentralEntry,
    http: &reqwest::Client,
) -> CentralStatus {
    let services = join_all(
        entry
            .processes
            .iter()
            .map(|(service, known)| async { (*service, self::service(entry, *service, known, http).await) }),
    );
    let api = Api::new(http.clone(), entry.gateway.clone(), file.admin_token.clone());
    let (services, p2p) = tokio::join!(services, api.status());
    let p2p: Option<P2pStatus> = p2p.ok();
    let peers = p2p.as_ref().map(|status| status.peers.as_slice()).unwrap_or_default();
    CentralStatus {
        id: of,
        gateway: entry.gateway.clone(),
        services: services.into_iter().collect(),
        connected_peers: p2p.as_ref().map(|status| status.connected_peers),
        behind_events: peers.iter().filter_map(|peer| peer.behind_events).max(),
        links: peers.iter().map(|peer| (peer.id.clone(), peer.state.clone())).collect(),
        history_rows: p2p.as_ref().and_then(|status| status.history_rows),
        held_only_here: p2p.as_ref().and_then(|status| status.held_only_here),
        digest: p2p.as_ref().and_then(|status| status.digest.clone()),
        recovery: p2p.as_ref().and_then(|status| status.recovery.as_ref()?.detail.clone()),
        alarms: p2p.iter().flat_map(|status| &status.alarms).map(|alarm| alarm.code.clone()).collect(),
        degraded: p2p.map(|status| status.degraded).unwrap_or_default(),
    }
}

async fn service(
    entry: &CentralEntry,
    service: Service,
    known: &ServiceEntry,
    http: &reqwest::Client,
) -> ServiceStatus {
    let liveness = known.process.map_or(Liveness::Gone, |process| process.liveness());
    let state = match (liveness, known.state) {
        (Liveness::Stopped, _) => ServiceState::Paused,
        (Liveness::Running, _) => ServiceState::Running,
        (Liveness::Gone, ServiceState::Running | ServiceState::Paused) => ServiceState::Died,
        (Liveness::Gone, other) => other,
    };
    let ready = match (state, entry.health.get(&service)) {
        (ServiceState::Running, Some(health)) => Some(readyz(http, health).await.is_ok()),
        (_, Some(_)) => Some(false),
        (_, None) => None,
    };
    let pid = known.process.filter(|_| liveness != Liveness::Gone).map(|process| process.pid);
    ServiceStatus { pid, state, ready, ended: known.ended.clone() }
}

/// For people.
pub(crate) fn render(status: &Status) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_services(&mut text, status);
    let _ = write_links(&mut text, status);
    let _ = write_foot(&mut text, status);
    text
}

fn write_services(text: &mut String, status: &Status) -> std::fmt::Result {
    write!(text, "{:<16} {:<22}", "central", "gateway")?;
    for service in Service::ALL {
        write!(text, " {service:<12}")?;
    }
    writeln!(text, " {:>7} {:>7}  digest", "rows", "behind")?;
    for central in status.centrals.iter().chain(&status.clones) {
        write!(text, "{:<16} {:<22}", central.id, central.gateway)?;
        for service in Service::ALL {
            let word = central.services.get(&service).map_or("-", word);
            write!(text, " {word:<12}")?;
        }
        let number = |value: Option<i64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        let digest = central.digest.as_deref().and_then(|digest| digest.get(..8)).unwrap_or("?");
        writeln!(
            text,
            " {:>7} {:>7}  {digest}{}",
            number(central.history_rows),
            number(central.behind_events),
            central.degraded.iter().map(|what| format!(" {what}")).collect::<String>()
        )?;
    }
    Ok(())
}

fn word(service: &ServiceStatus) -> &'static str {
    match (service.state, service.ready) {
        (ServiceState::Running, Some(true)) => "ready",
        (ServiceState::Running, Some(false)) => "NOT READY",
        (ServiceState::Running, None) => "running",
        (ServiceState::Paused, _) => "PAUSED",
        (ServiceState::Killed, _) => "KILLED",
        (ServiceState::Died, _) => "DIED",
        (ServiceState::Down, _) => "-",
    }
}

fn write_links(text: &mut String, status: &Status) -> std::fmt::Result {
    if status.centrals.len() < 2 {
        return Ok(());
    }
    write!(text, "\nlinks           ")?;
    for central in &status.centrals {
        write!(text, "{:>4}", central.id.central.number())?;
    }
    writeln!(
        text,
        "    (row sees column: + connected, b behind, . connecting, X down, ! refused, ? unknown)"
    )?;
    for row in status.centrals.iter().chain(&status.clones) {
        write!(text, "{:<16}", row.id)?;
        for column in &status.centrals {
            let sign = match row.links.get(&column.id.to_string()).map(String::as_str) {
                _ if row.id.central == column.id.central => "·",
                Some("connected") => "+",
                Some("behind") => "b",
                Some("connecting") => ".",
                Some("down") => "X",
                Some("refused") => "!",
                Some("disabled") => "-",
                _ => "?",
            };
            write!(text, "{sign:>4}")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn write_foot(text: &mut String, status: &Status) -> std::fmt::Result {
    for cut in &status.cuts {
        writeln!(text, "cut: {} -> {} ({:?})", cut.from, cut.to, cut.mode)?;
    }
    for central in status.centrals.iter().chain(&status.clones) {
        if let Some(what) = &central.recovery {
            writeln!(text, "{}: {what}", central.id)?;
        }
        if !central.alarms.is_empty() {
            writeln!(text, "{} ALARM: {}", central.id, central.alarms.join(", "))?;
        }
        for (service, one) in &central.services {
            if one.state == ServiceState::Died {
                let how = one.ended.as_deref().unwrap_or("unknown how");
                writeln!(text, "{}/{service} died: {how}", central.id)?;
            }
        }
    }
    match status.digests_equal {
        Some(true) => write!(text, "digests: all equal"),
        Some(false) => write!(text, "digests: DIFFERENT"),
        None => write!(text, "digests: not every central answers"),
    }
}
