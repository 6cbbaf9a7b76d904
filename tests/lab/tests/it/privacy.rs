//! No plate leaves the database and the answers: whatever the services, Postgres and NATS write at their most talkative, and whatever
//! goes out as traces and metrics, is searched for every plate that was sent, in every writing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lab::process::Signal;
use lab::topology::Service;
use lab::{Lab, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::otlp::{Receiver, talkative};
use crate::support::{central, start, traffic};

const OPEN: &str = "/api/edge/barrier/open";
const CLOSE: &str = "/api/edge/barrier/close";

/// Plates as they are sent, each with its key: numbers no address, port or time of the lab will ever be.
const PLATES: [(&str, &str); 6] = [
    ("29A-731.57", "29A73157"),
    ("3OA-l73.5S", "30A17355"),
    ("51f 973 64", "51F97364"),
    ("29-MĐ1 735.81", "29MD173581"),
    ("80-NN-736-19", "80736NN19"),
    ("xyzzy-73757-plugh", "XYZZY73757PLUGH"),
];

/// What must not be found, in any case.
fn writings() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (raw, key) in PLATES {
        all.extend([raw.to_lowercase(), key.to_lowercase()]);
        // As a query string writes it.
        all.push(raw.to_lowercase().replace(' ', "%20"));
        all.push(raw.to_lowercase().replace(' ', "+"));
    }
    // The human form of what was sent otherwise.
    all.extend(["30a-173.55", "51f-973.64", "29-md1 735.81"].map(str::to_owned));
    all.sort();
    all.dedup();
    all
}

async fn say(lab: &Lab, number: u16, edge: &str, path: &str, body: &Value) -> Value {
    lab.lane(central(number), edge).post(path, None, body).await.map_or(Value::Null, |a| a.body)
}

/// Cars, misreads, staff, mistakes: everything that has a plate in it.
async fn everything(lab: &Lab) {
    for (i, (raw, key)) in PLATES.iter().enumerate() {
        let number = u16::try_from(i % 3 + 1).unwrap();
        let (entry, exit) = (format!("edge-{}", 4 * number - 3), format!("edge-{}", 4 * number - 1));
        let admin = lab.admin(central(number));
        let car = json!({"edge_id": entry, "plate": raw, "candidates": [{"plate": raw}], "credential": {"type": "card", "id": raw}});
        say(lab, number, &entry, "/api/edge/detection", &car).await;
        let entered = say(lab, number, &entry, OPEN, &car).await;
        let event_id = entered["event_id"].as_str().unwrap_or_else(|| panic!("{entered}")).to_owned();
        say(lab, number, &entry, CLOSE, &json!({"edge_id": entry, "event_id": event_id})).await;

        // Wrong: bodies that cannot be read, fields of another kind, too long, another lane's, another's key.
        let lane = lab.lane(central(number), &entry);
        let torn = lane.request(Method::POST, OPEN).header("Content-Type", "application/json");
        let _ = torn.body(format!("{{\"edge_id\": \"{entry}\", \"plate\": \"{raw}\", ")).send().await;
        let plain = lane.request(Method::POST, OPEN).header("Content-Type", "text/plain");
        let _ = plain.body((*raw).to_owned()).send().await;
        for body in [
            json!({"edge_id": entry, "plate": {"text": raw}}),
            json!({"edge_id": entry, "plate": raw.repeat(12)}),
            json!({"edge_id": raw, "plate": raw}),
            json!({"edge_id": entry, "plate": raw, "captured_at": raw, "vehicle_class": raw, "direction": raw}),
            json!({"edge_id": "edge-1000", "plate": raw}),
        ] {
            say(lab, number, &entry, OPEN, &body).await;
        }
        for key in ["one-key", "one-key"] {
            let _ = lane.post(OPEN, Some(key), &json!({"edge_id": entry, "plate": raw})).await;
        }
        let items =
            json!({"items": [{"path": "barrier/open", "body": car}, {"path": "nowhere", "body": car}]});
        say(lab, number, &entry, "/api/edge/batch", &items).await;
        let hook = json!({"hook": {"event": "recognition"}, "data": {"camera_id": raw, "results": [{"plate": raw, "score": 0.9}]}});
        let _ = admin.post("/api/edge/webhooks/plate-recognizer", None, &hook).await;

        // Questions with plates in the address, right and wrong.
        for path in [
            "/api/parking/history?plate={}",
            "/api/parking/history?plate={}&status={}&from={}",
            "/api/parking/quote?plate={}",
            "/api/parking/nowhere/{}?plate={}",
            "/api/rights/lists?plate={}&kind={}",
            "/api/rights/passes?plate={}",
            "/api/rights/antipassback?plate={}",
            "/api/parking/sessions/{}",
        ] {
            let raw = raw.replace(' ', "%20");
            let _ = admin.get(&path.replace("{}", &raw)).await;
            let _ = admin.get(&path.replace("{}", key)).await;
        }
        let _ = admin.get(&format!("/api/parking/sessions/{event_id}")).await;
        let _ = admin.request(Method::DELETE, &format!("/api/parking/sessions/{event_id}")).send().await;

        // Staff.
        let by = |more: Value| {
            let mut body = json!({"staff_id": "s1", "reason": format!("the driver of {raw} says so")});
            for (k, v) in more.as_object().unwrap() {
                body[k] = v.clone();
            }
            body
        };
        for (path, more) in [
            ("correct-plate", json!({"plate": raw})),
            ("price", json!({"fee": 5_000})),
            ("waive", json!({"amount": 1})),
            ("soft-close", json!({})),
            ("reopen", json!({})),
        ] {
            let _ = admin.post(&format!("/api/parking/sessions/{event_id}/{path}"), None, &by(more)).await;
        }
        let watch = by(json!({"kind": "watch", "plate": raw}));
        let _ = admin.post("/api/rights/lists", None, &watch).await;
        let _ = admin
            .post("/api/rights/antipassback", None, &by(json!({"state": "neutral", "plate": raw})))
            .await;
        let _ = admin.get("/api/p2p/status").await;

        // Misread at the exit by a character that is no look-alike: staff are asked, and pick.
        let misread = json!({"edge_id": exit, "plate": format!("{raw}7")});
        say(lab, number, &exit, OPEN, &misread).await;
        let mut picked = misread.clone();
        (picked["staff_id"], picked["reason"], picked["event_id"]) =
            (json!("s1"), json!(format!("it is {raw}")), json!(event_id));
        say(lab, number, &exit, OPEN, &picked).await;
        say(lab, number, &exit, CLOSE, &json!({"edge_id": exit, "event_id": event_id})).await;
        // Nobody knows it any more.
        say(lab, number, &exit, OPEN, &json!({"edge_id": exit, "plate": raw})).await;
    }
}

