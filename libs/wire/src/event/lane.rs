//! Bodies of events about a lane: what people told it, what became of that, and vehicles nothing was opened for.

use serde::{Deserialize, Serialize};

use super::facts::{ClockFacts, StaffFact};
use crate::hash::CommandId;
use crate::http::Direction;

/// What a person tells a lane to do, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneOrder {
    /// Open the barrier: a manual vend.
    #[default]
    Open,
    /// Close it.
    Close,
}

/// How a lane works, until somebody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneMode {
    /// The barrier opens for each vehicle.
    #[default]
    Normal,
    /// The barrier stays up: vehicles are recorded and charged, nobody is asked.
    HeldOpen,
    /// Nobody enters; who wants to leave is for staff.
    Closed,
    /// Fire: the barrier stays up, passages are counted, sessions flagged, nothing is charged.
    Emergency,
}

impl LaneMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Normal, Self::HeldOpen, Self::Closed, Self::Emergency];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::HeldOpen => "held_open",
            Self::Closed => "closed",
            Self::Emergency => "emergency",
        }
    }

    /// True where the barrier stays up whatever is decided.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::HeldOpen | Self::Emergency)
    }
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneOutcome {
    /// The lane did it.
    #[default]
    Done,
    /// The lane could not.
    Failed,
    /// It came too late, or never came: it was not done.
    Expired,
    /// It was sent, and nothing came back: nobody knows.
    NoAnswer,
}

/// `LANE_COMMAND`: a person told a lane what to do. Its command id is what the lane acknowledges. Where it is for a session, the
/// header names that session's opening.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneCommanded {
    /// The lane's edge.
    pub edge_id: String,
    /// What to do.
    pub order: LaneOrder,
    /// Not to be done after this moment, ms since the epoch.
    pub expires_at: i64,
    /// Readable alias of the session it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Who and why.
    pub staff: StaffFact,
}

/// `LANE_COMMAND_SENT`: written before the command goes out, so that it goes out once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCommandSent {
    /// The lane's edge.
    pub edge_id: String,
    /// The command.
    pub command: CommandId,
}

/// `LANE_COMMAND_ENDED`: the lane's acknowledgement, or its time ran out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCommandEnded {
    /// The lane's edge.
    pub edge_id: String,
    /// The command.
    pub command: CommandId,
    /// What became of it.
    pub outcome: LaneOutcome,
    /// The lane's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `LANE_MODE_SET`: lanes work this way from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneModeSet {
    /// The lanes' edges.
    pub edges: Vec<String>,
    /// How they work.
    pub mode: LaneMode,
    /// Who and why.
    pub staff: StaffFact,
}

/// `PASSAGE_WITHOUT_OPENING`: a vehicle crossed the loop and nothing had been opened for it. Where it followed another closely,
/// the header names that one's opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnopenedPassage {
    /// The lane's edge.
    pub edge_id: String,
    /// The car park.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<String>,
    /// The way it went.
    pub direction: Direction,
    /// Clocks.
    pub clock: ClockFacts,
    /// It followed another vehicle on its opening.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tailgate: bool,
    /// The lane itself said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// How the lane worked.
    #[serde(default)]
    pub mode: LaneMode,
    /// Readable alias of the session it followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

/// `PASSAGE_RESOLVED`: a person found out what a manual vend or a passage without opening was. Where it was a session's, the header
/// names its opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageResolved {
    /// The vend or the passage.
    pub subject: CommandId,
    /// Readable alias of the session it belongs to; none when it was dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Who and why.
    pub staff: StaffFact,
}
