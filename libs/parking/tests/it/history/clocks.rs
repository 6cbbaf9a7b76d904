//! Clocks that were wrong: stamps corrected by `CLOCK_OFFSET`.

use std::sync::Arc;

use parking::fact::Fact;
use parking::history::{ConflictKind, HistoryRow, Offsets, Policies, Projection, project};
use proptest::prelude::*;
use proptest::sample::Index;
use wire::event::{Basis, BasisDifference, Body, ClockOffset, PolicyRule, PolicySet};
use wire::http::SessionStatus::{self, *};
use wire::id::Incarnation;
use wire::position::Position;

use crate::log::{Log, T0, staff};

const P: &str = "29A12345";
/// Two hours, s.
const AHEAD: i64 = 7200;

/// `central-<n>` says of its own events (the log gives each central one incarnation, numbered like it).
fn told(l: &mut Log, central: u8, s: i64, covers: (u64, u64), offset_s: i64) {
    told_of(l, central, s, u128::from(central), covers, offset_s);
}

fn told_of(l: &mut Log, central: u8, s: i64, incarnation: u128, covers: (u64, u64), offset_s: i64) {
    let body = ClockOffset {
        offset_ms: offset_s * 1000,
        applied_ms: 0,
        incarnation: Incarnation(incarnation),
        from_seq: covers.0,
        to_seq: covers.1,
        measured_at: T0 + s * 1000,
        peers: 3,
    };
    l.push(central, s, P, None, Body::ClockOffset(body));
    l.last().header.plate_tag = None;
}

fn row<'a>(p: &'a Projection, at: &Position) -> &'a HistoryRow {
    p.rows.iter().find(|r| r.opening.position == *at).expect("row")
}

fn kinds(p: &Projection) -> Vec<ConflictKind> {
    let mut kinds: Vec<ConflictKind> = p.conflicts.iter().map(|c| c.kind).collect();
    kinds.sort();
    kinds
}

fn by_time(p: &Projection) -> Vec<SessionStatus> {
    let mut rows: Vec<&HistoryRow> = p.rows.iter().collect();
    rows.sort_by_key(|r| r.entry_time.or(r.exit_time));
    rows.iter().map(|r| r.status).collect()
}

fn corrected(r: &HistoryRow) -> bool {
    r.flags.iter().any(|f| f == "clock_corrected")
}

#[test]
fn a_clock_two_hours_ahead_wins_until_its_offset_is_known_and_no_longer() {
    let mut l = Log::default();
    // Enters at central-3, whose clock is ahead, leaves an hour later at central-5; enters again half an hour after that.
    let first = l.entry(3, AHEAD, P);
    l.exit(5, 3600, P, Some(&first), 25_000);
    let second = l.entry(1, 5400, P);
    let before = l.project();
    assert_eq!(
        row(&before, &second).status,
        Superseded,
        "the wrong clock put the old entry behind the new one"
    );
    assert!(kinds(&before).contains(&ConflictKind::Reentry));
    told(&mut l, 3, 9000, (1, 1), AHEAD);
    let after = l.project();
    assert_eq!(by_time(&after), [Exited, Pending]);
    let r = row(&after, &first);
    assert_eq!((r.entry_time, r.duration_s, corrected(r)), (Some(T0), Some(3600), true));
    assert_eq!(r.event_id, row(&before, &first).event_id, "answers gave the alias out: it stays");
    assert!(!corrected(row(&after, &second)));
    let at = after.corrected.values().copied().collect::<Vec<_>>();
    assert_eq!(at, [T0]);
}

#[test]
fn money_stays_and_the_difference_is_asked_for() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let x = l.exit(5, 3600 + AHEAD, P, Some(&o), 45_000);
    assert_eq!(kinds(&l.project()), []);
    told(&mut l, 5, 9000, (1, 1), AHEAD);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.exit_time, r.charged, r.fee), (Some(T0 + 3_600_000), Some(45_000), Some(45_000)));
    assert_eq!((kinds(&p), corrected(r)), (vec![ConflictKind::LateBasis], true));
    // A difference computed to the stamp says nothing about the right time; one computed to it settles.
    for (exit_time, left) in [(None, 1), (Some(T0 + 3_600_000), 0)] {
        let mut l = l.clone();
        let basis = Basis { event_id: "e".into(), entry_time: T0 };
        let d = BasisDifference { basis, fee: 45_000, exit_time, ..BasisDifference::default() };
        l.push(5, 9100, P, Some(&x), Body::BasisDifference(d));
        assert_eq!(l.project().conflicts.len(), left, "{exit_time:?}");
    }
}

#[test]
fn nobody_speaks_of_anothers_clock() {
    let mut l = Log::default();
    let o = l.entry(3, 0, P);
    told_of(&mut l, 4, 100, 3, (1, 9), AHEAD);
    assert_eq!(row(&l.project(), &o).entry_time, Some(T0));
    told_of(&mut l, 3, 100, 9, (1, 9), AHEAD);
    assert_eq!(row(&l.project(), &o).entry_time, Some(T0), "another incarnation");
}

#[test]
fn of_two_offsets_the_highest_ranked_stands() {
    let mut l = Log::default();
    let o = l.entry(3, AHEAD, P);
    told(&mut l, 3, 200, (1, 1), AHEAD);
    told(&mut l, 3, 100, (1, 5), AHEAD / 2);
    assert_eq!(row(&l.project(), &o).entry_time, Some(T0));
    told(&mut l, 3, 300, (1, 1), 0);
    assert_eq!(row(&l.project(), &o).entry_time, Some(T0 + AHEAD * 1000), "taken back");
    assert!(!corrected(row(&l.project(), &o)));
}

