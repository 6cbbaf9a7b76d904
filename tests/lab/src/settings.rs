//! What a lab draws once and keeps: its size and its secrets.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::layout::{Layout, write_atomically};
use crate::topology::{CentralId, Ports};

/// Size and secrets of a lab, kept over `down --keep`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) centrals: u16,
    pub(crate) port_base: u16,
    pub(crate) insecure: bool,
    pub(crate) admin_token: String,
    pub(crate) plate_key: String,
    pub(crate) database_password: String,
    /// API key by edge id.
    pub(crate) edge_keys: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn draw(centrals: u16, port_base: u16, insecure: bool) -> Self {
        let edge_keys = CentralId::first(centrals)
            .flat_map(|central| central.edges())
            .map(|edge| (edge.id(), random_hex(16)))
            .collect();
        Self {
            centrals,
            port_base,
            insecure,
            admin_token: random_hex(24),
            plate_key: random_hex(32),
            database_password: random_hex(16),
            edge_keys,
        }
    }

    /// The settings of a lab that was taken down with `--keep`.
    pub(crate) fn kept(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.settings();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is damaged; `down` removes it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(crate) fn save(&self, layout: &Layout) -> Result<()> {
        write_atomically(&layout.settings(), &serde_json::to_vec_pretty(self)?)
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports { base: self.port_base, centrals: self.centrals }
    }

    pub(crate) fn centrals(&self) -> impl Iterator<Item = CentralId> + Clone + use<> {
        CentralId::first(self.centrals)
    }

    pub(crate) fn edge_key(&self, edge: &str) -> &str {
        self.edge_keys.get(edge).map_or("", String::as_str)
    }
}

/// This many random bytes in hex.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}

/// SHA-256 in hex, as the configuration holds an edge's key.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
