//! Tokens with roles, keys of the ledger, and the record of what people did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use wire::config::P2pConfig;

use crate::harness::{ADMIN, Got, Rig, config, key, send, until};

const TOKENS: &str = "/api/v1/admin/tokens";

async fn token(rig: &Rig, role: &str) -> (String, String) {
    let got = rig.post(TOKENS, &json!({"name": format!("the {role}"), "role": role})).await;
    assert_eq!(got.status, 201, "{got:?}");
    assert_eq!(got.headers["cache-control"], "no-store");
    let text = |k: &str| got.body[k].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

async fn delete(rig: &Rig, path: &str) -> Got {
    send(rig.request(Method::DELETE, path, Some(ADMIN))).await
}

/// A body each route takes, so that only the role decides.
fn body(path: &str) -> Value {
    let who = |v: Value| {
        let mut all = json!({"staff_id": "s1", "reason": "test"});
        all.as_object_mut().unwrap().extend(v.as_object().unwrap().clone());
        all
    };
    let lane = json!({"edge_id": "edge-in", "plate": "29A12345"});
    match path {
        "/edge/barrier/open" | "/edge/detection" => lane,
        "/edge/barrier/close" => {
            json!({"edge_id": "edge-in", "event_id": "central-1_1_29A12345", "passed": true})
        }
        "/edge/heartbeat" => json!({"edge_id": "edge-in", "sent_at": "2026-11-22T08:00:00+07:00"}),
        "/edge/commands/{id}/ack" => json!({"edge_id": "edge-in"}),
        "/edge/webhooks/plate-recognizer" => json!({"hook": {"event": "recognition", "id": "x"},
            "data": {"camera_id": "cam-edge-in", "results": []}}),
        "/parking/fees/calculate" => json!({"rate_table": "car-mall", "entry": "2026-11-22T09:00:00+07:00",
            "exit": "2026-11-22T12:30:00+07:00", "vehicle_class": "car"}),
        "/parking/conflicts/replay" => {
            json!({"from": "2026-11-22T09:00:00+07:00", "to": "2026-11-22T12:00:00+07:00",
            "duplicate_window_ms": 90_000})
        }
        "/parking/policies" => {
            who(json!({"duplicate_window_ms": 90_000, "valid_from": "2026-11-22T09:00:00+07:00"}))
        }
        "/parking/sessions/{event_id}/correct-plate" => who(json!({"plate": "29A99999"})),
        "/parking/sessions/{event_id}/waive" => who(json!({"amount": 1000})),
        "/parking/sessions/{event_id}/uncollected" => who(json!({"amount": 1000})),
        "/parking/sessions/{event_id}/price" => who(json!({"fee": 1000})),
        "/parking/occupancy/corrections" => who(json!({"lot_id": "P01", "vehicle_class": "car", "delta": 1})),
        "/parking/unresolved/{id}" => who(json!({"action": "bind", "event_id": "central-1_1_29A12345"})),
        "/rights/lists" => who(json!({"kind": "block", "plate": "29A12345"})),
        "/rights/passes" => who(json!({"plates": ["29A12345"], "vehicle_class": "car",
            "valid_from": "2026-11-22T09:00:00+07:00", "valid_to": "2026-12-22T09:00:00+07:00"})),
        "/rights/antipassback" => who(json!({"state": "neutral", "plate": "29A12345"})),
        "/edges/modes" => who(json!({"edges": ["edge-in"], "mode": "normal"})),
        "/edges/{id}/commands" => who(json!({"command": "open"})),
        "/p2p/lost-ranges" => {
            who(json!({"central": "central-2", "incarnation": "0".repeat(32), "from": 1, "to": 2}))
        }
        "/p2p/config" => crate::harness::config(),
        "/edges" => json!({"items": crate::harness::config()["this_central"]["edges"]}),
        "/admin/tokens" => json!({"name": "x", "role": "viewer"}),
        _ => who(json!({})),
    }
}

fn request(rig: &Rig, method: &str, path: &str, token: &str) -> reqwest::RequestBuilder {
    let filled = path.replace("{event_id}", "central-1_1_29A12345").replace("{key_id}", "0a1b");
    let filled = filled.replace("{id}", if path.starts_with("/edges/") { "edge-in" } else { "0a1b" });
    let query = match path {
        "/parking/quote" => "?plate=29A12345",
        "/edge/commands" => "?edge_id=edge-in",
        "/p2p/test-connection" => "?peer_id=central-2",
        _ => "",
    };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let r = rig.request(method.clone(), &format!("/api/v1{filled}{query}"), Some(token));
    match path {
        "/p2p/bundles/import" => r.header("content-type", "application/octet-stream").body("nothing"),
        "/edge/batch" => r.json(
            &json!({"items": [{"path": "/api/v1/edge/barrier/open", "body": body("/edge/barrier/open")}]}),
        ),
        _ if method == Method::GET || method == Method::DELETE => r,
        _ => r.json(&body(path)),
    }
}

/// What each role may do, by hand and apart from the table in the gateway: method, path, least role.
const REACH: &[(&str, &str, usize)] = &[
    ("POST", "/edge/barrier/open", 1),
    ("POST", "/edge/barrier/close", 1),
    ("POST", "/edge/detection", 1),
    ("POST", "/edge/heartbeat", 3),
    ("GET", "/edge/commands", 3),
    ("POST", "/edge/commands/{id}/ack", 3),
    ("POST", "/edge/webhooks/plate-recognizer", 3),
    ("GET", "/parking/history", 0),
    ("GET", "/parking/sessions/{event_id}", 0),
    ("GET", "/parking/quote", 0),
    ("POST", "/parking/fees/calculate", 0),
    ("GET", "/parking/occupancy", 0),
    ("GET", "/parking/occupancy/corrections", 0),
    ("GET", "/parking/conflicts", 0),
    ("POST", "/parking/conflicts/replay", 0),
    ("GET", "/parking/policies", 0),
    ("GET", "/parking/stream", 0),
    ("GET", "/parking/unresolved", 0),
    ("GET", "/parking/payments", 0),
    ("GET", "/parking/shifts", 0),
    ("GET", "/parking/reports/reconciliation", 0),
    ("GET", "/rights/passes", 0),
    ("GET", "/rights/lists", 0),
    ("GET", "/rights/antipassback", 0),
    ("GET", "/reference/rate-tables", 0),
    ("GET", "/reference/subscriptions", 0),
    ("GET", "/edges", 0),
    ("GET", "/edges/{id}/commands", 0),
    ("GET", "/p2p/status", 0),
    ("GET", "/p2p/sync-state", 0),
    ("GET", "/p2p/storage", 0),
    ("GET", "/p2p/audit", 0),
    ("GET", "/p2p/lost-ranges", 0),
    ("POST", "/edges/{id}/commands", 1),
    ("POST", "/parking/sessions/{event_id}/correct-plate", 1),
    ("POST", "/parking/unresolved/{id}", 1),
    ("POST", "/parking/payments", 1),
    ("POST", "/parking/shifts", 1),
    ("POST", "/parking/sessions/{event_id}/void", 2),
    ("POST", "/parking/sessions/{event_id}/waive", 2),
    ("POST", "/parking/sessions/{event_id}/uncollected", 2),
    ("POST", "/parking/sessions/{event_id}/price", 2),
    ("POST", "/parking/sessions/{event_id}/soft-close", 2),
    ("POST", "/parking/sessions/{event_id}/reopen", 2),
    ("POST", "/parking/occupancy/corrections", 2),
    ("POST", "/parking/policies", 2),
    ("POST", "/rights/lists", 2),
    ("POST", "/rights/passes", 2),
    ("POST", "/rights/antipassback", 2),
    ("POST", "/edges/modes", 2),
    ("GET", "/reference/staff", 2),
    ("GET", "/p2p/config", 2),
    ("POST", "/p2p/audit", 2),
    ("POST", "/p2p/test-connection", 2),
    ("POST", "/p2p/bundles/import", 2),
    ("PUT", "/p2p/config", 3),
    ("PUT", "/edges", 3),
    ("POST", "/p2p/lost-ranges", 3),
    ("GET", "/parking/erasures", 3),
    ("POST", "/parking/erasures", 3),
    ("GET", "/admin/tokens", 3),
    ("POST", "/admin/tokens", 3),
    ("DELETE", "/admin/tokens/{id}", 3),
    ("GET", "/admin/edges/{id}/keys", 3),
    ("POST", "/admin/edges/{id}/keys", 3),
    ("DELETE", "/admin/edges/{id}/keys/{key_id}", 3),
    ("GET", "/admin/audit-log", 3),
];

#[tokio::test]
async fn each_role_reaches_as_far_as_it_should_on_every_route() {
    let rig = Rig::start().await;
    let roles = ["viewer", "attendant", "operator", "admin"];
    let mut tokens = Vec::new();
    for role in roles {
        tokens.push(token(&rig, role).await.0);
    }
    for (method, path, least) in REACH {
        for (n, role) in roles.iter().enumerate() {
            // Streams and 4xx of what is behind the door: only whether it opened counts. The body is not waited for.
            let r = request(&rig, method, path, &tokens[n]).send().await.unwrap();
            let (status, problem) =
                (r.status().as_u16(), r.headers()["content-type"] == "application/problem+json");
            let code = if problem {
                let body: Value = r.json().await.unwrap();
                let text = |k: &str| body[k].as_str().unwrap_or_default().to_owned();
                (text("code"), text("detail"), body["errors"].to_string())
            } else {
                Default::default()
            };
            let asked = format!("{method} {path} as {role}: {status} {code:?}");
            assert_ne!(code.0, "invalid_fields", "the body is wrong: {asked}");
            assert_ne!(status, 401, "{asked}");
            assert_eq!(code.0 == "forbidden", n < *least, "{asked}");
            if n < *least {
                assert_eq!(status, 403, "{asked}");
                assert!(code.1.contains(&format!("role {}", roles[*least])), "{asked}");
            }
        }
    }
}

#[tokio::test]
async fn the_rows_of_the_test_are_all_routes_of_the_document() {
    let doc: Value = serde_json::from_str(&edge_gateway::openapi_json()).unwrap();
    for (path, methods) in doc["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        for method in methods.as_object().unwrap().keys().map(|m| m.to_uppercase()) {
            // The document itself is open; exports and batches have tests of their own below.
            let apart = ["/openapi.json", "/p2p/bundles", "/edge/batch"].contains(&path);
            let known = REACH.iter().any(|(m, p, _)| *m == method && *p == path);
            assert!(known || apart, "{method} {path} has no row");
        }
    }
}

