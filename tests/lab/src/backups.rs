//! Databases copied, put back, emptied and doubled: what happens to real servers.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::lab_file::ServiceState;
use crate::postgres::remove;
use crate::prepare::entry;
use crate::process::{ProcessRef, Signal};
use crate::running::{Core, Lab};
use crate::site;
use crate::topology::{CentralId, Instance, Service, Target};

/// The name of a snapshot nobody named.
pub(crate) const DEFAULT_SNAPSHOT: &str = "latest";

/// How much of a central is ended while its database is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// All six processes, as when a server is set up again.
    WholeCentral,
    /// Postgres alone: the ledger finds another database when it connects again.
    PostgresOnly,
}

impl Lab {
    /// Copies a central's database: a running one consistently while it works, one that does not run as it lies there.
    /// A snapshot of the same name is replaced.
    ///
    /// # Errors
    /// For a bad name, a paused Postgres, or a copy that failed.
    pub async fn snapshot(&self, central: CentralId, name: &str) -> Result<()> {
        let core = &self.core;
        core.known(central.into())?;
        let to = core.snapshot_path(central, name)?;
        core.copy_data(central, to).await?;
        core.tell(format!("snapshot {name:?} of {central} is taken"));
        Ok(())
    }

    /// Puts a snapshot in the place of the central's database. What of the central ran or had died runs afterwards.
    ///
    /// # Errors
    /// When there is no such snapshot, or the central does not become ready with it.
    pub async fn restore(&self, central: CentralId, name: &str, exchange: Exchange) -> Result<()> {
        let core = &self.core;
        core.known(central.into())?;
        let from = core.snapshot_path(central, name)?;
        if !from.exists() {
            let have = core.snapshots(central).join(", ");
            let have = if have.is_empty() { "it has none".to_owned() } else { format!("it has {have}") };
            bail!("{central} has no snapshot {name:?}; {have}");
        }
        let (postgres, of) = (core.postgres.clone(), Instance::of(central));
        let put = move || {
            postgres.unmount_small(of)?;
            postgres.put(&from, &postgres.data(of))
        };
        self.exchange(central, exchange, put).await?;
        core.tell(format!("{central} runs on snapshot {name:?}"));
        Ok(())
    }

    /// Puts an empty database in the place of the central's.
    ///
    /// # Errors
    /// When the central does not become ready with it.
    pub async fn wipe(&self, central: CentralId, exchange: Exchange) -> Result<()> {
        let core = &self.core;
        core.known(central.into())?;
        let postgres = core.postgres.clone();
        self.exchange(central, exchange, move || postgres.make_empty(central.into())).await?;
        core.tell(format!("{central} runs on an empty database"));
        Ok(())
    }

    /// Starts a second set of processes with a copy of the central's data and its identity, configuration and peers.
    ///
    /// # Errors
    /// When there is one already, or it does not become ready.
    pub async fn clone_central(&self, central: CentralId) -> Result<()> {
        let core = &self.core;
        let of = Instance::clone_of(central);
        core.known(central.into())?;
        if core.file().instance(of).is_some() {
            bail!("{central} has a clone; `./lab clone {central} --stop` ends it");
        }
        core.copy_data(central, core.postgres.data(of)).await?;
        let (layout, settings) = (core.layout.clone(), core.settings.clone());
        tokio::task::spawn_blocking(move || site::write_clone(&layout, &settings, central)).await??;
        core.change(|file| file.clones.push(entry(&core.settings, of)))?;
        self.start_target(of).await?;
        core.tell(format!("{of} runs beside {central}"));
        Ok(())
    }

    /// Ends the second set of processes and removes its data.
    ///
    /// # Errors
    /// When there is none, or something does not end.
    pub async fn stop_clone(&self, central: CentralId) -> Result<()> {
        let core = &self.core;
        let of = Instance::clone_of(central);
        self.kill(of, &Signal::kill()).await?;
        core.change(|file| file.clones.retain(|entry| entry.id != central))?;
        let (data, folder) = (core.postgres.data(of), core.layout.central(of));
        tokio::task::spawn_blocking(move || remove(&data).and_then(|()| remove(&folder))).await??;
        core.tell(format!("{of} is gone"));
        Ok(())
    }

    /// Rows of a statement on a central's own Postgres, as text.
    ///
    /// # Errors
    /// When it does not run or refuses the statement.
    pub async fn sql(&self, of: impl Into<Instance>, statement: &str) -> Result<Vec<Vec<String>>> {
        let (core, of, statement) = (self.core.clone(), of.into(), statement.to_owned());
        tokio::task::spawn_blocking(move || core.sql(of, &statement)).await?
    }

    async fn exchange(
        &self,
        central: CentralId,
        exchange: Exchange,
        put: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let postgres = self.core.postgres.clone();
        let (target, lost) = match exchange {
            Exchange::WholeCentral => {
                let target = Target::from(central);
                for service in [Service::EdgeGateway, Service::Ledger, Service::Mesh, Service::Sync] {
                    self.kill((central, service), &Signal::kill()).await?;
                }
                let lost = self.note_destroyed(central).await?;
                self.kill(target, &Signal::kill()).await?;
                (target, lost)
            }
            Exchange::PostgresOnly => {
                let target = Target::from((central, Service::Postgres));
                let destroy = async {
                    let lost = self.note_destroyed(central).await?;
                    self.kill(target, &Signal::kill()).await?;
                    Ok(lost)
                };
                (target, self.with_ledger_frozen(central, destroy).await?)
            }
        };
        self.core.tell(format!("{lost} events were on the disk of {central} alone and are gone"));
        tokio::task::spawn_blocking(move || {
            // Backends notice the postmaster's end by themselves, a moment later.
            postgres.clear_stale(central.into())?;
            put()
        })
        .await??;
        self.start_target(target).await
    }
}

impl Core {
    async fn copy_data(&self, central: CentralId, to: PathBuf) -> Result<()> {
        let of = Instance::of(central);
        let state = self.service(of, Service::Postgres);
        let alive = state.process.is_some_and(ProcessRef::is_alive);
        if alive && state.state == ServiceState::Paused {
            bail!("{central}/postgres is paused; resume it");
        }
        let postgres = self.postgres.clone();
        let port = self.settings.ports().postgres(of);
        let password = self.settings.superuser_password.clone();
        tokio::task::spawn_blocking(move || {
            if !alive {
                return postgres.put(&postgres.data(of), &to);
            }
            postgres.make_folder(to.parent().context("a folder has a parent")?)?;
            postgres.backup(port, &password, &to)
        })
        .await?
    }

    fn snapshot_folder(&self, central: CentralId) -> PathBuf {
        self.postgres.root().join("snapshots").join(central.to_string())
    }

    fn snapshot_path(&self, central: CentralId, name: &str) -> Result<PathBuf> {
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        ensure!(
            letters && !name.starts_with('.') && (1..=64).contains(&name.len()),
            "a snapshot's name has up to 64 letters, digits, '-', '_' and '.', not {name:?}"
        );
        Ok(self.snapshot_folder(central).join(name))
    }

    fn snapshots(&self, central: CentralId) -> Vec<String> {
        let entries = std::fs::read_dir(self.snapshot_folder(central)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
