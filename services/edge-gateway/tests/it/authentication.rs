//! Who may do what.

use reqwest::Method;
use serde_json::json;

use crate::harness::{ADMIN, Rig, key, send, until};

#[tokio::test]
async fn only_the_documentation_and_the_probes_are_open() {
    let rig = Rig::start().await;
    for path in ["/livez", "/readyz", "/docs", "/docs/errors", "/api/openapi.json", "/api/v1/openapi.json"] {
        assert_eq!(send(rig.request(Method::GET, path, None)).await.status, 200, "{path}");
    }
    for path in ["/api/parking/history", "/api/p2p/status", "/api/nowhere", "/", "/docs/x", "/api/v1/edges"] {
        let got = send(rig.request(Method::GET, path, None)).await;
        assert_eq!((got.status, got.code()), (401, "unauthenticated"), "{path}");
        assert!(got.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "), "{path}");
    }
    let got = send(rig.request(Method::GET, "/api/p2p/status", Some("guess"))).await;
    assert!(got.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn keys_open_their_own_doors_only() {
    let rig = Rig::start().await;
    let open = |edge: &str| json!({"edge_id": edge, "plate": "29A12345"});
    let path = "/api/edge/barrier/open";
    // caller, path, body, status, code
    let edge = key("edge-in");
    for (token, edge_id, status, code) in [
        (edge.as_str(), "edge-in", 200, ""),
        (ADMIN, "edge-in", 200, ""),
        (edge.as_str(), "edge-out", 403, "edge_mismatch"),
        (edge.as_str(), "edge-9", 403, "edge_mismatch"),
        (ADMIN, "edge-9", 404, "unknown_edge"),
        ("guess", "edge-in", 401, "unauthenticated"),
    ] {
        let got = rig.post_as(token, path, &open(edge_id)).await;
        assert_eq!(got.status, status, "{edge_id} {got:?}");
        if status != 200 {
            assert_eq!(got.code(), code);
        }
    }
    let as_edge = |path: &str| send(rig.request(Method::GET, path, Some(&edge)));
    assert_eq!(as_edge("/api/parking/quote?plate=29A12345").await.status, 200);
    for path in [
        "parking/history",
        "parking/sessions/x",
        "parking/occupancy",
        "parking/conflicts",
        "parking/stream",
        "p2p/status",
        "p2p/config",
        "p2p/sync-state",
        "edges",
        "admin/tokens",
    ] {
        let got = as_edge(&format!("/api/{path}")).await;
        assert_eq!((got.status, got.code()), (403, "forbidden"), "{path}");
    }
    let token_scheme =
        rig.http.get(format!("{}/api/edges", rig.base)).header("authorization", format!("Token {ADMIN}"));
    assert_eq!(send(token_scheme).await.status, 200);
}

#[tokio::test]
async fn a_replaced_token_and_a_new_key_count_without_a_restart() {
    let rig = Rig::start().await;
    std::fs::write(&rig.token_file, "another").unwrap();
    until("the new token counts", async || {
        send(rig.request(Method::GET, "/api/edges", Some("another"))).await.status == 200
    })
    .await;
    assert_eq!(rig.get("/api/edges").await.status, 401);

    let mut config = crate::harness::config();
    config["this_central"]["edges"][0]["key_sha256"] = wire::hash::Hash32::of(&[b"fresh"]).to_string().into();
    rig.config.send_replace(std::sync::Arc::new(serde_json::from_value(config).unwrap()));
    let body = json!({"edge_id": "edge-in", "plate": "29A12345"});
    until("the new key counts", async || {
        rig.post_as("fresh", "/api/edge/barrier/open", &body).await.status == 200
    })
    .await;
    assert_eq!(rig.post_as(&key("edge-in"), "/api/edge/barrier/open", &body).await.status, 401);
}

#[tokio::test]
async fn too_many_requests_of_one_key_leave_the_others_alone() {
    let rig = Rig::with(&[("RATE_LIMIT_PER_SECOND", "2")]).await;
    let quote = |token: String| send(rig.request(Method::GET, "/api/parking/quote?plate=1", Some(&token)));
    let mut refused = None;
    for _ in 0..20 {
        let got = quote(key("edge-in")).await;
        if got.status == 429 {
            refused = Some(got);
            break;
        }
    }
    assert_eq!(refused.expect("a limit").code(), "rate_limited");
    assert_eq!(quote(key("edge-out")).await.status, 200);
}
