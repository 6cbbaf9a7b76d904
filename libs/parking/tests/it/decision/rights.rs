//! Passes, lists, anti-passback and room, as lanes and staff meet them.

use parking::plate::PlateKey;
use parking::reference::{Pass, Passes};
use parking::rights::{LotRule, Place, Register};
use proptest::prelude::*;
use wire::bus::command::{LaneFacts, RegisterChange, SessionAction};
use wire::event::{Body, Credential, ListKind, PassbackMode, RightFact};
use wire::http::{BarrierWish, Direction, LaneDecision, RegisterView, SessionStatus};

use crate::central::{Central, Request, act, change, close, entry_lane, exit_lane, lane, open};
use crate::log::T0;

const P: &str = "29A-123.45";
const Q: &str = "30A-999.99";
const HOUR: i64 = 3600;

fn ms(text: &str) -> i64 {
    wire::time::parse_rfc3339(text).unwrap()
}

fn at(mut r: Request, text: &str) -> Request {
    r.at = ms(text);
    r
}

fn keys(plates: &[&str]) -> Vec<PlateKey> {
    plates.iter().map(|p| parking::plate::read(p, &[]).unwrap().key.unwrap()).collect()
}

/// A pass of the external API for a year around T0.
fn pass(id: &str, plates: &[&str], max_inside: u32) -> Pass {
    Pass {
        id: id.into(),
        plates: keys(plates),
        vehicle_class: Some(parking::vehicle::VehicleClass::Car),
        lots: vec!["*".into()],
        valid_from: T0 - 1_000_000_000,
        valid_to: Some(T0 + 30_000_000_000),
        max_inside,
    }
}

fn with(passes: Vec<Pass>) -> Central {
    let mut c = Central::new(1);
    c.reference.passes = Passes::new(Some(12), passes).into();
    c
}

/// Comes in at T0 + `s` seconds and passes the loop.
fn enter(c: &mut Central, s: i64, plate: &str) -> String {
    let d = c.tell(&open(entry_lane(), s, plate)).decision();
    assert_eq!(d.barrier, BarrierWish::Open, "{d:?}");
    c.tell(&close(entry_lane(), s + 5, d.event_id.as_deref(), true)).closed().event_id.unwrap()
}

fn list(kind: ListKind, plate: &str) -> RegisterChange {
    RegisterChange::ListEntry {
        id: None,
        kind,
        plate: plate.into(),
        lots: vec![],
        valid_from: None,
        valid_to: None,
        ended: false,
    }
}

fn flags(c: &Central, plate: &str) -> Vec<String> {
    let key = &keys(&[plate])[0];
    let p = c.project();
    p.rows.iter().rev().find(|r| r.plate_key.as_deref() == Some(key.as_str())).unwrap().flags.clone()
}

#[test]
fn a_pass_that_expires_at_midnight_covers_its_part_and_the_rest_is_charged() {
    let midnight = ms("2026-11-01T00:00:00+07:00");
    let october = Pass {
        valid_from: ms("2026-10-01T00:00:00+07:00"),
        valid_to: Some(midnight),
        ..pass("p-7", &[P], 1)
    };
    let mut c = with(vec![october]);
    c.tell(&at(open(entry_lane(), 0, P), "2026-10-31T20:00:00+07:00")).decision();
    assert_eq!(flags(&c, P), ["pass"]);
    let d = c.tell(&at(open(exit_lane(), 0, P), "2026-11-01T09:00:00+07:00")).decision();
    assert_eq!((d.fee, d.decision), (Some(95_000), LaneDecision::Open));
    let row = c.project().rows[0].clone();
    let right = RightFact {
        id: "p-7".into(),
        version: Some(12),
        from: ms("2026-10-01T00:00:00+07:00"),
        to: midnight,
    };
    assert_eq!(row.rights, [right], "the charge says by which right");
    assert_eq!(row.fee_lines[0].code, "covered");
    // Another central explains it without having the pass.
    let mut other = Central::new(2);
    other.hear(&c);
    assert_eq!((other.project().rows[0].fee, &other.project().rows[0].rights), (Some(95_000), &row.rights));
}

