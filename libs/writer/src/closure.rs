//! Loads the facts that belong together: those that share a plate tag, and those that name one another.

use std::collections::{BTreeSet, HashMap};

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
    let mut closure = Closure::with_tags(tags.iter().copied());
    let mut facts = in_hand;
    let mut needs = closure.missing(&facts);
    needs.tags.extend(tags);
    while !needs.is_empty() {
        let openings = with_tags(&needs.openings, &facts);
        facts.append(&mut log.belonging(&needs.tags, &openings).await?);
        needs = closure.missing(&facts);
    }
    Ok(facts)
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
