//! What must be there before the first process starts: room, ports, files, secrets.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::lab_file::{CentralEntry, EdgeEntry, LabFile, ServiceEntry};
use crate::layout::Layout;
use crate::options::{DEFAULT_CENTRALS, LabOptions, PortChoice};
use crate::postgres::Postgres;
use crate::process::ProcessRef;
use crate::settings::Settings;
use crate::topology::{CentralId, Edge, Instance, MAX_CENTRALS, Ports, Service};
use crate::{pki, site};

/// Where the four programs are.
pub(crate) fn find_bin_dir(options: &LabOptions) -> Result<PathBuf> {
    let own = || -> Result<PathBuf> {
        let program = std::env::current_exe().context("who am I?")?;
        let folder = program.parent().context("a program lies in a folder")?;
        // Test programs lie one folder deeper.
        Ok(if folder.ends_with("deps") {
            folder.parent().unwrap_or(folder).to_owned()
        } else {
            folder.to_owned()
        })
    };
    let from_environment =
        || std::env::var_os("LAB_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let folder = match options.bin_dir.clone().or_else(from_environment) {
        Some(folder) => std::path::absolute(folder)?,
        None => own()?,
    };
    if !options.only_infrastructure {
        for program in Service::PROGRAMS {
            let path = folder.join(program.name());
            if !path.exists() {
                bail!("{} is not built; `./lab` builds it, LAB_BIN_DIR names another folder", path.display());
            }
        }
    }
    Ok(folder)
}

/// Size, ports and secrets: the kept ones where they fit what is asked, else new ones.
pub(crate) fn choose(options: &LabOptions, kept: Option<Settings>) -> Result<(Settings, TcpListener)> {
    if let Some(settings) = kept {
        let asked = options.centrals.unwrap_or(settings.centrals);
        let base = match options.ports {
            PortChoice::Base(base) => base,
            PortChoice::Usual | PortChoice::Free => settings.port_base,
        };
        if (asked, base, options.insecure || settings.insecure)
            != (settings.centrals, settings.port_base, settings.insecure)
        {
            bail!(
                "a kept lab of {} centrals on base {} is here; go on with it, or remove it with `./lab down`",
                settings.centrals,
                settings.port_base
            );
        }
        let guard = claim(settings.ports())?;
        return Ok((settings, guard));
    }
    let centrals = options.centrals.unwrap_or(DEFAULT_CENTRALS);
    if !(1..=MAX_CENTRALS).contains(&centrals) {
        bail!("a lab has 1 to {MAX_CENTRALS} centrals, not {centrals}");
    }
    let (base, guard) = match options.ports {
        PortChoice::Base(base) => (base, claim(Ports { base, centrals })?),
        PortChoice::Usual => (Ports::DEFAULT_BASE, claim(Ports { base: Ports::DEFAULT_BASE, centrals })?),
        PortChoice::Free => LabOptions::free_bases()
            .find_map(|base| Some((base, claim(Ports { base, centrals }).ok()?)))
            .context("no free stretch of ports for a lab")?,
    };
    Ok((Settings::draw(centrals, base, options.insecure), guard))
}

/// Takes the guard port and checks that all others are free.
fn claim(ports: Ports) -> Result<TcpListener> {
    if !(1024..=Ports::MAX_BASE).contains(&ports.base) {
        bail!("--port-base is 1024 to {}, not {}", Ports::MAX_BASE, ports.base);
    }
    let guard = TcpListener::bind((Ipv4Addr::LOCALHOST, ports.base)).with_context(|| {
        format!("port {} is taken, by another lab or program; choose another --port-base", ports.base)
    })?;
    let taken: Vec<String> = ports
        .all()
        .into_iter()
        .filter(|(port, _)| *port != ports.base && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
        .map(|(port, purpose)| format!("{port} ({purpose})"))
        .collect();
    if !taken.is_empty() {
        let shown = taken.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        bail!("{} ports are taken: {shown}; choose another --port-base", taken.len());
    }
    Ok(guard)
}

pub(crate) fn make_files(
    layout: &Layout,
    settings: &Settings,
    postgres: &Postgres,
    fresh: bool,
) -> Result<()> {
    if fresh {
        // Leftovers of an unfinished start, and the logs of the lab before.
        layout.remove_data()?;
        clear_logs(layout)?;
    }
    site::write_secrets(layout, settings)?;
    if !settings.insecure {
        pki::make(layout, settings.centrals())?;
    }
    for central in settings.centrals() {
        site::write_central(layout, settings, central)?;
    }
    postgres.make(settings)?;
    // Last: its presence says that the data belongs to a whole lab.
    settings.save(layout)
}

fn clear_logs(layout: &Layout) -> Result<()> {
    for central in CentralId::first(MAX_CENTRALS) {
        for of in [Instance::of(central), Instance::clone_of(central)] {
            let folder = layout.logs().join(of.to_string());
            if folder.exists() {
                fs::remove_dir_all(&folder).context("cannot clear the old logs")?;
            }
        }
    }
    Ok(())
}

pub(crate) fn describe(layout: &Layout, settings: &Settings) -> Result<LabFile> {
    let centrals = settings.centrals().map(|central| entry(settings, central.into())).collect();
    Ok(LabFile {
        centrals,
        clones: Vec::new(),
        admin_token: settings.admin_token.clone(),
        supervisor: ProcessRef::of(std::process::id()).context("who am I?")?,
        ready: false,
        insecure: settings.insecure,
        port_base: settings.port_base,
        cuts: Vec::new(),
        logs: layout.logs(),
    })
}

/// A central or clone of which nothing runs yet.
pub(crate) fn entry(settings: &Settings, of: Instance) -> CentralEntry {
    let ports = settings.ports();
    let scheme = if settings.insecure { "ws" } else { "wss" };
    let health = |service| Some((service, format!("http://127.0.0.1:{}", ports.health(of, service)?)));
    let edge = |edge: Edge| EdgeEntry {
        id: edge.id(),
        direction: edge.direction,
        api_key: settings.edge_key(&edge.id()).to_owned(),
    };
    CentralEntry {
        id: of.central,
        gateway: format!("http://127.0.0.1:{}", ports.gateway(of)),
        mesh: format!("{scheme}://127.0.0.1:{}", ports.mesh(of)),
        database_url: site::database_url(settings, of),
        reader_url: site::reader_url(settings, of),
        nats_url: site::nats_url(settings, of),
        health: Service::PROGRAMS.into_iter().filter_map(health).collect(),
        pids: Service::ALL.into_iter().map(|service| (service, None)).collect(),
        processes: Service::ALL.into_iter().map(|service| (service, ServiceEntry::default())).collect(),
        edges: of.central.edges().into_iter().map(edge).collect(),
    }
}
