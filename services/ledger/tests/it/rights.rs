//! The register against Postgres: lists, passes, anti-passback, counts; what survives a restart and reaches another central.

use serde::de::DeserializeOwned;
use wire::bus::command::{Command, CommandEnvelope, CommandReply, RegisterChange, SessionAction};
use wire::bus::events::ApplyLane;
use wire::bus::query::LedgerQuery;
use wire::event::{Credential, ListKind, PassbackMode};
use wire::http::{
    Decision, Direction, HeldPassView, LaneDecision, ListEntries, ListEntryView, Occupancy,
    OccupancyCorrectionView, OccupancyCorrections, PassList, Passback, PassbackModeView, Quote,
    SessionDetail,
};

use crate::rig::{Central, answer, enter, envelope, open};

const P: &str = "29A-123.45";
const Q: &str = "30A-999.99";
const HOUR: i64 = 3_600_000;

fn changed(change: RegisterChange) -> CommandEnvelope {
    let command = Command::Register {
        change: Box::new(change),
        staff_id: "s1".to_owned(),
        pin: None,
        reason: "because".to_owned(),
    };
    envelope("admin", "/api/v1/rights", None, command)
}

async fn set<T: DeserializeOwned>(c: &Central, change: RegisterChange) -> T {
    answer(c.command(&changed(change)).await.unwrap()).0
}

fn block(plate: &str) -> RegisterChange {
    RegisterChange::ListEntry {
        id: None,
        kind: ListKind::Block,
        plate: plate.to_owned(),
        lots: Vec::new(),
        valid_from: None,
        valid_to: None,
        ended: false,
    }
}

fn lists(plate: Option<&str>) -> LedgerQuery {
    LedgerQuery::Lists { kind: None, plate: plate.map(str::to_owned), all: false, limit: 50, cursor: None }
}

fn quote_of(plate: &str) -> LedgerQuery {
    LedgerQuery::Quote { plate: plate.to_owned(), lost_credential: false, discounts: Vec::new() }
}

