//! One rule at a time.

use std::collections::BTreeSet;

use wire::mesh::{Message, Positions as Told, ShortDigest, SyncRequest};
use wire::position::{Position, SeqRange, StreamHoldings};

use super::world::{central, hash, stream};
use crate::catchup::{Brought, Catchup, Limits, Outcome, Output, Page, Phase, Verdict};
use crate::positions::Positions;

fn map(parts: &[(usize, u64, u64)]) -> Positions {
    let mut p = Positions::new();
    for &(of, from, to) in parts {
        let s = stream(of);
        for seq in from..=to {
            p.entry(&s).insert(seq, hash(&s, seq));
        }
    }
    p
}

fn whole(p: &Positions) -> Told {
    Told {
        whole: true,
        more: false,
        please_answer: false,
        digest: p.digest(),
        streams: p.holdings().collect(),
        brought: false,
    }
}

fn changes(p: &Positions) -> Told {
    Told { whole: false, ..whole(p) }
}

fn holdings(p: &Positions) -> Vec<StreamHoldings> {
    p.holdings().collect()
}

/// Central 0, its holdings read, linked to these peers.
fn linked(mine: &Positions, peers: &[usize], limits: &Limits) -> Catchup {
    let mut c = Catchup::new(central(0), limits.clone(), 1);
    c.configure(0, peers.iter().map(|n| central(*n)));
    c.reading_began();
    c.holdings_read(0, holdings(mine));
    c.linked(0, &peers.iter().map(|n| central(*n)).collect::<BTreeSet<_>>());
    c.take_outputs();
    c
}

fn requests(c: &mut Catchup) -> Vec<(String, SyncRequest)> {
    c.take_outputs()
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { to: Some(to), message: Message::SyncRequest(r) } => Some((to.to_string(), r)),
            _ => None,
        })
        .collect()
}

fn range(of: usize, from: u64, to: u64) -> SeqRange {
    SeqRange { stream: stream(of), from, to }
}

#[test]
fn the_newest_of_every_stream_come_first_and_the_old_last() {
    let limits = Limits { first_events: 200, window_ms: 1000, ..Limits::default() };
    let mut c = linked(&Positions::new(), &[1], &limits);
    let theirs = map(&[(1, 1, 500), (2, 1, 50), (3, 1, 1000)]);
    c.positions_received(1_000_000, &central(1), whole(&theirs));
    let r = requests(&mut c).remove(0).1;
    assert_eq!(r.ranges, [range(1, 417, 500), range(2, 1, 50), range(3, 935, 1000)]);
    // The third stream turns out to be old: the others go on without it.
    let page = Page {
        id: r.id,
        more: false,
        brought: r
            .ranges
            .iter()
            .map(|x| Brought {
                range: x.clone(),
                newest_at: if x.stream == stream(3) { 5 } else { 1_000_000 },
            })
            .collect(),
        not_held: Vec::new(),
    };
    c.page_received(1_000_010, &central(1), &page);
    let r = requests(&mut c).remove(0).1;
    assert_eq!(r.ranges, [range(1, 17, 416)], "the request has doubled");
}

#[test]
fn a_gap_that_opened_just_now_waits_for_the_live_event() {
    let both = map(&[(1, 1, 10)]);
    let mut c = linked(&both, &[1], &Limits::default());
    c.positions_received(10, &central(1), whole(&both));
    assert!(!c.catching_up(10));
    let more = map(&[(1, 1, 12)]);
    c.positions_received(1000, &central(1), changes(&more));
    c.tick(1100);
    assert!(requests(&mut c).is_empty());
    assert!(!c.catching_up(1100));
    c.tick(1150);
    assert_eq!(requests(&mut c)[0].1.ranges, [range(1, 11, 12)]);
    assert!(c.catching_up(1150));
}

