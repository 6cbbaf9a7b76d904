//! Loads the facts that belong together: those that share a plate tag, and those that name one another.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};
use parking::fact::Fact;
use parking::history::Closure;
use wire::hash::PlateTag;
use wire::position::Position;

use crate::log::Facts;

/// Every stored fact that belongs with these tags and with the facts in hand (which come first in the answer). Facts may be in it
/// more than once: the projection does not mind.
///
/// # Errors
/// A read failed.
pub async fn load<L: Facts>(
    log: &mut L,
    tags: &BTreeSet<PlateTag>,
    in_hand: Vec<Fact>,
) -> Result<Vec<Fact>, L::Error> {
    let mut walk = Walk::new(tags, in_hand);
    while let Some(asked) = walk.next() {
        walk.add(log.belonging(&asked.tags, &asked.openings).await?);
    }
    Ok(walk.facts)
}

/// What is to be read next.
pub(crate) struct Asked {
    pub(crate) tags: BTreeSet<PlateTag>,
    /// Each with the tag under which it, or what names it, is loaded already.
    pub(crate) openings: Vec<(Position, Option<PlateTag>)>,
}

/// The way from facts to those that belong with them, read by read.
pub(crate) struct Walk<'a> {
    closure: Closure,
    /// Tags to begin with.
    first: Option<&'a BTreeSet<PlateTag>>,
    /// All that is loaded.
    pub(crate) facts: Vec<Fact>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(tags: &'a BTreeSet<PlateTag>, in_hand: Vec<Fact>) -> Self {
        Self { closure: Closure::with_tags(tags.iter().copied()), first: Some(tags), facts: in_hand }
    }

    /// Facts that were read. At a fork an event of no vehicle (a policy, say) may stand at an opening's position: it belongs with none,
    /// and no projection looks at it.
    pub(crate) fn add(&mut self, read: Vec<Fact>) {
        self.facts.extend(read.into_iter().filter(|f| f.tag().is_some()));
    }

    /// What to read and to add to the facts; none at the end.
    pub(crate) fn next(&mut self) -> Option<Asked> {
        let mut needs = self.closure.missing(&self.facts);
        needs.tags.extend(self.first.take().into_iter().flatten());
        let openings = with_tags(&needs.openings, &self.facts);
        (!needs.is_empty()).then_some(Asked { tags: needs.tags, openings })
    }
}

/// Each opening with the tag under which it, or what names it, is loaded already.
fn with_tags(openings: &BTreeSet<Position>, facts: &[Fact]) -> Vec<(Position, Option<PlateTag>)> {
    let mut loaded: HashMap<&Position, PlateTag> = HashMap::new();
    for f in facts {
        if let Some(tag) = f.tag() {
            let own = f.is_passage().then_some(&f.header.position);
            for p in own.into_iter().chain(&f.header.opening) {
                loaded.entry(p).or_insert(tag);
            }
        }
    }
    openings.iter().map(|p| (p.clone(), loaded.get(p).copied())).collect()
}