async fn asks(c: &Central, plate: &str) -> (LaneDecision, String) {
    let d: Decision =
        answer(c.command(&open("edge-1", Direction::Entry, plate, None, None)).await.unwrap()).0;
    (d.decision, d.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_survives_a_restart_and_holds_at_every_central_that_has_the_event() {
    let mut one = Central::start("central-1").await;
    let two = Central::start("central-2").await;
    let entry: ListEntryView = set(&one, block(P)).await;
    assert!(entry.in_force && entry.id.starts_with("list-"), "{entry:?}");
    assert_eq!(asks(&one, P).await, (LaneDecision::Deny, "blocked".to_owned()));
    one.restart().await;
    assert_eq!(asks(&one, P).await, (LaneDecision::Deny, "blocked".to_owned()));
    two.apply(ApplyLane::Live, &one.all_frames().await).await;
    let d: Decision = answer(two.command(&open("edge-5", Direction::Entry, P, None, None)).await.unwrap()).0;
    assert_eq!(d.reason, "blocked");
    let shown: ListEntries = two.ask(&lists(Some("29a12345"))).await;
    assert_eq!((shown.items.len(), shown.items[0].central.as_str()), (1, "central-1"));
    assert_eq!(shown.items[0].id, entry.id);
    let none: ListEntries = two.ask(&lists(Some(Q))).await;
    assert!(none.items.is_empty());
    assert_eq!(one.status().await.digest, two.status().await.digest, "lists change no row");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let c = Central::start("central-1").await;
    for n in 0..5 {
        let _: ListEntryView = set(&c, block(&format!("29A-123.4{n}"))).await;
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let query =
            LedgerQuery::Lists { kind: Some(ListKind::Block), plate: None, all: true, limit: 2, cursor };
        let page: ListEntries = c.ask(&query).await;
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|e| e.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    let other =
        LedgerQuery::Lists { kind: Some(ListKind::Watch), plate: None, all: true, limit: 2, cursor: None };
    let page: ListEntries = c.ask(&other).await;
    assert!(page.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_given_here_covers_its_part_of_the_stay_and_the_charge_says_so() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - 6 * HOUR;
    let ends = at + 4 * HOUR;
    let given: HeldPassView = set(
        &c,
        RegisterChange::Pass {
            id: Some("m-1".to_owned()),
            plates: vec![P.to_owned(), Q.to_owned()],
            vehicle_class: "car".to_owned(),
            lots: vec!["P01".to_owned()],
            valid_from: at - HOUR,
            valid_to: ends,
            max_inside: 1,
            ended: false,
        },
    )
    .await;
    assert_eq!(given.origin, "given");
    let event_id = enter(&c, "edge-1", P, at).await.event_id.unwrap();
    // The other car of the pass pays, and its quote says so too.
    enter(&c, "edge-2", Q, at + HOUR).await;
    let quote: Quote = c.ask(&quote_of(Q)).await;
    assert_eq!(quote.fee, Some(55_000), "five hours: {quote:?}");
    assert!(quote.flags.contains(&"pass_in_use".to_owned()), "{quote:?}");
    let quote: Quote = c.ask(&quote_of(P)).await;
    assert_eq!((quote.fee, quote.rights.len()), (Some(25_000), 1), "two hours after the pass: {quote:?}");
    assert!(quote.lines.iter().any(|l| l.text.contains("m-1") && l.text_en.contains("m-1")), "{quote:?}");
    let terms = |discount: &str| LedgerQuery::Quote {
        plate: P.to_owned(),
        lost_credential: true,
        discounts: vec![discount.to_owned()],
    };
    let quote: Quote = c.ask(&terms("staff10")).await;
    assert_eq!(quote.fee, Some(68_000), "25 000 and 50 000, less a tenth, rounded up: {quote:?}");
    let problem = c.refused(&terms("nobody")).await;
    assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "/discounts/0"));
    let left: Decision = answer(c.command(&open("edge-3", Direction::Exit, P, None, None)).await.unwrap()).0;
    assert_eq!((left.fee, left.event_id.as_deref()), (Some(25_000), Some(event_id.as_str())));
    let told: SessionDetail = c.ask(&LedgerQuery::Session { event_id }).await;
    assert_eq!((told.rights[0].id.as_str(), told.rights[0].version), ("m-1", None));
    let list: PassList =
        c.ask(&LedgerQuery::Passes { plate: Some(Q.to_owned()), all: true, limit: 5, cursor: None }).await;
    assert_eq!((list.items.len(), list.items[0].in_force), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_inside_outside_or_neutral() {
    let c = Central::start("central-1").await;
    let card = || Credential { kind: "card".to_owned(), id: "C-1".to_owned() };
    let asked = || LedgerQuery::Passback { credential: Some(card()), plate: None, limit: 5, cursor: None };
    let state = |p: &Passback| p.items[0].state.clone();
    let unseen: Passback = c.ask(&asked()).await;
    assert_eq!((state(&unseen).as_str(), unseen.items[0].since.as_deref()), ("outside", None));
    let mut request = open("edge-1", Direction::Entry, P, None, None);
    if let Command::Open { seen, .. } = &mut request.command {
        seen.credential = Some(card());
    }
    let _: Decision = answer(c.command(&request).await.unwrap()).0;
    let inside: Passback = c.ask(&asked()).await;
    assert_eq!(state(&inside), "inside");
    let everybody: Passback =
        c.ask(&LedgerQuery::Passback { credential: None, plate: None, limit: 5, cursor: None }).await;
    assert_eq!(everybody.items[0].credential, Some(card()));
    let by_plate =
        LedgerQuery::Passback { credential: None, plate: Some(P.to_owned()), limit: 5, cursor: None };
    let vehicle: Passback = c.ask(&by_plate).await;
    assert_eq!((state(&vehicle).as_str(), vehicle.items[0].plate.as_deref()), ("inside", Some(P)));
    let reset = RegisterChange::AntiPassbackReset { credential: Some(card()), plate: None };
    let _: serde_json::Value = set(&c, reset).await;
    let neutral: Passback = c.ask(&asked()).await;
    assert_eq!(state(&neutral), "neutral");
    let set_mode = RegisterChange::AntiPassbackMode {
        lot_id: Some("P01".to_owned()),
        pass: None,
        mode: PassbackMode::Hard,
    };
    let mode: PassbackModeView = set(&c, set_mode).await;
    let modes: Passback = c.ask(&asked()).await;
    assert_eq!((modes.default_mode, &modes.modes[0].mode), (PassbackMode::Soft, &mode.mode));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_corrected_and_a_watched_vehicle_is_an_alarm() {
    let c = Central::start("central-1").await;
    let mut watch = block(P);
    if let RegisterChange::ListEntry { kind, .. } = &mut watch {
        *kind = ListKind::Watch;
    }
    let _: ListEntryView = set(&c, watch).await;
    assert!(c.status().await.alarms.is_empty());
    enter(&c, "edge-1", P, kit::clock::now_ms() - HOUR).await;
    let alarms = c.status().await.alarms;
    assert_eq!(alarms[0].code, wire::alarm::AlarmCode::WatchedVehicle);
    assert!(alarms[0].detail.contains("P01") && !alarms[0].detail.contains("29A"), "{alarms:?}");
    let correct = |counted| RegisterChange::Occupancy {
        central: None,
        lot_id: Some("P01".to_owned()),
        vehicle_class: "car".to_owned(),
        delta: None,
        counted: Some(counted),
    };
    let first: OccupancyCorrectionView = set(&c, correct(4)).await;
    let second: OccupancyCorrectionView = set(&c, correct(2)).await;
    let occupancy: Occupancy = c.ask(&LedgerQuery::Occupancy { lot_id: Some("P01".to_owned()) }).await;
    let place = &occupancy.places[0];
    assert_eq!(place.inside, 2, "{place:?}");
    assert_eq!((place.passages + place.corrected, place.capacity, place.state.as_str()), (2, None, "open"));
    assert_eq!(first.delta - 2, place.corrected, "{first:?} {second:?}");
    // What the car park has a rule for is shown, whatever its lanes are for.
    let states: Vec<_> =
        occupancy.places.iter().map(|p| (p.vehicle_class.as_str(), p.capacity, p.state.as_str())).collect();
    assert_eq!(states, [("car", None, "open"), ("motorbike", Some(0), "full"), ("truck", None, "closed")]);
    let nowhere: Occupancy = c.ask(&LedgerQuery::Occupancy { lot_id: Some("P09".to_owned()) }).await;
    assert!(nowhere.places.is_empty());
    let page: OccupancyCorrections =
        c.ask(&LedgerQuery::OccupancyCorrections { limit: 1, cursor: None }).await;
    assert_eq!((&page.items[..], page.next_cursor.is_some()), (&[second][..], true));
    let rest: OccupancyCorrections =
        c.ask(&LedgerQuery::OccupancyCorrections { limit: 1, cursor: page.next_cursor }).await;
    assert_eq!((&rest.items[..], rest.next_cursor), (&[first][..], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_change_or_a_calculation_names_its_field() {
    let c = Central::start("central-1").await;
    let CommandReply::Refused(p) = c.command(&changed(block("?!"))).await.unwrap() else { panic!("refused") };
    assert_eq!((p.status, p.errors[0].field.as_str()), (422, "/plate"));
    let table = |json: &str| LedgerQuery::Calculate {
        rate_table: json.to_owned(),
        entry: 0,
        exit: 2 * HOUR,
        vehicle_class: "car".to_owned(),
        rights: None,
        lost_credential: false,
        discounts: vec!["nobody".to_owned()],
    };
    let problem = c.refused(&table(r#"{"id": "x", "version": 0, "places": ["*"], "vehicle_classes": ["car"], "currency": "VND", "time_zone": "Asia/Ho_Chi_Minh", "collections": [{"sequence": 1, "lines": [{"sequence": 1, "type": "flat_rate", "value": -5}]}]}"#)).await;
    let fields: Vec<&str> = problem.errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["/rate_table/version", "/rate_table/collections/0/lines/0/value"]);
    let problem = c.refused(&table("car-mall")).await;
    assert_eq!(problem.errors[0].field, "/discounts/0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plate_corrected_elsewhere_after_the_exit_is_made_good_by_the_exits_central() {
    const MISREAD: &str = "51F-970.22";
    let (one, two) = (Central::start("central-1").await, Central::start("central-2").await);
    let at = kit::clock::now_ms() - 6 * HOUR;
    let pass = RegisterChange::Pass {
        id: Some("m-1".to_owned()),
        plates: vec![P.to_owned(), Q.to_owned()],
        vehicle_class: "car".to_owned(),
        lots: Vec::new(),
        valid_from: at - 9 * HOUR,
        valid_to: at + 900 * HOUR,
        max_inside: 1,
        ended: false,
    };
    let _: HeldPassView = set(&one, pass).await;
    // The other car of the pass holds its place for the first hour.
    enter(&one, "edge-1", Q, at - HOUR).await;
    let event_id = enter(&one, "edge-2", MISREAD, at).await.event_id.unwrap();
    let leave_at = |plate, hours| open("edge-3", Direction::Exit, plate, Some(at + hours * HOUR), None);
    let _: Decision = answer(one.command(&leave_at(Q, 1)).await.unwrap()).0;
    let left: Decision = answer(one.command(&leave_at(MISREAD, 3)).await.unwrap()).0;
    assert_eq!(left.fee, Some(35_000));
    two.apply(ApplyLane::Live, &one.all_frames().await).await;
    let correct = Command::Act {
        event_id: event_id.clone(),
        act: SessionAction::CorrectPlate { plate: P.to_owned() },
        staff_id: "s1".to_owned(),
        pin: None,
        reason: "the picture shows it".to_owned(),
    };
    let path = "/api/v1/parking/sessions/{event_id}/correct-plate";
    let told: SessionDetail = answer(two.command(&envelope("admin", path, None, correct)).await.unwrap()).0;
    assert_eq!((told.session.plate.as_deref(), told.session.fee), (Some(P), Some(35_000)));
    // Back home: told once, with what the pass had left.
    for _ in 0..2 {
        one.apply(ApplyLane::Live, &two.all_frames().await).await;
        two.apply(ApplyLane::Live, &one.all_frames().await).await;
    }
    let mut shown = Vec::new();
    for c in [&one, &two] {
        let d: SessionDetail = c.ask(&LedgerQuery::Session { event_id: event_id.clone() }).await;
        let differences: Vec<_> = d.events.iter().filter(|e| e.kind == "BASIS_DIFFERENCE").collect();
        assert_eq!(differences.len(), 1, "{:?}", d.events);
        let e = differences[0];
        assert_eq!(
            (e.central.as_str(), e.amount, e.reason.as_deref()),
            ("central-1", Some(-10_000), Some("plate_corrected"))
        );
        assert_eq!(d.session.fee, Some(35_000));
        shown.push(c.status().await.digest);
    }
    assert_eq!(shown[0], shown[1]);
}