/// A central that has too much to do stores live events seconds after it was told of them.
#[test]
fn what_comes_live_but_late_is_not_asked_for_and_what_was_left_out_is() {
    let (mine, theirs) = (map(&[(1, 1, 10)]), map(&[(1, 1, 40)]));
    let mut c = linked(&mine, &[1], &Limits::default());
    c.positions_received(10, &central(1), whole(&mine));
    c.take_outputs();
    c.holdings_changed(900, holdings(&map(&[(1, 1, 12)])));
    c.positions_received(1000, &central(1), changes(&theirs));
    for (at, head) in [(1100, 14), (2500, 20), (4400, 21)] {
        c.tick(at);
        assert!(requests(&mut c).is_empty(), "{at}");
        c.holdings_changed(at, holdings(&map(&[(1, 1, head)])));
    }
    assert!(c.catching_up(4400), "it is missing all the same");
    // A minute of that is no stall: it moves.
    let mut busy = linked(&mine, &[1], &Limits::default());
    busy.positions_received(10, &central(1), whole(&map(&[(1, 1, 400)])));
    busy.take_outputs();
    for n in 0..60 {
        busy.holdings_changed(1000 * n + 20, holdings(&map(&[(1, 1, 11 + n as u64)])));
        busy.tick(1000 * n + 520);
        let out = busy.take_outputs();
        assert!(!out.iter().any(|o| matches!(o, Output::Stalled(_))), "{n}");
    }
    // A gap below what has come: that is not on its way.
    let mut gap = map(&[(1, 1, 21)]);
    gap.entry(&stream(1)).merge(map(&[(1, 25, 30)]).get(&stream(1)).unwrap());
    c.holdings_changed(4500, holdings(&gap));
    assert_eq!(requests(&mut c)[0].1.ranges, [range(1, 22, 24)]);
    // Nothing comes any more.
    let mut c = linked(&mine, &[1], &Limits::default());
    c.positions_received(10, &central(1), whole(&mine));
    c.holdings_changed(900, holdings(&map(&[(1, 1, 12)])));
    c.positions_received(1000, &central(1), changes(&theirs));
    c.take_outputs();
    c.tick(2899);
    assert!(requests(&mut c).is_empty());
    c.tick(2900);
    assert_eq!(requests(&mut c)[0].1.ranges, [range(1, 13, 40)]);
}

#[test]
fn a_link_that_comes_up_asks_at_once_and_says_what_is_held() {
    let mine = map(&[(0, 1, 5)]);
    let mut c = Catchup::new(central(0), Limits::default(), 1);
    c.configure(0, [central(1)]);
    c.reading_began();
    c.holdings_read(0, holdings(&mine));
    c.linked(100, &BTreeSet::from([central(1)]));
    let out = c.take_outputs();
    assert!(out.iter().any(|o| matches!(o,
        Output::Send { to: Some(_), message: Message::Positions(p) }
            if p.whole && !p.more && p.please_answer && p.streams.len() == 1)));
    c.positions_received(110, &central(1), whole(&map(&[(1, 1, 3)])));
    assert_eq!(requests(&mut c)[0].1.ranges, [range(1, 1, 3)]);
}

#[test]
fn an_unanswered_lease_goes_to_another_and_late_pages_still_count() {
    let mut c = linked(&Positions::new(), &[1, 2], &Limits::default());
    let theirs = map(&[(1, 1, 10)]);
    c.positions_received(0, &central(1), whole(&theirs));
    c.positions_received(0, &central(2), whole(&theirs));
    let first = requests(&mut c);
    assert_eq!(first.len(), 1, "one source per range");
    c.tick(4999);
    assert!(requests(&mut c).is_empty());
    c.tick(5000);
    let second = requests(&mut c);
    assert_eq!((first[0].0.as_str(), second[0].0.as_str()), ("central-1", "central-2"));
    let page = Page {
        id: first[0].1.id,
        brought: vec![Brought { range: range(1, 1, 10), newest_at: 0 }],
        ..Page::default()
    };
    assert!(matches!(c.page_received(5100, &central(1), &page), Verdict::Apply(_)));
    assert_eq!(c.page_received(5100, &central(1), &Page { id: 77, ..page }), Verdict::Unasked);
}

