//! Plates that somebody corrects: before the exit the right plate is charged; after it the charge stands, and what it should have been
//! is told once.

use parking::history::ConflictKind;
use parking::plate;
use parking::reference::{Pass, Passes};
use parking::vehicle::VehicleClass;
use wire::bus::command::{Command, SessionAction};
use wire::event::{Body, LaneMode};
use wire::http::{DecisionKind, Direction, SessionStatus};

use crate::central::{Central, Request, act, close, entry_lane, exit_lane, lane, open};
use crate::log::T0;

/// The holder of a pass.
const HOLDER: &str = "29A-123.45";
/// Nobody's pass; one character away.
const OTHER: &str = "29A-123.48";
const THIRD: &str = "51F-970.22";
const HOUR: i64 = 3600;

fn pass(plates: &[&str], until_s: i64, max_inside: u32) -> Pass {
    Pass {
        id: "p-1".into(),
        plates: plates.iter().map(|p| plate::read(p, &[]).unwrap().key.unwrap()).collect(),
        vehicle_class: Some(VehicleClass::Car),
        lots: vec!["*".into()],
        valid_from: T0 - HOUR * 1000,
        valid_to: Some(T0 + until_s * 1000),
        max_inside,
    }
}

fn with(pass: Pass) -> Central {
    let mut c = Central::new(1);
    c.reference.passes = Passes::new(Some(3), vec![pass]).into();
    c
}

fn correct(s: i64, event_id: &str, plate: &str) -> Request {
    act(s, event_id, SessionAction::CorrectPlate { plate: plate.into() })
}

fn enter(c: &mut Central, s: i64, plate: &str) -> String {
    c.tell(&open(entry_lane(), s, plate)).decision().event_id.unwrap()
}

/// Fee, difference and reason of what is told at T0 + `s` seconds.
fn told(c: &mut Central, s: i64) -> Vec<(i64, i64, Option<String>)> {
    c.settle(s).into_iter().map(|d| (d.fee, d.difference, d.reason)).collect()
}

fn because(fee: i64, difference: i64) -> Vec<(i64, i64, Option<String>)> {
    vec![(fee, difference, Some("plate_corrected".into()))]
}

#[test]
fn a_plate_corrected_after_the_exit_changes_what_was_due_by_its_rights() {
    // read at both lanes, corrected to, pass until (hours), charged after two hours, right fee
    for (read, right, until, charged, fee) in [
        (OTHER, HOLDER, 100, 25_000, 0),
        (HOLDER, OTHER, 100, 0, 25_000),
        (OTHER, HOLDER, 1, 25_000, 25_000),
        (OTHER, THIRD, 100, 25_000, 25_000),
    ] {
        let mut c = with(pass(&[HOLDER], until * HOUR, 1));
        let id = enter(&mut c, 0, read);
        assert_eq!(c.tell(&open(exit_lane(), 2 * HOUR, read)).decision().fee, Some(charged));
        assert!(told(&mut c, 2 * HOUR + 1).is_empty(), "nothing was corrected");
        let row = c.tell(&correct(3 * HOUR, &id, right)).row();
        assert_eq!(
            (row.status, row.fee, row.plate.as_deref()),
            (SessionStatus::Exited, Some(charged), Some(right))
        );
        assert_eq!(told(&mut c, 3 * HOUR + 1), because(fee, fee - charged), "{read} → {right}");
        assert!(told(&mut c, 3 * HOUR + 2).is_empty(), "once");
        let p = c.project();
        let row = &p.rows[0];
        assert_eq!((row.fee, row.charged), (Some(charged), Some(charged)), "money is never rewritten");
        let left: Vec<_> = p.conflicts.iter().map(|c| c.kind).collect();
        let want = if fee == charged { vec![] } else { vec![ConflictKind::LateBasis] };
        assert_eq!(left, want, "what differs is for people, what does not is settled");
        let detail = c.view().detail(row, &p, &c.facts);
        assert_eq!(detail.difference, Some(fee - charged));
        let last = detail.events.last().unwrap();
        assert_eq!(
            (last.kind.as_str(), last.reason.as_deref(), last.amount),
            ("BASIS_DIFFERENCE", Some("plate_corrected"), Some(fee - charged))
        );
    }
}

