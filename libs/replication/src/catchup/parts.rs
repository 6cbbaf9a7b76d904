//! A stream with more gaps and forks than one message takes travels in parts. Each part says that nothing outside its own range
//! of positions is held; together they say what is held, no more and no less.

use wire::hash::Hash32;
use wire::position::StreamHoldings;

/// Weight of one message at most: keeps it below the largest mesh frame.
pub(super) const WEIGHT: usize = 3000;
/// Hashes of one forked position that stand together.
const HASHES: usize = 500;

/// What a stream weighs: about 80 bytes are 1.
pub(super) fn weigh(s: &StreamHoldings) -> usize {
    3 + s.gaps.len().div_ceil(4) + s.forks.iter().map(|(_, hashes)| weigh_fork(hashes)).sum::<usize>()
}

fn weigh_fork(hashes: &[Hash32]) -> usize {
    1 + hashes.len().div_ceil(2)
}

/// A gap, or some hashes of a forked position.
enum Item {
    Gap(u64, u64),
    Fork(u64, Vec<Hash32>),
}

impl Item {
    fn from(&self) -> u64 {
        match self {
            Item::Gap(seq, _) | Item::Fork(seq, _) => *seq,
        }
    }
}

/// The parts of a stream, lowest positions first; mostly one.
pub(super) fn parts(s: StreamHoldings) -> Vec<StreamHoldings> {
    if weigh(&s) <= WEIGHT {
        return vec![s];
    }
    let mut items: Vec<Item> = s.gaps.iter().map(|(from, to)| Item::Gap(*from, *to)).collect();
    for (seq, hashes) in &s.forks {
        items.extend(hashes.chunks(HASHES).map(|some| Item::Fork(*seq, some.to_vec())));
    }
    items.sort_by_key(Item::from);
    let empty = |from: u64| StreamHoldings {
        stream: s.stream.clone(),
        head: 0,
        head_hash: Hash32::default(),
        gaps: if from > 1 { vec![(1, from - 1)] } else { Vec::new() },
        forks: Vec::new(),
    };
    let mut out = Vec::new();
    let (mut part, mut quarters) = (empty(1), 0);
    for item in items {
        let weight = match &item {
            Item::Gap(..) => 1,
            Item::Fork(_, hashes) => 4 * weigh_fork(hashes),
        };
        if quarters + weight > 4 * (WEIGHT - 8) {
            // More hashes of the position this part ends with stand in the next one.
            let same = part.forks.last().is_some_and(|(seq, _)| *seq == item.from());
            part.head = if same { item.from() } else { item.from() - 1 };
            part.head_hash = lowest(&s, part.head);
            out.push(std::mem::replace(&mut part, empty(item.from())));
            quarters = 0;
        }
        quarters += weight;
        match item {
            Item::Gap(from, to) => part.gaps.push((from, to)),
            Item::Fork(seq, hashes) => match part.forks.last_mut().filter(|(last, _)| *last == seq) {
                Some((_, all)) => all.extend(hashes),
                None => part.forks.push((seq, hashes)),
            },
        }
    }
    (part.head, part.head_hash) = (s.head, s.head_hash);
    out.push(part);
    out
}

/// The hash told at a head that is forked; nothing is known of another one.
fn lowest(s: &StreamHoldings, seq: u64) -> Hash32 {
    let at = s.forks.binary_search_by_key(&seq, |(seq, _)| *seq).ok();
    at.and_then(|i| s.forks[i].1.first().copied()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::id::{CentralId, Incarnation};
    use wire::mesh::{MAX_FRAME_BYTES, Message, Positions as Told};
    use wire::position::StreamId;

    use super::*;
    use crate::positions::StreamPositions;

    fn hash(a: u64, b: usize) -> Hash32 {
        Hash32::of(&[&a.to_be_bytes(), &b.to_be_bytes()])
    }

    fn stream() -> StreamId {
        StreamId { central: CentralId::new(&"c".repeat(32)).unwrap(), incarnation: Incarnation(u128::MAX) }
    }

    /// Every `n`th position is missing, every `m`th is forked with so many hashes.
    fn holey(head: u64, n: u64, m: u64, hashes: usize) -> StreamHoldings {
        let gaps = (1..head).filter(|s| s % n == 0).map(|s| (s, s)).collect();
        let forked = (1..=head).filter(|s| s % m == 0 && (s % n != 0 || *s == head));
        let forks: Vec<(u64, Vec<Hash32>)> = forked
            .map(|s| {
                let mut all: Vec<Hash32> = (0..hashes).map(|i| hash(s, i)).collect();
                all.sort_unstable();
                (s, all)
            })
            .collect();
        let head_hash = forks.last().filter(|(s, _)| *s == head).map_or(hash(head, 0), |(_, all)| all[0]);
        StreamHoldings { stream: stream(), head, head_hash, gaps, forks }
    }

    fn together(parts: &[StreamHoldings]) -> StreamPositions {
        let mut all = StreamPositions::default();
        for p in parts {
            all.merge(&StreamPositions::from_holdings(p.clone()).1);
        }
        all
    }

    fn check(whole: StreamHoldings) -> usize {
        let all = parts(whole.clone());
        for p in &all {
            let told = Told {
                whole: true,
                more: true,
                please_answer: false,
                digest: Hash32::default(),
                streams: vec![p.clone()],
                brought: true,
            };
            let bytes = Message::Positions(told).encode().unwrap().len();
            assert!(bytes <= MAX_FRAME_BYTES, "{bytes} bytes");
        }
        assert!(
            together(&all) == StreamPositions::from_holdings(whole).1,
            "{} parts are not the whole",
            all.len()
        );
        all.len()
    }

    #[test]
    fn many_gaps_and_forks_are_told_in_full() {
        assert_eq!(check(holey(100, 7, 11, 2)), 1);
        assert!(check(holey(90_000, 3, 100_000, 2)) > 1, "gaps");
        assert!(check(holey(9_000, 10_000, 2, 2)) > 1, "forks");
        assert!(check(holey(20_000, 3, 7, 3)) > 1, "both");
        assert!(check(holey(10, 100, 5, 20_000)) > 1, "branches");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_are_the_whole(head in 1u64..30_000, n in 2u64..9, m in 2u64..9, hashes in 1usize..5) {
            check(holey(head, n, m, hashes));
        }
    }
}
