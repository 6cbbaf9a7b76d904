//! Rules of the projection: which were set, what another one would change.

use serde::{Deserialize, Serialize};

use super::SessionStatus;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyView {
    /// Version; 0 is the built-in one.
    pub version: i64,
    /// Openings of one plate within this many ms of the session's first opening are duplicates.
    pub duplicate_window_ms: i64,
    /// First moment it judges; null for the built-in one, which judges what no other does.
    pub valid_from: Option<String>,
    /// When it was set; null for the built-in one.
    pub set_at: Option<String>,
    /// Where it was set.
    pub central: Option<String>,
    /// `central/incarnation/seq`
    pub position: Option<String>,
    /// Who set it.
    pub staff_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// True for the one that judges an opening now.
    pub in_force: bool,
}

/// `GET /api/parking/policies`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyList {
    /// Highest-ranked first, the built-in one last: the first one valid at a moment judges it.
    pub items: Vec<PolicyView>,
}

/// A number of rows as it is, and as it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BeforeAfter {
    /// Status of a session, or kind of a conflict.
    pub kind: String,
    /// As it is.
    pub before: u64,
    /// As it would be.
    pub after: u64,
}

/// A session under one of the policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionOutcome {
    /// Status.
    pub status: SessionStatus,
    /// The session whose duplicate it is.
    pub duplicate_of: Option<String>,
    /// Position of the exit that closes it.
    pub exit: Option<String>,
    /// Due, VND. Money that was taken is never rewritten.
    pub fee: Option<i64>,
    /// Kinds of the conflicts it is in.
    pub conflicts: Vec<String>,
}

/// A session that would be decided differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionDifference {
    /// The session.
    pub event_id: String,
    /// Its opening: `central/incarnation/seq`.
    pub position: String,
    /// When it began.
    pub at: String,
    /// As it is.
    pub before: SessionOutcome,
    /// As it would be.
    pub after: SessionOutcome,
}

/// `POST /api/parking/conflicts/replay`: what another policy would have decided. Nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Replay {
    /// First moment looked at.
    pub from: String,
    /// First moment not looked at any more.
    pub to: String,
    /// The window of the other policy, ms.
    pub duplicate_window_ms: i64,
    /// Vehicles that were decided anew: those seen entering more than once. A policy has no say in the others.
    pub vehicles: u64,
    /// Their sessions of the period, by status.
    pub sessions: Vec<BeforeAfter>,
    /// Their conflicts of the period, by kind.
    pub conflicts: Vec<BeforeAfter>,
    /// Sessions that would be decided differently.
    pub differing: u64,
    /// They themselves, by time.
    pub items: Vec<SessionDifference>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// `POST /api/parking/conflicts/replay`, for documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplayRequest {
    /// First moment.
    pub from: String,
    /// First moment that counts no more; at most 31 days later.
    pub to: String,
    /// The other window, ms, 0 to 3600000 …
    pub duplicate_window_ms: Option<i64>,
    /// … or the version of a policy that was set (0: the built-in one).
    pub policy: Option<i64>,
    /// Sessions listed, 1 to 500, 50 unless said.
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// `POST /api/parking/policies`, for documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyRequest {
    /// Higher than any before; the next one unless said.
    pub version: Option<i64>,
    /// Openings of one plate within this many ms are one passage, 0 to 3600000.
    pub duplicate_window_ms: i64,
    /// First moment it judges. May lie in the past: what it judges is decided anew.
    pub valid_from: String,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    pub pin: Option<String>,
    /// Why.
    pub reason: String,
    /// Only say what it would change; record nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /api/parking/policies`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyAnswer {
    /// False after a dry run.
    pub recorded: bool,
    /// The policy; null after a dry run.
    pub policy: Option<PolicyView>,
    /// What it would change; of a dry run.
    pub effect: Option<Replay>,
}
