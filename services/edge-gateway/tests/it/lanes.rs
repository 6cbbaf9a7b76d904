//! What lanes send reaches the ledger whole.

use serde_json::{Value, json};
use wire::bus::command::Command;
use wire::bus::state::{MeshState, SyncState};
use wire::bus::subject;
use wire::http::{Degraded, Direction};

use crate::harness::{ADMIN, Rig, key, send, until};
use crate::stand_ins::LedgerMood;

#[tokio::test]
async fn an_opening_arrives_with_every_field() {
    let rig = Rig::start().await;
    let body = json!({"edge_id": "edge-in", "plate": "3OA-l23.4S", "candidates": [{"plate": "30A12345", "confidence": 0.4}],
        "confidence": 0.913, "vehicle_class": "truck", "credential": {"type": "card", "id": "77"},
        "captured_at": "2026-11-22T08:00:00+07:00", "sent_at": "2026-11-22T01:00:00.250Z", "image_ref": "s3://x/1.jpg",
        "staff_id": "anna", "pin": "1234", "reason": "known guest", "lost_credential": true, "discounts": ["staff10"],
        "payment": {"method": "cash", "amount": 25000}, "some_vendor_field": {"a": 1}});
    let request = rig
        .request(reqwest::Method::POST, "/api/edge/barrier/open", Some(&key("edge-in")))
        .header("idempotency-key", "k-1")
        .json(&body);
    let got = send(request).await;
    assert_eq!(
        (got.status, &got.body["decision"], &got.body["recorded"]),
        (200, &json!("open"), &json!(true))
    );
    assert!(!got.headers.contains_key("idempotency-replayed"));
    let e = rig.stand_ins.last_command();
    assert_eq!((e.principal.as_str(), e.path.as_str()), ("edge-in", "/api/v1/edge/barrier/open"));
    assert_eq!(e.idempotency_key.as_deref(), Some("k-1"));
    assert_eq!(e.deadline - e.received_at, 900);
    let Command::Open { lane, seen, staff_id, pin, lost_credential, discounts, payment, .. } = e.command
    else {
        panic!("an opening")
    };
    assert_eq!(
        (lane.edge_id.as_str(), lane.direction, lane.lot_id.as_deref()),
        ("edge-in", Direction::Entry, Some("P01"))
    );
    assert_eq!(
        (seen.plate.as_str(), seen.candidates, seen.confidence_pm),
        ("3OA-l23.4S", vec!["30A12345".into()], Some(913))
    );
    assert_eq!((seen.captured_at, seen.sent_at), (Some(1_795_309_200_000), Some(1_795_309_200_250)));
    assert_eq!(
        (seen.vehicle_class.as_deref(), seen.image_ref.as_deref()),
        (Some("truck"), Some("s3://x/1.jpg"))
    );
    assert_eq!((staff_id.as_deref(), pin.as_deref(), lost_credential), (Some("anna"), Some("1234"), true));
    assert_eq!((payment.unwrap().amount, discounts), (25000, vec!["staff10".to_owned()]));
}

#[tokio::test]
async fn of_many_readings_the_likeliest_ten_are_looked_at() {
    let rig = Rig::start().await;
    let mut candidates: Vec<Value> = (0..12)
        .map(|n| json!({"plate": format!("29A1234{n}"), "confidence": f64::from(n) / 100.0}))
        .collect();
    candidates.push(json!({"plate": "29A99999"}));
    candidates.push(json!("29A99998"));
    let body = json!({"edge_id": "edge-in", "plate": "29A-123.45", "candidates": candidates});
    for path in ["/api/edge/barrier/open", "/api/edge/detection"] {
        assert_eq!(rig.post(path, &body).await.status, 200, "{path}");
        let (Command::Open { seen, .. } | Command::Detect { seen, .. }) =
            rig.stand_ins.last_command().command
        else {
            panic!("a lane's request")
        };
        let want: Vec<String> = (2..12).rev().map(|n| format!("29A1234{n}")).collect();
        assert_eq!(seen.candidates, want, "{path}");
    }
}

