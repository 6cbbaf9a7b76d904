//! Whole worlds converge.

use proptest::prelude::*;
use wire::position::SeqRange;

use super::world::{Chance, World, central, stream};
use crate::catchup::Limits;
use crate::positions::Closed;

#[test]
fn two_that_meet_are_equal_within_two_seconds() {
    let mut w = World::new(2, 1, &Limits::default());
    w.fill(0, 0, 1..=20_000);
    w.fill(1, 1, 1..=300);
    w.run(5000);
    w.link(0, 1, true);
    w.run(200);
    assert!(w.nodes[1].stored_by_page > 0, "backlog flows at once");
    w.converge(20_000);
    assert_eq!(w.nodes[1].known_by_page, 0, "nothing was asked for twice");
    assert!(w.nodes.iter().all(|n| n.stalls.is_empty()));
}

#[test]
fn two_that_cannot_see_each_other_converge_through_a_third() {
    let mut w = World::new(3, 2, &Limits::default());
    w.link(0, 1, true);
    w.link(1, 2, true);
    for _ in 0..200 {
        w.happen(0);
        w.happen(2);
        w.run(20);
    }
    w.converge(3000);
    assert!(w.nodes[0].stored_by_page >= 200 - 1);
    assert!(!w.is_linked(0, 2));
    assert_eq!(w.nodes[0].catchup.held_only_here(), 0);
}

#[test]
fn a_source_that_falls_silent_is_replaced() {
    let mut w = World::new(3, 3, &Limits::default());
    w.fill(0, 0, 1..=3000);
    w.fill(1, 0, 1..=3000);
    w.nodes[0].deaf = true;
    w.link(0, 2, true);
    w.run(1000);
    w.link(1, 2, true);
    w.link(0, 1, true);
    let took = w.converge(7000);
    assert!(took < 6500, "{took}");
}

#[test]
fn live_events_are_not_asked_for_again() {
    let mut w = World::new(3, 4, &Limits::default());
    w.link_all();
    w.run(1000);
    for _ in 0..500 {
        w.happen(0);
        w.happen(1);
        w.run(7);
    }
    w.converge(2000);
    let asked: usize = w.nodes.iter().map(|n| n.requests.len()).sum();
    assert_eq!(asked, 0, "{:?}", w.nodes[2].requests);
}

#[test]
fn lost_live_events_are_found_while_nothing_else_flows() {
    let mut w = World::new(2, 5, &Limits::default());
    w.link_all();
    w.run(1000);
    w.loss = 1000;
    w.happen(0);
    w.run(1000);
    w.loss = 0;
    // The announcement was lost too: only the beat tells.
    w.converge(35_000);
}

#[test]
fn several_sources_share_a_backlog() {
    let mut w = World::new(4, 6, &Limits::default());
    for node in 0..3 {
        w.fill(node, 0, 1..=30_000);
    }
    w.link_all();
    w.converge(30_000);
    let mut sources: Vec<usize> = w.nodes[3].requests.iter().map(|(n, _)| *n).collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 3);
    assert_eq!(w.nodes[3].known_by_page, 0, "disjoint ranges");
}

#[test]
fn a_store_that_went_back_gets_its_events_again() {
    let mut w = World::new(3, 7, &Limits::default());
    w.link_all();
    for _ in 0..50 {
        w.happen(0);
        w.run(20);
    }
    w.converge(2000);
    let before = w.nodes[0].store.clone();
    w.nodes[0].store = Default::default();
    w.fill(0, 0, 1..=20);
    w.nodes[0].catchup.reading_began();
    let old: Vec<_> = w.nodes[0].store.holdings().collect();
    let now = w.now;
    w.nodes[0].catchup.holdings_read(now, old);
    w.run(1);
    w.converge(3000);
    assert_eq!(w.nodes[0].store, before);
}

