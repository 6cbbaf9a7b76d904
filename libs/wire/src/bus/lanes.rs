//! What lanes say of themselves, between gateway and ledger.

use serde::{Deserialize, Serialize};

use crate::event::LaneMode;

/// What a lane last said of itself. Times are ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHeard {
    /// The lane's edge.
    pub edge_id: String,
    /// When anything was heard of it last, by this central's clock.
    pub heard_at: i64,
    /// When its last heartbeat came.
    pub beat_at: i64,
    /// The lane's clock then.
    pub sent_at: Option<i64>,
    /// Requests it had spooled.
    pub queue: Option<i64>,
    /// Its barrier, in its own words.
    pub barrier: Option<String>,
    /// Its camera, in its own words.
    pub camera: Option<String>,
}

/// All lanes that ever sent a heartbeat, as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanesHeard {
    /// One per lane.
    pub lanes: Vec<LaneHeard>,
}

/// The mode of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneModeNow {
    /// The lane's edge.
    pub edge_id: String,
    /// How it works.
    pub mode: LaneMode,
    /// Since when, ms since the epoch.
    pub since: i64,
    /// Who said so.
    pub staff_id: String,
    /// Why.
    pub reason: String,
}
