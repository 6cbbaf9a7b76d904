//! What the audit asks of the writer.

use std::collections::BTreeSet;

use tokio::sync::oneshot;
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::position::StreamId;

use crate::store::findings::Finding;

/// Work of the audit for the writer.
#[derive(Debug)]
pub struct RepairJob {
    /// What was found, with what to do about it. One transaction.
    pub steps: Vec<Step>,
    /// Findings that are no more, with what repaired them.
    pub closed: Vec<(i64, String)>,
    /// Told after the commit: the number of each step's finding, and whether it was repaired.
    pub done: oneshot::Sender<Vec<Done>>,
}

/// One finding and its cure.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was found.
    pub finding: Finding,
    /// What to do.
    pub cure: Cure,
}

/// What puts it right.
#[derive(Debug, Clone)]
pub enum Cure {
    /// Nothing yet: it is noted, and a holder is asked.
    Wait,
    /// The row's columns and hash are written again from its own bytes.
    OwnBytes {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// Proven bytes of another central take the place of the row's.
    Bytes {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
        /// The event.
        frame: Box<Frame>,
        /// Whose bytes these are, for people.
        by: String,
    },
    /// One row stays in its place: copies of it go (they are kept in the finding), other events become branches.
    Twice {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// The row goes to where its bytes belong.
    Move {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// The position map of a stream is made again from its events; what is missing is then caught up like any gap.
    Map {
        /// Stream number.
        number: i32,
        /// The stream.
        stream: StreamId,
        /// Positions whose rows are gone. They stand until they are back, unless the writer never held them: then it is the map
        /// that was edited.
        missing: Option<(u64, u64)>,
    },
    /// The event at the head is not the one the stored map names there.
    Head {
        /// The stream.
        stream: StreamId,
        /// Its head.
        seq: u64,
        /// The hash of the row there.
        row: Hash32,
        /// Who else holds that very event, for people; none while nobody was asked.
        confirmed: Option<String>,
    },
    /// A branch is missing here: catch-up asks for it.
    Suspect {
        /// The stream.
        stream: StreamId,
        /// The position.
        seq: u64,
        /// The hashes held.
        held: Vec<Hash32>,
    },
    /// The list of a stream's months is made again from its events.
    Months(i32),
    /// The rows of these vehicles are made again from their events.
    Rows(BTreeSet<PlateTag>),
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The finding's number.
    pub id: i64,
    /// It is repaired.
    pub repaired: bool,
}
