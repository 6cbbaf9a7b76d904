//! Exit lanes: find, charge, open.

use wire::bus::command::{Command, SessionAction};
use wire::event::Credential;
use wire::http::{
    BarrierWish, Decision, DecisionKind, Degraded, Direction, LaneDecision, Payment, SessionStatus,
};

use crate::central::{Central, Request, Said, close, entry_lane, exit_lane, lane, open};
use crate::log::T0;

const P: &str = "29A-123.45";

fn inside(plate: &str) -> (Central, String) {
    let mut c = Central::new(1);
    let id = enter(&mut c, 0, plate);
    (c, id)
}

fn enter(c: &mut Central, s: i64, plate: &str) -> String {
    let id = c.tell(&open(entry_lane(), s, plate)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), s + 5, Some(&id), true)).closed();
    id
}

fn asks(d: &Decision, reason: &str) {
    assert_eq!((d.decision, d.barrier), (LaneDecision::AskStaff, BarrierWish::KeepClosed), "{reason}: {d:?}");
    assert_eq!((d.reason.as_str(), d.recorded, d.kind), (reason, false, DecisionKind::None));
}

fn leaves(d: &Decision, event_id: &str, fee: i64) {
    assert_eq!(
        (d.decision, d.barrier, d.kind),
        (LaneDecision::Open, BarrierWish::Open, DecisionKind::Exit),
        "{d:?}"
    );
    assert_eq!((d.event_id.as_deref(), d.fee, d.recorded), (Some(event_id), Some(fee), true));
}

#[test]
fn an_hour_costs_25000() {
    let (mut c, id) = inside(P);
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    leaves(&d, &id, 25_000);
    let s = d.session.unwrap();
    assert_eq!((s.status, s.fee, s.duration_s), (SessionStatus::Exited, Some(25_000), Some(3600)));
    assert_eq!((s.exit_central.as_deref(), s.exit_edge.as_deref()), (Some("central-1"), Some("edge-3")));
    assert_eq!((s.rate_table.unwrap().id.as_str(), s.flags.len()), ("car-mall", 0));
    let done = c.tell(&close(exit_lane(), 3606, Some(&id), true)).closed();
    assert_eq!((done.kind.as_str(), done.event_id.as_deref()), ("EXIT_CONFIRMED", Some(id.as_str())));
    assert!(c.project().conflicts.is_empty());
}

#[test]
fn another_central_finds_the_entry() {
    let (c, id) = inside(P);
    let mut five = Central::new(5);
    five.hear(&c);
    let d = five.tell(&open(lane("edge-20", Direction::Exit), 3600, P)).decision();
    leaves(&d, &id, 25_000);
    let s = d.session.unwrap();
    assert_eq!((s.source_central.as_str(), s.exit_central.as_deref()), ("central-1", Some("central-5")));
    assert_eq!(s.sync_status, "SYNCED");
}

#[test]
fn the_entry_is_found_by_the_cameras_other_reading_or_a_look_alike() {
    let (mut c, id) = inside(P);
    let r = open(exit_lane(), 3600, "51F-970.22").seen(|s| s.candidates = vec!["29A-123.45".into()]);
    leaves(&c.tell(&r).decision(), &id, 25_000);
    let (mut c, id) = inside("XX-O1");
    let d = c.tell(&open(exit_lane(), 3600, "XX-01")).decision();
    leaves(&d, &id, 25_000);
    assert!(d.session.unwrap().flags.contains(&"look_alike".to_owned()));
    assert_eq!(c.project().rows.len(), 1);
}

#[test]
fn one_character_away_is_for_staff_who_pick_the_entry() {
    let (mut c, id) = inside(P);
    let d = c.tell(&open(exit_lane(), 3600, "29A-123.46")).decision();
    asks(&d, "similar_plate");
    assert_eq!(d.candidates.len(), 1);
    assert_eq!(c.facts.len(), 2);
    let d = c.tell(&open(exit_lane(), 3610, "29A-123.46").staff(Some(&id))).decision();
    leaves(&d, &id, 25_000);
    assert!(d.session.unwrap().flags.contains(&"staff_unverified".to_owned()));
}

