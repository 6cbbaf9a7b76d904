//! A running lab: its state and how it is prepared.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;

use crate::api::Api;
use crate::lab_file::{CentralEntry, EdgeEntry, LabFile, ServiceEntry, ServiceState};
use crate::layout::Layout;
use crate::links::{Cut, CutMode, Links};
use crate::options::{DEFAULT_CENTRALS, LabOptions, PortChoice};
use crate::postgres::Postgres;
use crate::process::{self, ProcessRef};
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::topology::{CentralId, MAX_CENTRALS, Ports, Service};
use crate::{pki, site};

/// A lab that this process runs. Dropping it kills everything it started and removes its data.
#[derive(Debug)]
pub struct Lab {
    pub(crate) core: Arc<Core>,
}

/// What the lab's tasks share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    pub(crate) options: LabOptions,
    pub(crate) bin_dir: PathBuf,
    pub(crate) postgres: Postgres,
    pub(crate) spawner: Spawner,
    pub(crate) links: Links,
    pub(crate) http: reqwest::Client,
    pub(crate) news: watch::Sender<String>,
    file: Mutex<LabFile>,
    down: Mutex<bool>,
    /// Held while the lab goes down: whoever asks a second time waits for the first.
    pub(crate) going_down: tokio::sync::Mutex<()>,
    /// Whoever holds this lock runs the lab of the folder.
    _lock: File,
    /// Whoever holds this port owns the stretch of ports above it.
    _guard: TcpListener,
}

/// Another lab runs in the folder.
#[derive(Debug, thiserror::Error)]
#[error("a lab is running in {}; `./lab down` stops it", .0.display())]
pub struct AlreadyRunning(pub(crate) PathBuf);

