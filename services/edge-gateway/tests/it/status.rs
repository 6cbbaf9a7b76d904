//! One picture of three services.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::Rig;

#[tokio::test]
async fn the_audit_is_asked_of_the_ledger_and_begun_by_a_post() {
    let rig = Rig::start().await;
    let got = rig.get("/api/p2p/audit?site=central-3&days=30&findings=9").await;
    assert_eq!(got.status, 200);
    // The stand-in says what it was asked.
    assert_eq!(got.body["site"], json!("central-3"));
    assert_eq!(
        (&got.body["progress"]["chunks"], &got.body["progress"]["recent_chunks"]),
        (&json!(30), &json!(9))
    );
    assert_eq!(rig.get("/api/p2p/audit?days=401").await.code(), "invalid_fields");
    let begun = rig.post("/api/p2p/audit", &json!({})).await;
    assert_eq!((begun.status, &begun.body["started"]), (202, &json!(true)));
}

#[tokio::test]
async fn the_status_is_put_together() {
    let rig = Rig::start().await;
    let s = rig.get("/api/p2p/status").await.body;
    assert_eq!(
        (&s["central_id"], &s["mode"], &s["connected_peers"]),
        (&json!("central-1"), &json!("mesh"), &json!(1))
    );
    let peer = &s["peers"][0];
    assert_eq!(
        (&peer["state"], &peer["behind_events"], &peer["held_events"]),
        (&json!("behind"), &json!(3), &json!(40))
    );
    assert_eq!(
        (&s["digest"], &s["history_rows"], &s["held_only_here"]),
        (&json!("ab"), &json!(12), &json!(7))
    );
    assert_eq!(s["degraded"], json!([]));
}

#[tokio::test]
async fn silent_parts_are_null_and_named() {
    let rig = Rig::start().await;
    rig.stand_ins.answer(false, false, false);
    let begun = Instant::now();
    let got = rig.get("/api/p2p/status").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    let s = got.body;
    assert_eq!(
        (got.status, &s["central_id"], &s["digest"], &s["held_only_here"]),
        (200, &json!("central-1"), &Value::Null, &Value::Null)
    );
    assert_eq!(s["degraded"], json!(["no_peers", "no_ledger", "no_mesh", "no_sync"]));
    assert_eq!((&s["peers"][0]["id"], &s["peers"][0]["state"]), (&json!("central-2"), &json!("down")));
    assert_eq!(rig.get("/api/p2p/sync-state").await.code(), "no_sync");
    assert_eq!(rig.get("/api/p2p/config").await.code(), "no_mesh");
}