#[test]
fn without_an_entry_staff_decide_and_the_fallback_is_charged() {
    let mut c = Central::new(5);
    let d = c.tell(&open(exit_lane(), 0, P)).decision();
    asks(&d, "no_entry");
    assert_eq!(d.fee, Some(25_000));
    assert!(c.facts.is_empty());
    let d = c.tell(&open(exit_lane(), 10, P).staff(None)).decision();
    let alias = format!("central-5_{}_29A12345", T0 + 10_000);
    leaves(&d, &alias, 25_000);
    let s = d.session.unwrap();
    assert_eq!((s.status, s.entry_time), (SessionStatus::Exited, None));
    assert!(s.flags.contains(&"no_entry_record".to_owned()));
    // The lane's loop closes it under the same name.
    assert_eq!(c.tell(&close(exit_lane(), 15, Some(&alias), true)).closed().kind, "EXIT_CONFIRMED");
}

#[test]
fn staff_without_a_reason_are_refused() {
    let mut c = Central::new(5);
    let mut r = open(exit_lane(), 10, P).staff(None);
    if let wire::bus::command::Command::Open { reason, .. } = &mut r.command {
        *reason = None;
    }
    assert_eq!(c.tell(&r).code(), (422, "invalid_fields".into()));
    let r = open(exit_lane(), 10, P).staff(Some("nope"));
    assert_eq!(c.tell(&r).code(), (404, "unknown_session".into()));
}

#[test]
fn peers_are_asked_before_anything_but_the_very_plate_is_believed() {
    let (mut c, id) = inside("29A-123.46");
    c.catching_up = true;
    assert!(matches!(c.tell(&open(exit_lane(), 3600, P)), Said::NeedPeers));
    let d = c.tell_after(&open(exit_lane(), 3600, P), true).decision();
    asks(&d, "similar_plate");
    assert_eq!(d.degraded, [Degraded::CatchingUp]);
    leaves(&c.tell(&open(exit_lane(), 3600, "29A-123.46")).decision(), &id, 25_000);
}

#[test]
fn a_session_lost_with_a_disk_is_asked_for_before_it_is_called_unknown() {
    let (whole, id) = inside(P);
    let mut restored = Central::new(1);
    restored.catching_up = true;
    let closes = close(entry_lane(), 5, Some(&id), true);
    assert!(matches!(restored.tell(&closes), Said::NeedPeers));
    // Nobody has it: then it is unknown.
    assert_eq!(restored.tell_after(&closes, true).code(), (404, "unknown_session".into()));
    // A peer had it.
    restored.hear(&whole);
    assert_eq!(restored.tell_after(&closes, true).closed().kind, "CONFIRMED");
    // The entry is back, the exit that this lane made not yet.
    let leaves = close(exit_lane(), 3605, Some(&id), true);
    assert!(matches!(restored.tell(&leaves), Said::NeedPeers));
    assert_eq!(restored.tell_after(&leaves, true).code(), (422, "not_this_lane".into()));
}

#[test]
fn an_unconfirmed_exit_repeated_returns_the_standing_charge() {
    let (mut c, id) = inside(P);
    c.tell(&open(exit_lane(), 3600, P)).decision();
    // At the same lane: one passage.
    let d = c.tell(&open(exit_lane(), 3660, P)).decision();
    assert_eq!((d.kind, d.barrier, d.fee), (DecisionKind::Duplicate, BarrierWish::Open, Some(25_000)));
    assert_eq!((d.event_id.as_deref(), c.facts.len()), (Some(id.as_str()), 3));
    // At another lane of another central: it opens, and that lane may close it.
    let mut six = Central::new(6);
    six.hear(&c);
    let other = lane("edge-21", Direction::Exit);
    let d = six.tell(&open(other.clone(), 3700, P)).decision();
    leaves(&d, &id, 25_000);
    assert_eq!(six.tell(&close(other, 3706, Some(&id), true)).closed().kind, "EXIT_CONFIRMED");
    let p = six.project();
    assert!(p.conflicts.is_empty());
    assert_eq!((p.rows[0].fee, p.rows[0].exit_edge.as_deref()), (Some(25_000), Some("edge-21")));
}