/// Its sync was restarted while the link stayed: nobody there knows of the request.
#[test]
fn a_peer_that_begins_anew_is_asked_again_at_once() {
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    let theirs = map(&[(1, 1, 10)]);
    let begins = Told { please_answer: true, ..whole(&theirs) };
    c.positions_received(0, &central(1), begins.clone());
    let first = requests(&mut c);
    assert_eq!(first.len(), 1);
    c.positions_received(600, &central(1), whole(&theirs));
    assert!(requests(&mut c).is_empty(), "its map alone says nothing of the request");
    c.positions_received(1000, &central(1), begins);
    let second = requests(&mut c);
    assert_eq!(second[0].1.ranges, first[0].1.ranges);
    // A page that was on its way all the same is taken.
    let brought = vec![Brought { range: range(1, 1, 10), newest_at: 0 }];
    let page = Page { id: first[0].1.id, brought, ..Page::default() };
    assert!(matches!(c.page_received(1010, &central(1), &page), Verdict::Apply(_)));
}

/// A peer whose map has ten events, and which said that it has none of them.
fn denied() -> (Catchup, Positions) {
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    let theirs = map(&[(1, 1, 10)]);
    c.positions_received(0, &central(1), whole(&theirs));
    let r = requests(&mut c).remove(0).1;
    let page = Page { id: r.id, not_held: r.ranges, ..Page::default() };
    assert_eq!(c.page_received(10, &central(1), &page), Verdict::Nothing);
    (c, theirs)
}

/// The whole map is asked for; told again, its events are.
fn is_asked_about(mut c: Catchup, theirs: &Positions) {
    c.tick(3000);
    assert!(c.take_outputs().iter().any(|o| matches!(o,
        Output::Send { message: Message::Positions(p), .. } if p.please_answer)));
    c.positions_received(3100, &central(1), whole(theirs));
    c.tick(3300);
    assert_eq!(requests(&mut c).len(), 1);
}

#[test]
fn a_denied_range_is_not_asked_for_again_until_the_map_is_told_anew() {
    let (mut c, theirs) = denied();
    c.tick(60);
    assert!(requests(&mut c).is_empty());
    assert_eq!(c.unavailable(), [range(1, 1, 10)]);
    is_asked_about(c, &theirs);
}

/// A copy of a peer may have answered for it: that the digests of the maps agree proves nothing about what was denied.
#[test]
fn a_denial_is_asked_about_though_the_peer_goes_on_telling_the_same_map() {
    let (mut c, theirs) = denied();
    c.digest_received(20, &central(1), ShortDigest::of(&theirs.digest()));
    c.positions_received(30, &central(1), changes(&theirs));
    is_asked_about(c, &theirs);
}

#[test]
fn nothing_is_asked_for_while_the_store_is_away_or_full() {
    let limits = Limits { first_events: 10, request_events: 10, unapplied_pages: 1, ..Limits::default() };
    let mut c = linked(&Positions::new(), &[1], &limits);
    c.positions_received(0, &central(1), whole(&map(&[(1, 1, 100)])));
    let mut tickets = Vec::new();
    for now in 1..10 {
        for (_, r) in requests(&mut c) {
            let brought = r.ranges.into_iter().map(|range| Brought { range, newest_at: now }).collect();
            if let Verdict::Apply(t) =
                c.page_received(now, &central(1), &Page { id: r.id, brought, ..Page::default() })
            {
                tickets.push(t);
            }
        }
    }
    assert_eq!(tickets.len(), 2, "pages waiting for the store are bounded");
    let error = Some("no Postgres".to_owned());
    c.applied(20, tickets[0], Outcome { error, ..Outcome::default() });
    assert!(requests(&mut c).is_empty());
    c.tick(100);
    assert!(requests(&mut c).is_empty());
    c.tick(280);
    // What could not be stored is asked for again.
    assert_eq!(requests(&mut c)[0].1.ranges, [range(1, 91, 100)]);
}

