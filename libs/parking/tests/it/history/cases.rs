//! One named case per rule of the projection.

use std::sync::Arc;

use parking::history::{ConflictKind, HistoryRow, Projection};
use wire::event::{
    Basis, BasisDifference, Body, PlateCorrected, PlateFacts, PolicyRule, PolicySet, PriceSet,
    RecordedPayment, Reopened, SoftClosed, Uncollected, Voided, Waived,
};
use wire::http::SessionStatus::{self, *};
use wire::position::Position;

use crate::log::{Log, T0, entry_body, exit_body, staff, tag};

const P: &str = "29A12345";
const Q: &str = "30A99999";

fn row<'a>(p: &'a Projection, at: &Position) -> &'a HistoryRow {
    p.rows.iter().find(|r| r.opening.position == *at).expect("row")
}

fn statuses(p: &Projection) -> Vec<SessionStatus> {
    let mut rows: Vec<&HistoryRow> = p.rows.iter().collect();
    rows.sort_by_key(|r| (r.entry_time.or(r.exit_time), r.event_id.clone()));
    rows.iter().map(|r| r.status).collect()
}

fn conflicts(p: &Projection) -> Vec<ConflictKind> {
    let mut kinds: Vec<ConflictKind> = p.conflicts.iter().map(|c| c.kind).collect();
    kinds.sort();
    kinds
}

fn has(r: &HistoryRow, flag: &str) -> bool {
    r.flags.iter().any(|f| f == flag)
}

#[test]
fn the_story_entry_at_one_central_exit_at_another() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.confirm(1, 8, P, &o);
    let x = l.exit(5, 3600, P, Some(&o), 25_000);
    l.exit_confirm(5, 3606, P, &x);
    let p = l.project();
    assert_eq!((p.rows.len(), p.conflicts.len()), (1, 0));
    let r = row(&p, &o);
    assert_eq!(r.event_id, format!("central-1_{T0}_{P}"));
    assert_eq!((r.status, r.fee, r.duration_s), (Exited, Some(25_000), Some(3600)));
    assert_eq!((r.confirmed_time, r.exit_confirmed_time), (Some(T0 + 8_000), Some(T0 + 3_606_000)));
    assert_eq!(r.source_central.as_str(), "central-1");
    assert_eq!(r.exit_central.as_ref().unwrap().as_str(), "central-5");
    assert_eq!(r.exit_edge.as_deref(), Some("edge-20"));
    assert_eq!(r.exit_alias, Some(format!("central-5_{}_{P}", T0 + 3_600_000)));
    assert_eq!((r.flags.len(), r.events.len()), (0, 4));
}

#[test]
fn pending_then_inside_then_confirmed_beats_abandoned() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    assert_eq!(row(&l.project(), &o).status, Pending);
    l.abandon(1, 90, P, &o);
    let p = l.project();
    assert_eq!((row(&p, &o).status, row(&p, &o).abandoned_by.as_deref()), (Abandoned, Some("timeout")));
    l.confirm(1, 60, P, &o);
    let p = l.project();
    assert_eq!((row(&p, &o).status, &row(&p, &o).abandoned_by), (Inside, &None));
}

#[test]
fn a_command_retried_at_another_central_counts_once() {
    let mut l = Log::default();
    let a = l.entry(1, 0, P);
    l.by_command(7);
    let b = l.entry(2, 3, P);
    l.by_command(7);
    l.confirm(2, 9, P, &b);
    let p = l.project();
    assert_eq!(conflicts(&p), []);
    assert_eq!((row(&p, &a).status, row(&p, &b).status), (Inside, Duplicate));
    assert!(has(row(&p, &b), "retried"));
    assert_eq!(row(&p, &b).duplicate_of_event_id.as_ref(), Some(&row(&p, &a).event_id));
    // The exit too: one charge, found under both aliases.
    let x = l.exit(5, 600, P, Some(&a), 25_000);
    l.by_command(8);
    let y = l.exit(6, 603, P, None, 30_000);
    l.by_command(8);
    l.exit_confirm(6, 610, P, &y);
    let p = l.project();
    assert_eq!(conflicts(&p), []);
    let r = row(&p, &a);
    assert_eq!((r.status, r.fee, r.exit.as_ref().unwrap().position.clone()), (Exited, Some(25_000), x));
    assert_eq!(r.exit_confirmed_time, Some(T0 + 610_000));
    assert!(p.row_named(&format!("central-6_{}_{P}", T0 + 603_000)).is_some_and(|r| r.opening.position == a));
}

