//! `ledger verify`: rebuilds history and conflicts from the events and compares them with the tables, checks the chains, and the
//! position map against the events. Reads one snapshot, so it may run beside a live ledger. Exit 0 when all agree, 1 on a
//! difference, 2 when it could not look.

mod log;
pub(crate) mod rows;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use kit::{Role, Settings};
use sqlx::{ConnectOptions, Connection, PgConnection};
use wire::config::P2pConfig;
use wire::id::CentralId;

/// Differences shown in full; the rest is counted.
const SHOWN: usize = 50;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Streams read.
    pub streams: u64,
    /// Rows of history compared.
    pub history: u64,
    /// Rows of conflicts compared.
    pub conflicts: u64,
    /// Positions with more than one event: no fault of this database, but worth a look.
    pub forks: u64,
    /// Events left out of the projection by their own bytes.
    pub poison: u64,
    /// Vehicles whose rows are still to be made of what came in; no rows are compared while there are any.
    pub waiting: u64,
    /// How often each kind of difference was found.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first differences, for people. No plates.
    pub differences: Vec<String>,
}

impl Report {
    fn differs(&mut self, kind: &'static str, detail: impl FnOnce() -> String) {
        *self.counts.entry(kind).or_default() += 1;
        if self.differences.len() < SHOWN {
            self.differences.push(format!("{kind}: {}", detail()));
        }
    }

    /// True when everything agrees.
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// As people read it.
    pub fn text(&self) -> String {
        let mut out = format!(
            "events {}  streams {}  history {}  conflicts {}  forks {}  poison {}\n",
            self.events, self.streams, self.history, self.conflicts, self.forks, self.poison
        );
        for d in &self.differences {
            out.push_str(&format!("  {d}\n"));
        }
        for (kind, n) in &self.counts {
            out.push_str(&format!("{n} × {kind}\n"));
        }
        if self.waiting > 0 {
            out.push_str(&format!(
                "rows were not compared: those of {} vehicles are still being made\n",
                self.waiting
            ));
        }
        out.push_str(if self.is_clean() { "verified: everything agrees\n" } else { "verify FAILED\n" });
        out
    }
}

/// Looks at a whole database.
pub async fn run(
    conn: &mut PgConnection,
    central: &CentralId,
    operator_key: &[u8],
) -> anyhow::Result<Report> {
    let mut tx = conn.begin_with("begin isolation level repeatable read read only").await?;
    let mut report = Report::default();
    log::check(&mut tx, &mut report).await.context("checking the log")?;
    rows::check(&mut tx, central, operator_key, &mut report)
        .await
        .context("checking history and conflicts")?;
    tx.rollback().await?;
    Ok(report)
}

/// The subcommand: settings from the environment, report on stdout.
pub fn main() -> ExitCode {
    let say = |text: &str| drop(std::io::stdout().write_all(text.as_bytes()));
    match command() {
        Ok(report) => {
            say(&report.text());
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(e) => {
            drop(std::io::stderr().write_all(format!("ledger verify: {e:#}\n").as_bytes()));
            ExitCode::from(2)
        }
    }
}

fn command() -> anyhow::Result<Report> {
    let settings = Settings::from_env(Role::Ledger)?;
    let options = crate::database(&settings)?;
    let key: Arc<[u8]> = crate::shared::plate_key(&settings)?;
    let file = &settings.config_file;
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    let config: P2pConfig = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = options.application_name("parkmesh-ledger-verify").disable_statement_logging();
        let mut conn = options.connect().await.context("DATABASE_URL")?;
        run(&mut conn, &config.this_central.id, &key).await
    })
}
