//! What people ask for.

use reqwest::Method;
use serde_json::{Value, json};
use wire::bus::query::{LedgerQuery, MeshQuery};

use crate::harness::{ADMIN, Rig, key, send};

#[tokio::test]
async fn history_is_asked_for_as_written() {
    let rig = Rig::start().await;
    let got = rig
        .get("/api/parking/history?plate=29A-123.45&status=INSIDE&status=EXITED&from=2026-11-22T08:00:00%2B07:00&central=central-1&limit=7&cursor=abc&flag=late&flag=no_peers&colour=red")
        .await;
    assert_eq!((got.status, got.body["items"].as_array().unwrap().len()), (200, 1));
    let LedgerQuery::History { plate, statuses, from, to, central, flags, limit, cursor, .. } =
        rig.stand_ins.last_query()
    else {
        panic!("a history")
    };
    assert_eq!(
        (plate.as_deref(), statuses),
        (Some("29A-123.45"), vec!["INSIDE".to_owned(), "EXITED".to_owned()])
    );
    assert_eq!(flags, ["late", "no_peers"]);
    assert_eq!((from, to, limit), (Some(1_795_309_200_000), None, 7));
    assert_eq!((central.as_deref(), cursor.as_deref()), (Some("central-1"), Some("abc")));
    rig.get("/api/parking/history").await;
    let LedgerQuery::History { limit, .. } = rig.stand_ins.last_query() else { panic!("a history") };
    assert_eq!(limit, 50);
}

#[tokio::test]
async fn a_session_tells_how_many_hold_it() {
    let rig = Rig::start().await;
    let got = rig.get("/api/parking/sessions/central-1_1_29A12345").await;
    assert_eq!((got.status, &got.body["held_by"]), (200, &json!(9)), "the least of its events");
    assert_eq!(got.body["events"][0]["held_by"], 10);
    rig.stand_ins.answer(true, true, false);
    let got = rig.get("/api/parking/sessions/central-1_1_29A12345").await;
    assert_eq!((got.status, &got.body["held_by"]), (200, &Value::Null));
    for id in ["nobody", "%00", "%ff", &"x".repeat(400)] {
        let got = rig.get(&format!("/api/parking/sessions/{id}")).await;
        assert_eq!((got.status, got.code()), (404, "unknown_session"), "{id}");
    }
}

#[tokio::test]
async fn a_fee_is_calculated_for_any_table() {
    let rig = Rig::start().await;
    let body = json!({"rate_table": "car-mall", "entry": "2026-11-22T09:00:00+07:00", "exit": "2026-11-22T12:30:00+07:00",
        "vehicle_class": "car"});
    assert_eq!(rig.post("/api/parking/fees/calculate", &body).await.body["fee"], 25000);
    let LedgerQuery::Calculate { rate_table, entry, exit, .. } = rig.stand_ins.last_query() else {
        panic!("a fee")
    };
    assert_eq!((rate_table.as_str(), exit - entry), ("car-mall", 12_600_000));
    let got = rig
        .post("/api/parking/fees/calculate", &json!({"rate_table": 5, "entry": "x", "vehicle_class": "ship"}))
        .await;
    assert_eq!(
        got.faults(),
        ["/rate_table wrong_type", "/entry not_a_time", "/exit missing", "/vehicle_class unknown_value"]
    );
}

async fn put(rig: &Rig, path: &str, body: &Value) -> crate::harness::Got {
    send(rig.request(Method::PUT, path, Some(ADMIN)).json(body)).await
}

#[tokio::test]
async fn a_configuration_is_strict_and_keeps_its_secrets() {
    let rig = Rig::start().await;
    let redacted = {
        let mut c = crate::harness::config();
        for e in c["this_central"]["edges"].as_array_mut().unwrap() {
            e.as_object_mut().unwrap().remove("key_sha256");
        }
        c
    };
    let got = put(&rig, "/api/p2p/config", &redacted).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert!(got.body["this_central"]["edges"][0]["key_sha256"].is_null(), "secrets are not shown");
    let MeshQuery::PutConfig(kept) = rig.stand_ins.last_mesh() else { panic!("a configuration") };
    assert!(kept.this_central.edges.iter().all(|e| e.key_sha256.is_some()), "keys that were left out stay");

    type Edit = fn(&mut Value);
    let cases: [(Edit, &str); 6] = [
        (|c| c["this_central"]["id"] = "central-9".into(), "/this_central/id cannot_change"),
        (|c| c["this_central"]["colour"] = "red".into(), "/this_central/colour unknown_key"),
        (|c| c["peer_centrals"][0]["p2p_port"] = 70_000.into(), "/peer_centrals/0/p2p_port invalid_value"),
        (|c| c["peer_centrals"][0]["ip"] = 5.into(), "/peer_centrals/0/ip wrong_type"),
        (|c| c["this_central"]["edges"][1]["type"] = "x".into(), "/this_central/edges/1/type unknown_value"),
        (|c| c["peer_centrals"][0]["id"] = "central-1".into(), "/peer_centrals/0/id invalid_value"),
    ];
    for (edit, fault) in cases {
        let mut c = redacted.clone();
        edit(&mut c);
        let got = put(&rig, "/api/p2p/config", &c).await;
        assert_eq!((got.status, got.code(), got.faults()), (422, "invalid_config", vec![fault.to_owned()]));
    }
}

#[tokio::test]
async fn lanes_are_replaced_through_the_configuration() {
    let rig = Rig::start().await;
    let mut edges = rig.get("/api/edges").await.body;
    edges["items"].as_array_mut().unwrap().truncate(2);
    edges["items"][0]["vehicle_classes"] = json!(["motorbike"]);
    let got = put(&rig, "/api/edges", &edges).await;
    assert_eq!((got.status, got.body["items"].as_array().unwrap().len()), (200, 2), "{got:?}");
    assert_eq!(got.body["items"][0]["has_key"], true);
    let MeshQuery::PutConfig(c) = rig.stand_ins.last_mesh() else { panic!("a configuration") };
    assert_eq!(c.this_central.edges.len(), 2);
    assert!(c.this_central.edges[0].key_sha256.is_some());
    edges["items"][1]["type"] = "sideways".into();
    let got = put(&rig, "/api/edges", &edges).await;
    assert_eq!((got.status, got.faults()), (422, vec!["/items/1/type unknown_value".to_owned()]));
    let got =
        send(rig.request(Method::PUT, "/api/edges", Some(&key("edge-in"))).json(&json!({"items": []}))).await;
    assert_eq!((got.status, got.code()), (403, "forbidden"));
}

#[tokio::test]
async fn a_test_connection_names_its_stage() {
    let rig = Rig::start().await;
    let got =
        send(rig.request(Method::POST, "/api/p2p/test-connection?peer_id=central-2", Some(ADMIN))).await;
    assert_eq!((got.status, &got.body["stage"], &got.body["ok"]), (200, &json!("tcp"), &json!(false)));
}
