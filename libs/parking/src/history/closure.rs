//! Which events belong together: those that share a plate tag, and those that name one another.

use std::collections::BTreeSet;

use foldhash::HashSet;
use wire::hash::PlateTag;
use wire::position::Position;

use crate::fact::Fact;

/// What is still to load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Load every event with one of these plate tags.
    pub tags: BTreeSet<PlateTag>,
    /// Load every event at one of these positions (all branches), and every event that names one.
    pub openings: BTreeSet<Position>,
}

impl Needs {
    /// True when the facts in hand are closed.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.openings.is_empty()
    }
}

/// Follows the links between events until nothing is missing. Each tag and position is asked for once.
///
/// ```text
/// let mut closure = Closure::default();
/// loop { let needs = closure.missing(&facts); if needs.is_empty() { break } facts.extend(load(needs)) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Closure {
    tags: HashSet<PlateTag>,
    openings: HashSet<Position>,
    seen: usize,
}

impl Closure {
    /// A closure of which these tags are loaded already.
    pub fn with_tags(tags: impl IntoIterator<Item = PlateTag>) -> Self {
        Self { tags: tags.into_iter().collect(), ..Self::default() }
    }

    /// What the facts in hand ask for beyond what was asked for before. Call with the same, growing list: facts seen
    /// by an earlier call are skipped.
    pub fn missing(&mut self, facts: &[Fact]) -> Needs {
        let mut needs = Needs::default();
        for f in facts.get(self.seen..).unwrap_or(facts) {
            if f.foreign {
                continue;
            }
            if let Some(tag) = f.tag()
                && self.tags.insert(tag)
            {
                needs.tags.insert(tag);
            }
            let own = f.is_passage().then_some(&f.header.position);
            for p in own.into_iter().chain(&f.header.opening) {
                if !self.openings.contains(p) {
                    self.openings.insert(p.clone());
                    needs.openings.insert(p.clone());
                }
            }
        }
        self.seen = facts.len();
        needs
    }
}
