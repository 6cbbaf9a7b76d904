//! Log positions: where an event stands, and what a central holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Hash32;
use crate::id::{CentralId, Incarnation};

/// One stream of the log: the events one incarnation of one central wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The origin.
    pub central: CentralId,
    /// The origin's incarnation.
    pub incarnation: Incarnation,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.central, self.incarnation)
    }
}

/// The place of one event: `seq` is gapless from 1 within its stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The stream.
    pub stream: StreamId,
    /// The number in the stream, from 1.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.seq)
    }
}

/// What a central holds of one stream, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamHoldings {
    /// The stream.
    pub stream: StreamId,
    /// The highest seq held (0 when nothing is).
    pub head: u64,
    /// The hash of the event at `head` (of the lowest hash where the head is forked); all zero when `head` is 0.
    pub head_hash: Hash32,
    /// Missing ranges below `head`, inclusive on both ends, ascending, disjoint, not adjacent.
    pub gaps: Vec<(u64, u64)>,
    /// Forked positions: seq and every hash held there, ascending.
    pub forks: Vec<(u64, Vec<Hash32>)>,
}

/// A range of one stream, inclusive on both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeqRange {
    /// The stream.
    pub stream: StreamId,
    /// First seq wanted.
    pub from: u64,
    /// Last seq wanted.
    pub to: u64,
}

impl SeqRange {
    /// How many positions the range names.
    pub fn len(&self) -> u64 {
        if self.is_empty() { 0 } else { (self.to - self.from).saturating_add(1) }
    }

    /// True when the range names nothing.
    pub fn is_empty(&self) -> bool {
        self.to < self.from
    }
}

/// `central/incarnation/from-to`; of a single position, `central/incarnation/seq`.
impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}/{}", self.stream, self.from)
        } else {
            write!(f, "{}/{}-{}", self.stream, self.from, self.to)
        }
    }
}
