//! A wrong clock stops nothing, and what it stamped ranks where it belongs as soon as the others say how wrong it is.

use std::time::Duration;

use lab::{CutMode, Exchange, Lab, LabOptions, until};
use serde_json::json;

use crate::support::{assert_passed, central, number, settled, start, traffic};

const TWO_HOURS_S: i64 = 7200;
const PATIENCE: Duration = Duration::from_secs(60);

/// Alarms of a central about clocks, as `code detail`.
async fn clock_alarms(lab: &Lab, of: u16) -> anyhow::Result<Vec<String>> {
    let alarms = lab.admin(central(of)).status().await?.alarms;
    Ok(alarms
        .into_iter()
        .filter(|a| a.code.starts_with("clock"))
        .map(|a| format!("{} {}", a.code, a.detail))
        .collect())
}

async fn enter(lab: &Lab, of: u16, edge: &str, plate: &str) -> anyhow::Result<String> {
    let body = json!({"edge_id": edge, "plate": plate});
    // While the clock steps its services see different times for a moment, and a deadline may seem to have passed.
    let answer = lab.lane(central(of), edge).post("/api/edge/barrier/open", None, &body).await?.ok()?;
    assert_eq!((&answer["recorded"], &answer["barrier"]), (&json!(true), &json!("open")), "{answer}");
    Ok(answer["event_id"].as_str().unwrap().to_owned())
}

/// Seconds from the machine's clock to a session's entry, as a central tells it.
async fn entry_is_off_by_s(lab: &Lab, of: u16, event_id: &str) -> anyhow::Result<i64> {
    let session = lab.admin(central(of)).get(&format!("/api/parking/sessions/{event_id}")).await?.ok()?;
    let time: jiff::Timestamp = session["entry_time"].as_str().unwrap_or_default().parse()?;
    Ok(time.as_second() - lab::clock::now().as_second())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_clock_two_hours_ahead_stops_nothing_and_wins_nothing_for_ever() {
    let lab = start(LabOptions {
        patience: Duration::from_secs(30),
        environment: vec![("HEARTBEAT_INTERVAL".to_owned(), "2".to_owned())],
        ..LabOptions::for_test("clock", 3)
    })
    .await;
    // The first touch restarts the services; the step itself comes while they run.
    lab.set_clock(central(2), 0).await.unwrap();
    lab.wait_meshed().await.unwrap();
    // Alone, and on an empty disk: a central that was told the time once follows every step of its clock by itself, and would
    // stamp right.
    for other in [1, 3] {
        lab.partition(central(2), central(other), CutMode::Drop, false).unwrap();
    }
    lab.set_clock(central(2), TWO_HOURS_S).await.unwrap();
    lab.wipe(central(2), Exchange::WholeCentral).await.unwrap();
    let stepped = until(PATIENCE, async || {
        let event_id =
            enter(&lab, 2, "edge-5", &format!("51F-{:03}.77", rand::random_range(0..1000u32))).await?;
        let off = entry_is_off_by_s(&lab, 2, &event_id).await?;
        anyhow::ensure!(off > TWO_HOURS_S - 60, "the clock is not ahead yet: {off} s");
        Ok(event_id)
    });
    // Stamped two hours ahead, before anybody could tell.
    let ahead = stepped.await.unwrap();
    lab.heal(None).unwrap();

    // Named, by itself and by the others.
    let named = until(PATIENCE, async || {
        let (own, other) = (clock_alarms(&lab, 2).await?, clock_alarms(&lab, 1).await?);
        // 119 or 120 min: measured while it steps.
        let says = |all: &[String], whose: &str| {
            all.iter()
                .any(|a| a.starts_with(&format!("clock_wrong clock: {whose}")) && a.contains(" min ahead"))
        };
        anyhow::ensure!(says(&own, "this central's clock is 1"), "{own:?}");
        anyhow::ensure!(says(&other, "central-2's clock is 1"), "{other:?}");
        Ok(())
    });
    named.await.unwrap();

    // Told as an event, and ranked where it belongs, everywhere.
    let healed = until(PATIENCE, async || {
        for k in 1..=3 {
            let offsets = number(&lab, central(k), "select count(*) from events where kind = 21").await;
            anyhow::ensure!(offsets >= 1, "central-{k} has no CLOCK_OFFSET");
            let off = entry_is_off_by_s(&lab, k, &ahead).await?;
            anyhow::ensure!(off.abs() < 300, "central-{k} shows the entry {off} s off");
        }
        Ok(())
    });
    healed.await.unwrap();

    // Not for ever the newest: whoever comes later, by a right clock, comes later.
    let plate = ahead.rsplit('_').next().unwrap().to_owned();
    // Within the minute it would be the same passage; what staff is asked about is not recorded.
    let later = until(PATIENCE + PATIENCE, async || {
        let body = json!({"edge_id": "edge-1", "plate": plate});
        let answer =
            lab.lane(central(1), "edge-1").post("/api/edge/barrier/open", None, &body).await?.ok()?;
        anyhow::ensure!(answer["kind"] == json!("ENTRY"), "not another passage yet: {answer}");
        Ok(answer["event_id"].as_str().unwrap().to_owned())
    });
    let later = later.await.unwrap();
    let ranked = until(PATIENCE, async || {
        for k in 1..=3 {
            let sessions = lab.admin(central(k)).history(&plate).await?;
            let status = |id: &str| sessions.iter().find(|s| s.event_id == id).map(|s| s.status.clone());
            let seen = (status(&ahead), status(&later));
            let wanted = (Some("SUPERSEDED".to_owned()), Some("PENDING".to_owned()));
            anyhow::ensure!(
                seen == wanted || seen.0.as_deref() == Some("DUPLICATE"),
                "central-{k}: {seen:?}"
            );
        }
        Ok(())
    });
    ranked.await.unwrap();

    // The log goes on while the clock is wrong, and when it is set right under traffic.
    let set_right = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        lab.set_clock(central(2), 0).await.unwrap();
    };
    let (report, ()) = tokio::join!(traffic(&lab, 30.0, 8.0), set_right);
    assert_passed(&report);
    let quiet = until(PATIENCE, async || {
        for k in 1..=3 {
            let alarms = clock_alarms(&lab, k).await?;
            anyhow::ensure!(alarms.is_empty(), "central-{k}: {alarms:?}");
        }
        Ok(())
    });
    quiet.await.unwrap();
    settled(&lab).await;
}
