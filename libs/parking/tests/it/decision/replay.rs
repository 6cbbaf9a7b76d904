//! Retries: the same request again, here and at another central.

use wire::http::{BarrierWish, DecisionKind, Direction, SessionStatus};

use crate::central::{Central, close, command_of, entry_lane, exit_lane, lane, open, tag_of};
use crate::log::T0;

const P: &str = "29A-123.45";

#[test]
fn the_first_answer_comes_again() {
    let mut c = Central::new(1);
    let r = open(entry_lane(), 0, P).key("k1");
    let first = c.tell(&r).decision();
    assert_eq!(c.tell(&open(entry_lane(), 500, P).key("k1")).decision(), first);
    assert_eq!(c.facts.len(), 1);
    let x = open(exit_lane(), 3600, P).key("k2");
    let first = c.tell(&x).decision();
    assert_eq!(c.tell(&open(exit_lane(), 9000, P).key("k2")).decision(), first);
    assert_eq!((c.facts.len(), first.fee), (2, Some(25_000)));
}

#[test]
fn at_another_central_that_knows_of_it_too() {
    let mut a = Central::new(1);
    let first = a.tell(&open(entry_lane(), 0, P).key("k1")).decision();
    let mut b = Central::new(2);
    b.hear(&a);
    let again = b.tell(&open(entry_lane(), 3, P).key("k1")).decision();
    assert_eq!(
        (&again.event_id, again.kind, again.barrier),
        (&first.event_id, DecisionKind::Entry, BarrierWish::Open)
    );
    assert_eq!(b.facts.len(), 1);
}

#[test]
fn a_closing_is_answered_again_where_its_session_is_not_known_yet() {
    let mut a = Central::new(1);
    let id = a.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    let first = a.tell(&close(entry_lane(), 5, Some(&id), true)).closed();
    let mut b = Central::new(2);
    // What the loop told is here, the entry is still on its way.
    b.facts.push(a.facts[1].clone());
    let again = b.tell(&close(entry_lane(), 9, Some(&id), true)).closed();
    assert_eq!((again.kind, b.facts.len()), (first.kind, 1));
}

#[test]
fn at_another_central_that_does_not_it_is_one_session_once_they_meet() {
    for plate in [P, ""] {
        let mut a = Central::new(1);
        let mut b = Central::new(2);
        let first = a.tell(&open(entry_lane(), 0, plate).key("k1")).decision();
        let other = b.tell(&open(entry_lane(), 3, plate).key("k1")).decision();
        a.hear(&b);
        b.hear(&a);
        let p = a.project();
        assert_eq!((p.rows.len(), p.conflicts.len()), (2, 0), "{plate}");
        assert_eq!(p.row_named(&other.event_id.unwrap()).unwrap().duplicate_of_event_id, first.event_id);
        assert_eq!(p, b.project());
    }
}

#[test]
fn without_a_key_captured_at_is_one() {
    let mut c = Central::new(1);
    let r = open(entry_lane(), 100, P).seen(|s| s.captured_at = Some(T0));
    let first = c.tell(&r).decision();
    assert!(command_of(&c.facts[0]).is_some());
    let again = c.tell(&open(entry_lane(), 900, P).seen(|s| s.captured_at = Some(T0))).decision();
    assert_eq!(again, first);
    assert_eq!(c.facts.len(), 1);
}

#[test]
fn a_key_reused_for_another_plate_or_edge_is_refused() {
    let mut c = Central::new(1);
    c.tell(&open(entry_lane(), 0, P).key("k1")).decision();
    let reused = (422, "idempotency_key_reused".to_owned());
    assert_eq!(c.tell(&open(entry_lane(), 1, "30A-999.99").key("k1")).code(), reused);
    assert_eq!(c.tell(&open(entry_lane(), 1, "").key("k1")).code(), reused);
    // Times and confidence do not count, and neither does the writing of the plate.
    let r = open(entry_lane(), 1, "29a 12345").key("k1").seen(|s| s.confidence_pm = Some(1));
    assert_eq!(c.tell(&r).decision().kind, DecisionKind::Entry);
    assert_eq!(c.facts[0].tag(), Some(tag_of("29A12345")));
}

#[test]
fn a_close_repeated_at_another_central_is_one() {
    let mut a = Central::new(1);
    let id = a.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    let mut b = Central::new(2);
    b.hear(&a);
    a.tell(&close(entry_lane(), 5, Some(&id), true)).closed();
    let at_b = b.tell(&close(entry_lane(), 6, Some(&id), true)).closed();
    assert_eq!((at_b.kind.as_str(), at_b.session.unwrap().status), ("CONFIRMED", SessionStatus::Inside));
    a.hear(&b);
    let p = a.project();
    assert_eq!((p.rows[0].confirmed_time, p.rows[0].events.len()), (Some(T0 + 5_000), 3));
}

#[test]
fn a_race_of_two_lanes_is_one_session() {
    let mut a = Central::new(1);
    let mut b = Central::new(2);
    let first = a.tell(&open(entry_lane(), 0, P)).decision();
    b.tell(&open(lane("edge-5", Direction::Entry), 1, P)).decision();
    b.hear(&a);
    let p = b.project();
    let open: Vec<_> = p.rows.iter().filter(|r| r.is_open()).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(Some(&open[0].event_id), first.event_id.as_ref());
    assert_eq!(p.conflicts.len(), 1);
}