#[test]
fn a_driver_who_reverses_is_inside_and_pays_once() {
    let (mut c, id) = inside(P);
    c.tell(&open(exit_lane(), 3600, P)).decision();
    let back = c.tell(&close(exit_lane(), 3610, Some(&id), false)).closed();
    assert_eq!((back.kind.as_str(), back.session.unwrap().status), ("EXIT_ABANDONED", SessionStatus::Inside));
    let d = c.tell(&open(exit_lane(), 3900, P)).decision();
    leaves(&d, &id, 25_000);
    assert_eq!(c.tell(&close(exit_lane(), 3910, None, true)).closed().kind, "EXIT_CONFIRMED");
    let p = c.project();
    assert_eq!(
        (p.rows[0].status, p.rows[0].fee, p.conflicts.len()),
        (SessionStatus::Exited, Some(25_000), 0)
    );
}

#[test]
fn a_driver_who_reverses_and_stays_pays_for_the_stay() {
    let (mut c, id) = inside(P);
    c.tell(&open(exit_lane(), 3600, P)).decision();
    c.tell(&close(exit_lane(), 3610, Some(&id), false)).closed();
    let d = c.tell(&open(exit_lane(), 3 * 3600, P)).decision();
    leaves(&d, &id, 35_000);
}

/// A lane repeats a request until it is answered; the driver may have changed his mind by then.
#[test]
fn a_read_from_before_a_driver_reversed_is_no_second_exit() {
    let (mut c, id) = inside(P);
    let told_at = |s: i64, captured: i64| {
        open(exit_lane(), s, P).key(&format!("{captured}")).seen(|seen| {
            seen.captured_at = Some(T0 + 1000 * captured);
            seen.sent_at = Some(T0 + 1000 * s);
        })
    };
    c.tell(&open(exit_lane(), 3600, P)).decision();
    c.tell(&close(exit_lane(), 3610, Some(&id), false)).closed();
    for captured in [3602, 3610] {
        let d = c.tell(&told_at(3612, captured)).decision();
        assert_eq!((d.kind, d.barrier), (DecisionKind::Duplicate, BarrierWish::KeepClosed), "{captured}");
        assert_eq!((d.event_id.as_deref(), d.recorded), (Some(id.as_str()), true));
    }
    assert_eq!(c.project().rows[0].status, SessionStatus::Inside);
    // It comes again.
    leaves(&c.tell(&told_at(3640, 3630)).decision(), &id, 25_000);
}

#[test]
fn a_session_abandoned_by_time_out_is_revived() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.sweep(90);
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    leaves(&d, &id, 25_000);
    assert!(d.session.unwrap().flags.contains(&"unconfirmed_entry".to_owned()));
}

#[test]
fn a_session_that_backed_out_is_not() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&id), false)).closed();
    asks(&c.tell(&open(exit_lane(), 3600, P)).decision(), "no_entry");
}

#[test]
fn a_fee_above_the_limit_needs_staff() {
    let (mut c, id) = inside(P);
    let d = c.tell(&open(exit_lane(), 10 * 86_400, P)).decision();
    asks(&d, "review_fee");
    assert_eq!(d.fee, Some(1_200_000));
    assert_eq!(d.event_id.as_deref(), Some(id.as_str()));
    leaves(&c.tell(&open(exit_lane(), 10 * 86_400, P).staff(None)).decision(), &id, 1_200_000);
}

#[test]
fn a_class_without_a_rate_table_needs_staff() {
    let mut c = Central::new(1);
    let mut trucks = entry_lane();
    trucks.vehicle_classes = vec!["truck".into()];
    let id = c.tell(&open(trucks, 0, P)).decision().event_id.unwrap();
    asks(&c.tell(&open(exit_lane(), 3600, P)).decision(), "no_rate_table");
    let d = c.tell(&open(exit_lane(), 3600, P).staff(None)).decision();
    assert_eq!((d.decision, d.barrier, d.fee), (LaneDecision::Open, BarrierWish::Open, None), "never 0");
    let session = d.session.unwrap();
    assert_eq!((session.status, session.fee), (SessionStatus::Exited, None));
    assert!(session.flags.contains(&"no_rate_table".to_owned()));
    // Repeated, here or at another lane, it stays without a price; staff set it when they know it, and correct it.
    let mut other = exit_lane();
    other.edge_id = "edge-4".into();
    assert_eq!(c.tell(&open(other, 3610, P)).decision().fee, None);
    let act = |s: i64, act| Request {
        at: T0 + s * 1000,
        key: None,
        command: Command::Act {
            event_id: id.clone(),
            act,
            staff_id: "s1".into(),
            pin: None,
            reason: "a truck".into(),
        },
    };
    assert_eq!(c.tell(&act(3700, SessionAction::Waive { amount: 1 })).code().0, 409, "nothing to forgive");
    for fee in [70_000, 60_000] {
        let row = c.tell(&act(3700, SessionAction::Price { fee })).row();
        assert_eq!((row.fee, row.charged, row.set_price), (Some(fee), Some(fee), Some(fee)));
    }
    let row = c.tell(&act(3800, SessionAction::Waive { amount: 10_000 })).row();
    assert_eq!((row.fee, row.charged), (Some(50_000), Some(60_000)));
}

