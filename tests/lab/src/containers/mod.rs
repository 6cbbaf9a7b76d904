//! The lab in containers: `docker-compose.yml` made from the same topology, and the lab's verbs acting on it.
//!
//! [`compose`] writes the file, [`setup`] runs once inside it and makes keys and configurations, [`verbs`] is what a person, a test
//! or CI tells a running one through [`engine`].

pub(crate) mod compose;
pub(crate) mod databases;
pub(crate) mod down;
mod engine;
pub(crate) mod setup;
mod state;
pub(crate) mod verbs;

use crate::topology::{CentralId, Service};

/// Centrals in the file; fewer run with `CENTRALS`.
pub(crate) const CENTRALS: u16 = 10;
/// Where a gateway answers inside its container.
pub(crate) const API_PORT: u16 = 8000;
/// Where a mesh listens inside its container.
pub(crate) const P2P_PORT: u16 = 9000;

/// The container of one service; also its name on the networks it is in.
pub(crate) fn container(central: CentralId, service: Service) -> String {
    format!("{central}-{service}")
}
