//! Entry lanes: open, close, time-outs, bursts.

use wire::http::{BarrierWish, DecisionKind, Direction, LaneDecision, SessionStatus};

use crate::central::{Central, close, entry_lane, exit_lane, lane, open};
use crate::log::T0;

const P: &str = "29A-123.45";

#[test]
fn an_entry_opens_a_session() {
    let mut c = Central::new(1);
    let d = c.tell(&open(entry_lane(), 0, P)).decision();
    assert_eq!((d.decision, d.barrier, d.kind), (LaneDecision::Open, BarrierWish::Open, DecisionKind::Entry));
    assert_eq!((d.reason.as_str(), d.recorded, d.fee), ("ok", true, None));
    assert_eq!(d.event_id.unwrap(), format!("central-1_{T0}_29A12345"));
    let s = d.session.unwrap();
    assert_eq!((s.status, s.sync_status.as_str()), (SessionStatus::Pending, "LOCAL"));
    assert_eq!((s.plate.as_deref(), s.plate_key.as_deref()), (Some("29A-123.45"), Some("29A12345")));
    assert_eq!((s.vehicle_class.as_str(), s.flags.len()), ("car", 0));
}

#[test]
fn a_car_waiting_before_its_barrier_is_one_passage() {
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision();
    for s in [1, 30, 59] {
        let again = c.tell(&open(entry_lane(), s, P)).decision();
        assert_eq!((again.kind, again.barrier), (DecisionKind::Duplicate, BarrierWish::Open), "after {s} s");
        assert_eq!(again.event_id, first.event_id);
    }
    assert_eq!(c.facts.len(), 1);
    // Beyond the window it is another entry.
    let later = c.tell(&open(entry_lane(), 61, P)).decision();
    assert_eq!(later.kind, DecisionKind::Entry);
    assert_eq!(c.project().rows.len(), 2);
}

#[test]
fn another_lane_within_the_window_asks_staff_and_stays_closed() {
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision();
    let d = c.tell(&open(lane("edge-2", Direction::Entry), 20, P).key("k")).decision();
    assert!(!d.recorded);
    assert_eq!(
        (d.kind, d.decision, d.barrier),
        (DecisionKind::Duplicate, LaneDecision::AskStaff, BarrierWish::KeepClosed)
    );
    assert_eq!(d.event_id, first.event_id);
    // Staff can always open.
    let d = c.tell(&open(lane("edge-2", Direction::Entry), 30, P).key("k").staff(None)).decision();
    assert_eq!((d.decision, d.barrier, d.recorded), (LaneDecision::Open, BarrierWish::Open, true));
}

#[test]
fn a_passage_that_is_over_does_not_open_again() {
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision();
    c.tell(&close(entry_lane(), 3, first.event_id.as_deref(), true)).closed();
    let d = c.tell(&open(entry_lane(), 4, P)).decision();
    assert_eq!((d.kind, d.barrier), (DecisionKind::Duplicate, BarrierWish::KeepClosed));
}

#[test]
fn front_and_rear_cameras_are_one_passage() {
    // second read, seconds later, confirmed before it, the same passage
    let cases = [
        ("29A-123.45", 7, false, true),
        ("Z9A-123.45", 7, false, true),
        ("29A-123.46", 7, false, false),
        ("", 7, false, true),
        ("30A-999.99", 2, false, false),
        ("29A-123.46", 4, true, false),
        ("", 4, true, false),
    ];
    for (second, after, confirmed, same) in cases {
        let mut c = Central::new(1);
        let first = c.tell(&open(entry_lane(), 0, P)).decision();
        if confirmed {
            c.tell(&close(entry_lane(), 2, None, true)).closed();
        }
        let d = c.tell(&open(entry_lane(), after, second)).decision();
        assert_eq!(d.kind == DecisionKind::Duplicate, same, "{second} after {after} s");
        assert_eq!(d.event_id == first.event_id, same, "{second} after {after} s");
    }
}

#[test]
fn two_cars_with_neighbouring_plates_in_one_lane_are_two_passages() {
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision();
    let second = c.tell(&open(entry_lane(), 1, "29A-123.46")).decision();
    assert_eq!((second.kind, second.recorded), (DecisionKind::Entry, true));
    assert_ne!(first.event_id, second.event_id);
    // Only the camera itself can say that it may have been the other one.
    let doubt = open(entry_lane(), 2, "29A-123.48").seen(|s| s.candidates = vec![P.to_owned()]);
    let third = c.tell(&doubt).decision();
    assert_eq!((third.kind, third.event_id), (DecisionKind::Duplicate, first.event_id));
}

