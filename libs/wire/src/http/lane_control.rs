//! What people tell lanes, what lanes are told, and passages nobody can explain yet.

use serde::{Deserialize, Serialize};

use super::lane::Direction;
use crate::event::{LaneMode, LaneOrder};

/// `POST /api/edges/{id}/commands`, for documentation; the gateway reads it field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneCommandRequest {
    /// `open` (a manual vend) or `close`. To hold a lane open, and back to normal: `POST /api/edges/modes`.
    pub command: LaneOrder,
    /// The session it is for. An `open` without one is listed in `GET /api/parking/unresolved`.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Not to be done later than so many seconds from now, 1 to 60 (10).
    #[serde(default)]
    pub expires_in_s: Option<u32>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// How far a command got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneCommandState {
    /// The lane has not been told yet.
    Waiting,
    /// It went out.
    Sent,
    /// The lane did it.
    Done,
    /// The lane could not.
    Failed,
    /// It came too late, or never came: it was not done.
    Expired,
    /// It was sent, and nothing came back: nobody knows.
    NoAnswer,
}

/// A command to a lane, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneCommandView {
    /// Its id, 32 hex digits.
    pub command_id: String,
    /// The lane.
    pub edge_id: String,
    /// `open`, `close`; of a mode `hold_open`, `close`, `normal`.
    pub command: String,
    /// The session it is for.
    pub event_id: Option<String>,
    /// The central that gave it.
    pub central: String,
    /// When.
    pub issued_at: String,
    /// Not to be done after this moment; null for a mode, which stands until the next.
    pub expires_at: Option<String>,
    /// How far it got.
    pub state: LaneCommandState,
    /// When it went out.
    pub sent_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// In the lane's words.
    pub detail: Option<String>,
    /// Who.
    pub staff_id: String,
    /// Why.
    pub reason: String,
}

/// A command as the lane is told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneCommandOut {
    /// To acknowledge it by.
    pub command_id: String,
    /// `open`, `close`, `hold_open` or `normal`.
    pub command: String,
    /// The session it is for.
    pub event_id: Option<String>,
    /// This central's clock when it went out: less than `expires_at` by as long as it is good for, whatever the lane's clock shows.
    pub sent_at: String,
    /// Never to be done after this moment.
    pub expires_at: String,
}

/// What a connected lane is to be told next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextForLane {
    /// The command; none = nothing now.
    pub command: Option<LaneCommandOut>,
}

/// `POST /api/edges/modes`, for documentation; the gateway reads it field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneModeRequest {
    /// How they work from now on.
    pub mode: LaneMode,
    /// These lanes of this central …
    #[serde(default)]
    pub edges: Option<Vec<String>>,
    /// … or those of this car park; without both, all of them.
    #[serde(default)]
    pub lot_id: Option<String>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// A mode that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneModeView {
    /// The lanes.
    pub edges: Vec<String>,
    /// How they work.
    pub mode: LaneMode,
    /// Since when.
    pub since: String,
    /// The central that set it.
    pub central: String,
    /// The command the lanes are told it by.
    pub command_id: String,
    /// Who.
    pub staff_id: String,
    /// Why.
    pub reason: String,
}

/// What nobody can explain yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum UnresolvedKind {
    /// A person had a barrier opened, for no session.
    ManualVend,
    /// A vehicle crossed a loop and nothing had been opened for it.
    PassageWithoutOpening,
    /// A further vehicle passed on the opening of the one before it.
    Tailgate,
}

/// A manual vend or a passage that belongs to no session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnresolvedItem {
    /// To resolve it by, 32 hex digits.
    pub id: String,
    /// What it is.
    pub kind: UnresolvedKind,
    /// Where.
    pub central: String,
    /// The lane.
    pub edge_id: String,
    /// When.
    pub occurred_at: String,
    /// The way a vehicle went; null for a vend.
    pub direction: Option<Direction>,
    /// The session it followed.
    pub event_id: Option<String>,
    /// How the lane worked.
    pub mode: LaneMode,
    /// What became of a vend.
    pub state: Option<LaneCommandState>,
    /// Who, of a vend.
    pub staff_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// `GET /api/parking/unresolved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unresolved {
    /// Newest first.
    pub items: Vec<UnresolvedItem>,
    /// How many there are in the period.
    pub total: u64,
}

/// `POST /api/parking/unresolved/{id}`, for documentation; the gateway reads it field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResolveRequest {
    /// `bind` (to the session `event_id`) or `dismiss`.
    pub action: String,
    /// The session it belongs to.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// A vend or a passage that was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResolvedView {
    /// The vend or the passage.
    pub id: String,
    /// The session it belongs to; null when it was dismissed.
    pub event_id: Option<String>,
    /// When.
    pub resolved_at: String,
    /// Who.
    pub staff_id: String,
    /// Why.
    pub reason: String,
}
