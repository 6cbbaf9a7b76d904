//! What the tables hold of the vehicles of the last rounds, so that a round need not read it again. Nobody but the writer changes these
//! tables.

use std::collections::{BTreeSet, HashMap};

use wire::hash::{Hash32, PlateTag};

use super::{Stored, Was};

/// Vehicles kept at most, in each of two generations: about 200 bytes each.
const VEHICLES: usize = 2048;
/// Rounds of more vehicles go through many of them, each once: nothing of these is kept.
const MANY: usize = 64;

/// The rows of one vehicle in short.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) history: Vec<(String, Was)>,
    pub(super) conflicts: Vec<(Hash32, Was)>,
}

/// See the module. Thrown away with everything else in memory after a round that did not commit.
#[derive(Debug, Default)]
pub struct Recent {
    young: HashMap<PlateTag, Rows>,
    old: HashMap<PlateTag, Rows>,
}

impl Recent {
    /// Adds what is kept of these vehicles to what was read.
    pub fn fill(&mut self, tags: &BTreeSet<PlateTag>, stored: &mut Stored) {
        for tag in tags {
            if stored.tags.contains(tag) {
                continue;
            }
            if let Some(rows) = self.old.remove(tag) {
                self.put(*tag, rows);
            }
            if let Some(rows) = self.young.get(tag) {
                stored.tags.insert(*tag);
                stored.history.extend(rows.history.iter().cloned());
                stored.conflicts.extend(rows.conflicts.iter().copied());
            }
        }
    }

    /// The rows of some vehicles as they were committed.
    pub(super) fn committed(&mut self, rows: HashMap<PlateTag, Rows>) {
        let keep = rows.len() <= MANY;
        for (tag, rows) in rows {
            self.old.remove(&tag);
            if keep {
                self.put(tag, rows);
            } else {
                self.young.remove(&tag);
            }
        }
    }

    fn put(&mut self, tag: PlateTag, rows: Rows) {
        self.young.insert(tag, rows);
        if self.young.len() > VEHICLES {
            self.old = std::mem::take(&mut self.young);
        }
    }
}
