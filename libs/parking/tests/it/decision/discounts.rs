//! Discounts that staff grant at an exit.

use parking::decision::PinCheck;
use parking::reference::{Role, StaffList, StaffMember};
use wire::bus::command::Command;
use wire::event::Body;
use wire::http::{BarrierWish, DecisionKind};

use crate::central::{Central, Said, close, entry_lane, exit_lane, lane, open};

const P: &str = "29A-123.45";

fn inside() -> (Central, String) {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 6, Some(&id), true)).closed();
    (c, id)
}

fn fault(said: Said) -> (u16, String) {
    match said {
        Said::Refused(p) => {
            (p.status, p.errors.first().map_or(p.code, |e| format!("{} {}", e.field, e.code)))
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn staff_reduce_the_fee_and_the_exit_says_who_and_by_what() {
    let (mut c, id) = inside();
    let d = c.tell(&open(exit_lane(), 3600, P).staff(None).discounts(&["staff10"])).decision();
    assert_eq!(
        (d.barrier, d.fee, d.event_id.as_deref()),
        (BarrierWish::Open, Some(23_000), Some(id.as_str()))
    );
    assert!(d.session.unwrap().flags.contains(&"discount".to_owned()));
    let Some(Body::Exit(exit)) = c.facts.last().unwrap().body.as_deref() else { panic!("an exit") };
    assert_eq!(exit.staff.as_ref().unwrap().id, "s1");
    let lines: Vec<(&str, i64)> = exit.lines.iter().map(|l| (l.code.as_str(), l.amount)).collect();
    assert_eq!(lines, [("tier", 25_000), ("discount", -2_500), ("rounding", 500)]);
    assert_eq!(exit.lines[1].args[0], "staff10");
    // Everywhere else the same row comes of it.
    let mut other = Central::new(2);
    other.hear(&c);
    assert_eq!(other.project(), c.project());
}

#[test]
fn nobody_but_staff_grants_one_and_only_one_that_the_table_has() {
    let (mut c, _) = inside();
    let asked = open(exit_lane(), 3600, P).discounts(&["staff10"]);
    assert_eq!(fault(c.tell(&asked)), (422, "/staff_id missing".to_owned()));
    let strange = open(exit_lane(), 3600, P).staff(None).discounts(&["staff10", "vip"]);
    assert_eq!(fault(c.tell(&strange)), (422, "/discounts/1 unknown_discount".to_owned()));
    let without_entry = open(exit_lane(), 3600, "30A-999.99").staff(None).discounts(&["vip"]);
    assert_eq!(fault(c.tell(&without_entry)), (422, "/discounts/0 unknown_discount".to_owned()));
    assert_eq!(c.facts.len(), 2, "nothing was recorded");
    let d = c.tell(&open(exit_lane(), 3600, "30A-999.99").staff(None).discounts(&["staff10"])).decision();
    assert_eq!(d.fee, Some(23_000), "the charge without an entry is reduced alike");
}

#[test]
fn a_wrong_pin_grants_nothing() {
    let (mut c, _) = inside();
    let an = StaffMember {
        id: "s1".to_owned(),
        name: "An".to_owned(),
        role: Role::Attendant,
        pin_hash: String::new(),
        active: true,
    };
    c.reference.staff = StaffList::new(1, vec![an]).map(Into::into);
    let mut asked = open(exit_lane(), 3600, P).staff(None).discounts(&["staff10"]);
    if let Command::Open { pin, .. } = &mut asked.command {
        *pin = Some("1234".to_owned());
    }
    c.pin = PinCheck::Wrong;
    assert_eq!(c.tell(&asked).code(), (403, "wrong_pin".to_owned()));
    c.pin = PinCheck::Right;
    assert_eq!(c.tell(&asked).decision().fee, Some(23_000));
}

#[test]
fn what_is_late_has_happened_whatever_was_granted() {
    let (mut c, _) = inside();
    let late = |r: crate::central::Request| {
        r.seen(|s| {
            s.captured_at = Some(crate::log::T0 + 3_600_000);
            s.sent_at = Some(crate::log::T0 + 9_000_000);
        })
    };
    let d = c.tell(&late(open(exit_lane(), 9000, P)).staff(None).discounts(&["vip"])).decision();
    assert_eq!((d.recorded, d.fee), (true, Some(25_000)));
}

#[test]
fn a_discount_comes_after_the_driver_reversed() {
    let (mut c, id) = inside();
    c.tell(&open(exit_lane(), 3600, P)).decision();
    c.tell(&close(exit_lane(), 3610, Some(&id), false)).closed();
    // The charge stands for the grace; staff reduce it.
    assert_eq!(c.tell(&open(exit_lane(), 3700, P).detect()).detection().quote.unwrap().fee, Some(25_000));
    let d = c.tell(&open(exit_lane(), 3700, P).staff(None).discounts(&["staff10"])).decision();
    assert_eq!((d.kind, d.fee), (DecisionKind::Exit, Some(23_000)));
}

#[test]
fn a_charge_that_stands_is_not_reduced_by_asking_again() {
    let (mut c, _) = inside();
    c.tell(&open(exit_lane(), 3600, P)).decision();
    let again = |c: &mut Central, edge: &str, s| {
        let lane = lane(edge, wire::http::Direction::Exit);
        c.tell(&open(lane, s, P).staff(None).discounts(&["staff10"])).decision()
    };
    let d = again(&mut c, "edge-3", 3620);
    assert_eq!((d.barrier, d.fee), (BarrierWish::Open, Some(25_000)));
    let d = again(&mut c, "edge-4", 3640);
    assert_eq!((d.barrier, d.fee), (BarrierWish::Open, Some(25_000)));
}

#[test]
fn a_difference_found_later_knows_the_discount() {
    // The exit's central knows the second entry only; the first comes later.
    let mut a = Central::new(1);
    let first = a.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    a.tell(&close(entry_lane(), 6, Some(&first), true)).closed();
    let mut b = Central::new(2);
    let d = b.tell(&open(exit_lane(), 4 * 3600, P).staff(None).discounts(&["staff10"])).decision();
    assert_eq!(d.fee, Some(23_000), "the charge without an entry");
    b.hear(&a);
    // 25 000 + 2 hours = 45 000, less a tenth, rounded up.
    assert_eq!(
        b.settle(20_000).iter().map(|d| (d.fee, d.difference)).collect::<Vec<_>>(),
        [(41_000, 18_000)]
    );
}
