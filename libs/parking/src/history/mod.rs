//! History: a pure function of the set of events.
//!
//! [`project`] turns a *closed* set of facts (every event of the plate tags and openings involved, see [`Closure`]) into
//! rows of `history` and `conflicts`. The same set gives the same rows in any order, with any duplication, and closed
//! sets can be projected apart or together. No clock, configuration or table takes part; nothing is ever refused.
//!
//! Two stages: `stage1` reads what was said about each opening, never looking at others; `fold` walks the
//! openings and exits of each plate in rank order.

mod assemble;
mod canonical;
mod charges;
mod closure;
pub mod compare;
mod conflict;
mod fold;
mod index;
mod names;
pub mod offsets;
mod policy;
mod row;
mod stage1;

use std::collections::{BTreeMap, BTreeSet};

use wire::hash::{Hash32, PlateTag};
use wire::position::Position;

use self::assemble::Assemble;
pub use self::closure::{Closure, Needs};
pub use self::conflict::{Candidate, ConflictKind, ConflictRow};
pub(crate) use self::fold::STANDING_CHARGE;
use self::index::Index;
pub use self::offsets::Offsets;
pub use self::policy::{BUILT_IN_VERSION, Policies, Policy, in_rank};
pub use self::row::{EventRef, ExitRow, HistoryRow};
use self::stage1::Stage1;
use crate::fact::Fact;

/// Version of the projection: digests are compared, and stored rows trusted, only where it is equal.
pub const PROJECTION_VERSION: u32 = 6;

/// The rows of a closed set of facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Rows of `history`, by opening (central, incarnation, seq, hash).
    pub rows: Vec<HistoryRow>,
    /// Rows of `conflicts`, by id.
    pub conflicts: Vec<ConflictRow>,
    /// The plate tags covered. Stored rows with one of these tags are replaced by `rows` and `conflicts`.
    pub tags: BTreeSet<PlateTag>,
    /// When the events really happened whose stamps were found wrong later, ms since the epoch, by hash.
    pub corrected: BTreeMap<Hash32, i64>,
}

impl Projection {
    /// The row an event opened or acted on; none for one left out. At a fork, the row of any branch.
    pub fn row_of(&self, position: &Position) -> Option<&HistoryRow> {
        self.rows
            .iter()
            .find(|r| r.opening.position == *position)
            .or_else(|| self.rows.iter().find(|r| r.events.iter().any(|e| e.position == *position)))
    }

    /// The row of an opening's branch.
    pub fn row_at(&self, position: &Position, hash: &Hash32) -> Option<&HistoryRow> {
        self.rows.iter().find(|r| r.opening.position == *position && r.opening.hash == *hash)
    }

    /// The row known under an alias: its own first, else one of its others.
    pub fn row_named(&self, event_id: &str) -> Option<&HistoryRow> {
        self.rows
            .iter()
            .find(|r| r.event_id == event_id)
            .or_else(|| self.rows.iter().find(|r| r.answers_to(event_id)))
    }

    /// The open session of a vehicle; there is at most one.
    pub fn open_of(&self, tag: PlateTag) -> Option<&HistoryRow> {
        self.rows.iter().find(|r| r.plate_tag == tag && r.is_open())
    }

    /// The session a row belongs to: itself, or the one whose duplicate it is.
    pub fn session_of<'a>(&'a self, row: &'a HistoryRow) -> &'a HistoryRow {
        row.duplicate_of.as_ref().and_then(|d| self.row_at(&d.position, &d.hash)).unwrap_or(row)
    }

    /// The conflicts a row's events take part in.
    pub fn conflicts_of<'a>(&'a self, row: &'a HistoryRow) -> impl Iterator<Item = &'a ConflictRow> {
        self.conflicts.iter().filter(|c| c.candidates.iter().any(|s| row.events.contains(&s.event)))
    }
}

/// Projects a closed set of facts under these policies (and with the clocks corrected that they know to have been wrong).
#[must_use]
pub fn project(facts: &[Fact], policies: &Policies) -> Projection {
    let index = Index::of(facts, policies.offsets());
    let stage1 = Stage1::of(&index);
    let folded = fold::fold(&index, &stage1, policies);
    let charge_clashes = charges::clashes(&index, &stage1, &folded);
    let assemble = Assemble::new(&index, &stage1, &folded, &charge_clashes);
    Projection {
        rows: assemble.history(),
        conflicts: assemble.conflicts(),
        tags: index.iter().filter_map(|(_, f)| f.tag()).collect(),
        corrected: index
            .iter()
            .filter(|(i, _)| index.is_corrected(*i))
            .map(|(i, f)| (f.hash, index.occurred_at(i)))
            .collect(),
    }
}