#[test]
fn nobody_is_refused_because_of_a_plate() {
    for plate in ["", "🚗🚗", "NOPLATE", "???", "13A-123.45", "XYZ"] {
        let mut c = Central::new(1);
        let d = c.tell(&open(entry_lane(), 0, plate)).decision();
        assert_eq!((d.decision, d.barrier), (LaneDecision::Open, BarrierWish::Open), "{plate}");
        let s = d.session.unwrap();
        assert!(
            s.flags.iter().any(|f| f == "unverified" || f == "province_unassigned"),
            "{plate}: {:?}",
            s.flags
        );
    }
}

#[test]
fn vehicles_without_a_plate_are_told_apart() {
    let mut c = Central::new(1);
    let a = c.tell(&open(entry_lane(), 0, "")).decision().session.unwrap();
    let b = c.tell(&open(entry_lane(), 20, "")).decision().session.unwrap();
    assert_ne!(a.plate_key, b.plate_key);
    assert!(a.plate_key.unwrap().starts_with("NP"));
}

#[test]
fn a_late_delivery_is_recorded_and_opens_nothing() {
    let mut c = Central::new(1);
    let r = open(entry_lane(), 3600, P).seen(|s| {
        s.captured_at = Some(T0);
        s.sent_at = Some(T0 + 3_600_000);
    });
    let d = c.tell(&r).decision();
    assert_eq!((d.barrier, d.recorded, d.reason.as_str()), (BarrierWish::KeepClosed, true, "late_delivery"));
    let s = d.session.unwrap();
    assert_eq!(s.flags, ["late"]);
    assert_eq!(c.project().rows[0].entry_time, Some(T0));
}

#[test]
fn close_confirms_or_abandons_and_twice_is_once() {
    for (passed, kind, status) in
        [(true, "CONFIRMED", SessionStatus::Inside), (false, "ABANDONED", SessionStatus::Abandoned)]
    {
        let mut c = Central::new(1);
        let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
        let first = c.tell(&close(entry_lane(), 5, id.as_deref(), passed)).closed();
        assert_eq!((first.kind.as_str(), first.session.as_ref().unwrap().status), (kind, status));
        let again = c.tell(&close(entry_lane(), 9, id.as_deref(), passed)).closed();
        assert_eq!(again, first);
        assert_eq!(c.facts.len(), 2);
    }
}

#[test]
fn confirmed_stays_and_abandoned_may_still_be_confirmed() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    assert_eq!(c.sweep(90), 1);
    assert_eq!(c.tell(&close(entry_lane(), 95, id.as_deref(), true)).closed().kind, "CONFIRMED");
    assert_eq!(c.tell(&close(entry_lane(), 99, id.as_deref(), false)).closed().kind, "CONFIRMED");
    assert_eq!(c.project().rows[0].status, SessionStatus::Inside);
}

#[test]
fn close_without_a_name_takes_the_oldest_pending() {
    let mut c = Central::new(1);
    let a = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    let b = c.tell(&open(entry_lane(), 20, "30A-999.99")).decision().event_id;
    assert_eq!(c.tell(&close(entry_lane(), 30, None, true)).closed().event_id, a);
    assert_eq!(c.tell(&close(entry_lane(), 31, None, true)).closed().event_id, b);
    assert_eq!(c.tell(&close(entry_lane(), 32, None, true)).code(), (404, "nothing_pending".into()));
}

#[test]
fn close_refuses_what_is_not_the_lanes() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    let other = close(lane("edge-2", Direction::Entry), 5, id.as_deref(), true);
    assert_eq!(c.tell(&other).code(), (422, "not_this_lane".into()));
    assert_eq!(c.tell(&close(exit_lane(), 5, id.as_deref(), true)).code(), (422, "not_this_lane".into()));
    assert_eq!(c.tell(&close(entry_lane(), 5, Some("nope"), true)).code(), (404, "unknown_session".into()));
}

