//! What can be measured, one module each.

pub(crate) mod catch_up;
pub(crate) mod commands;
pub(crate) mod growth;
pub(crate) mod mesh;
pub(crate) mod micro;
pub(crate) mod overload;
pub(crate) mod rate;
pub(crate) mod soak;
pub(crate) mod split;

mod cars;
mod eyes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::{Lab, LabOptions, PortChoice};

use crate::output;

/// How much of everything.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// Rounds in which the sides take turns.
    pub(crate) rounds: usize,
    /// Seconds of one side in one round.
    pub(crate) seconds: f64,
    /// Events of one catch-up.
    pub(crate) backlog: u64,
    /// Rounds of catching up.
    pub(crate) backlog_rounds: usize,
    /// Seconds of idling: whole heartbeats.
    pub(crate) idle: f64,
}

impl Size {
    pub(crate) fn usual() -> Self {
        Self { rounds: 5, seconds: 12.0, backlog: 100_000, backlog_rounds: 3, idle: 120.0 }
    }

    pub(crate) fn quick() -> Self {
        Self { rounds: 3, seconds: 3.0, backlog: 10_000, backlog_rounds: 2, idle: 30.0 }
    }
}

/// Where and how much.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Results, and below it the labs.
    pub(crate) folder: PathBuf,
    /// The labs' ports; none = any free ones.
    pub(crate) port_base: Option<u16>,
    pub(crate) size: Size,
}

impl Context {
    /// Starts a lab; it is stopped and removed when dropped.
    pub(crate) async fn lab(
        &self,
        name: &str,
        centrals: u16,
        change: impl FnOnce(&mut LabOptions),
    ) -> Result<Lab> {
        output::progress(format!("starting {centrals} centrals"));
        let mut options = LabOptions {
            centrals: Some(centrals),
            ports: self.port_base.map_or(PortChoice::Free, PortChoice::Base),
            patience: Duration::from_secs(180),
            ..LabOptions::new(self.folder.join(format!("lab-{name}")))
        };
        change(&mut options);
        Lab::start(options).await.with_context(|| format!("the lab of {centrals} does not start"))
    }

    /// Where competitors live.
    pub(crate) fn native(&self) -> PathBuf {
        self.folder.join("native")
    }
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> Result<u16> {
    ports::free().context("no free port")
}

/// Removes what the labs of a folder leave behind: their logs.
pub(crate) fn tidy(folder: &Path) {
    for name in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = name.path();
        let ours =
            name.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("lab-") || n == "native");
        if ours && name.is_dir() {
            let _ = std::fs::remove_dir_all(name);
        }
    }
}