#[test]
fn what_only_an_absent_peer_holds_is_named() {
    let mut w = World::new(3, 8, &Limits::default());
    w.fill(0, 0, 1..=100);
    w.fill(1, 0, 1..=60);
    w.nodes[0].deaf = true;
    w.link(0, 1, true);
    w.link(0, 2, true);
    w.run(200);
    w.link(0, 2, false);
    w.link(0, 1, false);
    w.link(1, 2, true);
    w.run(5000);
    let v = w.nodes[2].catchup.view(w.now);
    assert_eq!(v.unavailable.len(), 1);
    assert_eq!((v.unavailable[0].from, v.unavailable[0].to), (61, 100));
    assert!(!v.summary.catching_up);
    assert_eq!(v.peers[0].gaps.len(), 1);
    assert_eq!(v.peers[0].held_events, 60);
    w.nodes[0].deaf = false;
    w.link_all();
    w.converge(6000);
    assert!(w.nodes[2].catchup.unavailable().is_empty());
}

#[test]
fn a_stall_names_its_cause_and_ends() {
    let mut w = World::new(2, 9, &Limits::default());
    w.fill(0, 0, 1..=100);
    w.nodes[1].broken = true;
    w.link_all();
    w.run(15_000);
    assert_eq!(w.nodes[1].stalls, ["the ledger does not take events: disk full"]);
    assert!(w.nodes[1].catchup.view(w.now).stalled.is_some());
    w.nodes[1].broken = false;
    w.converge(10_000);
    w.run(100);
    assert!(w.nodes[1].catchup.view(w.now).stalled.is_none());

    let mut w = World::new(2, 10, &Limits::default());
    w.fill(0, 0, 1..=100);
    w.nodes[0].deaf = true;
    w.link_all();
    w.run(20_000);
    assert_eq!(w.nodes[1].stalls, ["central-0 does not answer requests"]);
}

#[test]
fn holders_are_counted() {
    let mut w = World::new(4, 11, &Limits::default());
    w.link(0, 1, true);
    w.link(0, 2, true);
    w.happen(0);
    w.converge_some(&[0, 1, 2], 3000);
    w.run(2000);
    let at = wire::position::Position { stream: stream(0), seq: 1 };
    assert_eq!(w.nodes[0].catchup.holders(&at), 3);
    assert_eq!(w.nodes[0].catchup.held_only_here(), 0);
    w.link(0, 1, false);
    w.link(0, 2, false);
    w.happen(0);
    assert_eq!(w.nodes[0].catchup.held_only_here(), 1);
    let behind: Vec<u64> = w.nodes[0].catchup.view(w.now).peers.iter().map(|p| p.behind_events).collect();
    assert_eq!(behind, [1, 1, 2], "central-3 was never met");
    assert!(w.nodes[0].catchup.view(w.now).peers.iter().all(|p| p.known == (p.id != central(3))));
}

#[test]
fn a_closed_range_is_no_news_and_comes_all_the_same_when_it_surfaces() {
    let mut w = World::new(3, 12, &Limits::default());
    w.fill(0, 0, 1..=100);
    w.fill(1, 0, 1..=60);
    w.fill(1, 0, 91..=91);
    w.link(1, 2, true);
    w.run(3000);
    let lost = SeqRange { stream: stream(0), from: 61, to: 90 };
    let c = &mut w.nodes[2].catchup;
    assert_eq!(c.nowhere(), std::slice::from_ref(&lost));
    let seen = c.range(&SeqRange { from: 50, ..lost.clone() });
    assert_eq!((seen.missing, seen.known, seen.holders.len(), seen.away.len()), (30, 30, 0, 0));
    c.close(Closed::of([SeqRange { to: 100, ..lost.clone() }]));
    let v = c.view(3000);
    assert_eq!((v.unavailable.len(), v.nowhere.len(), v.peers[0].gaps.len()), (0, 0, 0), "{v:?}");
    assert_eq!(v.closed, [lost.clone(), SeqRange { from: 92, to: 100, ..lost.clone() }]);
    // central-0 comes back, whose disk was believed to be gone.
    w.nodes[0].deaf = true;
    w.link(0, 2, true);
    w.run(300);
    assert_eq!(w.nodes[2].catchup.range(&lost).holders, [central(0)]);
    w.nodes[0].deaf = false;
    w.link_all();
    w.converge(6000);
    assert!(w.nodes[2].catchup.view(w.now).closed.is_empty());
    // A peer that is away and known to hold something is no proof that nobody holds it.
    w.link(0, 1, false);
    w.link(0, 2, false);
    w.fill(0, 0, 101..=103);
    w.run(100);
    assert!(w.nodes[2].catchup.nowhere().is_empty());
}

