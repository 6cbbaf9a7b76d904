//! A central without any link exchanges files with the others.

use std::time::Duration;

use lab::api::Api;
use lab::topology::Direction;
use lab::{CutMode, Lab, scenario, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(30);

/// A car at the first lane of a central in this direction.
async fn pass(lab: &Lab, number: u16, direction: Direction, plate: &str) -> Value {
    let at = central(number);
    let edge = at.edges().into_iter().find(|e| e.direction == direction).unwrap().id();
    let body = json!({"edge_id": edge, "plate": plate});
    let lane = lab.lane(at, &edge);
    let decision = lane.post("/api/edge/barrier/open", None, &body).await.unwrap().ok().unwrap();
    assert_eq!(decision["recorded"], true, "{decision}");
    let closed = json!({"edge_id": edge, "event_id": decision["event_id"], "passed": true});
    lane.post("/api/edge/barrier/close", None, &closed).await.unwrap().ok().unwrap();
    decision
}

async fn export(lab: &Lab, number: u16, query: &str) -> (u64, Vec<u8>) {
    let r = lab.admin(central(number)).request(Method::GET, &format!("/api/p2p/bundles{query}"));
    let r = r.send().await.unwrap();
    assert_eq!(r.status(), 200);
    let events = r.headers()["parkmesh-bundle-events"].to_str().unwrap().parse().unwrap();
    (events, r.bytes().await.unwrap().to_vec())
}

async fn import(lab: &Lab, number: u16, file: &[u8]) -> (u16, Value) {
    let r = lab.admin(central(number)).request(Method::POST, "/api/p2p/bundles/import");
    let r = r.header("Content-Type", "application/octet-stream").body(file.to_vec()).send().await.unwrap();
    let status = r.status().as_u16();
    (status, serde_json::from_slice(&r.bytes().await.unwrap()).unwrap())
}

async fn digest(lab: &Lab, number: u16) -> Option<String> {
    lab.admin(central(number)).status().await.unwrap().digest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_central_without_any_link_agrees_after_two_files() {
    let lab = lab("bundles", 3).await;
    for near in [1, 2] {
        lab.partition(central(near), central(3), CutMode::Drop, false).unwrap();
    }
    for n in 0..6 {
        pass(&lab, 1 + n % 2, Direction::Entry, &format!("30A-111.0{n}")).await;
        pass(&lab, 3, Direction::Entry, &format!("30A-333.0{n}")).await;
    }
    until(PATIENCE, async || {
        let (one, two) = (digest(&lab, 1).await, digest(&lab, 2).await);
        if one == two { Ok(()) } else { Err((one, two)) }
    })
    .await
    .unwrap();

    let (events, there) = export(&lab, 1, "?for_central=central-3").await;
    assert!(events >= 12, "{events}");
    let (status, got) = import(&lab, 3, &there).await;
    assert_eq!(status, 200, "{got}");
    assert_eq!(
        (&got["bundle"]["exporter"], &got["bundle"]["sealed_by"]),
        (&json!("central-1"), &json!("certificate"))
    );
    assert_eq!(
        (&got["gap_events"], &got["refused"], &got["bundle"]["chain_breaks"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert!(got["stored"].as_u64().unwrap() >= 12, "{got}");
    // A car that entered over there leaves here: its entry came by file.
    let exit = pass(&lab, 3, Direction::Exit, "30A-111.00").await;
    assert_eq!(
        (&exit["kind"], exit["event_id"].as_str().unwrap().starts_with("central-1_")),
        (&json!("EXIT"), true)
    );

    // What central-1 holds is known from its file: only the rest goes back.
    let (back_events, back) = export(&lab, 3, "?for_central=central-1").await;
    let (status, got) = import(&lab, 1, &back).await;
    assert_eq!((status, got["stored"].as_u64()), (200, Some(back_events)), "{got}");
    // central-2 has it over its link to central-1; the cuts stay.
    until(PATIENCE, async || {
        let http = Api::http(Duration::from_secs(5))?;
        scenario::equal_digests(&lab.file(), &http).await
    })
    .await
    .unwrap();

    for (number, file) in [(3, &there), (1, &back)] {
        let (status, again) = import(&lab, number, file).await;
        assert_eq!((status, &again["stored"]), (200, &json!(0)), "{again}");
    }
    for at in [40, there.len() / 2, there.len() - 60] {
        let mut flipped = there.clone();
        flipped[at] ^= 4;
        let (status, problem) = import(&lab, 3, &flipped).await;
        assert!(status == 422 && problem["code"].as_str().unwrap().starts_with("bundle_"), "{at}: {problem}");
    }
    let far = "?from=2100-01-01T00:00:00Z";
    assert_eq!(export(&lab, 1, far).await.0, 0);
    let since = "?from=2020-01-01T00:00:00Z&central=central-3";
    assert_eq!(export(&lab, 1, since).await.0, back_events);

    // A peer that was removed is a stranger.
    let admin = lab.admin(central(1));
    let mut config = admin.get("/api/p2p/config").await.unwrap().ok().unwrap();
    config["peer_centrals"].as_array_mut().unwrap().retain(|p| p["id"] != "central-3");
    admin
        .request(Method::PUT, "/api/p2p/config")
        .json(&config)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let (status, problem) = import(&lab, 1, &back).await;
    assert_eq!((status, &problem["code"]), (422, &json!("bundle_not_trusted")));
    assert!(problem["detail"].as_str().unwrap().contains("not a configured peer"), "{problem}");
}
