//! What every request may use. Cheap to clone; nothing in it is locked across an await.

use std::sync::Arc;

use kit::{Bus, Health};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use wire::bus::state::Stored;
use wire::hash::Hash32;

use crate::access::Access;
use crate::bundles::Bundles;
use crate::caller::RateLimits;
use crate::heartbeats::Heartbeats;
use crate::images::Images;
use crate::lane_modes::LaneModes;
use crate::lane_streams::LaneStreams;
use crate::limits::{Addresses, Connections, Turns, Uploads};
use crate::metrics::Metrics;
use crate::modes::Modes;
use crate::site::Site;
use crate::unanswered::Unanswered;

/// Streams open at once.
const MAX_STREAMS: usize = 64;

/// The gateway.
#[derive(Debug, Clone)]
pub(crate) struct Gateway(Arc<Parts>);

/// Its parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) bus: Bus,
    pub(crate) health: Health,
    pub(crate) site: watch::Receiver<Arc<Site>>,
    pub(crate) admin_token: watch::Receiver<Option<Hash32>>,
    pub(crate) access: Access,
    pub(crate) stored: broadcast::Sender<Arc<Stored>>,
    pub(crate) limits: RateLimits,
    pub(crate) connections: Arc<Connections>,
    pub(crate) addresses: Addresses,
    pub(crate) turns: Turns,
    pub(crate) modes: Modes,
    pub(crate) unanswered: Unanswered,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) lane_modes: LaneModes,
    pub(crate) lane_streams: LaneStreams,
    pub(crate) images: Images,
    pub(crate) bundles: Bundles,
    pub(crate) metrics: Metrics,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) uploads: Uploads,
    pub(crate) stopping: CancellationToken,
}

/// Room for streams.
pub(crate) fn streams() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_STREAMS))
}

impl Gateway {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The central's bus.
    pub(crate) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Probes.
    pub(crate) fn health(&self) -> &Health {
        &self.0.health
    }

    /// The configuration in force.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.0.site.borrow().clone()
    }

    /// SHA-256 of the admin token, if there is one.
    pub(crate) fn admin_token(&self) -> Option<Hash32> {
        *self.0.admin_token.borrow()
    }

    /// Tokens and keys the ledger keeps.
    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// What the ledger tells it stored, from now on.
    pub(crate) fn stored(&self) -> broadcast::Receiver<Arc<Stored>> {
        self.0.stored.subscribe()
    }

    /// Rate limits.
    pub(crate) fn limits(&self) -> &RateLimits {
        &self.0.limits
    }

    /// Connections.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.0.connections
    }

    /// Rates before anybody's key is looked at.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.0.addresses
    }

    /// What each principal may have at work.
    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// Degraded modes.
    pub(crate) fn modes(&self) -> &Modes {
        &self.0.modes
    }

    /// Openings that were answered `no_ledger` lately.
    pub(crate) fn unanswered(&self) -> &Unanswered {
        &self.0.unanswered
    }

    /// Last heartbeats of the lanes.
    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.0.heartbeats
    }

    /// How lanes work.
    pub(crate) fn lane_modes(&self) -> &LaneModes {
        &self.0.lane_modes
    }

    /// The lanes' streams of commands.
    pub(crate) fn lane_streams(&self) -> &LaneStreams {
        &self.0.lane_streams
    }

    /// Pictures.
    pub(crate) fn images(&self) -> &Images {
        &self.0.images
    }

    /// Uploads of bundles.
    pub(crate) fn bundles(&self) -> &Bundles {
        &self.0.bundles
    }

    /// Counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Cancelled when the service stops: streams end then.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Room for one more stream.
    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// Room for large bodies.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }
}
