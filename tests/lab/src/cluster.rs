//! A bare Postgres cluster beside the centrals: what a benchmark compares with. The same settings as a central's own, and what it asks for
//! besides.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Child;

use crate::layout::Layout;
use crate::postgres::{Passwords, Postgres, remove};
use crate::process::{self, ProcessRef, Signal};
use crate::ready::until;
use crate::settings::random_hex;
use crate::spawner::Spawner;

/// How long a cluster may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster with an empty database `parkmesh`. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Cluster {
    data: PathBuf,
    port: u16,
    password: String,
    postgres: Postgres,
    process: ProcessRef,
    // Kept: dropping them ends the process.
    _child: Child,
    _spawner: Spawner,
}

impl Cluster {
    /// Makes a new cluster below a folder and starts it. `settings` are more lines of `postgresql.conf`.
    ///
    /// # Errors
    /// When there is no Postgres, the port is taken, or it does not become ready.
    pub async fn start(folder: &Path, name: &str, port: u16, settings: &str) -> Result<Self> {
        let layout = Layout::new(folder)?;
        fs::create_dir_all(layout.logs()).context("cannot make the folder for logs")?;
        let log = layout.logs().join(format!("{name}.log"));
        let password = random_hex(16);
        let (key, lines, name) = (password.clone(), settings.to_owned(), name.to_owned());
        let (postgres, data) = tokio::task::spawn_blocking(move || -> Result<_> {
            let postgres = Postgres::in_folder(&layout)?;
            let data = postgres.root().join(name);
            remove(&data)?;
            // One person's: nothing of a central uses it.
            let passwords = Passwords { superuser: key, ledger: random_hex(16), reader: random_hex(16) };
            postgres.init(&data, &passwords)?;
            let mut file = fs::File::options().append(true).open(data.join("postgresql.conf"))?;
            file.write_all(lines.as_bytes())?;
            Ok((postgres, data))
        })
        .await??;
        let spawner = Spawner::new()?;
        let child = spawner.spawn(postgres.program_in(&data, port, log.clone())).await?;
        let process = child.id().and_then(ProcessRef::of).context("Postgres ended at once")?;
        let cluster = Self { data, port, password, postgres, process, _child: child, _spawner: spawner };
        let ready = until(PATIENCE, || async {
            if !process.is_alive() {
                return Ok(false);
            }
            if Postgres::is_ready_in(&cluster.data, process) { Ok(true) } else { Err(()) }
        });
        match ready.await {
            Ok(true) => Ok(cluster),
            Ok(false) | Err(()) => bail!("Postgres on port {port} does not start; see {}", log.display()),
        }
    }

    /// Where to connect, as superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/parkmesh", self.password, self.port)
    }

    /// What `libpq`'s programs need in their environment to reach it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGDATABASE", "parkmesh".to_owned()),
            ("PGPASSWORD", self.password.clone()),
        ]
    }

    /// The connection string of one cluster for another (`create subscription`).
    pub fn conninfo(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres password={} dbname=parkmesh", self.port, self.password)
    }

    /// A program that came with this Postgres (`pgbench`).
    pub fn tool(&self, name: &str) -> PathBuf {
        self.postgres.tool(name)
    }

    /// The postmaster; everything else of the cluster descends from it.
    pub fn process(&self) -> ProcessRef {
        self.process
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An immediate shutdown: nobody reads this data again.
        let _ = process::signal(&[self.process], &Signal::quit());
        process::wait_gone(&[self.process], Duration::from_secs(5));
        let _ = process::kill_all(&[self.process]);
        let _ = remove(&self.data);
        // The last of them takes the folder along.
        let _ = fs::remove_dir(self.postgres.root());
    }
}