#[test]
fn what_could_not_be_collected_is_flagged_and_stays_due() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.exit(5, 600, P, Some(&o), 25_000);
    l.push(2, 700, P, Some(&o), Body::Uncollected(Uncollected { amount: 25_000, staff: staff() }));
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.charged, r.waived, r.fee), (Some(25_000), 0, Some(25_000)));
    assert!(has(r, "uncollected"));
    assert_eq!(r.events.len(), 3);
}

#[test]
fn a_waiver_retried_at_another_central_counts_once() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.exit(5, 600, P, Some(&o), 25_000);
    for central in [1, 2] {
        l.push(central, 700, P, Some(&o), Body::Waived(Waived { amount: 10_000, staff: staff() }));
        l.by_command(9);
    }
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.charged, r.waived, r.fee), (Some(25_000), 10_000, Some(15_000)));
    assert!(has(r, "waived"));
}

#[test]
fn the_duplicate_window_counts_from_the_first_opening() {
    let mut l = Log::default();
    let a = l.entry(1, 0, P);
    let b = l.entry(2, 45, P);
    let c = l.entry(3, 60, P);
    let d = l.entry(4, 61, P);
    let p = l.project();
    assert_eq!(statuses(&p), [Superseded, Duplicate, Duplicate, Pending]);
    assert_eq!(
        conflicts(&p),
        [ConflictKind::DuplicateEntry, ConflictKind::DuplicateEntry, ConflictKind::Reentry]
    );
    assert_eq!(row(&p, &b).duplicate_of.as_ref().unwrap().position, a);
    assert_eq!(row(&p, &c).duplicate_of.as_ref().unwrap().position, a);
    assert_eq!((row(&p, &a).fee, has(row(&p, &a), "reentry")), (Some(0), true));
    let reentry = p.conflicts.iter().find(|c| c.kind == ConflictKind::Reentry).unwrap();
    assert_eq!(reentry.winner.as_ref().unwrap().position, d);
    assert_eq!(reentry.candidates.len(), 2);
    assert_eq!(reentry.detected_at, T0 + 61_000);
}

#[test]
fn an_event_naming_a_duplicate_acts_on_its_group() {
    let mut l = Log::default();
    let a = l.entry(1, 0, P);
    let b = l.entry(2, 30, P);
    l.confirm(2, 40, P, &b);
    assert_eq!(row(&l.project(), &a).status, Inside);
    l.exit(5, 600, P, Some(&b), 25_000);
    let p = l.project();
    assert_eq!((row(&p, &a).status, row(&p, &b).status), (Exited, Duplicate));
    assert!(!has(row(&p, &a), "basis_mismatch"));
    // Charged from the duplicate's time, though: shown, never rewritten.
    assert_eq!(conflicts(&p), [ConflictKind::DuplicateEntry, ConflictKind::LateBasis]);
}

#[test]
fn when_the_first_opening_is_abandoned_the_other_stands_alone() {
    let mut l = Log::default();
    let a = l.entry(1, 0, P);
    let b = l.entry(2, 30, P);
    l.confirm(2, 40, P, &b);
    l.abandon(1, 90, P, &a);
    let p = l.project();
    assert_eq!((row(&p, &a).status, row(&p, &b).status), (Abandoned, Inside));
    assert_eq!(conflicts(&p), []);
}

#[test]
fn an_exit_closes_the_open_session_even_if_it_names_an_older_one() {
    let mut l = Log::default();
    let old = l.entry(1, 0, P);
    let new = l.entry(2, 3600, P);
    l.exit(5, 7200, P, Some(&old), 45_000);
    let p = l.project();
    assert_eq!((row(&p, &old).status, row(&p, &new).status), (Superseded, Exited));
    assert!(has(row(&p, &new), "basis_mismatch"));
    assert_eq!(row(&p, &new).fee, Some(45_000));
    assert_eq!(conflicts(&p), [ConflictKind::Reentry, ConflictKind::LateBasis]);
}

#[test]
fn a_second_exit_of_a_closed_session_is_a_double_exit_and_the_earlier_stands() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let x = l.exit(5, 600, P, Some(&o), 25_000);
    l.exit(6, 700, P, Some(&o), 26_000);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((p.rows.len(), r.fee, r.exits.len()), (1, Some(25_000), 2));
    assert_eq!(r.exit.as_ref().unwrap().position, x);
    assert!(has(r, "double_exit"));
    assert_eq!(conflicts(&p), [ConflictKind::DoubleExit]);
    let c = &p.conflicts[0];
    assert_eq!(c.candidates.iter().map(|c| c.fee).collect::<Vec<_>>(), [Some(25_000), Some(26_000)]);
    assert_eq!(c.winner.as_ref().unwrap().position, x);
}