#[test]
fn a_lost_page_of_a_map_is_noticed_by_the_digest() {
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    let theirs = map(&[(1, 1, 4), (2, 1, 4)]);
    let mut all = holdings(&theirs);
    all.remove(0);
    c.positions_received(5, &central(1), Told { streams: all, ..whole(&theirs) });
    c.tick(2100);
    assert!(c.take_outputs().iter().any(|o| matches!(o,
        Output::Send { message: Message::Positions(p), .. } if p.please_answer && !p.whole)));
    c.positions_received(2200, &central(1), whole(&theirs));
    c.tick(40_000);
    assert!(!c.take_outputs().iter().any(|o| matches!(o,
        Output::Send { message: Message::Positions(p), .. } if p.please_answer)));
}

#[test]
fn maps_travel_in_bounded_messages() {
    let mut mine = Positions::new();
    for n in 0..2500 {
        mine.entry(&stream(n)).insert(1, hash(&stream(n), 1));
    }
    let s = stream(9999);
    for seq in 1..=40_000 {
        mine.entry(&s).insert(seq * 2, hash(&s, seq));
    }
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    c.reading_began();
    c.holdings_read(10, holdings(&mine));
    c.positions_received(600, &central(1), Told { please_answer: true, ..changes(&Positions::new()) });
    let told: Vec<Told> = c
        .take_outputs()
        .into_iter()
        .filter_map(|o| match o {
            Output::Send { message: Message::Positions(p), .. } if p.whole => Some(p),
            _ => None,
        })
        .collect();
    assert!(told.len() >= 3);
    for p in &told {
        assert!(Message::Positions(p.clone()).encode().unwrap().len() < 256 * 1024);
    }
    assert_eq!(told.iter().filter(|p| !p.more).count(), 1);
    let heard = Positions::from_holdings(told.into_iter().flat_map(|p| p.streams));
    assert_eq!(heard.len(), mine.len());
    assert!(crate::positions::missing(&heard, &mine).is_empty(), "never more than is held");
}

#[test]
fn news_that_comes_late_takes_nothing_back() {
    let mut c = linked(&map(&[(1, 1, 10)]), &[1], &Limits::default());
    c.holdings_changed(5, holdings(&map(&[(1, 1, 8)])));
    assert_eq!(c.positions().held(), 10);
    c.reading_began();
    c.holdings_changed(6, holdings(&map(&[(1, 1, 12)])));
    // The reading saw the store before the commit.
    c.holdings_read(7, holdings(&map(&[(1, 1, 10)])));
    assert_eq!(c.positions().held(), 12);
    // A reading that nothing overtook may take back: the store is the truth.
    c.reading_began();
    c.holdings_read(8, holdings(&map(&[(1, 1, 9)])));
    assert_eq!(c.positions().held(), 9);
}

#[test]
fn a_fork_is_asked_for_and_a_suspected_one_only_once() {
    let s = stream(1);
    let mut mine = map(&[(1, 1, 5)]);
    let mut theirs = map(&[(1, 1, 4)]);
    theirs.entry(&s).insert(5, wire::hash::Hash32([9; 32]));
    let mut c = linked(&mine, &[1], &Limits::default());
    c.positions_received(1, &central(1), whole(&theirs));
    let r = requests(&mut c).remove(0).1;
    assert_eq!(r.ranges, [range(1, 5, 5)]);
    mine.entry(&s).insert(5, wire::hash::Hash32([9; 32]));
    mine.entry(&s).mark_forked(4, [hash(&s, 4)]);
    let brought = vec![Brought { range: range(1, 5, 5), newest_at: 0 }];
    let v = c.page_received(2, &central(1), &Page { id: r.id, brought, ..Page::default() });
    let Verdict::Apply(t) = v else { panic!("{v:?}") };
    c.applied(3, t, Outcome { stored: 1, holdings: holdings(&mine), error: None });
    let r = requests(&mut c).remove(0).1;
    assert_eq!(r.ranges, [range(1, 4, 4)]);
    let brought = vec![Brought { range: range(1, 4, 4), newest_at: 0 }];
    let v = c.page_received(4, &central(1), &Page { id: r.id, brought, ..Page::default() });
    let Verdict::Apply(t) = v else { panic!("{v:?}") };
    c.applied(5, t, Outcome { stored: 0, holdings: holdings(&mine), error: None });
    for now in [100, 1000, 5000, 20_000] {
        c.tick(now);
        assert!(requests(&mut c).is_empty(), "at {now}");
    }
}