/// Files under a folder.
fn files(of: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(of).unwrap().filter_map(Result::ok) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
}

/// Where each writing stands, with what is around it.
fn leaks(name: &str, bytes: &[u8], writings: &[String], found: &mut Vec<String>) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for w in writings {
        if let Some(at) = text.find(w.as_str()) {
            let around: String =
                text[..at].chars().rev().take(120).collect::<Vec<_>>().into_iter().rev().collect();
            let behind: String = text[at..].chars().take(120).collect();
            found.push(format!("{name}: …{around}{behind}…"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plate_stands_in_any_log_metric_or_span() {
    let (receiver, url) = Receiver::start().await;
    let lab = start(talkative("privacy", 3, url)).await;
    everything(&lab).await;
    // The same while things are broken: a database gone, then a ledger.
    for broken in [Service::Postgres, Service::Ledger] {
        lab.kill((central(2), broken), &Signal::kill()).await.unwrap();
        for (raw, _) in PLATES {
            say(&lab, 2, "edge-5", OPEN, &json!({"edge_id": "edge-5", "plate": raw})).await;
            let _ = lab
                .admin(central(2))
                .get(&format!("/api/parking/quote?plate={}", raw.replace(' ', "%20")))
                .await;
        }
        lab.start_target((central(2), broken)).await.unwrap();
    }
    traffic(&lab, 40.0, 2.0).await;
    // Everything has gone out when a span of what came last is here.
    let last = "4bf92f3577b34da6a3ce929d0e0e4737";
    let request = lab.lane(central(1), "edge-1").request(Method::POST, OPEN);
    let body = json!({"edge_id": "edge-1", "plate": PLATES[0].0});
    let request = request.header("traceparent", format!("00-{last}-00f067aa0ba902b7-01")).json(&body);
    request.send().await.unwrap();
    let arrived = until(Duration::from_secs(20), async || {
        anyhow::ensure!(!receiver.trace(last).is_empty(), "no span of the last request");
        anyhow::ensure!(receiver.paths().iter().any(|p| p.contains("metrics")), "no metrics");
        anyhow::ensure!(receiver.paths().iter().any(|p| p.contains("logs")), "no logs");
        Ok(())
    });
    arrived.await.unwrap();

    let writings = writings();
    let mut found = Vec::new();
    // The search sees what is there.
    let (known, mut seen) = (["central-2".to_owned()], Vec::new());
    for (path, body) in receiver.bodies() {
        leaks(&path, &body, &known, &mut seen);
        leaks(&format!("OTLP {path}"), &body, &writings, &mut found);
    }
    let mut logs = Vec::new();
    files(&lab.file().logs, &mut logs);
    let mut lines = 0;
    for log in &logs {
        let bytes = fs::read(log).unwrap();
        leaks("a log", &bytes, &known, &mut seen);
        lines += bytes.iter().filter(|b| **b == b'\n').count();
        leaks(&log.display().to_string(), &bytes, &writings, &mut found);
    }
    assert!(logs.len() >= 18 && lines > 500, "{} logs with {lines} lines", logs.len());
    for name in ["/v1/traces", "/v1/metrics", "/v1/logs", "a log"] {
        assert!(seen.iter().any(|s| s.starts_with(name)), "nothing was searched in {name}");
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}
