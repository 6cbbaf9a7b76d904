//! What happened in a round that somebody should know: the ledger logs it, the simulator counts it.

use replication::clock::Cover;
use wire::id::Incarnation;
use wire::position::{Position, StreamId};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Another event stands at this position: both branches are stored.
    Fork(Position),
    /// The event after this one does not link to what is held here: a branch is missing.
    BrokenLink(Position),
    /// An event of the stream this writer appends to came from somebody else.
    WrittenElsewhere(StreamId),
    /// The first append under the lock opened this incarnation.
    NewIncarnation(Incarnation),
    /// The full form of an event came after the erased one, and was left.
    FullAfterErased(Position),
    /// A passage was ended by its time-out.
    TimedOut(Position),
    /// A command to a lane ended and nothing was heard of it.
    LaneCommandOver(Position),
    /// The difference to a charge made without its entry, or for another plate, was appended.
    LateBasis(Position),
    /// Own stamps were made by a wrong clock: that was told.
    ClockOffset(Cover),
    /// A command was answered from the event another central recorded for it, in this stream.
    AnsweredFromElsewhere(StreamId),
    /// What nobody asked for could not be recorded, and why.
    NotRecorded(&'static str, String),
    /// The projection of so many groups of vehicles panicked: they were left out. Never to happen.
    ProjectionFailed(usize),
}
