//! Ranges an operator closed: known to exist, held by nobody, given up.
//!
//! Closing changes nothing of the position map: the gap stays a gap, and whoever surfaces with the bytes is asked for them as ever.
//! It only says that the gap is no news: it raises no alarm and is not named as unavailable. What surfaces is held, and so is
//! missing no more, closed or not: nothing has to be undone.

use std::collections::BTreeMap;

use wire::position::{SeqRange, StreamId};

use super::StreamPositions;
use super::ranges::{Range, intersect, len, subtract, union};

/// Closed ranges per stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    streams: BTreeMap<StreamId, Vec<Range>>,
}

impl Closed {
    /// From the ranges told, in any order, overlapping or not.
    pub fn of(ranges: impl IntoIterator<Item = SeqRange>) -> Self {
        let mut all = Self::default();
        for r in ranges {
            if r.from >= 1 && !r.is_empty() {
                let of = all.streams.entry(r.stream).or_default();
                *of = union(of, &[(r.from, r.to)]);
            }
        }
        all
    }

    /// True when nothing is closed.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// What of these ranges of a stream is not closed.
    pub fn open_of(&self, stream: &StreamId, missing: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
        match self.streams.get(stream) {
            None => missing,
            Some(closed) => subtract(&missing, closed),
        }
    }

    /// The closed ranges that are still missing in a map: those that have an effect.
    pub fn in_effect(&self, mine: &super::Positions) -> Vec<SeqRange> {
        let nothing = StreamPositions::default();
        let mut out = Vec::new();
        for (stream, closed) in &self.streams {
            let held = mine.get(stream).unwrap_or(&nothing).holding();
            for (from, to) in subtract(closed, &held) {
                out.push(SeqRange { stream: stream.clone(), from, to });
            }
        }
        out
    }
}

/// How many positions of a range are missing in what is held of its stream.
pub fn missing_within(range: &SeqRange, held: Option<&StreamPositions>) -> u64 {
    let whole = [(range.from.max(1), range.to)];
    if range.is_empty() {
        return 0;
    }
    match held {
        None => len(&whole),
        Some(s) => len(&whole) - len(&intersect(&whole, &s.holding())),
    }
}

#[cfg(test)]
mod tests {
    use wire::hash::Hash32;
    use wire::id::{CentralId, Incarnation};
    use wire::position::Position;

    use super::super::Positions;
    use super::*;

    fn stream(n: u128) -> StreamId {
        StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(n) }
    }

    fn range(n: u128, from: u64, to: u64) -> SeqRange {
        SeqRange { stream: stream(n), from, to }
    }

    #[test]
    fn what_surfaces_undoes_the_closing_by_itself() {
        let closed = Closed::of([range(1, 20, 30), range(1, 5, 9), range(1, 10, 12), range(2, 3, 2)]);
        assert_eq!(closed.open_of(&stream(1), vec![(1, 40)]), [(1, 4), (13, 19), (31, 40)]);
        assert_eq!(closed.open_of(&stream(2), vec![(1, 3)]), [(1, 3)]);
        let mut mine = Positions::new();
        assert_eq!(closed.in_effect(&mine), [range(1, 5, 12), range(1, 20, 30)]);
        for seq in (5..=12).chain([25]) {
            mine.insert(&Position { stream: stream(1), seq }, Hash32([seq as u8; 32]));
        }
        assert_eq!(closed.in_effect(&mine), [range(1, 20, 24), range(1, 26, 30)]);
        let held = mine.get(&stream(1));
        assert_eq!(missing_within(&range(1, 20, 30), held), 10);
        assert_eq!((missing_within(&range(1, 5, 12), held), missing_within(&range(1, 5, 12), None)), (0, 8));
    }
}