#[test]
fn a_correction_taken_back_leaves_the_charge_as_it_was() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, OTHER);
    c.tell(&open(exit_lane(), 2 * HOUR, OTHER)).decision();
    for (s, plate, difference) in [(1, HOLDER, Some(-25_000)), (3, OTHER, None), (5, HOLDER, None)] {
        c.tell(&correct(2 * HOUR + s, &id, plate)).row();
        assert_eq!(told(&mut c, 2 * HOUR + s + 1).first().map(|d| d.1), difference, "{plate}");
        // What was told of the holder holds again when it is the holder again.
        let row = c.project().rows.remove(0);
        assert_eq!(row.flags.iter().any(|f| f == "late_basis"), plate == HOLDER);
        assert_eq!(row.difference, (plate == HOLDER).then_some(-25_000));
    }
}

#[test]
fn the_exits_origin_alone_tells_and_rank_does_not_say_what_it_knew() {
    let mut one = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut one, 0, OTHER);
    let mut five = Central::new(5);
    five.reference.passes = one.reference.passes.clone();
    five.hear(&one);
    // Corrected at one central; at the other the car leaves a moment later, cut off from it.
    one.tell(&correct(HOUR, &id, HOLDER)).row();
    assert_eq!(five.tell(&open(exit_lane(), HOUR + 60, OTHER)).decision().fee, Some(25_000));
    one.hear(&five);
    five.hear(&one);
    assert!(told(&mut one, 2 * HOUR).is_empty());
    assert_eq!(told(&mut five, 2 * HOUR), because(0, -25_000));
    one.hear(&five);
    assert_eq!(one.project(), five.project());
    assert!(told(&mut one, 2 * HOUR).is_empty() && told(&mut five, 2 * HOUR).is_empty());
}

#[test]
fn corrected_before_the_exit_the_right_plate_is_charged() {
    for (read, right, fee) in [(OTHER, HOLDER, 0), (HOLDER, OTHER, 25_000)] {
        let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
        let id = enter(&mut c, 0, read);
        c.tell(&correct(60, &id, right)).row();
        let d = c.tell(&open(exit_lane(), 2 * HOUR, right)).decision();
        assert_eq!((d.kind, d.fee, d.event_id), (DecisionKind::Exit, Some(fee), Some(id)));
        assert!(told(&mut c, 3 * HOUR).is_empty());
        assert!(c.project().conflicts.is_empty());
    }
}

#[test]
fn an_entry_that_staff_picked_was_charged_as_the_plate_that_entered() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, THIRD);
    // The camera read another plate at the entry; staff know the car.
    let d = c.tell(&open(exit_lane(), 2 * HOUR, HOLDER).staff(Some(&id))).decision();
    assert_eq!(d.fee, Some(25_000));
    assert!(told(&mut c, 2 * HOUR + 1).is_empty());
    c.tell(&correct(2 * HOUR + 2, &id, HOLDER)).row();
    assert_eq!(told(&mut c, 2 * HOUR + 3), because(0, -25_000));
}

#[test]
fn a_driver_who_reversed_pays_as_the_plate_that_was_corrected_meanwhile() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, OTHER);
    assert_eq!(c.tell(&open(exit_lane(), HOUR, OTHER)).decision().fee, Some(25_000));
    c.tell(&close(exit_lane(), HOUR + 10, Some(&id), false)).closed();
    c.tell(&correct(HOUR + 60, &id, HOLDER)).row();
    let d = c.tell(&open(exit_lane(), HOUR + 120, HOLDER)).decision();
    assert_eq!((d.kind, d.fee), (DecisionKind::Exit, Some(0)), "the charge before was another plate's");
    assert!(told(&mut c, HOUR + 121).is_empty());
}

