//! What people do to sessions, and what late knowledge does to charges.

use wire::bus::command::SessionAction;
use wire::http::SessionStatus;

use crate::central::{Central, act, entry_lane, exit_lane, open};

const P: &str = "29A-123.45";

#[test]
fn acts_change_the_session_or_say_why_not() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    let wrong = (409, "wrong_state".to_owned());
    assert_eq!(c.tell(&act(10, &id, SessionAction::Waive { amount: 1 })).code(), wrong);
    assert_eq!(c.tell(&act(10, &id, SessionAction::Reopen)).code(), wrong);
    assert_eq!(c.tell(&act(10, "nope", SessionAction::Void)).code(), (404, "unknown_session".into()));
    assert_eq!(c.tell(&act(10, &id, SessionAction::SoftClose)).row().status, SessionStatus::SoftClosed);
    assert_eq!(c.tell(&act(11, &id, SessionAction::Reopen)).row().status, SessionStatus::Pending);
    assert_eq!(c.tell(&act(12, &id, SessionAction::Void)).row().status, SessionStatus::Voided);
    assert_eq!(c.tell(&act(13, &id, SessionAction::Reopen)).row().status, SessionStatus::Pending);
    assert_eq!(c.tell(&act(14, &id, SessionAction::Price { fee: 12_000 })).row().set_price, Some(12_000));
    assert_eq!(c.tell(&open(exit_lane(), 3600, P)).decision().fee, Some(12_000));
    assert_eq!(c.tell(&act(3700, &id, SessionAction::Void)).code(), wrong);
    assert_eq!(c.tell(&act(3700, &id, SessionAction::Price { fee: 1 })).code(), wrong);
    assert_eq!(c.tell(&act(3700, &id, SessionAction::Waive { amount: 12_001 })).code().0, 422);
    assert_eq!(c.tell(&act(3700, &id, SessionAction::Uncollected { amount: 0 })).code().0, 422);
    let row = c.tell(&act(3700, &id, SessionAction::Uncollected { amount: 12_000 })).row();
    assert_eq!((row.fee, row.flags.contains(&"uncollected".to_owned())), (Some(12_000), true));
    let row = c.tell(&act(3700, &id, SessionAction::Waive { amount: 2_000 })).row();
    assert_eq!((row.fee, row.charged, row.waived), (Some(10_000), Some(12_000), 2_000));
    assert_eq!(
        c.tell(&act(3700, &id, SessionAction::Uncollected { amount: 1 })).code(),
        wrong,
        "all of it is noted"
    );
}

#[test]
fn no_more_is_uncollected_than_is_due() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    assert_eq!(c.tell(&open(exit_lane(), 3600, P)).decision().fee, Some(25_000));
    c.tell(&act(3700, &id, SessionAction::Uncollected { amount: 20_000 })).row();
    assert_eq!(c.tell(&act(3701, &id, SessionAction::Uncollected { amount: 5_001 })).code().0, 422);
    let row = c.tell(&act(3702, &id, SessionAction::Uncollected { amount: 5_000 })).row();
    assert_eq!((row.fee, row.uncollected), (Some(25_000), 25_000));
}

#[test]
fn every_act_tells_who_why_and_how_much() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, "29A-123.48")).decision().event_id.unwrap();
    for (s, done) in [
        (1, SessionAction::SoftClose),
        (2, SessionAction::Reopen),
        (3, SessionAction::CorrectPlate { plate: P.into() }),
        (4, SessionAction::Price { fee: 12_000 }),
    ] {
        c.tell(&act(s, &id, done)).row();
    }
    c.tell(&open(exit_lane(), 3600, P)).decision();
    c.tell(&act(3700, &id, SessionAction::Waive { amount: 2_000 })).row();
    c.tell(&act(3701, &id, SessionAction::Uncollected { amount: 3_000 })).row();
    let projection = c.project();
    let detail = c.view().detail(&projection.rows[0], &projection, &c.facts);
    let told: Vec<_> = detail
        .events
        .iter()
        .map(|e| (e.kind.as_str(), e.staff_id.as_deref(), e.reason.as_deref(), e.amount, e.plate.as_deref()))
        .collect();
    let (who, why) = (Some("s1"), Some("because"));
    assert_eq!(
        told,
        [
            ("VEHICLE_ENTRY_PENDING", None, None, None, Some("29A-123.48")),
            ("SESSION_SOFT_CLOSED", who, why, None, None),
            ("SESSION_REOPENED", who, why, None, None),
            ("PLATE_CORRECTED", who, why, None, Some(P)),
            ("PRICE_SET", who, why, Some(12_000), None),
            ("VEHICLE_EXIT", None, None, Some(12_000), Some(P)),
            ("FEE_WAIVED", who, why, Some(2_000), None),
            ("FEE_UNCOLLECTED", who, why, Some(3_000), None),
        ]
    );
}

#[test]
fn a_corrected_plate_is_found_at_the_exit() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, "29A-123.48")).decision().event_id.unwrap();
    let row = c.tell(&act(60, &id, SessionAction::CorrectPlate { plate: P.into() })).row();
    assert_eq!((row.plate_key.as_deref(), row.event_id.as_str()), (Some("29A12345"), id.as_str()));
    assert_eq!(c.tell(&act(60, &id, SessionAction::CorrectPlate { plate: String::new() })).code().0, 422);
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    assert_eq!((d.event_id, d.fee), (Some(id), Some(25_000)));
}

#[test]
fn a_later_known_entry_gives_one_difference() {
    let mut one = Central::new(1);
    one.tell(&open(entry_lane(), 0, P)).decision();
    let mut five = Central::new(5);
    five.tell(&open(exit_lane(), 4 * 3600, P).staff(None)).decision();
    five.hear(&one);
    let row = five.project().rows[0].clone();
    assert_eq!((row.status, row.fee), (SessionStatus::Exited, Some(25_000)));
    // No charge without an entry knew of any time inside.
    assert_eq!(
        five.settle(20_000).iter().map(|d| (d.fee, d.difference)).collect::<Vec<_>>(),
        [(45_000, 20_000)]
    );
    let row = five.project().rows[0].clone();
    assert_eq!(row.fee, Some(25_000));
    assert!(five.settle(20_001).is_empty());
    assert_eq!(five.project().conflicts.len(), 1);
}
