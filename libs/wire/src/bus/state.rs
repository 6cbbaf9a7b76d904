//! What services tell each other unasked.

use serde::{Deserialize, Serialize};

use crate::event::Kind;
use crate::hash::Hash32;
use crate::id::CentralId;
use crate::position::{Position, StreamHoldings};

/// Newly stored events, of any origin, after their commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The stretch of arrival numbers these belong to, as it stands in opaque stream positions.
    #[serde(default)]
    pub epoch: String,
    /// The arrival number before the first event here: whoever stands there has missed nothing.
    #[serde(default)]
    pub after: u64,
    /// The events in order of arrival.
    pub events: Vec<StoredEvent>,
    /// Holdings of the streams touched.
    pub holdings: Vec<StreamHoldings>,
    /// They came in pages (catch-up, bundles), not live: others may lack them too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brought: bool,
}

/// The opaque position of an arrival number, as readers of the stream see it.
pub fn stream_position(epoch: &str, arrival: u64) -> String {
    format!("{epoch}.{arrival}")
}

impl Stored {
    /// The position before these events.
    pub fn begins_at(&self) -> String {
        stream_position(&self.epoch, self.after)
    }
}

/// One stored event, as the stream shows it (no plate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// This central's arrival number; opaque outside.
    pub arrival: u64,
    /// Kind.
    pub kind: Kind,
    /// Where it stands.
    pub position: Position,
    /// When it happened, ms.
    pub occurred_at: i64,
    /// The session's readable alias, where the projection knows it.
    pub event_id: Option<String>,
    /// The lane.
    pub edge_id: Option<String>,
    /// Fee of an exit, VND.
    pub fee: Option<i64>,
}

/// The mesh in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshState {
    /// Peers configured and not disabled.
    pub configured: u32,
    /// Each peer with a live link, with its ledger's process and the digest and map it last told.
    pub connected: Vec<CentralId>,
    /// This central's clock less the median of its peers', ms.
    pub clock_offset_ms: i64,
    /// The same where it is sure, with what it takes to use it later; none where too few clocks agree.
    #[serde(default)]
    pub clock: Option<ClockMeasure>,
    /// Configured peers without a link, and why.
    #[serde(default)]
    pub unlinked: Vec<Unlinked>,
}

/// A sure measure of this central's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMeasure {
    /// This central's clock less the median, ms.
    pub offset_ms: i64,
    /// Clocks of other centrals in it.
    pub peers: u32,
    /// Wall clock less the machine's steady clock while it was measured, ms: tells whether the wall clock was set since.
    pub anchor_ms: i64,
}

/// A peer without a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlinked {
    /// The peer.
    pub id: CentralId,
    /// Somebody said no.
    pub refused: bool,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Completeness in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncState {
    /// True while something a connected peer holds is missing here.
    pub catching_up: bool,
    /// How many events that is.
    pub missing: u64,
    /// Digest of this central's position map, as last read.
    pub positions_digest: Hash32,
    /// An external API is configured and has not answered for too long.
    #[serde(default)]
    pub no_external_api: bool,
    /// An external API is configured.
    #[serde(default)]
    pub external_api: bool,
}
