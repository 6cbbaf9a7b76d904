//! Lists, passes, anti-passback, corrections of counts: what is asked of the ledger, and what is refused before.

use serde_json::{Value, json};
use wire::bus::command::{Command, RegisterChange};
use wire::bus::query::LedgerQuery;
use wire::event::{ListKind, PassbackMode};

use crate::harness::{Rig, key, send};

const LISTS: &str = "/api/rights/lists";
const PASSES: &str = "/api/rights/passes";
const PASSBACK: &str = "/api/rights/antipassback";
const CORRECTIONS: &str = "/api/parking/occupancy/corrections";

fn with(mut body: Value, more: Value) -> Value {
    for (k, v) in more.as_object().unwrap() {
        body[k] = v.clone();
    }
    body
}

fn by_staff(more: Value) -> Value {
    with(json!({"staff_id": "s1", "reason": "because"}), more)
}

fn entry() -> Value {
    by_staff(json!({"kind": "block", "plate": "29A-123.45"}))
}

fn pass() -> Value {
    by_staff(
        json!({"plates": ["29A-123.45"], "vehicle_class": "car", "valid_from": "2026-11-01T00:00:00+07:00",
                    "valid_to": "2026-12-01T00:00:00+07:00"}),
    )
}

async fn changed(rig: &Rig, path: &str, body: &Value) -> RegisterChange {
    let got = rig.post(path, body).await;
    assert_eq!(got.status, 200, "{got:?}");
    let Command::Register { change, staff_id, reason, .. } = rig.stand_ins.last_command().command else {
        panic!("a change of the register")
    };
    assert_eq!((staff_id.as_str(), reason.as_str()), ("s1", "because"));
    *change
}

#[tokio::test]
async fn changes_reach_the_ledger_as_they_were_meant() {
    let rig = Rig::start().await;
    let RegisterChange::ListEntry { kind, plate, lots, ended, .. } = changed(&rig, LISTS, &entry()).await
    else {
        panic!("an entry")
    };
    assert_eq!((kind, plate.as_str(), lots.len(), ended), (ListKind::Block, "29A-123.45", 0, false));
    let RegisterChange::Pass { max_inside, vehicle_class, .. } = changed(&rig, PASSES, &pass()).await else {
        panic!("a pass")
    };
    assert_eq!((max_inside, vehicle_class.as_str()), (1, "car"));
    let card = by_staff(json!({"state": "neutral", "credential": {"type": "card", "id": "C-1"}}));
    let RegisterChange::AntiPassbackReset { credential, plate } = changed(&rig, PASSBACK, &card).await else {
        panic!("a reset")
    };
    assert_eq!((credential.unwrap().id.as_str(), plate), ("C-1", None));
    let hard = by_staff(json!({"mode": "hard", "lot_id": "P01"}));
    let RegisterChange::AntiPassbackMode { lot_id, pass, mode } = changed(&rig, PASSBACK, &hard).await else {
        panic!("a mode")
    };
    assert_eq!((lot_id.as_deref(), pass, mode), (Some("P01"), None, PassbackMode::Hard));
    let counted = by_staff(json!({"lot_id": "P01", "vehicle_class": "car", "counted": 12}));
    let RegisterChange::Occupancy { delta, counted, .. } = changed(&rig, CORRECTIONS, &counted).await else {
        panic!("a correction")
    };
    assert_eq!((delta, counted), (None, Some(12)));
}