#[test]
fn a_pass_that_begins_mid_stay_covers_what_comes_after() {
    let begins = Pass { valid_from: T0 + 2 * HOUR * 1000, ..pass("p-8", &[P], 1) };
    let mut c = with(vec![begins]);
    enter(&mut c, 0, P);
    let d = c.tell(&open(exit_lane(), 10 * HOUR, P)).decision();
    assert_eq!(d.fee, Some(25_000), "two hours before the pass");
}

#[test]
fn of_several_cars_of_a_pass_so_many_at_a_time_are_covered() {
    let mut c = with(vec![pass("family", &[P, Q], 1)]);
    enter(&mut c, 0, P);
    enter(&mut c, 600, Q);
    assert_eq!(flags(&c, Q), ["pass_in_use"]);
    let d = c.tell(&open(exit_lane(), 4200, Q)).decision();
    assert_eq!(d.fee, Some(25_000), "the second car pays");
    assert!(flags(&c, Q).contains(&"pass_in_use".to_owned()));
    assert_eq!(c.tell(&open(exit_lane(), 5 * HOUR, P)).decision().fee, Some(0));
    let mut two = with(vec![pass("family", &[P, Q], 2)]);
    enter(&mut two, 0, P);
    enter(&mut two, 600, Q);
    assert_eq!(two.tell(&open(exit_lane(), 4200, Q)).decision().fee, Some(0));
}

#[test]
fn a_place_that_the_first_car_leaves_covers_the_second_from_then_on() {
    let mut c = with(vec![pass("family", &[P, Q], 1)]);
    enter(&mut c, 0, P);
    enter(&mut c, 600, Q);
    assert_eq!(c.tell(&open(exit_lane(), 600 + HOUR, P)).decision().fee, Some(0));
    let d = c.tell(&open(exit_lane(), 12 * HOUR, Q)).decision();
    assert_eq!(d.fee, Some(25_000), "the hour in which both were inside");
    let row = c.project().rows.iter().find(|r| r.plate.as_deref() == Some(Q)).unwrap().clone();
    assert_eq!(row.rights[0].from, T0 + (600 + HOUR) * 1000);
}

#[test]
fn a_pass_is_for_its_lots_and_class_alone() {
    let mut c = with(vec![Pass { lots: vec!["P02".into()], ..pass("p", &[P], 1) }]);
    enter(&mut c, 0, P);
    assert_eq!(c.tell(&open(exit_lane(), HOUR, P)).decision().fee, Some(25_000));
    let mut c = with(vec![Pass {
        vehicle_class: Some(parking::vehicle::VehicleClass::ElectricMotorbike),
        ..pass("p", &["29-H1 123.45"], 1)
    }]);
    let bikes = |direction, edge: &str| LaneFacts {
        vehicle_classes: vec!["motorbike".into()],
        ..lane(edge, direction)
    };
    c.tell(&open(bikes(Direction::Entry, "edge-1"), 0, "29-H1 123.45")).decision();
    let d = c.tell(&open(bikes(Direction::Exit, "edge-3"), HOUR, "29-H1 123.45")).decision();
    assert_eq!(d.fee, Some(0), "a motorbike is a motorbike");
}

#[test]
fn who_has_a_pass_for_the_whole_stay_needs_no_rate_table() {
    let mut c = with(vec![Pass { vehicle_class: None, ..pass("bus-1", &[P], 1) }]);
    let bus =
        |direction, edge: &str| LaneFacts { vehicle_classes: vec!["bus".into()], ..lane(edge, direction) };
    c.tell(&open(bus(Direction::Entry, "edge-1"), 0, P)).decision();
    let d = c.tell(&open(bus(Direction::Exit, "edge-3"), HOUR, P)).decision();
    assert_eq!((d.fee, d.decision), (Some(0), LaneDecision::Open));
    c.tell(&open(bus(Direction::Entry, "edge-1"), 2 * HOUR, Q)).decision();
    assert_eq!(c.tell(&open(bus(Direction::Exit, "edge-3"), 3 * HOUR, Q)).decision().reason, "no_rate_table");
}

#[test]
fn a_corrected_plate_brings_its_own_right() {
    let mut c = with(vec![pass("p", &[P], 1)]);
    let id = enter(&mut c, 0, "29A-123.48");
    c.tell(&act(60, &id, SessionAction::CorrectPlate { plate: P.into() })).row();
    assert_eq!(c.tell(&open(exit_lane(), HOUR, P)).decision().fee, Some(0));
}

