//! What a lab draws once and keeps: its size and its secrets.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::bus::users;

use crate::layout::{Layout, write_atomically};
use crate::topology::{CentralId, Ports};

/// The lab's own user of the bus, who may say and hear everything.
pub(crate) const LAB_USER: &str = "lab";

/// Size and secrets of a lab, kept over `down --keep`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) centrals: u16,
    pub(crate) port_base: u16,
    pub(crate) insecure: bool,
    pub(crate) admin_token: String,
    pub(crate) plate_key: String,
    /// Of the ledger's role.
    pub(crate) database_password: String,
    /// Of the role that makes and copies clusters; no service knows it.
    #[serde(default)]
    pub(crate) superuser_password: String,
    /// Of the role that reads and nothing else.
    #[serde(default = "drawn")]
    pub(crate) reader_password: String,
    /// Password by user of the bus: the services', the observer's, the lab's own ([`LAB_USER`]).
    #[serde(default = "bus_passwords")]
    pub(crate) bus_passwords: BTreeMap<String, String>,
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
            database_password: drawn(),
            superuser_password: drawn(),
            reader_password: drawn(),
            bus_passwords: bus_passwords(),
            edge_keys,
        }
    }

    /// The settings of a lab that was taken down with `--keep`.
    pub(crate) fn kept(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.settings();
        match fs::read(&path) {
            Ok(bytes) => Self::parse(&bytes)
                .map(Some)
                .with_context(|| format!("{} is damaged; `down` removes it", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut kept: Self = serde_json::from_slice(bytes)?;
        // Clusters of earlier releases were made with one password for both.
        if kept.superuser_password.is_empty() {
            kept.superuser_password.clone_from(&kept.database_password);
        }
        Ok(kept)
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

    pub(crate) fn bus_password(&self, user: &str) -> &str {
        self.bus_passwords.get(user).map_or("", String::as_str)
    }

    pub(crate) fn edge_key(&self, edge: &str) -> &str {
        self.edge_keys.get(edge).map_or("", String::as_str)
    }
}

fn drawn() -> String {
    random_hex(16)
}

fn bus_passwords() -> BTreeMap<String, String> {
    let services = users::USERS.iter().map(|user| user.name);
    services.chain([LAB_USER]).map(|user| (user.to_owned(), drawn())).collect()
}

/// This many random bytes in hex.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}

/// SHA-256 in hex, as the configuration holds an edge's key.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lab_draws_its_own_passwords_and_a_kept_one_of_before_gets_them() {
        let (one, other) = (Settings::draw(1, 8000, false), Settings::draw(1, 8000, false));
        assert_eq!(one.bus_passwords.len(), users::USERS.len() + 1);
        let passwords = |of: &Settings| -> Vec<String> {
            let database = [&of.database_password, &of.superuser_password, &of.reader_password];
            of.bus_passwords.values().chain(database).cloned().collect()
        };
        let mut all: Vec<String> = passwords(&one).into_iter().chain(passwords(&other)).collect();
        let drawn = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), drawn, "none twice");

        let mut before = serde_json::to_value(&one).unwrap();
        let fields = before.as_object_mut().unwrap();
        for new in ["superuser_password", "reader_password", "bus_passwords"] {
            fields.remove(new);
        }
        let kept = Settings::parse(before.to_string().as_bytes()).unwrap();
        assert_eq!(kept.superuser_password, one.database_password);
        assert_eq!(kept.bus_password(LAB_USER).len(), 32);
    }
}