#[test]
fn a_policy_stamped_by_a_wrong_clock_does_not_win_for_ever() {
    let set = |window, version| {
        let rule = PolicyRule { duplicate_window_ms: window };
        Body::PolicySet(PolicySet { version, rule, valid_from: T0, staff: staff() })
    };
    let mut l = Log::default();
    l.push(3, AHEAD, P, None, set(10_000, 1));
    l.last().header.plate_tag = None;
    l.push(1, 60, P, None, set(90_000, 2));
    l.last().header.plate_tag = None;
    assert_eq!(Policies::of(&l.facts).at(T0).0, 1);
    told(&mut l, 3, 100, (1, 1), AHEAD);
    assert_eq!(Policies::of(&l.facts).at(T0).0, 2);
}

#[test]
fn an_erased_event_is_moved_too() {
    let mut l = Log::default();
    let o = l.entry(3, AHEAD, P);
    l.erase();
    told(&mut l, 3, 100, (1, 1), AHEAD);
    assert_eq!(row(&l.project(), &o).entry_time, Some(T0));
}

/// A step: what, central, second, plate, covered range, offset.
type Step = (u8, u8, i64, u8, (u64, u64), i64);

fn log(steps: &[Step]) -> Log {
    let mut l = Log::default();
    for (what, central, second, plate, covers, offset_s) in steps {
        let key = format!("29A1234{plate}");
        let last = l.facts.iter().rev().find(|f| f.is_passage()).map(|f| f.position().clone());
        match (what, last) {
            (0..=3, _) => drop(l.entry(*central, *second, &key)),
            (4 | 5, of) => drop(l.exit(*central, *second, &key, of.as_ref(), 25_000)),
            (6, Some(of)) => drop(l.confirm(*central, *second, &key, &of)),
            _ => told(&mut l, *central, *second, *covers, *offset_s),
        }
    }
    l
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..9u8,
        1..4u8,
        0..400i64,
        0..3u8,
        (1..6u64, 1..9u64),
        prop::sample::select(vec![-300i64, -60, 0, 3, 90, 7200]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn order_and_duplication_change_nothing(
        steps in prop::collection::vec(step(), 1..30),
        again in prop::collection::vec(any::<Index>(), 0..10),
        shuffle in prop::collection::vec(any::<u32>(), 40),
    ) {
        let facts = log(&steps).facts;
        let expected = project(&facts, &Policies::of(&facts));
        let mut mixed = facts.clone();
        mixed.extend(again.iter().map(|i| i.get(&facts).clone()));
        let mut order: Vec<(u32, Fact)> = mixed.into_iter().enumerate().map(|(i, f)| (shuffle[i % 40], f)).collect();
        order.sort_by_key(|(n, _)| *n);
        let mixed: Vec<Fact> = order.into_iter().map(|(_, f)| f).collect();
        prop_assert_eq!(project(&mixed, &Policies::of(&mixed)), expected);
    }

    /// Corrected history is the history of centrals whose clocks were right.
    #[test]
    fn what_is_corrected_is_as_if_the_clock_had_been_right(
        steps in prop::collection::vec((0..7u8, 1..4u8, 0..4000i64, 0..3u8), 1..30),
        wrong_s in prop::sample::select(vec![-3600i64, -7, 6, 3600, 7200]),
    ) {
        let all = |ahead: i64| {
            let steps: Vec<Step> = steps
                .iter()
                .map(|(what, c, s, plate)| (*what, *c, *s + if *c == 3 { ahead } else { 0 }, *plate, (1, 1), 0))
                .collect();
            log(&steps)
        };
        let right = all(0);
        let mut off = all(wrong_s);
        told(&mut off, 3, 5000, (1, 1000), wrong_s);
        // Charges name the entry time they were made from, which a wrong clock told wrongly: that stays, and shows.
        let shape = |l: &Log| {
            let p = l.project();
            let rows: Vec<_> = p
                .rows
                .iter()
                .map(|r| (r.opening.position.clone(), r.status, r.entry_time, r.exit_time, r.exit.as_ref().map(|e| e.position.clone())))
                .collect();
            let kinds: Vec<_> = p.conflicts.iter().map(|c| c.kind).filter(|k| *k != ConflictKind::LateBasis).collect();
            let mut kinds = kinds;
            kinds.sort();
            (rows, kinds)
        };
        prop_assert_eq!(shape(&off), shape(&right));
    }

    #[test]
    fn whatever_is_claimed_nothing_overflows(
        offset in any::<i64>(), applied in any::<i64>(), at in any::<i64>(), from in any::<u64>(), to in any::<u64>(),
    ) {
        let mut l = Log::default();
        l.entry(3, 0, P);
        l.last().header.occurred_at = at;
        told(&mut l, 3, 1, (1, 1), 0);
        if let Some(Body::ClockOffset(b)) = l.last().body.as_mut().map(Arc::make_mut) {
            *b = ClockOffset { offset_ms: offset, applied_ms: applied, from_seq: from, to_seq: to, ..b.clone() };
        }
        let _ = Offsets::of(&l.facts).furthest_ms();
        prop_assert_eq!(l.project().rows.len(), 1);
    }
}