#[test]
fn a_pass_given_here_holds_unless_the_external_api_has_passes() {
    let given = RegisterChange::Pass {
        id: Some("m-1".into()),
        plates: vec!["29a 12345".into()],
        vehicle_class: "car".into(),
        lots: vec!["P01".into()],
        valid_from: T0 - 1000,
        valid_to: T0 + 5 * HOUR * 1000,
        max_inside: 1,
        ended: false,
    };
    let mut c = Central::new(1);
    let RegisterView::Pass(view) = c.tell(&change(0, given.clone())).register() else { panic!("a pass") };
    assert_eq!(
        (view.id.as_str(), view.plates, view.origin.as_str()),
        ("m-1", vec!["29A12345".to_owned()], "given")
    );
    enter(&mut c, 10, P);
    assert_eq!(c.tell(&open(exit_lane(), 4 * HOUR, P)).decision().fee, Some(0));
    let mut taken = given.clone();
    if let RegisterChange::Pass { ended, .. } = &mut taken {
        *ended = true;
    }
    c.tell(&change(4 * HOUR + 10, taken)).register();
    enter(&mut c, 4 * HOUR + 600, P);
    assert_eq!(c.tell(&open(exit_lane(), 5 * HOUR + 700, P)).decision().fee, Some(25_000));
    let mut managed = with(vec![]);
    assert_eq!(managed.tell(&change(0, given)).code(), (409, "passes_managed_externally".into()));
}

#[test]
fn a_blocked_vehicle_is_denied_at_the_entry_until_staff_let_it_in_and_never_held_inside() {
    let mut c = Central::new(1);
    let RegisterView::ListEntry(entry) = c.tell(&change(0, list(ListKind::Block, "29a12345"))).register()
    else {
        panic!("an entry")
    };
    assert_eq!((entry.plate.as_str(), entry.in_force, entry.reason.as_str()), (P, true, "because"));
    let d = c.tell(&open(entry_lane(), 10, P)).decision();
    assert_eq!(
        (d.decision, d.barrier, d.reason.as_str()),
        (LaneDecision::Deny, BarrierWish::KeepClosed, "blocked")
    );
    assert!(!d.recorded && c.project().rows.is_empty());
    let suggested = c.tell(&open(entry_lane(), 10, P).detect()).detection().suggestion;
    assert_eq!((suggested.decision, suggested.reason.as_str()), (LaneDecision::Deny, "blocked"));
    let d = c.tell(&open(entry_lane(), 20, P).staff(None)).decision();
    assert_eq!((d.decision, d.barrier), (LaneDecision::Open, BarrierWish::Open));
    assert!(flags(&c, P).contains(&"blocked".to_owned()));
    let d = c.tell(&open(exit_lane(), HOUR, P)).decision();
    assert_eq!((d.decision, d.barrier, d.fee), (LaneDecision::Open, BarrierWish::Open, Some(25_000)));
    // Another central knows the list as soon as it has the event.
    let mut two = Central::new(2);
    two.hear(&c);
    assert_eq!(two.tell(&open(entry_lane(), 2 * HOUR, P)).decision().reason, "blocked");
    assert_eq!(two.tell(&open(entry_lane(), 2 * HOUR, Q)).decision().reason, "ok");
}

#[test]
fn a_late_entry_of_a_blocked_vehicle_is_recorded_as_it_happened() {
    let mut c = Central::new(1);
    c.tell(&change(0, list(ListKind::Block, P))).register();
    let late = open(entry_lane(), 600, P).seen(|s| {
        s.captured_at = Some(T0 + 100_000);
        s.sent_at = Some(T0 + 600_000);
    });
    let d = c.tell(&late).decision();
    assert_eq!((d.reason.as_str(), d.barrier, d.recorded), ("late_delivery", BarrierWish::KeepClosed, true));
}

