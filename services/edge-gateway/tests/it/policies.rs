//! Rules: set, tried, listed, replayed.

use serde_json::{Value, json};
use wire::bus::command::Command;
use wire::bus::query::{LedgerQuery, OtherPolicy};

use crate::harness::Rig;

const POLICIES: &str = "/api/parking/policies";
const REPLAY: &str = "/api/parking/conflicts/replay";

fn wanted() -> Value {
    json!({"duplicate_window_ms": 90_000, "valid_from": "2026-11-01T00:00:00+07:00", "staff_id": "s1", "reason": "slow gate"})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = wanted();
    body[name] = value;
    body
}

#[tokio::test]
async fn a_policy_is_set_by_a_command_and_a_dry_run_records_nothing() {
    let rig = Rig::start().await;
    let got = rig.post(POLICIES, &wanted()).await;
    assert_eq!((got.status, &got.body["recorded"]), (200, &json!(true)));
    let Command::SetPolicy { version, duplicate_window_ms, staff_id, .. } =
        rig.stand_ins.last_command().command
    else {
        panic!("a policy")
    };
    assert_eq!((version, duplicate_window_ms, staff_id.as_str()), (None, 90_000, "s1"));
    let commands = rig.stand_ins.commands().len();
    let tried = rig.post(POLICIES, &with("dry_run", json!(true))).await;
    assert_eq!(
        (tried.status, &tried.body["recorded"], &tried.body["policy"]),
        (200, &json!(false), &Value::Null)
    );
    assert_eq!(tried.body["effect"]["conflicts"][0], json!({"kind": "REENTRY", "before": 2, "after": 1}));
    assert_eq!(rig.stand_ins.commands().len(), commands, "nothing was asked to be recorded");
    let LedgerQuery::Replay { policy, .. } = rig.stand_ins.last_query() else { panic!("a replay") };
    assert!(matches!(policy, OtherPolicy::Set { duplicate_window_ms: 90_000, .. }));
    // One that begins later is tried on what lies behind.
    let mut ahead = with("valid_from", json!("2096-11-01T00:00:00+07:00"));
    ahead["dry_run"] = json!(true);
    rig.post(POLICIES, &ahead).await;
    let LedgerQuery::Replay { policy, from, to, .. } = rig.stand_ins.last_query() else { panic!("a replay") };
    assert_eq!((policy, to - from), (OtherPolicy::Window(90_000), 7 * 86_400_000));
    assert_eq!(rig.get(POLICIES).await.status, 200);
}

#[tokio::test]
async fn every_field_of_a_policy_is_checked() {
    let rig = Rig::start().await;
    for (name, value, code) in [
        ("duplicate_window_ms", Value::Null, "missing"),
        ("duplicate_window_ms", json!(-1), "out_of_range"),
        ("duplicate_window_ms", json!(3_600_001), "out_of_range"),
        ("duplicate_window_ms", json!("60s"), "wrong_type"),
        ("valid_from", json!("2026-11-01T00:00:00"), "no_offset"),
        ("valid_from", Value::Null, "missing"),
        ("staff_id", Value::Null, "missing"),
        ("reason", json!(""), "empty"),
        ("version", json!(0), "out_of_range"),
        ("dry_run", json!("yes"), "wrong_type"),
    ] {
        let got = rig.post(POLICIES, &with(name, value.clone())).await;
        let errors = got.body["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = errors.iter().map(|e| (e["field"].as_str(), e["code"].as_str())).collect();
        assert_eq!(
            (got.status, found),
            (422, vec![(Some(format!("/{name}").as_str()), Some(code))]),
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn a_replay_names_one_policy_and_a_bounded_period() {
    let rig = Rig::start().await;
    let (from, to) = ("2026-11-01T00:00:00+07:00", "2026-11-08T00:00:00+07:00");
    let got = rig.post(REPLAY, &json!({"from": from, "to": to, "policy": 0, "limit": 7})).await;
    assert_eq!((got.status, &got.body["differing"]), (200, &json!(1)));
    let LedgerQuery::Replay { policy, limit, .. } = rig.stand_ins.last_query() else { panic!("a replay") };
    assert_eq!((policy, limit), (OtherPolicy::Version(0), 7));
    for (body, field, code) in [
        (json!({"from": from, "to": to}), "/duplicate_window_ms", "missing"),
        (json!({"from": from, "to": to, "policy": 1, "duplicate_window_ms": 5}), "/policy", "repeated"),
        (json!({"from": to, "to": from, "policy": 1}), "/to", "out_of_range"),
        (json!({"from": from, "to": "2026-12-08T00:00:00+07:00", "policy": 1}), "/to", "out_of_range"),
        (json!({"from": from, "to": to, "policy": 1, "cursor": "é"}), "/cursor", "bad_characters"),
        (json!({"to": to, "policy": 1}), "/from", "missing"),
    ] {
        let got = rig.post(REPLAY, &body).await;
        let found =
            (got.status, got.body["errors"][0]["field"].as_str(), got.body["errors"][0]["code"].as_str());
        assert_eq!(found, (422, Some(field), Some(code)), "{body}");
    }
}
