//! Wrong requests and what they are told.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{ADMIN, Rig, send};

fn with(extra: &Value) -> Value {
    let mut body = json!({"edge_id": "edge-in", "plate": "29A12345"});
    for (k, v) in extra.as_object().unwrap() {
        body[k] = v.clone();
    }
    body
}

#[tokio::test]
async fn fields_of_a_lane_request() {
    let rig = Rig::start().await;
    let long = "A".repeat(65);
    let cases = [
        (json!({"edge_id": null}), "/edge_id missing"),
        (json!({"edge_id": 7}), "/edge_id wrong_type"),
        (json!({"edge_id": ""}), "/edge_id empty"),
        (json!({"plate": null}), "/plate missing"),
        (json!({"plate": 29}), "/plate wrong_type"),
        (json!({"plate": long}), "/plate too_long"),
        (json!({"candidates": "29A"}), "/candidates wrong_type"),
        (json!({"candidates": [{"confidence": 0.5}]}), "/candidates/0/plate missing"),
        (json!({"candidates": [{"plate": "1", "confidence": 2}]}), "/candidates/0/confidence out_of_range"),
        (json!({"confidence": 1.01}), "/confidence out_of_range"),
        (json!({"confidence": -0.1}), "/confidence out_of_range"),
        (json!({"confidence": "high"}), "/confidence wrong_type"),
        (json!({"vehicle_class": "plane"}), "/vehicle_class unknown_value"),
        (json!({"direction": "sideways"}), "/direction unknown_value"),
        (json!({"direction": "exit"}), "/direction wrong_direction"),
        (json!({"edge_id": "edge-both"}), "/direction missing"),
        (json!({"credential": "card"}), "/credential wrong_type"),
        (json!({"credential": {"type": "coin", "id": "1"}}), "/credential/type unknown_value"),
        (json!({"credential": {"type": "card"}}), "/credential/id missing"),
        (json!({"captured_at": "2026-11-22T08:00:00"}), "/captured_at no_offset"),
        (json!({"captured_at": "soon"}), "/captured_at not_a_time"),
        (json!({"captured_at": 1_733_140_800}), "/captured_at wrong_type"),
        (json!({"sent_at": "1960-01-01T00:00:00Z"}), "/sent_at out_of_range"),
        (json!({"image_ref": "x".repeat(513)}), "/image_ref too_long"),
        (json!({"staff_id": "a\u{0}b"}), "/staff_id bad_characters"),
        (json!({"discounts": "staff10"}), "/discounts wrong_type"),
        (json!({"discounts": ["staff10", 7]}), "/discounts/1 wrong_type"),
        (json!({"lost_credential": "yes"}), "/lost_credential wrong_type"),
        (json!({"payment": {"method": "gold", "amount": 1}}), "/payment/method unknown_value"),
        (json!({"payment": {"method": "cash", "amount": -1}}), "/payment/amount out_of_range"),
        (json!({"payment": {"method": "cash", "amount": 1.5}}), "/payment/amount wrong_type"),
        (json!({"payment": {"method": "cash"}}), "/payment/amount missing"),
    ];
    for (extra, fault) in cases {
        let got = rig.post("/api/edge/barrier/open", &with(&extra)).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]), "{extra}");
        let own = if fault.ends_with("wrong_direction") { "wrong_direction" } else { "invalid_fields" };
        assert_eq!(got.code(), own);
    }
    assert!(rig.stand_ins.commands().is_empty());
}

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let rig = Rig::start().await;
    let got =
        rig.post("/api/edge/barrier/open", &json!({"confidence": 5, "sent_at": "x", "direction": 1})).await;
    assert_eq!(
        got.faults(),
        [
            "/edge_id missing",
            "/plate missing",
            "/confidence out_of_range",
            "/direction wrong_type",
            "/sent_at not_a_time"
        ]
    );
}

#[tokio::test]
async fn bodies_that_are_no_objects() {
    let rig = Rig::start().await;
    for (body, status, code) in [
        ("", 400, "malformed_json"),
        ("{\"edge_id\":", 400, "malformed_json"),
        ("{'edge_id': 1}", 400, "malformed_json"),
        ("{\"edge_id\": NaN}", 400, "malformed_json"),
        ("\u{feff}{}", 400, "malformed_json"),
        ("[]", 422, "invalid_fields"),
        ("null", 422, "invalid_fields"),
        ("\"text\"", 422, "invalid_fields"),
    ] {
        let r = rig
            .request(Method::POST, "/api/edge/detection", Some(ADMIN))
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_owned());
        let got = send(r).await;
        assert_eq!((got.status, got.code()), (status, code), "{body:?}");
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let r = rig
        .request(Method::POST, "/api/edge/detection", Some(ADMIN))
        .header("content-type", "application/json");
    assert_eq!(send(r.body(deep)).await.status, 400);
    let r = rig
        .request(Method::POST, "/api/edge/detection", Some(ADMIN))
        .header("content-type", "application/json");
    assert_eq!(send(r.body(vec![0xff, 0xfe, b'{', b'}'])).await.status, 400);
}