#[test]
fn what_was_taken_where_no_table_has_a_price_is_the_charge() {
    let mut c = Central::new(1);
    let mut trucks = entry_lane();
    trucks.vehicle_classes = vec!["truck".into()];
    let id = c.tell(&open(trucks, 0, P)).decision().event_id.unwrap();
    let mut paid = open(exit_lane(), 3600, P).staff(None);
    if let Command::Open { payment, .. } = &mut paid.command {
        *payment = Some(Payment { method: "cash".into(), amount: 40_000, reference: None });
    }
    leaves(&c.tell(&paid).decision(), &id, 40_000);
}

#[test]
fn exempt_vehicles_leave_free() {
    let mut c = Central::new(1);
    let r = open(entry_lane(), 0, P).seen(|s| s.vehicle_class = Some("exempt".into()));
    let id = c.tell(&r).decision().event_id.unwrap();
    leaves(&c.tell(&open(exit_lane(), 36_000, P)).decision(), &id, 0);
}

#[test]
fn a_card_with_another_plate_is_a_theft_guard() {
    let card = |n: &str| Some(Credential { kind: "card".into(), id: n.into() });
    let mut c = Central::new(1);
    let mut moto = entry_lane();
    moto.vehicle_classes = vec!["motorbike".into()];
    let mut out = exit_lane();
    out.vehicle_classes = vec!["motorbike".into()];
    let id = c
        .tell(&open(moto.clone(), 0, "29-H1 123.45").seen(|s| s.credential = card("c1")))
        .decision()
        .event_id;
    c.tell(&open(moto, 20, "29-H1 543.21").seen(|s| s.credential = card("c2"))).decision();
    let swapped = open(out.clone(), 600, "29-H1 123.45").seen(|s| s.credential = card("c2"));
    asks(&c.tell(&swapped).decision(), "plate_card_mismatch");
    asks(&c.tell(&open(out.clone(), 600, "29-H1 123.45")).decision(), "card_missing");
    let mut lost = open(out.clone(), 600, "29-H1 123.45").detect();
    lost = lost.seen(|s| s.credential = card("c1"));
    assert_eq!(c.tell(&lost).detection().suggestion.decision, LaneDecision::Open);
    let mut lost = open(out, 610, "29-H1 123.45");
    if let wire::bus::command::Command::Open { lost_credential, .. } = &mut lost.command {
        *lost_credential = true;
    }
    // Who says that the card is lost may be a thief: staff see what it costs, and look at papers.
    let d = c.tell(&lost).decision();
    asks(&d, "card_missing");
    assert_eq!((d.event_id.as_ref(), d.fee), (id.as_ref(), Some(54_000)));
    leaves(&c.tell(&lost.staff(None)).decision(), id.as_deref().unwrap(), 54_000);
}

#[test]
fn a_rear_camera_that_reads_after_the_loop_means_the_same_passage() {
    let (mut c, id) = inside(P);
    leaves(&c.tell(&open(exit_lane(), 3600, P)).decision(), &id, 25_000);
    c.tell(&close(exit_lane(), 3605, Some(&id), true)).closed();
    let d = c.tell(&open(exit_lane(), 3607, P)).decision();
    assert_eq!(
        (d.kind, d.barrier, d.event_id.as_deref()),
        (DecisionKind::Duplicate, BarrierWish::KeepClosed, Some(&*id))
    );
    asks(&c.tell(&open(exit_lane(), 3609, P)).decision(), "no_entry");
    // Another plate by then is the next vehicle, however alike.
    let (mut c, id) = inside("XX-O1");
    c.tell(&open(exit_lane(), 3600, "XX-O1")).decision();
    c.tell(&close(exit_lane(), 3602, Some(&id), true)).closed();
    asks(&c.tell(&open(exit_lane(), 3607, "XX-01")).decision(), "no_entry");
}

