use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use wire::id::{CentralId, Incarnation};
use wire::position::SeqRange;

use super::*;

fn stream(n: u8) -> StreamId {
    StreamId {
        central: CentralId::new(&format!("central-{n}")).unwrap(),
        incarnation: Incarnation(u128::from(n)),
    }
}

fn hash(seq: u64, branch: u8) -> Hash32 {
    Hash32::of(&[&seq.to_be_bytes(), &[branch]])
}

/// The model: per stream the seqs held (one branch).
type Model = BTreeMap<u8, BTreeSet<u64>>;

fn build(order: &[(u8, u64)]) -> Positions {
    let mut p = Positions::new();
    for &(s, seq) in order {
        p.insert(&Position { stream: stream(s), seq }, hash(seq, 0));
    }
    p
}

fn model(order: &[(u8, u64)]) -> Model {
    let mut m = Model::new();
    for &(s, seq) in order {
        m.entry(s).or_default().insert(seq);
    }
    m
}

fn events() -> impl Strategy<Value = Vec<(u8, u64)>> {
    proptest::collection::vec((0u8..3, 1u64..40), 0..80)
}

proptest! {
    #[test]
    fn the_map_is_a_function_of_the_set(order in events(), seed in any::<u64>()) {
        let mut other = order.clone();
        other.extend_from_slice(&order);
        // A cheap seeded shuffle.
        let mut x = seed | 1;
        for i in (1..other.len()).rev() {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            other.swap(i, (x >> 33) as usize % (i + 1));
        }
        let (a, b) = (build(&order), build(&other));
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a.digest(), b.digest());
    }

    #[test]
    fn holds_and_counts_what_was_inserted(order in events()) {
        let (p, m) = (build(&order), model(&order));
        prop_assert_eq!(p.held(), m.values().map(|s| s.len() as u64).sum::<u64>());
        for s in 0..3u8 {
            for seq in 0..41 {
                let want = m.get(&s).is_some_and(|set| set.contains(&seq));
                prop_assert_eq!(p.holds(&Position { stream: stream(s), seq }), want);
            }
        }
    }

    #[test]
    fn merge_is_union(a in events(), b in events()) {
        let both: Vec<_> = a.iter().chain(&b).copied().collect();
        let (mut ab, mut ba) = (build(&a), build(&b));
        ab.merge(&build(&b));
        ba.merge(&build(&a));
        prop_assert_eq!(&ab, &build(&both));
        prop_assert_eq!(ab.digest(), ba.digest());
    }

    #[test]
    fn missing_is_the_set_difference(a in events(), b in events()) {
        let (theirs, mine) = (build(&a), build(&b));
        let (mt, mm) = (model(&a), model(&b));
        let want: BTreeSet<(StreamId, u64)> = mt
            .iter()
            .flat_map(|(s, set)| {
                let have = mm.get(s).cloned().unwrap_or_default();
                set.difference(&have).map(|seq| (stream(*s), *seq)).collect::<Vec<_>>()
            })
            .collect();
        let got = missing(&theirs, &mine);
        prop_assert_eq!(count(&got), want.len() as u64);
        let named: BTreeSet<(StreamId, u64)> =
            got.iter().flat_map(|r| (r.from..=r.to).map(|seq| (r.stream.clone(), seq))).collect();
        prop_assert_eq!(named, want);
    }

    #[test]
    fn holdings_travel(order in events()) {
        let p = build(&order);
        prop_assert_eq!(&Positions::from_holdings(p.holdings()), &p);
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let (page, more) = p.page(after.as_ref(), 2);
            after = page.last().map(|h| h.stream.clone());
            paged.extend(page);
            if !more { break; }
        }
        prop_assert_eq!(paged, p.holdings().collect::<Vec<_>>());
    }

    #[test]
    fn told_nonsense_becomes_a_sound_map(
        head in any::<u64>(),
        gaps in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..8),
        small in proptest::collection::vec((0u64..50, 0u64..50), 0..8),
    ) {
        for (head, gaps) in [(head, gaps), (head % 50, small)] {
            let told = StreamHoldings {
                stream: stream(0), head, head_hash: hash(1, 0), gaps, forks: vec![(head, vec![hash(1, 1)])],
            };
            let p = Positions::from_holdings([told]);
            if let Some(s) = p.get(&stream(0)) {
                prop_assert!(s.holds(s.head()));
                prop_assert!(s.gaps().windows(2).all(|w| w[0].1 + 1 < w[1].0));
                prop_assert!(s.gaps().iter().all(|g| 1 <= g.0 && g.0 <= g.1 && g.1 < s.head()));
            }
        }
    }
}

#[test]
fn forks_are_listed_and_asked_for() {
    let s = stream(1);
    let (mut a, mut b) = (Positions::new(), Positions::new());
    for seq in 1..=5 {
        a.entry(&s).insert(seq, hash(seq, 0));
        b.entry(&s).insert(seq, hash(seq, u8::from(seq > 3)));
    }
    assert_ne!(a.digest(), b.digest());
    // The heads differ: the branch at 5 is asked for.
    assert_eq!(missing(&b, &a), [SeqRange { stream: s.clone(), from: 5, to: 5 }]);
    a.entry(&s).insert(5, hash(5, 1));
    // Its predecessor is another one than the one held at 4: suspected, then found.
    a.entry(&s).mark_forked(4, [hash(4, 0)]);
    assert_eq!(missing(&b, &a), []);
    assert_eq!(suspected(&b, &a), [SeqRange { stream: s.clone(), from: 4, to: 4 }]);
    a.entry(&s).mark_forked(4, [hash(4, 1)]);
    assert_eq!(suspected(&b, &a), []);
    // The other one learns of both.
    assert_eq!(missing(&a, &b), [SeqRange { stream: s.clone(), from: 4, to: 5 }]);
    for seq in [4, 5] {
        b.entry(&s).mark_forked(seq, [hash(seq, 0), hash(seq, 1)]);
    }
    assert_eq!(a, b);
    assert_eq!(a.digest(), b.digest());
}