#[tokio::test]
async fn plates_of_any_kind_are_let_through() {
    let rig = Rig::start().await;
    for plate in ["🚗🚙", "", "NOPLATE", "51F\n970.22", "29A\u{0}12345", "29-MĐ1 123.45", &"Đ".repeat(64)]
    {
        let got = rig.post("/api/edge/barrier/open", &json!({"edge_id": "edge-in", "plate": plate})).await;
        assert_eq!(got.status, 200, "{plate:?}");
        let Command::Open { seen, .. } = rig.stand_ins.last_command().command else { panic!("an opening") };
        assert_eq!(seen.plate, plate.replace('\0', "\u{fffd}"));
    }
}

#[tokio::test]
async fn both_spellings_of_a_path_are_one() {
    let rig = Rig::start().await;
    for path in ["/api/edge/barrier/close", "/api/v1/edge/barrier/close"] {
        let got = rig.post(path, &json!({"edge_id": "edge-out", "passed": false})).await;
        assert_eq!((got.status, &got.body["kind"]), (200, &json!("CONFIRMED")));
        let e = rig.stand_ins.last_command();
        assert_eq!((e.path.as_str(), e.principal.as_str()), ("/api/v1/edge/barrier/close", "admin"));
        let Command::Close { lane, passed, event_id, .. } = e.command else { panic!("a closing") };
        assert_eq!((lane.direction, passed, event_id), (Direction::Exit, false, None));
    }
}

#[tokio::test]
async fn a_lane_that_goes_both_ways_says_which() {
    let rig = Rig::start().await;
    for (direction, want) in [("entry", Direction::Entry), ("exit", Direction::Exit)] {
        let body = json!({"edge_id": "edge-both", "plate": "1", "direction": direction});
        assert_eq!(rig.post("/api/edge/barrier/open", &body).await.status, 200);
        let Command::Open { lane, .. } = rig.stand_ins.last_command().command else { panic!("an opening") };
        assert_eq!(lane.direction, want);
    }
    assert_eq!(
        rig.post("/api/edge/detection", &json!({"edge_id": "edge-both", "plate": "1"})).await.status,
        200
    );
}

#[tokio::test]
async fn a_closing_on_a_lane_that_goes_both_ways_asks_for_the_exit_first() {
    let rig = Rig::start().await;
    for (body, want) in [
        (json!({"edge_id": "edge-both"}), Direction::Exit),
        (json!({"edge_id": "edge-both", "direction": "entry"}), Direction::Entry),
        (json!({"edge_id": "edge-in"}), Direction::Entry),
    ] {
        assert_eq!(rig.post("/api/edge/barrier/close", &body).await.status, 200);
        let Command::Close { lane, .. } = rig.stand_ins.last_command().command else { panic!("a closing") };
        assert_eq!(lane.direction, want);
    }
}

#[tokio::test]
async fn the_ledgers_refusals_pass_unchanged() {
    let rig = Rig::start().await;
    let problem =
        wire::http::Problem::new(404, "nothing_pending", "The lane has nothing pending", "no opening");
    rig.stand_ins.mood(LedgerMood::Refuses(Box::new(problem)));
    let got = rig.post("/api/edge/barrier/close", &json!({"edge_id": "edge-in"})).await;
    assert_eq!((got.status, got.code()), (404, "nothing_pending"));
}

#[tokio::test]
async fn degraded_modes_travel_with_the_command() {
    let rig = Rig::start().await;
    let body = json!({"edge_id": "edge-in", "plate": "29A12345"});
    let modes = async || {
        assert_eq!(rig.post("/api/edge/barrier/open", &body).await.status, 200);
        rig.stand_ins.last_command().degraded
    };
    assert_eq!(modes().await, [Degraded::NoPeers], "a mesh that never spoke reaches nobody");
    let linked = MeshState {
        configured: 1,
        connected: vec!["central-2".parse().unwrap()],
        clock_offset_ms: 0,
        clock: None,
        unlinked: Vec::new(),
    };
    rig.stand_ins.bus.publish_json(subject::MESH_STATE, &linked).await.unwrap();
    until("the link is known", async || modes().await.is_empty()).await;
    let behind = SyncState { catching_up: true, missing: 5, ..SyncState::default() };
    rig.stand_ins.bus.publish_json(subject::SYNC_STATE, &behind).await.unwrap();
    until("catching up is known", async || modes().await == [Degraded::CatchingUp]).await;
}

