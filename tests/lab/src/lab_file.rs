//! `lab.json`: what a running lab tells users, tests and checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_atomically};
use crate::links::Cut;
use crate::process::ProcessRef;
use crate::topology::{CentralId, Direction, Instance, Service};

/// A running lab. Rewritten atomically after every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabFile {
    /// The centrals in order.
    pub centrals: Vec<CentralEntry>,
    /// Second sets of processes of some of them: the same id, other ports.
    #[serde(default)]
    pub clones: Vec<CentralEntry>,
    /// Bearer token that may do everything, at every central.
    pub admin_token: String,
    /// The process that runs the lab.
    pub supervisor: ProcessRef,
    /// Whether everything has come up.
    pub ready: bool,
    /// Whether the links are plain text.
    pub insecure: bool,
    /// The lowest port.
    pub port_base: u16,
    /// What is cut now.
    pub cuts: Vec<Cut>,
    /// Folder of all logs.
    pub logs: PathBuf,
}

/// One central.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentralEntry {
    /// `central-3`.
    pub id: CentralId,
    /// Base URL of the HTTP API.
    pub gateway: String,
    /// URL of the WebSocket listener.
    pub mesh: String,
    /// For the ledger, and for whoever wants to look.
    pub database_url: String,
    /// The same for whoever only reads.
    #[serde(default)]
    pub reader_url: String,
    /// The bus, with user and password: in the lab of processes a user who may say and hear everything.
    pub nats_url: String,
    /// Base URL of `/livez` and `/readyz`.
    pub health: BTreeMap<Service, String>,
    /// Process ids; `null` for what does not run.
    pub pids: BTreeMap<Service, Option<u32>>,
    /// The same with what the lab knows about each.
    pub processes: BTreeMap<Service, ServiceEntry>,
    /// The lanes.
    pub edges: Vec<EdgeEntry>,
}

/// What the lab knows about one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceEntry {
    /// Its state as the lab last saw it.
    pub state: ServiceState,
    /// The process, also after its end.
    pub process: Option<ProcessRef>,
    /// How it ended, in words, when it did.
    pub ended: Option<String>,
}

/// What the lab last did to, or saw of, a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// Not started yet.
    #[default]
    Down,
    /// It runs.
    Running,
    /// Frozen by `pause`.
    Paused,
    /// Ended by `kill`.
    Killed,
    /// It ended by itself.
    Died,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeEntry {
    /// `edge-20`.
    pub id: String,
    /// Which way it leads.
    pub direction: Direction,
    /// Its bearer key.
    pub api_key: String,
}

impl LabFile {
    /// Reads the file of a lab that runs or was killed; `None` when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.lab_json();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("cannot understand {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<()> {
        write_atomically(&layout.lab_json(), &serde_json::to_vec_pretty(self)?)
    }

    /// The entry of a central.
    pub fn central(&self, id: CentralId) -> Option<&CentralEntry> {
        self.centrals.get(id.index())
    }

    /// The entry of a central or of its clone.
    pub fn instance(&self, of: Instance) -> Option<&CentralEntry> {
        if of.clone {
            self.clones.iter().find(|entry| entry.id == of.central)
        } else {
            self.central(of.central)
        }
    }

    pub(crate) fn instance_mut(&mut self, of: Instance) -> Option<&mut CentralEntry> {
        if of.clone {
            self.clones.iter_mut().find(|entry| entry.id == of.central)
        } else {
            self.centrals.get_mut(of.central.index())
        }
    }

    /// Everything the lab has started, dead or alive.
    pub(crate) fn processes(&self) -> Vec<ProcessRef> {
        self.everything()
            .map(|(_, entry)| entry)
            .flat_map(|central| central.processes.values())
            .filter_map(|service| service.process)
            .collect()
    }
}

impl LabFile {
    /// All centrals, then all clones.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (Instance, &CentralEntry)> {
        let centrals = self.centrals.iter().map(|entry| (Instance::of(entry.id), entry));
        centrals.chain(self.clones.iter().map(|entry| (Instance::clone_of(entry.id), entry)))
    }
}

impl CentralEntry {
    /// The first lane in this direction.
    ///
    /// # Errors
    /// When the central has none.
    pub fn lane(&self, direction: Direction) -> Result<&EdgeEntry> {
        self.edges
            .iter()
            .find(|edge| edge.direction == direction)
            .with_context(|| format!("{} has no {direction:?} lane", self.id))
    }
}
