//! This central in the mesh: what every link needs.

use std::sync::Arc;
use std::time::Duration;

use kit::{Bus, Shutdown};
use tokio_util::task::TaskTracker;
use wire::id::CentralId;
use wire::mesh::{Hello, PROTOCOL_MAX, PROTOCOL_MIN};

use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::relay::Lookups;
use crate::security::Security;

/// Version of the event format this release writes.
const WIRE_VERSION: u16 = 1;

/// What links share.
#[derive(Debug)]
pub(crate) struct Node {
    /// This central.
    pub(crate) me: CentralId,
    /// This process, random.
    pub(crate) process: String,
    /// The central's bus.
    pub(crate) bus: Bus,
    /// The central's ledger.
    pub(crate) ledger: Ledger,
    /// The others.
    pub(crate) peers: Peers,
    /// Certificates.
    pub(crate) security: Security,
    /// Questions about a plate that wait for answers.
    pub(crate) lookups: Lookups,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// `HEARTBEAT_INTERVAL`
    pub(crate) heartbeat: Duration,
    /// Stop of the service.
    pub(crate) shutdown: Shutdown,
}

impl Node {
    /// HELLO for a peer.
    pub(crate) async fn hello(&self, peer: &CentralId) -> Hello {
        let holding_of_you = self.ledger.holdings_of(peer).await;
        let digest = match self.ledger.recent_digest() {
            Some(d) => d,
            None if self.bus.is_connected() => {
                let limit = Duration::from_millis(300);
                tokio::time::timeout(limit, self.ledger.read_digest())
                    .await
                    .ok()
                    .flatten()
                    .unwrap_or_default()
            }
            None => Default::default(),
        };
        Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            central: self.me.clone(),
            ledger_process: self.process.clone(),
            holding_of_you,
            positions_digest: digest,
            clock: kit::clock::now_ms(),
            wire_version: WIRE_VERSION,
            projection_version: self.ledger.projection_version(),
        }
    }

    /// Tasks that the stop waits for.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.shutdown.tracker()
    }
}