impl Lab {
    /// Makes files, clusters and links; starts no process yet.
    ///
    /// # Errors
    /// When a lab runs in the folder, ports are taken, or something needed is not installed.
    pub async fn prepare(options: LabOptions) -> Result<Self> {
        let layout = Layout::new(&options.lab_dir)?;
        let lock = take_lock(&layout)?;
        clear_leftovers(&layout)?;
        let bin_dir = find_bin_dir(&options)?;
        let postgres = Postgres::find(&layout)?;
        let kept = Settings::kept(&layout)?;
        let fresh = kept.is_none();
        let (settings, guard) = choose(&options, kept)?;
        let made = async {
            let settings_for_files = settings.clone();
            let (layout, postgres_maker) = (layout.clone(), postgres.clone());
            tokio::task::spawn_blocking(move || {
                make_files(&layout, &settings_for_files, &postgres_maker, fresh)
            })
            .await??;
            Links::start(settings.ports()).await
        };
        let links = match made.await {
            Ok(links) => links,
            Err(error) => {
                if fresh {
                    let _ = layout.remove_data();
                }
                return Err(error);
            }
        };
        let file = describe(&layout, &settings)?;
        file.write(&layout)?;
        let core = Core {
            layout,
            settings,
            bin_dir,
            postgres,
            spawner: Spawner::new()?,
            links,
            http: Api::http(Duration::from_secs(5))?,
            news: watch::Sender::new("starting".to_owned()),
            file: Mutex::new(file),
            down: Mutex::new(false),
            going_down: tokio::sync::Mutex::new(()),
            options,
            _lock: lock,
            _guard: guard,
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// Prepares a lab and brings it up.
    ///
    /// # Errors
    /// As [`Lab::prepare`], and when something does not become ready; the message holds its log's end.
    pub async fn start(options: LabOptions) -> Result<Self> {
        let lab = Self::prepare(options).await?;
        lab.bring_up().await?;
        Ok(lab)
    }

    /// The lab as `lab.json` shows it now.
    pub fn file(&self) -> LabFile {
        self.core.file().clone()
    }

    /// The folder.
    pub fn layout(&self) -> &Layout {
        &self.core.layout
    }

    /// What the lab is doing, in words, as it changes.
    pub fn news(&self) -> watch::Receiver<String> {
        self.core.news.subscribe()
    }

    /// A client of a central with the admin token.
    pub fn admin(&self, central: CentralId) -> Api {
        let file = self.core.file();
        let gateway = file.central(central).map(|entry| entry.gateway.clone()).unwrap_or_default();
        Api::new(self.core.http.clone(), gateway, file.admin_token.clone())
    }

    /// A client of a central with the key of one of its lanes.
    pub fn lane(&self, central: CentralId, edge: &str) -> Api {
        let file = self.core.file();
        let entry = file.central(central);
        let gateway = entry.map(|entry| entry.gateway.clone()).unwrap_or_default();
        Api::new(self.core.http.clone(), gateway, self.core.settings.edge_key(edge))
    }
}

/// Cutting links.
impl Lab {
    /// Cuts what flows from `a` to `b`, and unless `one_way` also from `b` to `a`.
    ///
    /// # Errors
    /// When one of them is not a central of this lab, or both are the same.
    pub fn partition(&self, a: CentralId, b: CentralId, mode: CutMode, one_way: bool) -> Result<()> {
        let core = &self.core;
        core.known(a.into())?;
        core.known(b.into())?;
        if a == b {
            bail!("{a} has no link to itself");
        }
        core.links.cut(Cut { from: a, to: b, mode });
        if !one_way {
            core.links.cut(Cut { from: b, to: a, mode });
        }
        core.change(|file| file.cuts = core.links.cuts())
    }

    /// Heals one pair in both directions, or everything.
    ///
    /// # Errors
    /// When `lab.json` cannot be written.
    pub fn heal(&self, pair: Option<(CentralId, CentralId)>) -> Result<()> {
        let core = &self.core;
        core.links.heal(pair);
        core.change(|file| file.cuts = core.links.cuts())
    }
}

impl Core {
    pub(crate) fn file(&self) -> MutexGuard<'_, LabFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and writes `lab.json`.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut LabFile) -> T) -> Result<T> {
        let mut file = self.file();
        let answer = change(&mut file);
        if !*self.down.lock().unwrap_or_else(PoisonError::into_inner) {
            file.write(&self.layout)?;
        }
        Ok(answer)
    }

    /// The state of one process.
    pub(crate) fn service(&self, central: CentralId, service: Service) -> ServiceEntry {
        self.file()
            .central(central)
            .and_then(|entry| entry.processes.get(&service).cloned())
            .unwrap_or_default()
    }

    /// Sets the state of one process.
    pub(crate) fn set_service(
        &self,
        central: CentralId,
        service: Service,
        entry: ServiceEntry,
    ) -> Result<()> {
        self.change(|file| {
            if let Some(central) = file.centrals.get_mut(central.index()) {
                let runs = matches!(entry.state, ServiceState::Running | ServiceState::Paused);
                let pid = entry.process.filter(|_| runs).map(|process| process.pid);
                central.pids.insert(service, pid);
                central.processes.insert(service, entry);
            }
        })
    }

    pub(crate) fn is_down(&self) -> bool {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nothing starts any more and `lab.json` is not written again.
    pub(crate) fn set_down(&self) -> bool {
        std::mem::replace(&mut *self.down.lock().unwrap_or_else(PoisonError::into_inner), true)
    }

    pub(crate) fn tell(&self, news: impl Into<String>) {
        self.news.send_replace(news.into());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.core.set_down() {
            return;
        }
        self.core.links.close();
        let doomed = self.core.file().processes();
        // Nobody is left to tell about a failure.
        let _ = process::kill_all(&doomed);
        let _ = self.core.layout.remove_data();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(self.core.layout.logs());
            let _ = fs::remove_file(self.core.layout.lock());
            let _ = fs::remove_dir(self.core.layout.root());
        }
    }
}

/// Whether a lab runs in the folder.
pub(crate) fn is_running(layout: &Layout) -> bool {
    File::open(layout.lock())
        .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[expect(clippy::disallowed_methods, reason = "another try after an instant, for a bounded time")]
fn take_lock(layout: &Layout) -> Result<File> {
    fs::create_dir_all(layout.root()).with_context(|| format!("cannot make {}", layout.root().display()))?;
    let lock = File::create(layout.lock()).context("cannot make the lock file")?;
    // `is_running` of another process may hold it for an instant.
    for _ in 0..20 {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the lab's folder"),
        }
    }
    Err(AlreadyRunning(layout.root().to_owned()).into())
}

/// Ends what a lab that was killed in this folder left behind.
pub(crate) fn clear_leftovers(layout: &Layout) -> Result<()> {
    // A damaged file names nobody; everything carries a parent-death signal anyway.
    let left: Vec<ProcessRef> =
        LabFile::read(layout).ok().flatten().map(|file| file.processes()).unwrap_or_default();
    process::kill_all(&left)
}

fn find_bin_dir(options: &LabOptions) -> Result<PathBuf> {
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
fn choose(options: &LabOptions, kept: Option<Settings>) -> Result<(Settings, TcpListener)> {
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

fn make_files(layout: &Layout, settings: &Settings, postgres: &Postgres, fresh: bool) -> Result<()> {
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
        let folder = layout.logs().join(central.to_string());
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot clear the old logs")?;
        }
    }
    Ok(())
}

fn describe(layout: &Layout, settings: &Settings) -> Result<LabFile> {
    let ports = settings.ports();
    let scheme = if settings.insecure { "ws" } else { "wss" };
    let centrals = settings
        .centrals()
        .map(|central| CentralEntry {
            id: central,
            gateway: format!("http://127.0.0.1:{}", ports.gateway(central)),
            mesh: format!("{scheme}://127.0.0.1:{}", ports.mesh(central)),
            database_url: site::database_url(settings, central),
            nats_url: site::nats_url(settings, central),
            health: Service::PROGRAMS
                .into_iter()
                .filter_map(|service| {
                    Some((service, format!("http://127.0.0.1:{}", ports.health(central, service)?)))
                })
                .collect(),
            pids: Service::ALL.into_iter().map(|service| (service, None)).collect(),
            processes: Service::ALL.into_iter().map(|service| (service, ServiceEntry::default())).collect(),
            edges: central
                .edges()
                .into_iter()
                .map(|edge| EdgeEntry {
                    id: edge.id(),
                    direction: edge.direction,
                    api_key: settings.edge_key(&edge.id()).to_owned(),
                })
                .collect(),
        })
        .collect();
    Ok(LabFile {
        centrals,
        admin_token: settings.admin_token.clone(),
        supervisor: ProcessRef::of(std::process::id()).context("who am I?")?,
        ready: false,
        insecure: settings.insecure,
        port_base: settings.port_base,
        cuts: Vec::new(),
        logs: layout.logs(),
    })
}