#[test]
fn a_fresh_event_counts_its_origin_until_that_says_otherwise() {
    let at = |seq| Position { stream: stream(1), seq };
    let mut c = linked(&map(&[(1, 1, 10)]), &[1, 2], &Limits::default());
    c.positions_received(10, &central(1), whole(&map(&[(1, 1, 10)])));
    c.positions_received(10, &central(2), whole(&map(&[(1, 1, 9)])));
    assert_eq!((c.holders(&at(9)), c.holders(&at(10))), (3, 2));
    // Its next event has just come; nobody told of it yet. It has it, and so has this central's ledger, where it was read.
    assert_eq!(c.holders(&at(11)), 2);
    c.holdings_changed(20, holdings(&map(&[(1, 1, 11)])));
    assert_eq!(c.holders(&at(11)), 2);
    // An older disk was put back there: what it tells now is what counts.
    c.positions_received(30, &central(1), whole(&map(&[(1, 1, 5)])));
    assert_eq!((c.holders(&at(11)), c.holders(&at(7)), c.holders(&at(5))), (1, 2, 3));
    // An event of a third one, at a peer that has not told of it, says nothing.
    assert_eq!(c.holders(&Position { stream: stream(2), seq: 1 }), 2);
    assert_eq!(c.holders(&Position { stream: stream(0), seq: 1 }), 1);
}

#[test]
fn a_map_with_very_many_gaps_and_forks_is_told_in_full() {
    let (mut mine, s) = (Positions::new(), stream(3));
    for seq in (1..=40_000).filter(|seq| seq % 3 != 0) {
        mine.entry(&s).insert(seq, hash(&s, seq));
        if seq % 7 == 0 {
            mine.entry(&s).mark_forked(seq, [hash(&s, seq), hash(&s, seq + 1_000_000)]);
        }
    }
    let mut a = linked(&mine, &[1], &Limits::default());
    let mut b = Catchup::new(central(1), Limits::default(), 1);
    b.configure(0, [central(0)]);
    b.reading_began();
    b.holdings_read(0, Vec::new());
    b.linked(0, &[central(0)].into_iter().collect::<BTreeSet<_>>());
    let mut told = 0;
    a.positions_received(600, &central(1), Told { please_answer: true, ..whole(&Positions::new()) });
    a.tick(1_200);
    for o in a.take_outputs() {
        if let Output::Send { message: Message::Positions(p), .. } = o {
            let bytes = Message::Positions(p.clone()).encode().unwrap().len();
            assert!(bytes <= wire::mesh::MAX_FRAME_BYTES, "{bytes}");
            told += 1;
            b.positions_received(1_300, &central(0), p);
        }
    }
    assert!(told > 1);
    assert_eq!(b.view(1_300).peers[0].backlog, mine.held());
    assert!(b.peer_is_known(&central(0), mine.digest()));
}

#[test]
fn a_central_that_lost_its_own_events_says_since_when_and_how_many() {
    let limits = Limits::default();
    let mut c = linked(&map(&[(0, 1, 10), (1, 1, 80)]), &[1], &limits);
    assert_eq!((c.recovery(10).phase, c.recovery(10).since), (Phase::None, None));

    c.positions_received(1000, &central(1), whole(&map(&[(0, 1, 25), (1, 1, 80)])));
    let r = c.recovery(2000);
    assert_eq!((r.phase, r.missing_own, r.waiting_own), (Phase::Recovering, 15, 0));
    assert_eq!(r.newest_own, Some(Position { stream: stream(0), seq: 25 }));
    c.linked(3000, &BTreeSet::new());
    let r = c.recovery(4000);
    assert_eq!((r.phase, r.since, r.missing_own, r.waiting_own), (Phase::Waiting, Some(4000), 0, 15));

    c.linked(5000, &BTreeSet::from([central(1)]));
    c.holdings_changed(6000, holdings(&map(&[(0, 1, 25)])));
    assert_eq!((c.recovery(7000).phase, c.recovery(7000).missing_own), (Phase::None, 0));
}