#[test]
fn an_entry_of_a_list_holds_in_its_lots_and_its_time_and_can_be_ended() {
    let mut c = Central::new(1);
    let mut block = list(ListKind::Block, P);
    if let RegisterChange::ListEntry { id, lots, valid_from, valid_to, .. } = &mut block {
        *id = Some("b-1".into());
        *lots = vec!["P01".into()];
        (*valid_from, *valid_to) = (Some(T0 + 100_000), Some(T0 + 200_000));
    }
    c.tell(&change(0, block.clone())).register();
    let p02 = LaneFacts { lot_id: Some("P02".into()), ..entry_lane() };
    let asks = |c: &mut Central, lane: &LaneFacts, s| {
        c.tell(&open(lane.clone(), s, P).detect()).detection().suggestion.reason
    };
    assert_eq!(asks(&mut c, &entry_lane(), 99), "ok");
    assert_eq!(asks(&mut c, &entry_lane(), 100), "blocked");
    assert_eq!(asks(&mut c, &p02, 150), "ok");
    assert_eq!(asks(&mut c, &entry_lane(), 200), "ok");
    if let RegisterChange::ListEntry { ended, .. } = &mut block {
        *ended = true;
    }
    c.tell(&change(120, block.clone())).register();
    assert_eq!(asks(&mut c, &entry_lane(), 150), "ok");
    if let RegisterChange::ListEntry { id, .. } = &mut block {
        *id = Some("nobody".into());
    }
    assert_eq!(c.tell(&change(130, block)).code(), (404, "unknown_entry".into()));
    assert_eq!(c.tell(&change(130, list(ListKind::Watch, "🚗"))).code().0, 422);
}

#[test]
fn a_watched_vehicle_comes_in_and_is_flagged() {
    let mut c = Central::new(1);
    c.tell(&change(0, list(ListKind::Watch, P))).register();
    let d = c.tell(&open(entry_lane(), 10, P)).decision();
    assert_eq!((d.decision, d.reason.as_str()), (LaneDecision::Open, "ok"));
    assert_eq!(flags(&c, P), ["watched"]);
}

#[test]
fn the_same_request_again_is_the_same_entry() {
    let mut c = Central::new(1);
    let request = change(0, list(ListKind::Allow, P)).key("k1");
    let first = c.tell(&request).register();
    assert_eq!(c.tell(&request).register(), first);
    assert_eq!(c.facts.len(), 1);
    let other = change(5, list(ListKind::Allow, Q)).key("k1");
    assert_eq!(c.tell(&other).code(), (422, "idempotency_key_reused".into()));
}

fn mode(lot: Option<&str>, pass: Option<&str>, mode: PassbackMode) -> RegisterChange {
    RegisterChange::AntiPassbackMode { lot_id: lot.map(Into::into), pass: pass.map(Into::into), mode }
}

fn card(r: Request, id: &str) -> Request {
    r.seen(|s| s.credential = Some(Credential { kind: "card".into(), id: id.into() }))
}

#[test]
fn a_card_that_is_inside_cannot_come_in_where_anti_passback_is_hard() {
    let mut c = Central::new(1);
    c.tell(&card(open(entry_lane(), 0, P), "C-1")).decision();
    // Soft, the default: another car with the same card comes in and is flagged.
    c.tell(&card(open(entry_lane(), 600, Q), "C-1")).decision();
    assert_eq!(flags(&c, Q), ["antipassback"]);
    c.tell(&change(700, mode(Some("P01"), None, PassbackMode::Hard))).register();
    let third = "51F-970.22";
    let d = c.tell(&card(open(entry_lane(), 800, third), "C-1")).decision();
    assert_eq!(
        (d.decision, d.reason.as_str(), d.candidates.len()),
        (LaneDecision::AskStaff, "antipassback", 1)
    );
    // Staff set the card to neutral: nobody knows where it is.
    let reset = RegisterChange::AntiPassbackReset {
        credential: Some(Credential { kind: "card".into(), id: "C-1".into() }),
        plate: None,
    };
    c.tell(&change(900, reset)).register();
    let d = c.tell(&card(open(entry_lane(), 1000, third), "C-1")).decision();
    assert_eq!((d.decision, flags(&c, third)), (LaneDecision::Open, vec![]));
    c.tell(&change(1100, mode(Some("P01"), None, PassbackMode::Off))).register();
    c.tell(&card(open(entry_lane(), 1200, "51F-970.23"), "C-1")).decision();
    assert_eq!(flags(&c, "51F-970.23"), [""; 0]);
}

