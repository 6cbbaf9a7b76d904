//! The audit as people see it.

use serde::{Deserialize, Serialize};

/// Where an origin's day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AuditState {
    /// Not compared with anyone yet.
    NotCompared,
    /// Compared, and the positions held are not the same yet: one side is behind.
    Waiting,
    /// Compared with at least one peer, and the same everywhere it was compared.
    Same,
    /// The same positions, and yet something differs.
    Differs,
}

/// One origin and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditDay {
    /// The origin.
    pub site: String,
    /// The UTC day of `occurred_at`, `2026-11-22`.
    pub day: String,
    /// Events held.
    pub events: u64,
    /// Fees charged, VND.
    pub charged: i64,
    /// Forgiven, VND.
    pub waived: i64,
    /// Received, VND.
    pub paid: i64,
    /// Digest over the events, hex; does not depend on their order.
    pub digest: String,
    /// How the last comparison of this origin ended, for this day.
    pub state: AuditState,
}

/// The last comparison of one origin with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditCompared {
    /// The origin.
    pub site: String,
    /// The peer.
    pub peer: String,
    /// When.
    pub at: String,
    /// How it ended.
    pub state: AuditState,
    /// Events compared.
    pub events: u64,
}

/// Where the running pass over the log stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditProgress {
    /// When the last pass over the last two days ended; null before the first.
    pub recent_at: Option<String>,
    /// How long it took, ms.
    pub recent_ms: Option<u64>,
    /// Chunks of events looked at in it.
    pub recent_chunks: u64,
    /// Chunks of events known in all, each verified from its bytes at least once.
    pub chunks: u64,
    /// Events in them.
    pub events: u64,
    /// When the last full pass over all events ended; null before the first.
    pub full_at: Option<String>,
    /// How long it took, s.
    pub full_s: Option<u64>,
    /// Vehicles whose rows were compared with their events since the start of the running pass over all rows.
    pub vehicles: u64,
    /// When the last pass over all rows ended; null before the first.
    pub rows_at: Option<String>,
}

/// Something that was not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditFinding {
    /// Its number here.
    pub id: i64,
    /// When it was found.
    pub found_at: String,
    /// `event_bytes`, `event_hash`, `event_columns`, `event_missing`, `event_misplaced`, `event_chain`, `event_differs`, `stream`,
    /// `history_row`, `conflict_row`.
    pub what: String,
    /// The position of the event, the name of the stream, or the position or id of the row. No plates.
    pub place: String,
    /// What exactly.
    pub detail: String,
    /// The row as it was found is kept.
    pub evidence: bool,
    /// `open` or `repaired`.
    pub state: String,
    /// When it was repaired.
    pub repaired_at: Option<String>,
    /// From what: `own bytes`, `bytes of central-2`, `events`, `catch-up`.
    pub repaired_by: Option<String>,
}

/// `GET /api/p2p/audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditView {
    /// This central.
    pub central_id: String,
    /// When this was said.
    pub as_of: String,
    /// Findings that stand.
    pub open_findings: u64,
    /// Passes over the log.
    pub progress: AuditProgress,
    /// Per origin and day, newest first.
    pub days: Vec<AuditDay>,
    /// Comparisons with peers.
    pub compared: Vec<AuditCompared>,
    /// Findings, open ones first, then the newest.
    pub findings: Vec<AuditFinding>,
}

/// `POST /api/p2p/audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditStarted {
    /// A pass over the last two days begins now.
    pub started: bool,
    /// When the pass before it ended, for telling them apart.
    pub recent_at: Option<String>,
}