#[tokio::test]
async fn questions_reach_the_ledger_with_their_filters() {
    let rig = Rig::start().await;
    for path in [LISTS, PASSES, PASSBACK, CORRECTIONS] {
        assert_eq!(rig.get(path).await.status, 200, "{path}");
    }
    rig.get(&format!("{LISTS}?kind=watch&plate=29a12345&all=true&limit=7")).await;
    let LedgerQuery::Lists { kind, plate, all, limit, .. } = rig.stand_ins.last_query() else {
        panic!("lists")
    };
    assert_eq!((kind, plate.as_deref(), all, limit), (Some(ListKind::Watch), Some("29a12345"), true, 7));
    rig.get(&format!("{PASSBACK}?type=card&id=C-1")).await;
    let LedgerQuery::Passback { credential, .. } = rig.stand_ins.last_query() else { panic!("passback") };
    assert_eq!(credential.unwrap().kind, "card");
    rig.get("/api/parking/history?lot_id=P02").await;
    let LedgerQuery::History { lot_id, .. } = rig.stand_ins.last_query() else { panic!("history") };
    assert_eq!(lot_id.as_deref(), Some("P02"));
    for (path, fault) in [
        (format!("{LISTS}?kind=black"), "/kind unknown_value"),
        (format!("{LISTS}?all=yes"), "/all wrong_type"),
        (format!("{PASSES}?limit=0"), "/limit out_of_range"),
        (format!("{PASSBACK}?type=card"), "/id missing"),
        (format!("{PASSBACK}?id=C-1"), "/type missing"),
        (format!("{PASSBACK}?type=ring&id=C-1"), "/type unknown_value"),
    ] {
        let got = rig.get(&path).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]), "{path}");
    }
}

#[tokio::test]
async fn every_fault_of_a_change_names_its_field() {
    let rig = Rig::start().await;
    let null = |name: &str| json!({name: null});
    for (path, body, fault) in [
        (LISTS, with(entry(), null("staff_id")), "/staff_id missing"),
        (LISTS, with(entry(), json!({"reason": ""})), "/reason empty"),
        (LISTS, with(entry(), json!({"kind": "grey"})), "/kind unknown_value"),
        (LISTS, with(entry(), null("plate")), "/plate missing"),
        (LISTS, with(entry(), json!({"lots": [7]})), "/lots/0 wrong_type"),
        (LISTS, with(entry(), json!({"valid_to": "2026-11-01T00:00:00"})), "/valid_to no_offset"),
        (LISTS, with(entry(), json!({"ended": "yes"})), "/ended wrong_type"),
        (PASSES, with(pass(), null("plates")), "/plates missing"),
        (PASSES, with(pass(), json!({"plates": ["A".repeat(65)]})), "/plates/0 too_long"),
        (PASSES, with(pass(), json!({"vehicle_class": "ship"})), "/vehicle_class unknown_value"),
        (PASSES, with(pass(), null("valid_to")), "/valid_to missing"),
        (PASSES, with(pass(), json!({"max_inside": 0})), "/max_inside out_of_range"),
        (PASSBACK, by_staff(json!({})), "/state missing"),
        (PASSBACK, by_staff(json!({"state": "inside"})), "/state unknown_value"),
        (PASSBACK, by_staff(json!({"state": "neutral"})), "/credential missing"),
        (PASSBACK, by_staff(json!({"mode": "hard"})), "/lot_id missing"),
        (PASSBACK, by_staff(json!({"mode": "hard", "lot_id": "P01", "pass": "p"})), "/lot_id missing"),
        (PASSBACK, by_staff(json!({"mode": "hard", "state": "neutral"})), "/mode repeated"),
        (
            PASSBACK,
            by_staff(json!({"state": "neutral", "credential": {"type": "card"}})),
            "/credential/id missing",
        ),
        (CORRECTIONS, by_staff(json!({"vehicle_class": "car"})), "/delta missing"),
        (
            CORRECTIONS,
            by_staff(json!({"vehicle_class": "car", "delta": 1, "counted": 1})),
            "/counted repeated",
        ),
        (CORRECTIONS, by_staff(json!({"vehicle_class": "car", "counted": -1})), "/counted out_of_range"),
        (CORRECTIONS, by_staff(json!({"delta": 1})), "/vehicle_class missing"),
    ] {
        let got = rig.post(path, &body).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]), "{path} {body}");
    }
    assert!(rig.stand_ins.commands().is_empty(), "nothing of it reached the ledger");
}

#[tokio::test]
async fn lanes_have_no_say_in_rights() {
    let rig = Rig::start().await;
    for path in [LISTS, PASSES, PASSBACK, CORRECTIONS] {
        let asked = rig.request(reqwest::Method::GET, path, Some(&key("edge-in")));
        assert_eq!(send(asked).await.code(), "forbidden", "{path}");
    }
    let asked = rig.request(reqwest::Method::POST, LISTS, Some(&key("edge-in"))).json(&entry());
    assert_eq!(send(asked).await.code(), "forbidden");
}