#[test]
fn a_pass_can_be_stricter_than_its_car_park() {
    let mut c = with(vec![pass("strict", &[P], 1)]);
    c.tell(&change(0, mode(None, Some("strict"), PassbackMode::Hard))).register();
    enter(&mut c, 10, P);
    enter(&mut c, 10, Q);
    let d = c.tell(&open(entry_lane(), 600, P)).decision();
    assert_eq!((d.decision, d.reason.as_str()), (LaneDecision::AskStaff, "antipassback"));
    let d = c.tell(&open(entry_lane(), 600, Q)).decision();
    assert_eq!(d.decision, LaneDecision::Open, "without a pass the car park's mode holds");
    let reset = RegisterChange::AntiPassbackReset { credential: None, plate: Some("29A12345".into()) };
    c.tell(&change(700, reset)).register();
    assert_eq!(c.tell(&open(entry_lane(), 800, P)).decision().decision, LaneDecision::Open);
    for bad in [
        mode(None, None, PassbackMode::Off),
        mode(Some("P01"), Some("strict"), PassbackMode::Off),
        RegisterChange::AntiPassbackReset { credential: None, plate: None },
    ] {
        assert_eq!(c.tell(&change(900, bad)).code().0, 422);
    }
}

fn small_lot(c: &mut Central, places: i64) {
    let capacity = [("car".to_owned(), places)].into();
    c.lots = vec![LotRule { id: "P01".into(), capacity, closed: vec!["truck".into()] }];
}

#[test]
fn a_full_car_park_asks_staff_but_not_those_who_have_a_right() {
    let mut c = with(vec![pass("p", &["51F-970.22"], 1)]);
    small_lot(&mut c, 1);
    enter(&mut c, 0, P);
    let d = c.tell(&open(entry_lane(), 60, Q)).decision();
    assert_eq!((d.decision, d.reason.as_str()), (LaneDecision::AskStaff, "lot_full"));
    assert_eq!(c.tell(&open(entry_lane(), 70, "51F-970.22")).decision().decision, LaneDecision::Open);
    c.tell(&change(80, list(ListKind::Allow, "51F-970.23"))).register();
    assert_eq!(c.tell(&open(entry_lane(), 90, "51F-970.23")).decision().decision, LaneDecision::Open);
    let d = c.tell(&open(entry_lane(), 100, Q).staff(None)).decision();
    assert_eq!(d.decision, LaneDecision::Open);
    assert!(flags(&c, Q).contains(&"lot_full".to_owned()));
    let truck = LaneFacts { vehicle_classes: vec!["truck".into()], ..entry_lane() };
    assert_eq!(c.tell(&open(truck, 110, "29C-555.55")).decision().reason, "lot_closed");
    let elsewhere = LaneFacts { lot_id: Some("P02".into()), ..entry_lane() };
    assert_eq!(c.tell(&open(elsewhere, 120, "29C-555.56")).decision().reason, "ok");
}

fn counted(delta: Option<i64>, counted: Option<i64>) -> RegisterChange {
    RegisterChange::Occupancy {
        central: None,
        lot_id: Some("P01".into()),
        vehicle_class: "car".into(),
        delta,
        counted,
    }
}

#[test]
fn corrections_of_counts_add_up_at_every_central() {
    let mut c = Central::new(1);
    small_lot(&mut c, 3);
    enter(&mut c, 0, P);
    enter(&mut c, 10, Q);
    let RegisterView::Correction(first) = c.tell(&change(60, counted(None, Some(5)))).register() else {
        panic!("a correction")
    };
    assert_eq!((first.delta, first.counted, first.central.as_str()), (3, Some(5), "central-1"));
    assert_eq!(c.tell(&open(entry_lane(), 70, "51F-970.22")).decision().reason, "lot_full");
    let again = change(80, counted(Some(-3), None)).key("once");
    c.tell(&again).register();
    c.tell(&again).register();
    assert_eq!(c.tell(&open(entry_lane(), 90, "51F-970.22")).decision().reason, "ok");
    let mut two = Central::new(2);
    two.hear(&c);
    let place = Place { central: "central-1".into(), lot: Some("P01".into()), class: "car".into() };
    for central in [&c, &two] {
        let count = central.inside(&central.project()).of(&place);
        assert_eq!((count.inside(), count.passages, count.pending, count.corrected), (2, 2, 1, 0));
    }
    for bad in [
        counted(None, None),
        counted(Some(1), Some(1)),
        counted(None, Some(-1)),
        counted(Some(200_000), None),
        // Two are inside.
        counted(Some(-3), None),
        RegisterChange::Occupancy {
            central: None,
            lot_id: Some("of nobody".into()),
            vehicle_class: "car".into(),
            delta: Some(-1),
            counted: None,
        },
    ] {
        assert_eq!(c.tell(&change(100, bad)).code().0, 422);
    }
}