#[test]
fn an_exit_without_entry_has_a_row_of_its_own_until_the_entry_arrives() {
    let mut l = Log::default();
    let x = l.exit(5, 3600, P, None, 25_000);
    let p = l.project();
    let r = row(&p, &x);
    let alias = format!("central-5_{}_{P}", T0 + 3_600_000);
    assert_eq!((r.status, r.fee, r.entry_time, &r.event_id), (Exited, Some(25_000), None, &alias));
    assert!(r.no_entry && has(r, "no_entry_record"));
    assert_eq!(conflicts(&p), [ConflictKind::ExitWithoutEntry]);
    // The entry arrives later: the exit finds it, the charge stands, the difference is for review.
    let o = l.entry(1, 0, P);
    let p = l.project();
    assert_eq!((p.rows.len(), row(&p, &o).status, row(&p, &o).fee), (1, Exited, Some(25_000)));
    assert_eq!(conflicts(&p), [ConflictKind::LateBasis]);
    assert!(has(row(&p, &o), "late_basis"));
    assert!(p.row_named(&alias).is_some_and(|r| r.opening.position == o));
}

#[test]
fn a_basis_difference_of_nothing_settles_late_basis() {
    for (difference, left) in [(0, vec![]), (20_000, vec![ConflictKind::LateBasis])] {
        let mut l = Log::default();
        l.entry(1, 0, P);
        let x = l.exit(5, 3600, P, None, 25_000);
        let d = BasisDifference {
            basis: Basis { event_id: "e".into(), entry_time: T0 },
            fee: 25_000 + difference,
            difference,
            ..BasisDifference::default()
        };
        l.push(5, 3700, P, Some(&x), Body::BasisDifference(d));
        assert_eq!(conflicts(&l.project()), left);
    }
}

#[test]
fn an_exit_of_a_later_visit_does_not_reach_back() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.exit(5, 600, P, Some(&o), 25_000);
    let x = l.exit(5, 9000, P, None, 25_000);
    let p = l.project();
    assert_eq!((p.rows.len(), row(&p, &x).no_entry), (2, true));
    assert_eq!(conflicts(&p), [ConflictKind::ExitWithoutEntry]);
}

#[test]
fn an_exit_ranks_no_earlier_than_the_opening_it_names() {
    let mut l = Log::default();
    let o = l.entry(1, 100, P);
    l.exit(5, 40, P, Some(&o), 0);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.status, r.duration_s), (Exited, Some(0)));
    assert!(has(r, "clock_anomaly"));
    assert_eq!(conflicts(&p), [ConflictKind::ClockAnomaly]);
}

#[test]
fn an_exit_takes_the_plate_of_the_opening_it_names() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let other = l.entry(2, 0, "29A12346");
    l.exit(5, 600, "29A12346", Some(&o), 25_000);
    let p = l.project();
    assert_eq!((row(&p, &o).status, row(&p, &other).status), (Exited, Pending));
    assert_eq!((row(&p, &o).plate_key.as_deref(), row(&p, &o).plate_tag), (Some(P), tag(P)));
}

#[test]
fn a_charged_exit_beats_void_and_abandoned() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.push(1, 50, P, Some(&o), Body::Voided(Voided { staff: staff() }));
    assert_eq!(row(&l.project(), &o).status, Voided_());
    l.abandon(1, 90, P, &o);
    l.exit(5, 600, P, Some(&o), 25_000);
    let p = l.project();
    assert_eq!((row(&p, &o).status, row(&p, &o).fee), (Exited, Some(25_000)));
    assert!(has(row(&p, &o), "void_after_charge") && has(row(&p, &o), "unconfirmed_entry"));
}

#[expect(non_snake_case, reason = "the body type has the status' name")]
fn Voided_() -> SessionStatus {
    SessionStatus::Voided
}

#[test]
fn left_out_openings_do_not_supersede_anything_and_still_have_rows() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.confirm(1, 5, P, &o);
    let v = l.entry(2, 1000, P);
    l.push(2, 1010, P, Some(&v), Body::Voided(Voided { staff: staff() }));
    let a = l.entry(3, 2000, P);
    l.abandon(3, 2090, P, &a);
    let p = l.project();
    assert_eq!(statuses(&p), [Inside, Voided_(), Abandoned]);
    assert_eq!(conflicts(&p), []);
}

