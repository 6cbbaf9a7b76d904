//! The same request again: one session, one charge, the first answer.

use std::fs;
use std::time::Duration;

use lab::api::{Answer, Api};
use lab::process::Signal;
use lab::topology::Service;
use lab::{Lab, until};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(20);
const OPEN: &str = "/api/edge/barrier/open";

fn entry(plate: &str) -> Value {
    json!({"edge_id": "edge-1", "plate": plate})
}

fn lane(lab: &Lab) -> Api {
    lab.lane(central(1), "edge-1")
}

fn assert_replayed(answer: &Answer, first: &Answer) {
    assert!(answer.replayed, "{answer:?}");
    assert_eq!((answer.status, &answer.body), (first.status, &first.body));
}

async fn sessions(lab: &Lab, number: u16, plate: &str) -> usize {
    lab.admin(central(number)).history(plate).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_one_session_at_once_and_after_a_restart() {
    let lab = lab("retries", 2).await;
    let lane = lane(&lab);
    let body = entry("51F-970.22");
    let (first, concurrent) =
        tokio::join!(lane.post(OPEN, Some("one"), &body), lane.post(OPEN, Some("one"), &body));
    let (first, concurrent) = (first.unwrap(), concurrent.unwrap());
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.body, concurrent.body);
    assert!(first.replayed != concurrent.replayed, "one of them was the first");
    let first = if first.replayed { concurrent } else { first };
    assert_replayed(&lane.post(OPEN, Some("one"), &body).await.unwrap(), &first);

    lab.kill(central(1), &Signal::kill()).await.unwrap();
    lab.start_target(central(1)).await.unwrap();
    assert_replayed(&lane.post(OPEN, Some("one"), &body).await.unwrap(), &first);

    let other = lane.post(OPEN, Some("one"), &entry("51F-970.23")).await.unwrap();
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.body["code"], "idempotency_key_reused");
    assert_eq!(sessions(&lab, 1, "51F97022").await, 1);
    assert_eq!(sessions(&lab, 1, "51F97023").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_at_another_central_is_one_session() {
    let lab = lab("elsewhere", 2).await;
    register_edge_1_at_central_2(&lab).await;
    let first = lane(&lab).post(OPEN, Some("two"), &entry("51F-970.24")).await.unwrap();
    assert_eq!(first.status, StatusCode::OK, "{first:?}");

    lab.kill((central(1), Service::EdgeGateway), &Signal::kill()).await.unwrap();
    let elsewhere = lab.lane(central(2), "edge-1");
    let answer = elsewhere.post(OPEN, Some("two"), &entry("51F-970.24")).await.unwrap();
    assert_eq!(answer.body["event_id"], first.body["event_id"], "{answer:?}");
    lab.start_target((central(1), Service::EdgeGateway)).await.unwrap();

    let settled = until(PATIENCE, async || {
        let counts = (sessions(&lab, 1, "51F97024").await, sessions(&lab, 2, "51F97024").await);
        if counts == (1, 1) { Ok(()) } else { Err(counts) }
    });
    settled.await.unwrap();
}

/// Edits the file of central-2, which it notices without a restart.
async fn register_edge_1_at_central_2(lab: &Lab) {
    let read = |number: u16| -> Value {
        serde_json::from_slice(&fs::read(lab.layout().p2p_config(central(number))).unwrap()).unwrap()
    };
    let mut config = read(2);
    let edge = read(1)["this_central"]["edges"][0].clone();
    config["this_central"]["edges"].as_array_mut().unwrap().push(edge);
    let path = lab.layout().p2p_config(central(2));
    let new = path.with_extension("new");
    fs::write(&new, config.to_string()).unwrap();
    fs::rename(new, path).unwrap();
    let known = until(PATIENCE, async || {
        let edges = lab.admin(central(2)).get("/api/edges").await.unwrap().ok().unwrap();
        if edges.to_string().contains("\"edge-1\"") { Ok(()) } else { Err(edges) }
    });
    known.await.unwrap();
}
