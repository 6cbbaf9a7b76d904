//! What is kept, what it takes, and ranges that are lost.

use serde::{Deserialize, Serialize};

/// Where a closed range stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LostState {
    /// Still missing here; counts as missing no more.
    Lost,
    /// Part of it surfaced and was taken.
    PartlyFound,
    /// All of it surfaced: the closing has no effect any more.
    Found,
}

/// A range an operator closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LostRange {
    /// Position of the event that says so.
    pub position: String,
    /// Origin of the lost events.
    pub central: String,
    /// Its incarnation, 32 hex digits.
    pub incarnation: String,
    /// First sequence number.
    pub from: u64,
    /// Last sequence number.
    pub to: u64,
    /// How many of them are still missing here; null where that was not looked up.
    pub missing: Option<u64>,
    /// Where it stands; null where that was not looked up.
    pub state: Option<LostState>,
    /// Who closed it.
    pub staff_id: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: String,
}

/// `GET /api/p2p/lost-ranges`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LostRanges {
    /// Newest first.
    pub items: Vec<LostRange>,
}

/// What one month takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MonthView {
    /// `2026-11` (UTC), or `none` for stamps that cannot be.
    pub month: String,
    /// Events filed under it.
    pub events: u64,
    /// Bytes on disk of the events themselves.
    pub bytes: u64,
    /// Bytes on disk of their indexes.
    pub index_bytes: u64,
}

/// What the ledger's database takes, and until when it may grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageView {
    /// Bytes of the whole database.
    pub database_bytes: u64,
    /// `DISK_BUDGET_BYTES`; null when none is set.
    pub budget_bytes: Option<u64>,
    /// Days until the budget is used up as things are growing; null without budget or growth.
    pub days_left: Option<f64>,
    /// Events stored.
    pub events: u64,
    /// Events per day, this month and the one before.
    pub events_per_day: f64,
    /// Bytes on disk per event, with indexes and rows.
    pub bytes_per_event: f64,
    /// Bytes of history and its indexes.
    pub history_bytes: u64,
    /// Bytes of conflicts and their indexes.
    pub conflict_bytes: u64,
    /// Bytes of everything else that grows.
    pub other_bytes: u64,
    /// `KEEP_DAYS`.
    pub keep_days: u32,
    /// Bytes that keeping so many days takes in the long run.
    pub long_run_bytes: u64,
    /// Events of months that ended before the keeping time.
    pub past_keeping_events: u64,
    /// Bytes that would go with them.
    pub past_keeping_bytes: u64,
    /// By month, oldest first.
    pub months: Vec<MonthView>,
}

/// What a peer still lacks of what is held here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LowWaterView {
    /// The peer.
    pub peer_central_id: String,
    /// True once it told what it holds; without that nothing is known.
    pub known: bool,
    /// Events held here that it lacks; null when nothing is known.
    pub lacks: Option<u64>,
    /// When the oldest of them happened; null when it lacks none.
    pub oldest_lacked: Option<String>,
    /// Age of that, seconds.
    pub oldest_lacked_age_s: Option<u64>,
}

/// How far the events held here have spread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SpreadView {
    /// Events held here that some configured peer lacks, as far as they told.
    pub not_everywhere: u64,
    /// When the oldest of them happened.
    pub oldest: Option<String>,
    /// Age of that, seconds.
    pub oldest_age_s: Option<u64>,
    /// Per configured peer.
    pub peers: Vec<LowWaterView>,
}

/// `GET /api/p2p/storage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Storage {
    /// The disk; null without ledger.
    pub disk: Option<StorageView>,
    /// What peers still need of what is here; null without sync. A peer taken out of the configuration is not in it.
    pub spread: Option<SpreadView>,
}