/// A lane repeats a request until it is answered; the car may be gone by then.
#[test]
fn a_read_from_before_the_end_of_a_passage_belongs_to_it_whenever_it_is_told() {
    let told_at = |s: i64, captured: i64| {
        open(entry_lane(), s, P).key(&format!("{captured}")).seen(|seen| {
            seen.captured_at = Some(T0 + 1000 * captured);
            seen.sent_at = Some(T0 + 1000 * s);
        })
    };
    // Backed out.
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    c.tell(&close(entry_lane(), 3, first.as_deref(), false)).closed();
    let d = c.tell(&told_at(5, 2)).decision();
    assert_eq!((d.kind, d.barrier), (DecisionKind::Duplicate, BarrierWish::KeepClosed));
    assert_eq!((d.event_id, d.recorded), (first.clone(), true));
    assert_eq!(c.project().rows.len(), 1);
    // The camera's last picture and the loop's signal carry one time.
    assert_eq!(c.tell(&told_at(5, 3)).decision().event_id, first);
    // It comes again.
    let d = c.tell(&told_at(6, 4)).decision();
    assert_eq!((d.kind, d.barrier), (DecisionKind::Entry, BarrierWish::Open));
    // Driven through and out again.
    let mut c = Central::new(1);
    let first = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    c.tell(&close(entry_lane(), 3, first.as_deref(), true)).closed();
    c.tell(&open(exit_lane(), 20, P)).decision();
    let d = c.tell(&told_at(24, 2)).decision();
    assert_eq!((d.kind, d.barrier), (DecisionKind::Duplicate, BarrierWish::KeepClosed));
    assert_eq!(d.event_id, first);
    assert_eq!(c.tell(&told_at(30, 29)).decision().kind, DecisionKind::Entry);
}

#[test]
fn time_outs_end_what_never_came() {
    let mut c = Central::new(1);
    c.tell(&open(entry_lane(), 0, P)).decision();
    assert_eq!((c.sweep(89), c.sweep(90), c.sweep(91)), (0, 1, 0));
    assert_eq!(c.project().rows[0].abandoned_by.as_deref(), Some("timeout"));
    // Where the lane has no loop it is confirmed instead.
    let mut c = Central::new(1);
    let mut no_loop = entry_lane();
    no_loop.assumed = true;
    c.tell(&open(no_loop, 0, P)).decision();
    assert_eq!(c.sweep(90), 1);
    assert_eq!(c.project().rows[0].status, SessionStatus::Inside);
    // Another origin's is its own business.
    let mut other = Central::new(2);
    let mut c = Central::new(1);
    c.tell(&open(entry_lane(), 0, P)).decision();
    other.hear(&c);
    assert_eq!(other.sweep(500), 0);
}

#[test]
fn a_detection_suggests_and_changes_nothing() {
    let mut c = Central::new(1);
    let d = c.tell(&open(entry_lane(), 0, P).detect()).detection();
    assert_eq!((d.suggestion.decision, d.suggestion.reason.as_str()), (LaneDecision::Open, "ok"));
    assert_eq!((d.plate.key.as_deref(), d.plate.kind.as_str()), (Some("29A12345"), "car"));
    assert_eq!((c.facts.len(), d.session), (0, None));
    c.tell(&open(entry_lane(), 10, P)).decision();
    let d = c.tell(&open(exit_lane(), 3610, P).detect()).detection();
    assert_eq!(d.suggestion.decision, LaneDecision::Open);
    let q = d.quote.unwrap();
    assert_eq!((q.fee, q.rate_table.unwrap().id.as_str()), (Some(25_000), "car-mall"));
    assert_eq!((c.facts.len(), d.session.unwrap().status), (1, SessionStatus::Pending));
}

#[test]
fn a_lane_that_goes_both_ways_closes_what_it_opened() {
    let both = |d| lane("edge-9", d);
    for named in [true, false] {
        let mut c = Central::new(1);
        let id = c.tell(&open(both(Direction::Entry), 0, P)).decision().event_id.filter(|_| named);
        let shut = |s| close(both(Direction::Exit), s, id.as_deref(), true);
        assert_eq!(c.tell(&shut(5)).closed().kind, "CONFIRMED");
        c.tell(&open(both(Direction::Exit), 3600, P)).decision();
        assert_eq!(c.tell(&shut(3605)).closed().kind, "EXIT_CONFIRMED");
        assert_eq!(c.facts.len(), 4);
    }
}

#[test]
fn a_vehicle_that_is_inside_enters_again_and_the_old_session_is_for_review() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    c.tell(&close(entry_lane(), 5, id.as_deref(), true)).closed();
    let d = c.tell(&open(entry_lane(), 7200, P)).decision();
    assert_eq!((d.kind, d.barrier), (DecisionKind::Entry, BarrierWish::Open));
    let statuses: Vec<_> = c.project().rows.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [SessionStatus::Superseded, SessionStatus::Pending]);
}
