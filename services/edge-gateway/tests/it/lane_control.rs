//! What lanes are told, how they work, and what nobody explained: as callers meet it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wire::bus::command::Command;
use wire::bus::lanes::{LaneModeNow, LanesHeard};
use wire::bus::query::LedgerQuery;
use wire::bus::subject;
use wire::event::{LaneMode, LaneOrder, LaneOutcome};

use crate::harness::{ADMIN, Rig, key, send, until};
use crate::stand_ins::LedgerMood;

fn out(id: &str, command: &str) -> Value {
    json!({"command_id": id.repeat(32), "command": command, "event_id": null, "sent_at": "2026-11-22T08:00:00.000+07:00",
        "expires_at": "2026-11-22T08:00:10.000+07:00"})
}

/// One lane's stream.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn of(rig: &Rig, edge: &str) -> Self {
        let path = format!("/api/edge/commands?edge_id={edge}");
        let response = rig.request(Method::GET, &path, Some(&key(edge))).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { response, text: String::new() }
    }

    /// True when it came, false when the stream ended before.
    async fn until(&mut self, wanted: &str) -> bool {
        let read = async {
            while !self.text.contains(wanted) {
                match self.response.chunk().await {
                    Ok(Some(chunk)) => self.text.push_str(std::str::from_utf8(&chunk).unwrap()),
                    _ => return false,
                }
            }
            true
        };
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap_or_else(|_| panic!("in vain: {wanted}"))
    }
}

#[tokio::test]
async fn a_lane_hears_each_command_once_and_acknowledges_it() {
    let rig = Rig::start().await;
    rig.stand_ins.for_lane("edge-in", out("a", "hold_open"));
    let mut s = Stream::of(&rig, "edge-in").await;
    assert!(s.until("hold_open").await);
    // Nobody calls out: it is found all the same.
    rig.stand_ins.for_lane("edge-in", out("b", "open"));
    assert!(s.until("\"command\":\"open\"").await);
    assert_eq!(s.text.matches("event: command").count(), 2, "{}", s.text);
    let data: Value = s
        .text
        .lines()
        .filter_map(|l| l.strip_prefix("data: "))
        .next_back()
        .map(|d| serde_json::from_str(d).unwrap())
        .unwrap();
    assert_eq!(data, out("b", "open"));
    // What was told on this connection is not asked for again: the next look says so.
    until("a look that names both", async || {
        let looks = rig.stand_ins.commands().into_iter().filter_map(|c| match c.command {
            Command::NextForLane { edge_id, told } => Some((edge_id, told.len())),
            _ => None,
        });
        looks.last() == Some(("edge-in".to_owned(), 2))
    })
    .await;

    let ack = format!("/api/edge/commands/{}/ack", "b".repeat(32));
    let got = rig.post_as(&key("edge-in"), &ack, &json!({"outcome": "failed", "detail": "arm fault"})).await;
    assert_eq!(got.status, 200, "{got:?}");
    let ended = rig.stand_ins.commands().into_iter().find_map(|c| match c.command {
        Command::EndLaneCommand { id, edge_id, outcome, detail } => Some((id, edge_id, outcome, detail)),
        _ => None,
    });
    let (id, edge, outcome, detail) = ended.unwrap();
    assert_eq!((id.to_string(), edge.as_str()), ("b".repeat(32), "edge-in"));
    assert_eq!((outcome, detail.as_deref()), (LaneOutcome::Failed, Some("arm fault")));
    // Without a body it was done.
    let bare = rig.request(Method::POST, &ack, Some(&key("edge-in")));
    assert_eq!(send(bare).await.status, 200);
}

