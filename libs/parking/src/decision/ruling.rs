//! What came of a command.

use wire::event::Body;
use wire::hash::{CommandId, PlateTag};
use wire::http::Problem;
use wire::position::Position;

use super::answer::Answer;

/// An event to append; the writer adds position, previous hash and salt. Its kind is [`Body::kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// When it happened, ms since the epoch.
    pub occurred_at: i64,
    /// The request behind it.
    pub command_id: Option<CommandId>,
    /// The opening (or the exit) it names.
    pub opening: Option<Position>,
    /// The vehicle.
    pub plate_tag: Option<PlateTag>,
    /// The body.
    pub body: Body,
}

/// Something to record and then to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The event.
    pub draft: Draft,
    /// The answer, to be completed after the append.
    pub answer: Answer,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruling {
    /// Append the draft, then answer.
    Record(Box<Record>),
    /// Answer; nothing is recorded.
    Answer(Box<Answer>),
    /// Refused.
    Refuse(Problem),
    /// Append the draft, and refuse: something happened that the request did not expect.
    RecordAndRefuse(Box<(Draft, Problem)>),
    /// An exit found no entry while events are missing here: ask the connected peers for this vehicle, load again and
    /// decide again with `peers_asked`.
    NeedPeers(PlateTag),
}