#[test]
fn an_empty_store_is_filling_until_nothing_is_missing() {
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    c.positions_received(1000, &central(1), whole(&map(&[(1, 1, 100)])));
    c.tick(2000);
    assert_eq!((c.recovery(2000).phase, c.recovery(2000).missing), (Phase::Filling, 100));
    c.holdings_changed(3000, holdings(&map(&[(1, 1, 90)])));
    assert_eq!((c.recovery(3000).phase, c.recovery(3000).held), (Phase::Filling, 90));
    c.holdings_changed(4000, holdings(&map(&[(1, 1, 100)])));
    assert_eq!(c.recovery(4000).phase, Phase::None);
}

fn told(c: &mut Catchup) -> Vec<Told> {
    let of = |o| match o {
        Output::Send { to: None, message: Message::Positions(p) } => Some(p),
        _ => None,
    };
    c.take_outputs().into_iter().filter_map(of).collect()
}

#[test]
fn what_was_brought_in_is_told_at_once_and_asked_for_at_once() {
    let mut c = linked(&map(&[(0, 1, 5)]), &[1], &Limits::default());
    c.take_outputs();
    c.holdings_brought(10, holdings(&map(&[(2, 1, 100)])));
    let news = told(&mut c);
    assert_eq!(news.len(), 1);
    assert!(news[0].brought && !news[0].whole);
    // Ever more rarely while it goes on, and everything in the end.
    let mut count = 0;
    for n in 0..3000u64 {
        c.holdings_brought(11 + n as i64, holdings(&map(&[(2, 1, 101 + n)])));
        count += told(&mut c).len();
    }
    assert!((7..=9).contains(&count), "{count} tellings in three seconds");
    let due = c.next_tick(3011);
    assert!(due <= 4011);
    c.tick(4011);
    assert_eq!(told(&mut c)[0].streams[0].head, 3100);
    c.holdings_brought(9000, holdings(&map(&[(2, 1, 3101)])));
    assert_eq!(told(&mut c).len(), 1, "after a pause at once again");

    let mut asker = linked(&Positions::new(), &[1], &Limits::default());
    asker.positions_received(1, &central(1), whole(&Positions::new()));
    requests(&mut asker);
    asker.positions_received(5, &central(1), Told { brought: true, ..changes(&map(&[(2, 1, 100)])) });
    assert_eq!(requests(&mut asker).len(), 1);
    asker.positions_received(5, &central(1), changes(&map(&[(3, 1, 100)])));
    assert_eq!(requests(&mut asker).len(), 0, "it may come live");
}

#[test]
fn the_digest_of_a_beat_may_be_explained_by_what_is_told_next() {
    let mut c = linked(&Positions::new(), &[1], &Limits::default());
    c.positions_received(1, &central(1), whole(&map(&[(1, 1, 5)])));
    c.take_outputs();
    let asks = |c: &mut Catchup| {
        let ask =
            |o: &Output| matches!(o, Output::Send { message: Message::Positions(p), .. } if p.please_answer);
        c.take_outputs().iter().any(ask)
    };
    let moved = map(&[(1, 1, 7)]);
    c.digest_received(10_000, &central(1), ShortDigest::of(&moved.digest()));
    assert!(!asks(&mut c));
    c.positions_received(10_900, &central(1), changes(&moved));
    c.tick(15_000);
    assert!(!asks(&mut c), "explained");
    c.digest_received(20_000, &central(1), ShortDigest::of(&map(&[(1, 1, 9)]).digest()));
    c.tick(22_400);
    assert!(!asks(&mut c));
    c.tick(22_500);
    assert!(asks(&mut c), "a loss");
}