#[test]
fn a_plate_of_another_class_is_admitted_and_asked_about_at_the_exit() {
    let mut c = Central::new(1);
    let d = c.tell(&open(entry_lane(), 0, "29-AA 002.33")).decision();
    assert_eq!(d.barrier, BarrierWish::Open);
    assert!(d.session.unwrap().flags.contains(&"class_mismatch".to_owned()));
    asks(&c.tell(&open(exit_lane(), 3600, "29-AA 002.33")).decision(), "class_mismatch");
}

#[test]
fn a_late_exit_is_recorded_and_opens_nothing() {
    let (mut c, id) = inside(P);
    let late = |s: i64, plate: &str| {
        open(exit_lane(), s, plate).seen(|seen| {
            seen.captured_at = Some(T0 + 3_600_000);
            seen.sent_at = Some(T0 + s * 1000);
        })
    };
    let d = c.tell(&late(9000, P)).decision();
    assert_eq!((d.barrier, d.recorded, d.fee), (BarrierWish::KeepClosed, true, Some(25_000)));
    assert_eq!(d.event_id.as_deref(), Some(id.as_str()));
    let d = c.tell(&late(9000, "30A-999.99")).decision();
    assert_eq!((d.barrier, d.recorded), (BarrierWish::KeepClosed, true));
    assert!(d.session.unwrap().flags.contains(&"uncollected".to_owned()));
}

#[test]
fn a_late_exit_that_names_an_entry_nobody_knows_here_is_recorded_by_its_plate() {
    let late = |pick: &str| {
        open(exit_lane(), 9000, P).staff(Some(pick)).seen(|seen| {
            seen.captured_at = Some(T0 + 3_600_000);
            seen.sent_at = Some(T0 + 9_000_000);
        })
    };
    let (mut c, id) = inside(P);
    let d = c.tell(&late("central-7_1_51F97022")).decision();
    assert_eq!((d.recorded, d.event_id.as_deref(), d.fee), (true, Some(id.as_str()), Some(25_000)));
    // Its entry is on its way here: peers are asked, and else it is recorded without one until it comes.
    let (whole, id) = inside(P);
    let mut other = Central::new(2);
    other.catching_up = true;
    assert!(matches!(other.tell(&late(&id)), Said::NeedPeers));
    let d = other.tell_after(&late(&id), true).decision();
    assert_eq!((d.recorded, d.barrier), (true, BarrierWish::KeepClosed));
    other.hear(&whole);
    let rows = other.project().rows;
    assert_eq!(
        (rows.len(), rows[0].event_id.as_str(), rows[0].status),
        (1, id.as_str(), SessionStatus::Exited)
    );
}

#[test]
fn an_exit_before_its_entry_costs_nothing_and_is_flagged() {
    let (mut c, id) = inside(P);
    let d = c.tell(&open(exit_lane(), 3600, P).seen(|s| s.captured_at = Some(T0 - 2_000))).decision();
    leaves(&d, &id, 0);
    assert!(d.session.unwrap().flags.contains(&"clock_anomaly".to_owned()));
}

#[test]
fn a_vehicle_without_a_plate_leaves_under_the_entry_staff_pick() {
    let mut c = Central::new(1);
    let id = enter(&mut c, 0, "");
    enter(&mut c, 60, "30A-999.99");
    let d = c.tell(&open(exit_lane(), 3600, "")).decision();
    asks(&d, "no_plate");
    assert_eq!(d.candidates.iter().map(|s| &s.session.event_id).collect::<Vec<_>>(), [&id]);
    leaves(&c.tell(&open(exit_lane(), 3600, "").staff(Some(&id))).decision(), &id, 25_000);
    assert_eq!(c.project().rows.len(), 2);
}

#[test]
fn two_centrals_that_cannot_see_each_other_let_one_car_out_twice_and_agree_later() {
    let (a, id) = inside(P);
    let mut five = Central::new(5);
    five.hear(&a);
    let mut six = Central::new(6);
    six.hear(&a);
    leaves(&five.tell(&open(exit_lane(), 3600, P)).decision(), &id, 25_000);
    leaves(&six.tell(&open(lane("edge-21", Direction::Exit), 3700, P)).decision(), &id, 25_000);
    five.hear(&six);
    six.hear(&five);
    assert_eq!(five.project(), six.project());
    assert_eq!(five.project().conflicts.len(), 1);
}
