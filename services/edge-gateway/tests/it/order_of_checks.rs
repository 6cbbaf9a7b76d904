//! The order the contract gives: 401, path, 413, 415, 400, 422, 403, 404 of an id. Each request here is wrong in every later way too.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Rig, key, send};

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let rig = Rig::start().await;
    let path = "/api/v1/edge/barrier/open";
    let edge = key("edge-in");
    let huge = "x".repeat(70_000);
    let text = "text/plain";
    let json_type = "application/json";
    let wrong_fields = json!({"edge_id": "edge-nowhere", "plate": 5}).to_string();
    let others = json!({"edge_id": "edge-out", "plate": "1"}).to_string();
    // token, method, path, content type, body, status, code
    let cases = [
        (None, Method::POST, "/api/v1/nowhere", text, huge.as_str(), 401, "unauthenticated"),
        (Some(edge.as_str()), Method::POST, "/api/v1/nowhere", text, &huge, 404, "not_found"),
        (Some(&edge), Method::DELETE, path, text, &huge, 405, "method_not_allowed"),
        (Some(&edge), Method::POST, path, text, &huge, 413, "too_large"),
        (Some(&edge), Method::POST, path, text, "{", 415, "unsupported_media_type"),
        (Some(&edge), Method::POST, path, json_type, "{", 400, "malformed_json"),
        (Some(&edge), Method::POST, path, json_type, &wrong_fields, 422, "invalid_fields"),
        (Some(&edge), Method::POST, path, json_type, &others, 403, "edge_mismatch"),
    ];
    for (token, method, path, media, body, status, code) in cases {
        let r = rig.request(method, path, token).header("content-type", media).body(body.to_owned());
        let got = send(r).await;
        assert_eq!((got.status, got.code()), (status, code));
        if status == 405 {
            assert_eq!(got.headers["allow"], "POST");
        }
    }
    let got = rig.post(path, &json!({"edge_id": "edge-nowhere", "plate": "1"})).await;
    assert_eq!((got.status, got.code()), (404, "unknown_edge"));
    let got = send(rig.request(Method::GET, "/api/parking/history?limit=-5", Some(&edge))).await;
    assert_eq!((got.status, got.code()), (422, "invalid_fields"));
    assert!(rig.stand_ins.commands().is_empty(), "nothing wrong reaches the ledger");
}

#[tokio::test]
async fn a_megabyte_is_answered_not_cut_off() {
    let rig = Rig::start().await;
    let big = json!({"edge_id": "edge-in", "plate": "1", "reason": "x".repeat(1 << 20)});
    for path in [
        "/api/edge/barrier/open",
        "/api/edge/detection",
        "/api/edge/barrier/close",
        "/api/edge/heartbeat",
        "/api/parking/fees/calculate",
        "/api/parking/sessions/x/void",
    ] {
        let got = rig.post(path, &big).await;
        assert_eq!((got.status, got.code()), (413, "too_large"), "{path}");
    }
    let got = rig.post("/api/nowhere", &big).await;
    assert_eq!(got.status, 404);
    let got = send(rig.request(Method::POST, "/api/edge/detection", None).json(&big)).await;
    assert_eq!(got.status, 401);
}