#[test]
fn a_driver_who_reverses_is_inside_again_with_the_charge_pending() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let x = l.exit(5, 600, P, Some(&o), 25_000);
    l.reverse(5, 610, P, &x);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.status, r.fee, r.exit_time), (Inside, Some(25_000), None));
    assert_eq!(r.pending_charge().unwrap().fee, Some(25_000));
    assert!(has(r, "charge_pending"));
    let y = l.exit(6, 900, P, Some(&o), 25_000);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.status, r.fee, r.exit.as_ref().unwrap().position.clone()), (Exited, Some(25_000), y));
    assert_eq!(conflicts(&p), []);
    // Confirmed beats reversed.
    l.exit_confirm(5, 605, P, &x);
    assert_eq!(conflicts(&l.project()), [ConflictKind::DoubleExit]);
}

#[test]
fn an_exit_that_repeats_the_standing_charge_takes_the_place_of_the_unconfirmed_one() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.exit(5, 600, P, Some(&o), 25_000);
    let y = l.exit(6, 660, P, Some(&o), 25_000);
    if let Some(Body::Exit(b)) = l.last().body.as_mut().map(Arc::make_mut) {
        b.flags.push("standing_charge".into());
    }
    l.exit_confirm(6, 666, P, &y);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((conflicts(&p).len(), r.status, r.fee), (0, Exited, Some(25_000)));
    assert_eq!(r.exit_central.as_ref().unwrap().as_str(), "central-6");
}

#[test]
fn an_exit_naming_an_abandoned_opening_revives_it() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.abandon(1, 90, P, &o);
    l.exit(5, 600, P, Some(&o), 25_000);
    let r = l.project();
    let r = row(&r, &o);
    assert_eq!((r.status, has(r, "unconfirmed_entry")), (Exited, true));
}

#[test]
fn two_openings_with_one_alias_are_two_rows() {
    let mut l = Log::default();
    let a = l.entry(1, 0, P);
    let b = l.entry(1, 0, P);
    let p = l.project();
    assert_eq!(row(&p, &a).event_id, format!("central-1_{T0}_{P}"));
    assert_eq!(row(&p, &b).event_id, format!("central-1_{T0}_{P}~2"));
}

#[test]
fn at_a_fork_both_branches_have_rows_and_a_name_means_the_branch_of_its_own_vehicle() {
    for (confirmed, abandoned) in [(P, Q), (Q, P)] {
        let mut l = Log::default();
        let o = l.entry(1, 0, P);
        l.put(o.clone(), 10, Q, None, entry_body(Q, T0 + 10_000));
        l.confirm(1, 20, confirmed, &o);
        l.abandon(1, 30, abandoned, &o);
        l.exit(2, 600, confirmed, Some(&o), 25_000);
        let p = l.project();
        let by_key = |k: &str| p.rows.iter().find(|r| r.plate_key.as_deref() == Some(k)).unwrap();
        assert_eq!(p.rows.len(), 2);
        assert_eq!((by_key(confirmed).status, by_key(abandoned).status), (Exited, Abandoned));
    }
}

#[test]
fn an_entrys_time_out_ends_the_entry_although_an_exit_stands_at_the_same_position() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.put(o.clone(), 10, Q, None, exit_body(Q, T0 + 10_000, 5_000, None));
    l.abandon(1, 90, P, &o);
    let p = l.project();
    assert_eq!(p.rows.iter().find(|r| r.plate_key.as_deref() == Some(P)).unwrap().status, Abandoned);
}

#[test]
fn an_erased_event_keeps_what_its_header_says() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.erase();
    l.confirm(1, 5, P, &o);
    l.erase();
    l.exit(5, 600, P, Some(&o), 25_000);
    l.erase();
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.status, r.fee, &r.plate, &r.edge_id), (Exited, None, &None, &None));
    assert_eq!((r.confirmed_time, r.exit_time), (Some(T0 + 5_000), Some(T0 + 600_000)));
    assert!(has(r, "erased") && !r.event_id.contains(P));
}

#[test]
fn of_the_two_forms_of_an_event_the_erased_one_counts() {
    let mut l = Log::default();
    l.entry(1, 0, P);
    let mut erased = l.clone();
    erased.erase();
    let mut both = l.clone();
    both.facts.extend(erased.facts.clone());
    assert_eq!(both.project(), erased.project());
    both.facts.reverse();
    assert_eq!(both.project(), erased.project());
}

