//! Two centrals see the same car at the same moment.

use std::time::Duration;

use lab::api::Session;
use lab::{Lab, scenario, until};
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(20);

async fn enter(lab: &Lab, number: u16, plate: &str) -> Value {
    let at = central(number);
    let edge = at.edges()[0].id();
    let now = jiff::Timestamp::from_millisecond(wall_clock_ms()).unwrap().to_string();
    let body = json!({"edge_id": edge, "plate": plate, "captured_at": now, "sent_at": now});
    lab.lane(at, &edge).post("/api/edge/barrier/open", None, &body).await.unwrap().ok().unwrap()
}

fn wall_clock_ms() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn statuses(sessions: &[Session]) -> Vec<(String, String)> {
    let mut all: Vec<_> = sessions.iter().map(|one| (one.event_id.clone(), one.status.clone())).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn one_car_seen_at_two_centrals_at_once_is_one_session_for_all() {
    let lab = lab("race", 3).await;
    for round in 0..5 {
        let plate = format!("51F-{:03}.{:02}", 100 + round, round);
        let (one, other) = tokio::join!(enter(&lab, 1, &plate), enter(&lab, 2, &plate));
        assert_eq!((&one["recorded"], &other["recorded"]), (&json!(true), &json!(true)), "{one} {other}");

        let agreed = until(PATIENCE, async || {
            let mut shown = Vec::new();
            for number in 1..=3 {
                shown.push(statuses(&lab.admin(central(number)).history(&plate).await.unwrap()));
            }
            let open =
                shown[0].iter().filter(|(_, status)| status == "PENDING" || status == "INSIDE").count();
            let twice = shown[0].iter().filter(|(_, status)| status == "DUPLICATE").count();
            let same = shown.iter().all(|one| *one == shown[0]);
            if same && open == 1 && twice == 1 { Ok(()) } else { Err(shown) }
        });
        agreed.await.unwrap();
    }
    until(PATIENCE, async || {
        let http = lab::api::Api::http(Duration::from_secs(5))?;
        scenario::equal_digests(&lab.file(), &http).await
    })
    .await
    .unwrap();
    let conflicts = lab.admin(central(3)).get("/api/parking/conflicts").await.unwrap().ok().unwrap();
    let kinds: Vec<&Value> =
        conflicts["items"].as_array().unwrap().iter().map(|item| &item["kind"]).collect();
    assert!(kinds.iter().filter(|kind| **kind == "DUPLICATE_ENTRY").count() >= 5, "{conflicts}");
}