#[tokio::test]
async fn a_batch_and_an_export_need_their_roles_too() {
    let rig = Rig::start().await;
    let (viewer, _) = token(&rig, "viewer").await;
    let (operator, _) = token(&rig, "operator").await;
    let got = send(request(&rig, "POST", "/edge/batch", &operator)).await;
    let first = &got.body["results"][0];
    assert_eq!((&first["status"], &first["body"]["code"]), (&json!(403), &json!("forbidden")), "{got:?}");
    let got = send(request(&rig, "GET", "/p2p/bundles", &viewer)).await;
    assert_eq!((got.status, got.code()), (403, "forbidden"));
    assert!(rig.stand_ins.commands().is_empty(), "nothing reached the ledger");
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_hash_and_revoked_within_a_second() {
    let rig = Rig::start().await;
    let (text, id) = token(&rig, "viewer").await;
    assert!(text.starts_with(&format!("pmt_{id}_")) && text.len() == 4 + 10 + 1 + 64, "{text}");
    let kept = rig.stand_ins.grants();
    assert_eq!(kept[0].hash, wire::hash::Hash32::of(&[text.as_bytes()]));
    let looks = || send(rig.request(Method::GET, "/api/parking/history", Some(&text)));
    assert_eq!(looks().await.status, 200);
    let listed = rig.get(TOKENS).await;
    let secret = text.rsplit('_').next().unwrap();
    assert!(!listed.body.to_string().contains(secret), "shown once");
    assert_eq!(listed.body["items"][0]["state"], "good");
    assert_eq!(listed.body["items"][0]["role"], "viewer");

    let gone = delete(&rig, &format!("{TOKENS}/{id}")).await;
    assert_eq!((gone.status, &gone.body["state"]), (200, &json!("revoked")));
    assert_eq!(looks().await.status, 401, "revoked before the answer was out");
    assert_eq!(delete(&rig, &format!("{TOKENS}/ffffffffff")).await.code(), "unknown_token");
}

#[tokio::test]
async fn a_key_speaks_for_its_lanes_and_is_rotated_with_overlap() {
    let rig = Rig::start().await;
    let keys = "/api/v1/admin/edges/edge-in/keys";
    let made = rig.post(keys, &json!({"lanes": ["edge-both"], "note": "the box at gate 1"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let old = made.body["key"].as_str().unwrap().to_owned();
    let open = async |key: &str, edge: &str| {
        let way = if edge == "edge-both" { json!("entry") } else { Value::Null };
        let body = json!({"edge_id": edge, "plate": "29A12345", "direction": way});
        let got = rig.post_as(key, "/api/edge/barrier/open", &body).await;
        if got.status == 200 { "200".to_owned() } else { got.code().to_owned() }
    };
    assert_eq!(open(&old, "edge-in").await, "200");
    assert_eq!(open(&old, "edge-both").await, "200");
    assert_eq!(open(&old, "edge-out").await, "edge_mismatch");
    // The key of the configuration goes on.
    assert_eq!(open(&key("edge-in"), "edge-in").await, "200");

    let next = rig.post(keys, &json!({"replaces": made.body["id"], "overlap_s": 1})).await;
    let new = next.body["key"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    assert_eq!(open(&old, "edge-in").await, "200", "both are good");
    assert_eq!(open(&new, "edge-in").await, "200");
    until("the old one has ended", async || open(&old, "edge-in").await == "unauthenticated").await;
    assert!(begun.elapsed() >= Duration::from_millis(500), "not before its end");
    assert_eq!(open(&new, "edge-in").await, "200");

    let listed = rig.get(keys).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    let id = next.body["id"].as_str().unwrap();
    assert_eq!(delete(&rig, &format!("{keys}/{id}")).await.status, 200);
    assert_eq!(open(&new, "edge-in").await, "unauthenticated");
    let bad = rig.post(keys, &json!({"replaces": "ffffffffff"})).await;
    assert_eq!(bad.code(), "unknown_key");
    assert_eq!(rig.post("/api/admin/edges/edge-9/keys", &json!({})).await.code(), "unknown_edge");
    let bad = rig
        .post(keys, &json!({"lanes": ["edge-9"], "overlap_s": -1, "expires_at": "2020-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        bad.faults(),
        ["/lanes/0 unknown_value", "/overlap_s out_of_range", "/expires_at out_of_range"]
    );
}

#[tokio::test]
async fn known_keys_go_on_while_the_ledger_is_away_and_over_a_restart() {
    let folder = std::env::temp_dir().join(format!("gateway-doors-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("access.json");
    let cache = [("ACCESS_CACHE_FILE", file.to_str().unwrap())];
    let rig = Rig::with(&cache).await;
    let (text, _) = token(&rig, "viewer").await;
    rig.stand_ins.doors(false);
    let edges = async |rig: &Rig| send(rig.request(Method::GET, "/api/edges", Some(&text))).await;
    assert_eq!(edges(&rig).await.status, 200);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(text.rsplit('_').next().unwrap()), "hashes alone");
    drop(rig);
    // Another gateway, whose ledger never says anything.
    let rig = Rig::begin(&cache, false).await;
    assert_eq!(edges(&rig).await.status, 200, "from the file");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_key_of_our_form_is_not_called_unknown_before_the_ledger_spoke() {
    let rig = Rig::begin(&[], false).await;
    let (text, _) = wire::access::Prefix::Key.write([1; 5], [2; 32]);
    let got = send(rig.request(Method::GET, "/api/parking/quote?plate=1", Some(&text))).await;
    assert_eq!((got.status, got.code()), (503, "no_ledger"));
    let got = send(rig.request(Method::GET, "/api/parking/quote?plate=1", Some("guess"))).await;
    assert_eq!((got.status, got.code()), (401, "unauthenticated"));
}

#[tokio::test]
async fn a_stream_ends_with_the_token_it_was_opened_with() {
    let rig = Rig::start().await;
    let (text, id) = token(&rig, "viewer").await;
    let r = rig.request(Method::GET, "/api/parking/stream", Some(&text)).send().await.unwrap();
    assert_eq!(r.status().as_u16(), 200);
    let mut body = r.bytes_stream();
    assert!(body.next().await.unwrap().is_ok(), "the position comes first");
    assert_eq!(delete(&rig, &format!("{TOKENS}/{id}")).await.status, 200);
    let ended = tokio::time::timeout(Duration::from_secs(3), async { while body.next().await.is_some() {} });
    ended.await.expect("the stream ends");
}

/// A plate with time and place is personal data: who looks for one is written down, and why, and not which.
#[tokio::test]
async fn who_searches_for_a_plate_is_written_down_with_the_reason() {
    let rig = Rig::start().await;
    let (viewer, id) = token(&rig, "viewer").await;
    for path in [
        "/api/parking/history?plate=29A-555.55&reason=police%20file%2012%00",
        "/api/parking/quote?plate=29A55555",
        "/api/parking/history?status=INSIDE&plate=",
        "/api/parking/occupancy",
    ] {
        assert_eq!(send(rig.request(Method::GET, path, Some(&viewer))).await.status, 200, "{path}");
    }
    let lane = key("edge-out");
    let asked = rig.request(Method::GET, "/api/parking/quote?plate=29A55555", Some(&lane));
    assert_eq!(send(asked).await.status, 200);
    until("both are written down", async || rig.stand_ins.acts().len() == 3).await;
    let acts = rig.stand_ins.acts();
    let searches: Vec<_> = acts.iter().filter(|a| a.action == "plate.search").collect();
    assert_eq!(
        searches.iter().map(|a| (a.who.as_str(), a.detail.as_deref().unwrap())).collect::<Vec<_>>(),
        [
            (format!("token:{id}").as_str(), "/parking/history: police file 12"),
            (format!("token:{id}").as_str(), "/parking/quote: no reason given"),
        ]
    );
    assert!(!format!("{acts:?}").contains("555"), "no plate: {acts:?}");
}

#[tokio::test]
async fn an_edit_of_the_configuration_file_is_written_down_and_a_put_is_not_twice() {
    let rig = Rig::start().await;
    let edited = |edit: fn(&mut Value)| {
        let mut value = config();
        edit(&mut value);
        Arc::new(P2pConfig::parse(value.to_string().as_bytes()).unwrap())
    };
    let by_hand = edited(|c| {
        c["this_central"]["edges"][0]["key_sha256"] = "c".repeat(64).into();
        c["peer_centrals"][0]["disabled"] = true.into();
    });
    rig.config.send_replace(by_hand);
    until("the edit is written down", async || rig.stand_ins.acts().len() == 1).await;
    let act = rig.stand_ins.acts().remove(0);
    assert_eq!((act.action.as_str(), act.who.as_str(), act.status), ("config.file", "file", 200));
    let named = "edges/edge-in/key_sha256, peer_centrals/central-2/disabled";
    assert_eq!(act.detail.as_deref(), Some(named), "names and no values");

    // A PUT is an act of its own; that it arrives as a change of the file is none.
    let put = edited(|c| c["peer_centrals"][0]["disabled"] = true.into());
    let body = serde_json::to_value(&*put).unwrap();
    let r = send(rig.request(Method::PUT, "/api/p2p/config", Some(ADMIN)).json(&body)).await;
    assert_eq!(r.status, 200);
    rig.config.send_replace(put);
    // One thread: what was woken before has run when this is answered.
    assert_eq!(rig.get("/api/edges").await.status, 200);
    // The next edit by hand comes after it.
    rig.config.send_replace(edited(|c| c["this_central"]["time_zone"] = "Asia/Bangkok".into()));
    until("both are written down", async || rig.stand_ins.acts().len() >= 3).await;
    let acts = rig.stand_ins.acts();
    let mut actions: Vec<&str> = acts.iter().map(|a| a.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["config.file", "config.file", "config.put"]);
    let last = acts.iter().filter_map(|a| a.detail.as_deref()).find(|d| *d != named);
    assert_eq!(last, Some("peer_centrals/central-2/disabled, this_central/time_zone"));
    let shown = rig.get("/api/admin/audit-log").await;
    assert_eq!(shown.body["items"].as_array().unwrap().len(), 3, "{shown:?}");
}

#[tokio::test]
async fn every_act_is_written_down_without_secrets_or_plates() {
    let rig = Rig::start().await;
    let (viewer, id) = token(&rig, "viewer").await;
    rig.stand_ins.doors(false);
    // While the ledger is away acts wait; nothing is refused for that.
    let block = json!({"kind": "block", "plate": "29A55555", "staff_id": "s1", "pin": "4711", "reason": "stolen car"});
    assert_eq!(rig.post("/api/rights/lists", &block).await.status, 200);
    assert_eq!(rig.post_as(&viewer, "/api/rights/lists", &block).await.status, 403);
    rig.stand_ins.doors(true);
    assert_eq!(delete(&rig, &format!("{TOKENS}/{id}")).await.status, 200);
    until("all are written down", async || rig.stand_ins.acts().len() == 4).await;
    let mut acts: Vec<_> = rig
        .stand_ins
        .acts()
        .into_iter()
        .map(|a| format!("{} {} {} {}", a.action, a.who, a.status, a.result))
        .collect();
    acts.sort();
    assert_eq!(
        acts,
        [
            "rights.list admin 200 ok".to_owned(),
            format!("rights.list token:{id} 403 forbidden"),
            "token.create admin 201 ok".to_owned(),
            "token.revoke admin 200 ok".to_owned(),
        ]
    );
    let all = format!("{:?}", rig.stand_ins.acts());
    for secret in ["29A55555", "4711", ADMIN, viewer.rsplit('_').next().unwrap()] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(rig.stand_ins.acts().iter().all(|a| a.address.as_deref() == Some("127.0.0.1")), "{all}");
    let shown = rig.get("/api/admin/audit-log").await;
    assert_eq!(shown.body["items"].as_array().unwrap().len(), 4, "{shown:?}");
}