#[test]
fn money_of_a_later_known_entry_is_computed_with_the_rights_of_the_charge() {
    use parking::decision::{Site, late_basis};
    let mut one = Central::new(1);
    enter(&mut one, 0, P);
    // The exit's central holds a pass and does not know that entry, but another, later one.
    let mut five = with(vec![Pass { valid_from: T0 + 2 * HOUR * 1000, ..pass("p", &[P], 1) }]);
    five.tell(&open(entry_lane(), 4 * HOUR, P)).decision();
    assert_eq!(five.tell(&open(exit_lane(), 5 * HOUR, P)).decision().fee, Some(0));
    five.hear(&one);
    let projection = five.project();
    let row = projection.rows.iter().find(|r| r.exit.is_some()).unwrap();
    assert_eq!(row.status, SessionStatus::Exited);
    assert_eq!(row.rights.len(), 1);
    let (reference, policies) = (parking::reference::Reference::built_in().unwrap(), Default::default());
    let site = Site {
        central: &five.id,
        operator_key: crate::log::KEY,
        clock_offset_ms: 0,
        reference: &reference,
        policies: &policies,
        rights: Default::default(),
    };
    let late = parking::history::HistoryRow {
        entry_time: Some(T0),
        flags: vec!["late_basis".into()],
        ..row.clone()
    };
    let draft = late_basis::difference(&late, &five.facts, &[], &site, T0 + 6 * HOUR * 1000).unwrap();
    let Body::BasisDifference(d) = draft.body else { panic!("a difference") };
    assert_eq!(
        (d.fee, d.difference),
        (25_000, 25_000),
        "two hours before the pass, by the right of the charge"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The same events give the same register, in any order, with any duplication.
    #[test]
    fn the_register_does_not_depend_on_order(order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(), twice in 0_usize..12) {
        let mut c = Central::new(1);
        for s in 0..3 {
            c.tell(&change(s * 10, list(ListKind::Block, P))).register();
            let mut same = list(if s == 1 { ListKind::Watch } else { ListKind::Allow }, if s == 2 { Q } else { P });
            if let RegisterChange::ListEntry { id, .. } = &mut same {
                *id = Some("l".into());
            }
            c.tell(&change(s * 10 + 1, same)).register();
            c.tell(&change(s * 10 + 2, mode(Some("P01"), None, [PassbackMode::Off, PassbackMode::Hard, PassbackMode::Soft][s as usize]))).register();
            c.tell(&change(s * 10 + 3, counted(Some(s + 1), None)).key("one and the same")).register();
        }
        // The third command of one key is answered from the first.
        let facts = c.facts.clone();
        let told = |facts: &[parking::fact::Fact]| {
            let r = Register::of(facts, &Default::default());
            let lists: Vec<_> = r.lists().map(|e| (e.said.id.clone(), e.said.kind, e.said.plate.key.clone())).collect();
            let corrections: Vec<_> = r.corrections().map(|c| (c.at, c.said.delta)).collect();
            let tags = [P, Q].map(|p| wire::hash::PlateTag::of(crate::log::KEY, keys(&[p])[0].as_str()));
            let listed = tags.map(|t| [ListKind::Allow, ListKind::Watch, ListKind::Block].map(|k| r.is_listed(t, k, None, T0)));
            (lists, corrections, listed, r.lot_mode("P01"))
        };
        let mut shuffled: Vec<_> = order.iter().filter_map(|i| facts.get(*i)).cloned().collect();
        shuffled.extend(facts.get(twice).cloned());
        prop_assert_eq!(told(&shuffled), told(&facts));
        prop_assert_eq!(told(&facts).3, Some(PassbackMode::Soft));
        prop_assert_eq!(told(&facts).1.len(), 1);
    }
}