#[tokio::test]
async fn a_new_stream_of_a_lane_ends_the_one_before() {
    let rig = Rig::start().await;
    let mut first = Stream::of(&rig, "edge-in").await;
    let mut other = Stream::of(&rig, "edge-out").await;
    let mut second = Stream::of(&rig, "edge-in").await;
    assert!(!first.until("event: command").await, "it ends");
    rig.stand_ins.for_lane("edge-in", out("c", "close"));
    rig.stand_ins.for_lane("edge-out", out("d", "close"));
    let news = json!({"epoch": "", "after": 0, "events": [], "holdings": []});
    rig.stand_ins.bus.publish_json(subject::EVENTS_STORED, &news).await.unwrap();
    assert!(second.until("event: command").await);
    assert!(other.until("event: command").await, "another lane's goes on");
}

#[tokio::test]
async fn a_key_is_for_its_own_lane() {
    let rig = Rig::start().await;
    let get = async |path: &str, token: &str| send(rig.request(Method::GET, path, Some(token))).await;
    assert_eq!(get("/api/edge/commands?edge_id=edge-out", &key("edge-in")).await.code(), "edge_mismatch");
    assert_eq!(get("/api/edge/commands?edge_id=nope", ADMIN).await.code(), "unknown_edge");
    assert_eq!(get("/api/edge/commands", ADMIN).await.faults(), ["/edge_id missing"]);
    let ack = format!("/api/edge/commands/{}/ack", "a".repeat(32));
    let other = json!({"edge_id": "edge-out"});
    assert_eq!(rig.post_as(&key("edge-in"), &ack, &other).await.code(), "edge_mismatch");
    assert_eq!(rig.post(&ack, &json!({})).await.faults(), ["/edge_id missing"]);
    let got = rig.post_as(&key("edge-in"), "/api/edge/commands/nope/ack", &json!({})).await;
    assert_eq!((got.status, got.code()), (404, "unknown_command"));
    let got = rig.post_as(&key("edge-in"), &ack, &json!({"outcome": "perhaps"})).await;
    assert_eq!(got.faults(), ["/outcome unknown_value"]);
    let tell = json!({"command": "open", "staff_id": "anna", "reason": "x"});
    for path in ["/api/edges/edge-in/commands", "/api/edges/modes", "/api/parking/unresolved/x"] {
        let mut body = tell.clone();
        (body["mode"], body["action"]) = ("normal".into(), "dismiss".into());
        assert_eq!(rig.post_as(&key("edge-in"), path, &body).await.code(), "forbidden", "{path}");
    }
    assert_eq!(get("/api/parking/unresolved", &key("edge-in")).await.code(), "forbidden");
}

#[tokio::test]
async fn without_the_ledger_no_stream_begins() {
    let rig = Rig::start().await;
    rig.stand_ins.mood(LedgerMood::Unavailable);
    let r = rig.request(Method::GET, "/api/edge/commands?edge_id=edge-in", Some(&key("edge-in")));
    assert_eq!(send(r).await.code(), "no_ledger");
}

#[tokio::test]
async fn a_person_tells_a_lane() {
    let rig = Rig::start().await;
    let body = json!({"command": "open", "event_id": "central-1_1_29A12345", "expires_in_s": 20, "staff_id": "anna", "pin": "1",
        "reason": "lost ticket"});
    assert_eq!(rig.post("/api/edges/edge-out/commands", &body).await.status, 200);
    let e = rig.stand_ins.last_command();
    assert_eq!((e.principal.as_str(), e.path.as_str()), ("admin", "/api/v1/edges/{id}/commands"));
    let Command::TellLane { edge_id, order, event_id, expires_in_ms, staff_id, pin, reason } = e.command
    else {
        panic!("a command")
    };
    assert_eq!((edge_id.as_str(), order, expires_in_ms), ("edge-out", LaneOrder::Open, 20_000));
    assert_eq!((event_id.as_deref(), staff_id.as_str()), (Some("central-1_1_29A12345"), "anna"));
    assert_eq!((pin.as_deref(), reason.as_str()), (Some("1"), "lost ticket"));
    for (change, fault) in [
        (json!({"command": null}), "/command missing"),
        (json!({"command": "hold_open"}), "/command unknown_value"),
        (json!({"expires_in_s": 61}), "/expires_in_s out_of_range"),
        (json!({"reason": null}), "/reason missing"),
        (json!({"staff_id": ""}), "/staff_id empty"),
    ] {
        let mut wrong = body.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(rig.post("/api/edges/edge-out/commands", &wrong).await.faults(), [fault]);
    }
    assert_eq!(rig.post("/api/edges/nope/commands", &body).await.code(), "unknown_edge");
    assert_eq!(rig.get("/api/edges/edge-out/commands?limit=7").await.status, 200);
    assert_eq!(
        rig.stand_ins.last_query(),
        LedgerQuery::LaneCommands { edge_id: "edge-out".into(), limit: 7 }
    );
}

