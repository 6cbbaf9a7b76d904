//! What one transaction writes: all of it or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking::fact::Fact;
use parking::history::Projection;
use replication::log::WriterHead;
use wire::event::Frame;
use wire::hash::{CommandId, PlateTag};
use wire::id::CentralId;
use wire::position::{StreamHoldings, StreamId};

use crate::later::Behind;

/// An event to store.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its bytes.
    pub frame: Frame,
    /// What it says, or why it is left out of the projection.
    pub fact: Result<Arc<Fact>, String>,
    /// 0, or higher at a fork.
    pub branch: u16,
    /// Order of storing here.
    pub arrival: i64,
}

/// An erased form to put in place of the full one.
#[derive(Debug, Clone)]
pub struct Erased {
    /// Its bytes.
    pub frame: Frame,
    /// What is left of it.
    pub fact: Result<Arc<Fact>, String>,
    /// Which event of its position.
    pub branch: u16,
}

/// A first answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The command.
    pub command: CommandId,
    /// Who asked.
    pub principal: String,
    /// For which path.
    pub path: String,
    /// The lane it named.
    pub edge_id: Option<String>,
    /// The plate it named.
    pub plate_tag: Option<PlateTag>,
    /// HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: String,
    /// When, ms.
    pub created_at: i64,
}

/// What came through one peer in a round. For display.
#[derive(Debug, Clone)]
pub struct CameFrom {
    /// The peer.
    pub peer: CentralId,
    /// Newest `occurred_at` among the events stored, ms.
    pub newest: i64,
    /// Events stored.
    pub stored: i64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    /// The stored head must be this one …
    pub from: WriterHead,
    /// … and becomes this one.
    pub to: WriterHead,
    /// Events to insert, in order of arrival.
    pub new: Vec<NewEvent>,
    /// Erased forms of events stored before.
    pub erased: Vec<Erased>,
    /// Streams whose holdings changed, as they are then.
    pub streams: Vec<StreamHoldings>,
    /// Rows of its tags are replaced by its rows.
    pub projection: Projection,
    /// Vehicles of new events whose rows are made by a later round.
    pub later: BTreeSet<PlateTag>,
    /// How far the rows are behind the events then.
    pub behind: Behind,
    /// First answers to keep.
    pub answers: Vec<Answer>,
    /// Through whom events came.
    pub came: Vec<CameFrom>,
    /// A policy is among the events: every row must be made anew.
    pub stale: bool,
    /// When, ms: what is new was received here then.
    pub now: i64,
}

impl Writes {
    /// True when there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
            && self.erased.is_empty()
            && self.streams.is_empty()
            && self.projection.tags.is_empty()
            && self.behind == Behind::Unchanged
            && self.answers.is_empty()
    }
}

/// What a round has written to the log so far.
#[derive(Debug, Default)]
pub(crate) struct LogChanges {
    pub(crate) new: Vec<NewEvent>,
    pub(crate) erased: Vec<Erased>,
    /// Streams whose holdings changed.
    pub(crate) streams: BTreeSet<StreamId>,
    /// A policy came in.
    pub(crate) policy: bool,
    /// Arrival number given last.
    pub(crate) arrival: i64,
    /// Of the events appended here: the command behind each, by its place in the work.
    pub(crate) own: Vec<Option<usize>>,
}
