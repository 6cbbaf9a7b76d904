//! Ledger or bus away: an answer within a second, and what the lane does now.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wire::http::Degraded;

use crate::harness::{Got, Rig, key, send, until};
use crate::stand_ins::LedgerMood;

async fn open(rig: &Rig, edge: &str, extra: Value) -> Got {
    let mut body = json!({"edge_id": edge, "plate": "29A12345"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let begun = Instant::now();
    let got = rig.post("/api/edge/barrier/open", &body).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "answered after {:?}", begun.elapsed());
    assert_eq!((got.status, got.code()), (503, "no_ledger"));
    got
}

fn wish(got: &Got) -> (&str, &str, bool) {
    let b = &got.body;
    (b["decision"].as_str().unwrap(), b["barrier"].as_str().unwrap(), b["recorded"].as_bool().unwrap())
}

#[tokio::test]
async fn the_lane_is_told_what_to_do() {
    let rig = Rig::start().await;
    for mood in [LedgerMood::Silent, LedgerMood::Unavailable] {
        rig.stand_ins.mood(mood);
        assert_eq!(wish(&open(&rig, "edge-in", json!({})).await), ("open", "open", false));
        assert_eq!(wish(&open(&rig, "edge-out", json!({})).await), ("ask_staff", "keep_closed", false));
        assert_eq!(wish(&open(&rig, "edge-deny", json!({})).await), ("deny", "keep_closed", false));
        let exit = json!({"direction": "exit"});
        assert_eq!(wish(&open(&rig, "edge-both", exit).await), ("ask_staff", "keep_closed", false));
    }
}

#[tokio::test]
async fn what_the_lane_decided_alone_is_marked_when_it_is_recorded() {
    let rig = Rig::start().await;
    let body = json!({"edge_id": "edge-in", "plate": "29A12345"});
    let edge_key = key("edge-in");
    let send_with = async |key: Option<&str>| {
        let request = rig.request(reqwest::Method::POST, "/api/edge/barrier/open", Some(&edge_key));
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        send(request.json(&body)).await.status
    };
    let marked = || {
        let e = rig.stand_ins.last_command();
        e.degraded.contains(&Degraded::NoLedger)
    };
    for key in [Some("k-1"), None] {
        rig.stand_ins.mood(LedgerMood::Unavailable);
        assert_eq!(send_with(key).await, 503);
        assert!(!marked());
        rig.stand_ins.mood(LedgerMood::Answers);
        assert_eq!(send_with(key).await, 200);
        assert!(marked());
        // Another vehicle, or the next time.
        assert_eq!((send_with(Some("k-2")).await, marked()), (200, false));
        assert_eq!((send_with(key).await, marked()), (200, false));
    }
    // What a lane spooled it decided alone, too.
    let items = json!({"items": [{"path": "barrier/open", "idempotency_key": "k-3", "body": body}]});
    assert_eq!(rig.post_as(&edge_key, "/api/edge/batch", &items).await.status, 200);
    assert!(marked());
}

/// A lane repeats the same bytes until it is answered. What it did the first time is recorded with the time of the first time.
#[tokio::test]
async fn what_was_opened_without_ledger_is_a_late_delivery_when_it_comes_again() {
    let rig = Rig::start().await;
    let ms = |at: i64| jiff::Timestamp::from_millisecond(at).unwrap().to_string();
    let now = kit::clock::now_ms();
    let seen = |e: &wire::bus::command::CommandEnvelope| match &e.command {
        wire::bus::command::Command::Open { seen, spooled, .. } => (seen.captured_at, seen.sent_at, *spooled),
        other => panic!("{other:?}"),
    };
    for (edge, spooled) in [("edge-in", true), ("edge-out", false)] {
        let body = json!({"edge_id": edge, "plate": "29A12345", "captured_at": ms(now - 300), "sent_at": ms(now - 100)});
        rig.stand_ins.mood(LedgerMood::Unavailable);
        let first = Instant::now();
        open(&rig, edge, body.clone()).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        open(&rig, edge, body.clone()).await;
        rig.stand_ins.mood(LedgerMood::Answers);
        assert_eq!(rig.post("/api/edge/barrier/open", &body).await.status, 200);
        let waited = i64::try_from(first.elapsed().as_millis()).unwrap();
        let (captured, sent, told) = seen(&rig.stand_ins.last_command());
        assert_eq!((captured, told), (Some(now - 300), spooled), "{edge}");
        let sent = sent.unwrap() - (now - 100);
        assert!((400..=waited).contains(&sent), "{edge}: waiting of {waited} ms is no skew, sent +{sent} ms");
        // Sent anew, it is another request of the same name.
        assert_eq!(rig.post("/api/edge/barrier/open", &body).await.status, 200);
        assert_eq!(seen(&rig.stand_ins.last_command()), (Some(now - 300), Some(now - 100), false), "{edge}");
    }
}

#[tokio::test]
async fn a_late_delivery_never_opens() {
    let rig = Rig::start().await;
    rig.stand_ins.mood(LedgerMood::Unavailable);
    let late = json!({"captured_at": "2026-11-22T08:00:00Z", "sent_at": "2026-11-22T08:00:31Z"});
    assert_eq!(wish(&open(&rig, "edge-in", late).await), ("ask_staff", "keep_closed", false));
}

#[tokio::test]
async fn everything_else_is_answered_within_a_second_too() {
    let rig = Rig::start().await;
    rig.stand_ins.mood(LedgerMood::Silent);
    rig.stand_ins.answer(false, true, true);
    for path in ["edge/barrier/close", "edge/detection", "parking/fees/calculate", "parking/sessions/x/void"]
    {
        let body = json!({"edge_id": "edge-in", "plate": "1", "rate_table": "car-mall", "entry": "2026-11-22T08:00:00Z",
            "exit": "2026-11-22T09:00:00Z", "vehicle_class": "car", "staff_id": "anna", "reason": "x"});
        let begun = Instant::now();
        let got = rig.post(&format!("/api/{path}"), &body).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{path}");
        assert_eq!((got.status, got.code()), (503, "no_ledger"), "{path}");
        assert!(got.body.get("barrier").is_none(), "{path} moves no barrier");
    }
    for path in ["history", "sessions/x", "quote?plate=1", "occupancy", "conflicts", "stream"] {
        let begun = Instant::now();
        let got = rig.get(&format!("/api/parking/{path}")).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{path}");
        assert_eq!((got.status, got.code()), (503, "no_ledger"), "{path}");
    }
}

#[tokio::test]
async fn without_a_bus_the_answer_comes_at_once_and_it_heals() {
    let mut rig = Rig::start().await;
    rig.nats.kill();
    until("the loss is seen", async || rig.get("/readyz").await.status == 503).await;
    assert_eq!(rig.get("/readyz").await.body["missing"], json!(["bus"]));
    assert_eq!(rig.get("/livez").await.status, 200);
    let begun = Instant::now();
    assert_eq!(wish(&open(&rig, "edge-in", json!({})).await), ("open", "open", false));
    assert!(begun.elapsed() < Duration::from_millis(200));
    rig.nats.up();
    let body = json!({"edge_id": "edge-in", "plate": "29A12345"});
    until("it works again", async || rig.post("/api/edge/barrier/open", &body).await.status == 200).await;
}