#[tokio::test]
async fn modes_are_set_for_lanes_a_car_park_or_all() {
    let rig = Rig::start().await;
    let all = ["edge-in", "edge-out", "edge-both", "edge-deny"];
    for (which, want) in [
        (json!({"edges": ["edge-out", "edge-in", "edge-in"]}), &["edge-in", "edge-out"][..]),
        (json!({"lot_id": "P01"}), &all),
        (json!({}), &all),
    ] {
        let mut body = json!({"mode": "emergency", "staff_id": "anna", "reason": "fire"});
        body.as_object_mut().unwrap().extend(which.as_object().unwrap().clone());
        assert_eq!(rig.post("/api/edges/modes", &body).await.status, 200);
        let Command::SetLaneMode { edges, mode, .. } = rig.stand_ins.last_command().command else {
            panic!("a mode")
        };
        assert_eq!((edges, mode), (want.iter().map(|e| (*e).to_owned()).collect(), LaneMode::Emergency));
    }
    let body = |extra: Value| {
        let mut body = json!({"mode": "closed", "staff_id": "anna", "reason": "x"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let post = async |extra: Value| rig.post("/api/edges/modes", &body(extra)).await;
    assert_eq!(post(json!({"mode": "half"})).await.faults(), ["/mode unknown_value"]);
    assert_eq!(post(json!({"edges": []})).await.faults(), ["/edges empty"]);
    assert_eq!(post(json!({"edges": [1]})).await.faults()[0], "/edges/0 wrong_type");
    assert_eq!(
        post(json!({"edges": ["edge-in"], "lot_id": "P01"})).await.faults(),
        ["/lot_id invalid_value"]
    );
    assert_eq!(post(json!({"edges": ["edge-in", "nope"]})).await.code(), "unknown_edge");
    assert_eq!(post(json!({"lot_id": "P99"})).await.code(), "unknown_edge");
}

#[tokio::test]
async fn the_mode_shows_and_stands_when_the_ledger_is_away() {
    let rig = Rig::start().await;
    let set = |edge: &str, mode| LaneModeNow {
        edge_id: edge.into(),
        mode,
        since: 1_795_309_200_000,
        staff_id: "anna".into(),
        reason: "fire".into(),
    };
    rig.stand_ins.modes(vec![set("edge-out", LaneMode::Emergency), set("edge-in", LaneMode::Closed)]);
    until("the gateway knows", async || rig.get("/api/edges").await.body["items"][1]["mode"] == "emergency")
        .await;
    let edges = rig.get("/api/edges").await.body;
    assert_eq!(edges["items"][1]["mode_set"]["staff_id"], "anna");
    assert_eq!(
        (&edges["items"][2]["mode"], &edges["items"][2]["mode_set"]),
        (&json!("normal"), &Value::Null)
    );
    rig.stand_ins.mood(LedgerMood::Unavailable);
    let open = async |edge: &str| {
        let got = rig.post("/api/edge/barrier/open", &json!({"edge_id": edge, "plate": "1"})).await;
        assert_eq!(got.code(), "no_ledger");
        (got.body["decision"].clone(), got.body["barrier"].clone())
    };
    assert_eq!(open("edge-out").await, (json!("open"), json!("open")), "fire: whatever the lane is set to");
    assert_eq!(open("edge-in").await, (json!("deny"), json!("keep_closed")));
}

#[tokio::test]
async fn what_nobody_explained_is_bound_or_dismissed() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/api/parking/unresolved?days=3&central=central-2&limit=9").await.status, 200);
    let want = LedgerQuery::Unresolved { days: 3, central: Some("central-2".into()), limit: 9 };
    assert_eq!(rig.stand_ins.last_query(), want);
    assert_eq!(rig.get("/api/parking/unresolved?days=91").await.faults(), ["/days out_of_range"]);
    let path = format!("/api/parking/unresolved/{}", "a".repeat(32));
    let staff = |extra: Value| {
        let mut body = json!({"staff_id": "anna", "reason": "seen"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let bind = staff(json!({"action": "bind", "event_id": "central-1_1_29A12345"}));
    assert_eq!(rig.post(&path, &bind).await.status, 200);
    let Command::Resolve { id, event_id, .. } = rig.stand_ins.last_command().command else {
        panic!("resolved")
    };
    assert_eq!((id.to_string(), event_id.as_deref()), ("a".repeat(32), Some("central-1_1_29A12345")));
    assert_eq!(rig.post(&path, &staff(json!({"action": "dismiss"}))).await.status, 200);
    for (body, fault) in [
        (json!({"action": "bind"}), "/event_id missing"),
        (json!({"action": "dismiss", "event_id": "x"}), "/event_id invalid_value"),
        (json!({"action": "forget"}), "/action unknown_value"),
    ] {
        assert_eq!(rig.post(&path, &staff(body)).await.faults(), [fault]);
    }
    let nothing = rig.post("/api/parking/unresolved/x", &bind).await;
    assert_eq!((nothing.status, nothing.code()), (404, "unknown_passage"));
}

#[tokio::test]
async fn a_close_may_say_that_another_vehicle_followed() {
    let rig = Rig::start().await;
    let body = json!({"edge_id": "edge-in", "tailgate": true});
    assert_eq!(rig.post("/api/edge/barrier/close", &body).await.status, 200);
    let Command::Close { tailgate, .. } = rig.stand_ins.last_command().command else { panic!("a closing") };
    assert!(tailgate);
    let body = json!({"edge_id": "edge-in", "tailgate": true, "passed": false});
    assert_eq!(rig.post("/api/edge/barrier/close", &body).await.faults(), ["/tailgate invalid_value"]);
}

#[tokio::test]
async fn what_lanes_said_before_a_restart_is_remembered_and_what_is_new_is_told() {
    let rig = Rig::start().await;
    let mut told = rig.stand_ins.bus.subscribe(subject::LANES_HEARD).await.unwrap();
    rig.stand_ins.bus.flush().await;
    let beat = json!({"edge_id": "edge-in", "queue": 3, "barrier": "closed", "camera": "ok"});
    assert_eq!(rig.post_as(&key("edge-in"), "/api/edge/heartbeat", &beat).await.status, 200);
    let news = tokio::time::timeout(Duration::from_secs(10), told.next()).await.unwrap().unwrap();
    let news: LanesHeard = news.json().unwrap();
    assert_eq!((news.lanes.len(), news.lanes[0].queue), (1, Some(3)));
    let seen = async || rig.get("/api/edges").await.body["items"][0]["last_heartbeat"]["last_seen"].clone();
    let before = seen().await;
    // Any other request of the lane is a sign of life, a person's is not.
    rig.post("/api/edge/detection", &json!({"edge_id": "edge-in", "plate": "1"})).await;
    assert_eq!(seen().await, before);
    until("the lane lives", async || {
        rig.post_as(&key("edge-in"), "/api/edge/detection", &json!({"edge_id": "edge-in", "plate": "1"}))
            .await;
        seen().await != before
    })
    .await;
}