#[test]
fn a_charge_that_stands_stays_the_charge_of_the_plate_it_was_made_for() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, OTHER);
    c.tell(&open(exit_lane(), HOUR, OTHER)).decision();
    c.tell(&correct(HOUR + 20, &id, HOLDER)).row();
    // It never passed the first lane and leaves by another: the same charge, and the difference of both.
    let d = c.tell(&open(lane("edge-4", Direction::Exit), HOUR + 60, HOLDER)).decision();
    assert_eq!((d.reason.as_str(), d.fee), ("standing_charge", Some(25_000)));
    assert_eq!(told(&mut c, HOUR + 61), because(0, -25_000));
}

#[test]
fn a_pass_that_was_taken_by_another_car_covers_what_was_left_of_it() {
    // One place: the third car is in from the first hour to the second.
    let mut c = with(pass(&[HOLDER, THIRD], 100 * HOUR, 1));
    let third = enter(&mut c, 0, THIRD);
    let id = enter(&mut c, HOUR, OTHER);
    c.tell(&close(exit_lane(), 2 * HOUR, Some(&third), true));
    c.tell(&open(exit_lane(), 2 * HOUR, THIRD)).decision();
    assert_eq!(c.tell(&open(exit_lane(), 6 * HOUR, OTHER)).decision().fee, Some(55_000));
    c.tell(&correct(7 * HOUR, &id, HOLDER)).row();
    // It pays for the hour in which both were inside.
    assert_eq!(told(&mut c, 7 * HOUR + 1), because(25_000, -30_000));
}

#[test]
fn an_exit_without_entry_finds_its_entry_by_the_right_plate() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    enter(&mut c, 0, HOLDER);
    let d = c.tell(&open(exit_lane(), 2 * HOUR, THIRD).staff(None)).decision();
    assert_eq!(d.fee, Some(25_000), "the no-entry procedure");
    let row = c.tell(&correct(3 * HOUR, d.event_id.as_deref().unwrap(), HOLDER)).row();
    assert_eq!(row.status, SessionStatus::Exited);
    assert_eq!(told(&mut c, 3 * HOUR + 1), because(0, -25_000));
    let p = c.project();
    assert_eq!((p.rows.len(), p.rows[0].status, p.rows[0].fee), (1, SessionStatus::Exited, Some(25_000)));
}

#[test]
fn what_left_in_an_emergency_owes_nothing_whoever_it_was() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, HOLDER);
    let fire = Command::SetLaneMode {
        edges: vec!["edge-3".into()],
        mode: LaneMode::Emergency,
        staff_id: "s1".into(),
        pin: None,
        reason: "fire".into(),
    };
    c.tell(&Request { at: T0 + HOUR * 1000, key: None, command: fire });
    assert_eq!(c.tell(&open(exit_lane(), 2 * HOUR, HOLDER)).decision().fee, Some(0));
    c.tell(&correct(3 * HOUR, &id, OTHER)).row();
    assert_eq!(told(&mut c, 3 * HOUR + 1), because(0, 0));
}

#[test]
fn an_exit_does_not_say_twice_whom_it_charged() {
    let mut c = with(pass(&[HOLDER], 100 * HOUR, 1));
    let id = enter(&mut c, 0, OTHER);
    c.tell(&correct(60, &id, HOLDER)).row();
    c.tell(&open(exit_lane(), 2 * HOUR, HOLDER)).decision();
    let Some(Body::Exit(exit)) = c.facts.iter().map(|f| f.body.as_deref()).next_back().flatten() else {
        panic!("an exit")
    };
    assert_eq!(exit.charged_tag, None, "the plate it read");
    assert!(c.project().conflicts.is_empty());
}
