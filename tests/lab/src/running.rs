//! A running lab: its state and how it is prepared.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;

use crate::api::Api;
use crate::external::External;
use crate::lab_file::{LabFile, ServiceEntry, ServiceState};
use crate::layout::Layout;
use crate::links::{Carried, Cut, CutMode, Links};
use crate::options::LabOptions;
use crate::postgres::Postgres;
use crate::prepare::{choose, describe, find_bin_dir, make_files};
use crate::process::{self, ProcessRef};
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::topology::{CentralId, Instance, Service, Target};

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
    /// Services that start from another folder: another release.
    other_programs: Mutex<BTreeMap<(Instance, Service), PathBuf>>,
    pub(crate) postgres: Postgres,
    pub(crate) spawner: Spawner,
    pub(crate) links: Links,
    pub(crate) external: External,
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
            let layout_for_external = layout.clone();
            tokio::task::spawn_blocking(move || {
                make_files(&layout, &settings_for_files, &postgres_maker, fresh)
            })
            .await??;
            let links = Links::start(settings.ports()).await?;
            let external = External::start(&layout_for_external, settings.ports()).await?;
            anyhow::Ok((links, external))
        };
        let (links, external) = match made.await {
            Ok(made) => made,
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
            other_programs: Mutex::default(),
            postgres,
            spawner: Spawner::new()?,
            links,
            external,
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

    /// From its next start on, a service or a whole central runs the programs of this folder: another release.
    ///
    /// # Errors
    /// When a program is not there.
    pub fn use_programs(&self, target: impl Into<Target>, folder: &Path) -> Result<()> {
        let target = self.core.known(target.into())?;
        let folder = std::path::absolute(folder)?;
        let mut others = self.core.other_programs.lock().unwrap_or_else(PoisonError::into_inner);
        for service in target.services().into_iter().filter(|service| service.is_program()) {
            let program = folder.join(service.name());
            if !program.exists() {
                bail!("{} is not there", program.display());
            }
            others.insert((target.of, service), folder.clone());
        }
        Ok(())
    }

    /// The lab as `lab.json` shows it now.
    pub fn file(&self) -> LabFile {
        self.core.file().clone()
    }

    /// The folder.
    pub fn layout(&self) -> &Layout {
        &self.core.layout
    }

    /// What the links between the centrals have carried so far.
    pub fn carried(&self) -> Carried {
        self.core.links.carried()
    }

    /// What the lab is doing, in words, as it changes.
    pub fn news(&self) -> watch::Receiver<String> {
        self.core.news.subscribe()
    }

    /// A client of a central with the admin token.
    pub fn admin(&self, of: impl Into<Instance>) -> Api {
        let file = self.core.file();
        let gateway = file.instance(of.into()).map(|entry| entry.gateway.clone()).unwrap_or_default();
        Api::new(self.core.http.clone(), gateway, file.admin_token.clone())
    }

    /// A client of a central with the key of one of its lanes.
    pub fn lane(&self, of: impl Into<Instance>, edge: &str) -> Api {
        let file = self.core.file();
        let entry = file.instance(of.into());
        let gateway = entry.map(|entry| entry.gateway.clone()).unwrap_or_default();
        Api::new(self.core.http.clone(), gateway, self.core.settings.edge_key(edge))
    }
}

/// The stand-in for the external API.
impl Lab {
    /// Serves these documents from now on; those not named stay. Answers warnings.
    ///
    /// # Errors
    /// When they are no documents, or the file cannot be written.
    pub fn external_put(&self, new: &serde_json::Value) -> Result<Vec<String>> {
        self.core.external.put(new)
    }

    /// What it serves and how it stands.
    ///
    /// # Errors
    /// Never, as far as known.
    pub fn external_show(&self) -> Result<serde_json::Value> {
        self.core.external.show()
    }

    /// Nobody, or not this central, is answered any more.
    pub fn external_down(&self, central: Option<CentralId>) {
        self.core.external.down(central);
    }

    /// Everybody, or also this central, is answered again.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn external_up(&self, central: Option<CentralId>) -> Result<()> {
        self.core.external.up(central).await
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
    pub(crate) fn service(&self, of: Instance, service: Service) -> ServiceEntry {
        self.file().instance(of).and_then(|entry| entry.processes.get(&service).cloned()).unwrap_or_default()
    }

    /// Sets the state of one process.
    pub(crate) fn set_service(&self, of: Instance, service: Service, entry: ServiceEntry) -> Result<()> {
        self.change(|file| {
            if let Some(central) = file.instance_mut(of) {
                let runs = matches!(entry.state, ServiceState::Running | ServiceState::Paused);
                let pid = entry.process.filter(|_| runs).map(|process| process.pid);
                central.pids.insert(service, pid);
                central.processes.insert(service, entry);
            }
        })
    }

    /// The program of a service.
    pub(crate) fn executable(&self, of: Instance, service: Service) -> PathBuf {
        let others = self.other_programs.lock().unwrap_or_else(PoisonError::into_inner);
        others.get(&(of, service)).unwrap_or(&self.bin_dir).join(service.name())
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
