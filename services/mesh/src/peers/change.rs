//! What a newly configured peer needs: somebody to dial it, somebody to hand on its events.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::config::PeerCentral;

use crate::relay::Inbox;

/// A peer to look after.
#[derive(Debug, Clone)]
pub(crate) struct Supervised {
    /// Its configuration.
    pub(crate) conf: PeerCentral,
    /// Since when it has a link; none without.
    pub(crate) linked: watch::Receiver<Option<Instant>>,
    /// Dial now.
    pub(crate) redial: Arc<Notify>,
    /// Its live events.
    pub(crate) inbox: Arc<Inbox>,
    /// Cancelled when the peer is removed, disabled or moved.
    pub(crate) stop: CancellationToken,
}