#[tokio::test]
async fn query_parameters() {
    let rig = Rig::start().await;
    for (query, fault) in [
        ("history?limit=0", "/limit out_of_range"),
        ("history?limit=-1", "/limit out_of_range"),
        ("history?limit=501", "/limit out_of_range"),
        ("history?limit=NaN", "/limit wrong_type"),
        ("history?limit=", "/limit wrong_type"),
        ("history?limit=1e3", "/limit wrong_type"),
        ("history?limit=99999999999999999999999", "/limit out_of_range"),
        ("history?status=PARKED", "/status unknown_value"),
        ("history?status=INSIDE&status=inside", "/status unknown_value"),
        ("history?from=2026-11-22T08:00:00", "/from no_offset"),
        ("history?to=tomorrow", "/to not_a_time"),
        ("history?cursor=%00", "/cursor bad_characters"),
        ("conflicts?limit=x", "/limit wrong_type"),
        ("quote", "/plate missing"),
        ("quote?plate=", "/plate missing"),
    ] {
        let got = rig.get(&format!("/api/parking/{query}")).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]), "{query}");
    }
    let long = "9".repeat(65);
    let got = rig.get(&format!("/api/parking/quote?plate={long}")).await;
    assert_eq!(got.faults(), ["/plate too_long"]);
    let got = send(rig.request(Method::POST, "/api/p2p/test-connection", Some(ADMIN))).await;
    assert_eq!(got.faults(), ["/peer_id missing"]);
    let got =
        send(rig.request(Method::POST, "/api/p2p/test-connection?peer_id=central-9", Some(ADMIN))).await;
    assert_eq!((got.status, got.code()), (404, "unknown_peer"));
}

#[tokio::test]
async fn idempotency_keys_are_visible_ascii() {
    let rig = Rig::start().await;
    let body = with(&json!({}));
    for (key, fault) in [
        (String::new(), "/Idempotency-Key empty"),
        ("k".repeat(256), "/Idempotency-Key too_long"),
        ("a b".to_owned(), "/Idempotency-Key bad_characters"),
    ] {
        let r =
            rig.request(Method::POST, "/api/edge/barrier/open", Some(ADMIN)).header("idempotency-key", key);
        let got = send(r.json(&body)).await;
        assert_eq!((got.status, got.faults()), (422, vec![fault.to_owned()]));
    }
    let r = rig
        .request(Method::POST, "/api/edge/barrier/open", Some(ADMIN))
        .header("idempotency-key", "k".repeat(255));
    assert_eq!(send(r.json(&body)).await.status, 200);
}

#[tokio::test]
async fn acts_of_staff() {
    let rig = Rig::start().await;
    let at = |act: &str| format!("/api/parking/sessions/central-1_1_29A12345/{act}");
    let staff = json!({"staff_id": "anna", "pin": "1234", "reason": "misread"});
    for (act, faults) in [
        ("void", &["/staff_id missing", "/reason missing"][..]),
        ("waive", &["/staff_id missing", "/reason missing", "/amount missing"][..]),
        ("price", &["/staff_id missing", "/reason missing", "/fee missing"][..]),
        ("correct-plate", &["/staff_id missing", "/reason missing", "/plate missing"][..]),
    ] {
        assert_eq!(rig.post(&at(act), &json!({})).await.faults(), faults);
    }
    for (act, extra) in [
        ("correct-plate", json!({"plate": "29A12346"})),
        ("void", json!({})),
        ("waive", json!({"amount": 5000})),
        ("uncollected", json!({"amount": 5000})),
        ("price", json!({"fee": 0})),
        ("soft-close", json!({})),
        ("reopen", json!({})),
    ] {
        let mut body = staff.clone();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(rig.post(&at(act), &body).await.status, 200, "{act}");
        assert_eq!(rig.stand_ins.last_command().path, format!("/api/v1/parking/sessions/{{event_id}}/{act}"));
    }
}

#[tokio::test]
async fn what_comes_later_says_so() {
    let rig = Rig::start().await;
    for path in ["parking/payments", "parking/shifts", "parking/erasures"] {
        let got = rig.get(&format!("/api/{path}")).await;
        assert_eq!((got.status, got.code()), (501, "not_yet"), "{path}");
    }
}
