//! Documents, put together from the ledger's part and sync's.

use reqwest::Method;
use serde_json::{Value, json};
use wire::bus::state::SyncState;
use wire::bus::subject;

use crate::harness::{Rig, key, send, until};

#[tokio::test]
async fn a_document_shows_where_it_comes_from_and_who_has_a_newer_one() {
    let rig = Rig::start().await;
    let got = rig.get("/api/v1/reference/rate-tables?limit=3").await;
    let b = &got.body;
    assert_eq!((got.status, &b["version"], &b["items"][0]["limit"]), (200, &json!(7), &json!(3)));
    assert_eq!((&b["newest_known"], &b["behind"]), (&json!(8), &json!(true)));
    assert_eq!(b["peers"], json!([{"id": "central-2", "version": 8, "differs": true}]));
    assert_eq!((&b["configured"], &b["stale"], &b["published"]), (&json!(true), &json!(false), &json!(true)));
    assert_eq!(b["last_error"]["errors"][0]["field"], json!("/version"));
    // The same without what nobody asked the external API for.
    let b = rig.get("/api/reference/staff").await.body;
    assert_eq!((&b["last_error"], &b["newest_known"]), (&Value::Null, &json!(7)));
    assert_eq!(b["peers"], json!([{"id": "central-2", "version": null, "differs": true}]));
    assert_eq!(rig.get("/api/reference/subscriptions?limit=501").await.code(), "invalid_fields");
}

#[tokio::test]
async fn a_silent_sync_leaves_the_document_and_says_that_its_origin_is_not_known() {
    let rig = Rig::start().await;
    rig.stand_ins.answer(true, true, false);
    let b = rig.get("/api/reference/rate-tables").await.body;
    assert_eq!((&b["version"], &b["stale"]), (&json!(7), &Value::Null));
}

#[tokio::test]
async fn the_status_names_versions_and_who_is_behind() {
    let rig = Rig::start().await;
    let s = rig.get("/api/p2p/status").await.body;
    let tables = &s["reference"][0];
    assert_eq!((&tables["document"], &tables["version"]), (&json!("rate_tables"), &json!(7)));
    assert_eq!((&tables["newest_known"], &tables["behind"]), (&json!(8), &json!(true)));
    assert_eq!((&s["reference"][1]["version"], &s["reference"][1]["behind"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn lanes_may_not_look_at_staff() {
    let rig = Rig::start().await;
    for path in ["rate-tables", "staff", "subscriptions"] {
        let request = rig.request(Method::GET, &format!("/api/reference/{path}"), Some(&key("edge-in")));
        let got = send(request).await;
        assert_eq!((got.status, got.code()), (403, "forbidden"), "{path}");
    }
}

#[tokio::test]
async fn answers_name_the_external_api_when_it_is_gone() {
    let rig = Rig::start().await;
    let gone = SyncState { no_external_api: true, ..SyncState::default() };
    rig.stand_ins.bus.publish_json(subject::SYNC_STATE, &gone).await.unwrap();
    until("the mode is known", async || {
        let s = rig.get("/api/p2p/status").await.body;
        s["degraded"].as_array().is_some_and(|d| d.contains(&json!("no_external_api")))
    })
    .await;
}

#[tokio::test]
async fn while_sync_is_silent_nobody_asks_the_external_api() {
    let rig = Rig::start().await;
    let named = async || {
        let s = rig.get("/api/p2p/status").await.body;
        s["degraded"].as_array().is_some_and(|d| d.contains(&json!("no_external_api")))
    };
    let well = SyncState { external_api: true, ..SyncState::default() };
    rig.stand_ins.bus.publish_json(subject::SYNC_STATE, &well).await.unwrap();
    assert!(!named().await);
    // It spoke once, and never again.
    until("its silence is named", named).await;
}
