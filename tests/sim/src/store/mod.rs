//! The simulated store: what Postgres keeps, and nothing it would not. A transaction is applied whole or not at all; what is
//! committed stays until the disk itself is restored, wiped or destroyed.

mod read;
mod rows;
mod tx;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::writer::{Answer, Writes};
use parking::fact::Fact;
use replication::log::WriterHead;
use replication::positions::Positions;
use wire::event::Frame;
use wire::hash::{CommandId, PlateTag};
use wire::position::{Position, StreamId};

use crate::check::Told;
pub use read::unaltered;
pub use rows::{Rows, StoredConflict, StoredRow};
pub use tx::Refused;

/// An event as a row of `events`.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its bytes.
    pub frame: Frame,
    /// What it says to this release, or none when it is poison.
    pub fact: Option<Arc<Fact>>,
    /// 0, or higher at a fork.
    pub branch: u16,
    /// Order of storing.
    pub arrival: i64,
    /// When it was stored here, ms by this central's clock.
    pub received_at: i64,
}

/// One central's Postgres.
#[derive(Debug, Clone, Default)]
pub struct Store {
    events: Vec<Event>,
    by_position: BTreeMap<Position, Vec<usize>>,
    by_tag: BTreeMap<PlateTag, Vec<usize>>,
    by_opening: BTreeMap<Position, Vec<usize>>,
    by_command: BTreeMap<CommandId, Vec<usize>>,
    policies: Vec<usize>,
    /// `streams`, as the writer last wrote them.
    pub streams: Positions,
    /// `writer_head`.
    pub head: WriterHead,
    /// `history` and `conflicts`.
    pub rows: Rows,
    answers: BTreeMap<CommandId, Answer>,
    /// The version of the projection the rows were made by.
    pub version: u32,
    /// Every row must be made anew.
    pub stale: bool,
    /// Events that arrived after this number may be missing in the rows of their vehicles.
    pub behind: Option<i64>,
    /// `clock_witness`, as its table keeps it.
    pub witness: Option<String>,
    /// The observer's notes: what was answered over this disk for good.
    pub told: Told,
    /// Every transaction asked of this disk, while somebody records them.
    pub journal: Option<Vec<Asked>>,
}

/// A transaction asked of a disk.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it writes.
    pub writes: Writes,
    /// How it was refused; none: it was committed.
    pub refused: Option<Refused>,
}

impl Store {
    /// How many events are stored.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// True when nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Every event, in order of arrival.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Every plate tag with events.
    pub fn tags(&self) -> BTreeSet<PlateTag> {
        self.by_tag.keys().copied().collect()
    }

    /// Reads every event anew with what this release knows. Rows are made anew afterwards.
    pub fn reread(&mut self, read: impl Fn(&Frame) -> Option<Arc<Fact>>) {
        for e in &mut self.events {
            e.fact = read(&e.frame);
        }
        if !self.events.is_empty() {
            // What another release makes of them is no longer what the transactions alone made.
            self.journal = None;
        }
    }

    fn index(&mut self, i: usize) {
        let h = self.events[i].frame.header().clone();
        if let Some(tag) = h.plate_tag {
            self.by_tag.entry(tag).or_default().push(i);
        }
        if let Some(command) = h.command_id {
            self.by_command.entry(command).or_default().push(i);
        }
        if let Some(opening) = h.opening {
            self.by_opening.entry(opening).or_default().push(i);
        }
        if h.kind.is_rule() {
            self.policies.push(i);
        }
        self.by_position.entry(h.position).or_default().push(i);
    }

    fn range<'a>(
        &'a self,
        stream: &StreamId,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = (&'a Position, &'a Vec<usize>)> {
        let at = |seq| Position { stream: stream.clone(), seq };
        // An empty range would panic.
        self.by_position.range(at(from)..=at(to.max(from)))
    }
}