#[test]
fn a_peer_taken_out_of_the_configuration_holds_nothing_up() {
    let mut w = World::new(3, 13, &Limits::default());
    w.link_all();
    w.fill(0, 0, 1..=50);
    w.run(100);
    w.converge(6000);
    w.run(2000);
    assert_eq!(w.nodes[0].catchup.spread().not_everywhere, 0);
    let at = wire::position::Position { stream: stream(0), seq: 55 };
    w.link(0, 2, false);
    w.link(1, 2, false);
    for _ in 0..10 {
        w.happen(0);
    }
    w.run(3000);
    let c = &mut w.nodes[0].catchup;
    let s = c.spread();
    assert_eq!((s.not_everywhere, s.peers[0].lacks, s.peers[1].lacks), (10, 0, 10), "{s:?}");
    assert_eq!((s.peers[1].known, s.peers[1].first[0].seq), (true, 51));
    assert_eq!((c.holders(&at), c.view(3000).peers.len()), (2, 2));
    c.configure(3000, [central(1)]);
    let s = c.spread();
    assert_eq!((s.not_everywhere, s.peers.len(), s.peers[0].id.clone()), (0, 1, central(1)));
    assert_eq!((c.holders(&at), c.view(3000).peers.len(), c.nowhere().len()), (2, 1, 0));
    // Back again it is a stranger: nothing is known of what it holds.
    c.configure(3000, [central(1), central(2)]);
    let s = c.spread();
    assert_eq!((s.not_everywhere, s.peers[1].known, s.peers[1].lacks), (0, false, 0));
}

#[test]
fn ten_with_loss_delay_and_cuts() {
    for seed in 0..6 {
        storm(10, seed, 300);
    }
}

/// Traffic everywhere while links come and go and messages are lost; then peace.
fn storm(nodes: usize, seed: u64, steps: usize) {
    let mut w = World::new(nodes, seed, &Limits::default());
    w.link_all();
    w.loss = 50;
    w.delay = 120;
    w.in_order = seed.is_multiple_of(2);
    let mut c = Chance::new(seed + 1000);
    for _ in 0..steps {
        let (a, b) = (c.below(nodes as u64) as usize, c.below(nodes as u64) as usize);
        match c.below(10) {
            0..6 => w.happen(a),
            6 if a != b => w.link(a, b, false),
            7 | 8 if a != b => w.link(a, b, true),
            _ => w.nodes[a].deaf = c.below(4) == 0,
        }
        w.run(c.below(100) as i64);
    }
    for n in &mut w.nodes {
        n.deaf = false;
    }
    w.link_all();
    w.converge(60_000);
    // At rest: everybody knows that everybody has everything.
    w.loss = 0;
    w.run(40_000);
    for n in &mut w.nodes {
        let v = n.catchup.view(w.now);
        assert!(!v.summary.catching_up && v.summary.missing == 0 && v.stalled.is_none(), "seed {seed}");
        assert!(v.peers.iter().all(|p| p.behind_events == 0 && p.backlog == 0), "seed {seed}: {v:?}");
        assert_eq!(n.catchup.held_only_here(), 0, "seed {seed}");
        assert_eq!(*n.catchup.positions(), n.store, "seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_small_world_converges(seed in any::<u32>(), nodes in 2usize..5) {
        storm(nodes, u64::from(seed), 60);
    }
}
