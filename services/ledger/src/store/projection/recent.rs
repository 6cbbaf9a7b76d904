//! What the tables hold of the vehicles of the last rounds, so that a round need not read it again. Nobody but the writer changes these
//! tables.

use std::collections::{BTreeSet, HashMap};

use ::writer::{Generations, Weight};
use wire::hash::{Hash32, PlateTag};

use super::{Stored, Was};

/// Vehicles kept at most, in each of two generations: about 200 bytes each.
const VEHICLES: usize = 2048;
/// As long as their facts are kept by the writer, ms.
const AGE_MS: i64 = 20_000;
/// Rounds of more vehicles go through many of them, each once: nothing of these is kept. Where lanes and peers press, a round has a hundred.
const MANY: usize = 256;

/// The rows of one vehicle in short.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) history: Vec<(String, Was)>,
    pub(super) conflicts: Vec<(Hash32, Was)>,
}

impl Weight for Rows {
    fn weight(&self) -> usize {
        1
    }
}

/// See the module. Thrown away with everything else in memory after a round that did not commit.
#[derive(Debug)]
pub struct Recent(Generations<Rows>);

impl Default for Recent {
    fn default() -> Self {
        Self(Generations::new(VEHICLES, AGE_MS))
    }
}

impl Recent {
    /// Adds what is kept of these vehicles to what was read.
    pub fn fill(&mut self, tags: &BTreeSet<PlateTag>, stored: &mut Stored) {
        for tag in tags {
            if stored.tags.contains(tag) {
                continue;
            }
            if let Some(rows) = self.0.get(tag) {
                stored.tags.insert(*tag);
                stored.history.extend(rows.history.iter().cloned());
                stored.conflicts.extend(rows.conflicts.iter().copied());
            }
        }
    }

    /// The rows of some vehicles as they were committed at `now`, ms.
    pub(super) fn committed(&mut self, rows: HashMap<PlateTag, Rows>, now: i64) {
        self.0.turn(now, drop);
        let keep = rows.len() <= MANY;
        for (tag, rows) in rows {
            if keep {
                self.0.put(tag, rows);
            } else {
                self.0.remove(&tag);
            }
        }
    }
}