#[test]
fn unknown_kinds_are_left_out() {
    let mut l = Log::default();
    l.entry(1, 0, P);
    l.last().foreign = true;
    assert_eq!(l.project().rows.len(), 0);
}

#[test]
fn a_corrected_plate_moves_the_session_to_the_other_vehicle() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let q = PlateFacts { key: Q.into(), display: "30A-999.99".into(), ..PlateFacts::default() };
    l.push(1, 30, Q, Some(&o), Body::PlateCorrected(PlateCorrected { plate: q, staff: staff() }));
    l.exit(5, 600, Q, None, 25_000);
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((p.rows.len(), r.status, r.plate_tag), (1, Exited, tag(Q)));
    assert_eq!((r.plate.as_deref(), r.plate_key.as_deref()), (Some("30A-999.99"), Some(Q)));
    // The alias was handed out and stays.
    assert_eq!(r.event_id, format!("central-1_{T0}_{P}"));
}

#[test]
fn soft_closed_sessions_neither_count_nor_conflict_and_may_reopen() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.push(1, 1000, P, Some(&o), Body::SoftClosed(SoftClosed { staff: staff() }));
    assert_eq!(row(&l.project(), &o).status, SoftClosed_());
    let mut again = l.clone();
    again.push(1, 1100, P, Some(&o), Body::Reopened(Reopened { staff: staff() }));
    assert_eq!(row(&again.project(), &o).status, Pending);
    let mut left = l.clone();
    left.exit(5, 1200, P, None, 25_000);
    assert_eq!(row(&left.project(), &o).status, Exited);
    let next = l.entry(2, 5000, P);
    let p = l.project();
    assert_eq!((row(&p, &o).status, row(&p, &next).status), (SoftClosed_(), Pending));
    assert_eq!(conflicts(&p), []);
}

#[expect(non_snake_case, reason = "the body type has the status' name")]
fn SoftClosed_() -> SessionStatus {
    SessionStatus::SoftClosed
}

#[test]
fn prices_and_payments_are_on_the_row() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    l.push(1, 10, P, Some(&o), Body::PriceSet(PriceSet { fee: 10_000, staff: staff() }));
    l.push(1, 20, P, Some(&o), Body::PriceSet(PriceSet { fee: 12_000, staff: staff() }));
    let paid = RecordedPayment { method: "cash".into(), amount: 12_000, ..RecordedPayment::default() };
    l.push(1, 30, P, Some(&o), Body::Payment(paid));
    let p = l.project();
    let r = row(&p, &o);
    assert_eq!((r.set_price, r.paid, r.fee), (Some(12_000), 12_000, None));
}

#[test]
fn the_policy_of_the_moment_judges_an_opening() {
    let mut l = Log::default();
    let rule = PolicyRule { duplicate_window_ms: 10_000 };
    let set = PolicySet { version: 3, rule, valid_from: T0 + 1_000_000, staff: staff() };
    l.push(1, 0, P, None, Body::PolicySet(set));
    l.last().header.plate_tag = None;
    l.entry(1, 0, P);
    l.entry(2, 30, P);
    l.entry(1, 1000, P);
    l.entry(2, 1030, P);
    let p = l.project();
    assert_eq!(statuses(&p), [Superseded, Duplicate, Superseded, Pending]);
    let versions: Vec<i64> = p.conflicts.iter().map(|c| c.policy_version).collect();
    assert_eq!(versions.iter().filter(|v| **v == 3).count(), 2);
}

#[test]
fn rows_hash_the_same_whatever_the_plate_shows() {
    let mut l = Log::default();
    let o = l.entry(1, 0, P);
    let p = l.project();
    let mut other = row(&p, &o).clone();
    other.plate = Some("else".into());
    other.plate_key = None;
    assert_eq!(other.row_hash(), row(&p, &o).row_hash());
    other.fee = Some(1);
    assert_ne!(other.row_hash(), row(&p, &o).row_hash());
}

#[test]
fn a_reversed_exit_without_entry_is_taken_up_by_the_next_exit() {
    let mut l = Log::default();
    let x = l.exit(5, 600, P, None, 25_000);
    l.reverse(5, 620, P, &x);
    assert_eq!(row(&l.project(), &x).status, Abandoned);
    l.push(6, 700, P, Some(&x), exit_body(P, T0 + 700_000, 25_000, None));
    let p = l.project();
    assert_eq!((p.rows.len(), row(&p, &x).status, row(&p, &x).fee), (1, Exited, Some(25_000)));
}
