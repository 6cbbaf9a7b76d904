//! The choice of events as ranges.

use std::collections::BTreeMap;

use wire::id::CentralId;
use wire::position::{SeqRange, StreamId};

use crate::positions::ranges::{Range, intersect, normalise};
use crate::positions::{Positions, StreamPositions, missing_of};

/// What narrows the choice; nothing is everything held.
#[derive(Debug, Default)]
pub struct Choice<'a> {
    /// What the receiver holds, as far as is known: it lacks the rest.
    pub held_there: Option<&'a Positions>,
    /// One origin only.
    pub central: Option<&'a CentralId>,
    /// Only these ranges.
    pub ranges: Option<&'a [SeqRange]>,
    /// Of each stream one run of positions (those of a stretch of time).
    pub runs: Option<&'a [SeqRange]>,
}

fn by_stream(ranges: &[SeqRange]) -> BTreeMap<&StreamId, Vec<Range>> {
    let mut out: BTreeMap<&StreamId, Vec<Range>> = BTreeMap::new();
    for r in ranges.iter().filter(|r| !r.is_empty()) {
        out.entry(&r.stream).or_default().push((r.from, r.to));
    }
    for of in out.values_mut() {
        *of = normalise(std::mem::take(of), u64::MAX);
    }
    out
}

/// The ranges of what is held that are chosen, ascending by stream and seq.
pub fn plan(held: &Positions, choice: &Choice<'_>) -> Vec<SeqRange> {
    let nothing = StreamPositions::default();
    let narrowed: Vec<_> = [choice.ranges, choice.runs].into_iter().flatten().map(by_stream).collect();
    let mut out = Vec::new();
    for (stream, mine) in held.iter() {
        if choice.central.is_some_and(|c| *c != stream.central) {
            continue;
        }
        let mut chosen = match choice.held_there {
            Some(there) => missing_of(mine, there.get(stream).unwrap_or(&nothing)),
            None => mine.holding(),
        };
        for only in &narrowed {
            chosen = only.get(stream).map_or_else(Vec::new, |r| intersect(&chosen, r));
        }
        out.extend(chosen.into_iter().map(|(from, to)| SeqRange { stream: stream.clone(), from, to }));
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::hash::Hash32;
    use wire::id::Incarnation;
    use wire::position::Position;

    use super::*;

    fn stream(n: u8) -> StreamId {
        StreamId { central: CentralId::new(&format!("central-{n}")).unwrap(), incarnation: Incarnation(1) }
    }

    fn held(of: &[(u8, std::ops::RangeInclusive<u64>)]) -> Positions {
        let mut p = Positions::new();
        for (n, seqs) in of {
            for seq in seqs.clone() {
                p.insert(&Position { stream: stream(*n), seq }, Hash32::of(&[&seq.to_be_bytes()]));
            }
        }
        p
    }

    fn range(n: u8, from: u64, to: u64) -> SeqRange {
        SeqRange { stream: stream(n), from, to }
    }

    #[test]
    fn everything_held_unless_something_narrows_it() {
        let mine = held(&[(1, 1..=4), (1, 7..=9), (2, 1..=3)]);
        let of = |choice: Choice<'_>| plan(&mine, &choice);
        assert_eq!(of(Choice::default()), [range(1, 1, 4), range(1, 7, 9), range(2, 1, 3)]);
        let two = stream(2).central;
        assert_eq!(of(Choice { central: Some(&two), ..Choice::default() }), [range(2, 1, 3)]);
        let some = [range(1, 3, 8), range(1, 4, 4), range(3, 1, 9), range(2, 3, 2)];
        let only = Choice { ranges: Some(&some), ..Choice::default() };
        assert_eq!(of(only), [range(1, 3, 4), range(1, 7, 8)]);
        let both = Choice { ranges: Some(&some), runs: Some(&[range(1, 8, 20)]), ..Choice::default() };
        assert_eq!(of(both), [range(1, 8, 8)]);
    }

    #[test]
    fn for_a_central_it_is_what_that_one_lacks() {
        let mine = held(&[(1, 1..=9), (2, 1..=3)]);
        let there = held(&[(1, 1..=2), (1, 5..=6), (3, 1..=3)]);
        let choice = Choice { held_there: Some(&there), ..Choice::default() };
        assert_eq!(plan(&mine, &choice), [range(1, 3, 4), range(1, 7, 9), range(2, 1, 3)]);
        let choice = Choice { held_there: Some(&mine), ..Choice::default() };
        assert_eq!(plan(&mine, &choice), []);
    }
}