#[tokio::test]
async fn a_batch_is_answered_item_by_item_in_order() {
    let rig = Rig::start().await;
    let items = json!({"items": [
        {"path": "barrier/open", "idempotency_key": "a", "body": {"edge_id": "edge-in", "plate": "1"}},
        {"path": "/api/edge/barrier/close", "body": {"edge_id": "edge-in"}},
        {"path": "detection", "body": {"edge_id": "edge-in", "plate": "2"}},
        {"path": "barrier/open", "body": {"edge_id": "edge-in"}},
        {"path": "barrier/open", "body": {"edge_id": "edge-out", "plate": "1"}},
        {"path": "history", "body": {}},
        {"path": "barrier/open", "idempotency_key": "b c", "body": {"edge_id": "edge-in", "plate": "1"}},
    ]});
    let got = rig.post_as(&key("edge-in"), "/api/edge/batch", &items).await;
    let results = got.body["results"].as_array().unwrap();
    let statuses: Vec<u64> = results.iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 422, 403, 404, 422]);
    assert!(results.iter().enumerate().all(|(i, r)| r["index"] == i));
    assert_eq!(results[3]["body"]["errors"][0]["field"], "/plate");
    let sent: Vec<String> = rig.stand_ins.commands().into_iter().map(|c| c.path).collect();
    assert_eq!(sent, ["/api/v1/edge/barrier/open", "/api/v1/edge/barrier/close", "/api/v1/edge/detection"]);

    let too_many: Vec<Value> = vec![json!({"path": "detection", "body": {}}); 501];
    assert_eq!(rig.post("/api/edge/batch", &json!({"items": too_many})).await.faults(), ["/items too_many"]);
    let pad = "x".repeat(2 << 20);
    assert_eq!(rig.post("/api/edge/batch", &json!({"items": [], "pad": pad})).await.status, 413);
    let pad = "x".repeat(1 << 20);
    assert_eq!(rig.post("/api/edge/batch", &json!({"items": [], "pad": pad})).await.status, 200);
}

#[tokio::test]
async fn a_spool_stays_whole_when_the_ledger_goes_away() {
    let rig = Rig::start().await;
    rig.stand_ins.mood(LedgerMood::Unavailable);
    let items: Vec<Value> = (0..500)
        .map(|n| json!({"path": "barrier/open", "body": {"edge_id": "edge-in", "plate": n.to_string()}}))
        .collect();
    let begun = std::time::Instant::now();
    let got = rig.post("/api/edge/batch", &json!({"items": items})).await;
    assert!(begun.elapsed().as_secs() < 5);
    let results = got.body["results"].as_array().unwrap();
    assert_eq!(results.len(), 500);
    assert!(results.iter().all(|r| r["status"] == 503 && r["body"]["code"] == "no_ledger"));
    assert_eq!(results[0]["body"]["barrier"], "keep_closed", "a spooled vehicle is gone");
    assert_eq!(rig.stand_ins.commands().len(), 1, "the rest is not tried");
}

#[tokio::test]
async fn heartbeats_show_with_the_edges() {
    let rig = Rig::start().await;
    let edges = rig.get("/api/edges").await.body;
    assert_eq!(edges["items"][0]["last_heartbeat"], Value::Null);
    assert_eq!(edges["items"][0]["has_key"], true);
    assert!(!edges.to_string().contains("sha256"), "no secrets");
    let beat = json!({"edge_id": "edge-in", "sent_at": "2026-11-22T08:00:00+07:00", "queue": 3, "barrier": "closed",
        "camera": "ok"});
    let got = rig.post_as(&key("edge-in"), "/api/edge/heartbeat", &beat).await;
    assert_eq!((got.status, &got.body["edge_id"]), (200, &json!("edge-in")));
    let edges = rig.get("/api/edges").await.body;
    assert_eq!(edges["items"][0]["last_heartbeat"]["queue"], 3);
    assert_eq!(edges["items"][0]["last_heartbeat"]["silent"], false);
    let got = rig.post_as(ADMIN, "/api/edge/heartbeat", &json!({"edge_id": "edge-in", "queue": -1})).await;
    assert_eq!(got.faults(), ["/queue out_of_range"]);
}
