//! Events that only a destroyed disk held: named, given up by an operator, and taken all the same when they surface.

use std::time::Duration;

use anyhow::ensure;
use lab::process::Signal;
use lab::topology::Service;
use lab::{CutMode, Exchange, Lab, until};
use serde_json::{Value, json};

use crate::support::{central, lab, settled};

const CARS: [&str; 3] = ["51F-970.22", "30K-123.45", "29A-678.90"];

async fn enter(lab: &Lab, edge: &str, plate: &str) {
    let body = json!({"edge_id": edge, "plate": plate});
    let answer = lab.lane(central(1), edge).post("/api/edge/barrier/open", None, &body).await;
    assert_eq!(answer.unwrap().ok().unwrap()["recorded"], json!(true));
}

async fn get(lab: &Lab, of: u16, path: &str) -> anyhow::Result<Value> {
    lab.admin(central(of)).get(path).await?.ok()
}

/// Waits until the sync state of every central satisfies `is`.
async fn everywhere(lab: &Lab, what: &str, is: impl Fn(&Value) -> bool) {
    for of in 1..=3 {
        let told = until(Duration::from_secs(60), async || {
            let state = get(lab, of, "/api/p2p/sync-state").await?;
            ensure!(is(&state), "central-{of}: {what}: {state:#}");
            Ok(())
        });
        told.await.unwrap();
    }
}

/// Waits until every central says that of the one closed range, and nobody is alarmed.
async fn closed_range_is(lab: &Lab, state: &str) {
    for of in 1..=3 {
        let told = until(Duration::from_secs(60), async || {
            let all = get(lab, of, "/api/p2p/lost-ranges").await?;
            ensure!(all["items"].as_array().is_some_and(|i| i.len() == 1), "central-{of}: {all}");
            ensure!(all["items"][0]["state"] == state, "central-{of} is not {state}: {all}");
            let alarms = lab.admin(central(of)).status().await?.alarms;
            ensure!(alarms.iter().all(|a| a.code != "range_unavailable"), "central-{of}: {alarms:?}");
            Ok(())
        });
        told.await.unwrap();
    }
    settled(lab).await;
    let mut maps = Vec::new();
    for of in 1..=3 {
        maps.push(get(lab, of, "/api/p2p/status").await.unwrap()["positions_digest"].clone());
    }
    assert!(maps[0].is_string() && maps.iter().all(|m| *m == maps[0]), "{maps:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn what_a_destroyed_disk_alone_held_is_named_closed_and_taken_when_it_surfaces() {
    let lab = lab("lost", 3).await;
    enter(&lab, "edge-1", "43A-111.11").await;
    settled(&lab).await;

    // Three cars enter while central-1 is cut off, and the fourth is told live: the others know what they miss. Nobody can give it
    // to them, since catch-up of central-1 does not run.
    lab.kill((central(1), Service::Sync), &Signal::kill()).await.unwrap();
    for peer in [2, 3] {
        lab.partition(central(1), central(peer), CutMode::Reset, false).unwrap();
    }
    until(Duration::from_secs(30), async || {
        let connected = lab.admin(central(1)).status().await?.connected_peers;
        ensure!(connected == 0, "still {connected} links");
        Ok(())
    })
    .await
    .unwrap();
    for (plate, edge) in CARS.iter().zip(["edge-1", "edge-2", "edge-1"]) {
        enter(&lab, edge, plate).await;
    }
    lab.heal(None).unwrap();
    until(Duration::from_secs(60), async || {
        let connected = lab.admin(central(1)).status().await?.connected_peers;
        ensure!(connected == 2, "only {connected} links");
        Ok(())
    })
    .await
    .unwrap();
    enter(&lab, "edge-2", "43A-222.22").await;
    for of in [2, 3] {
        until(Duration::from_secs(30), async || {
            let seen = lab.admin(central(of)).history("43A22222").await?;
            ensure!(seen.len() == 1, "central-{of} does not know the fourth car yet");
            ensure!(
                lab.admin(central(of)).history("29A67890").await?.is_empty(),
                "central-{of} knows the third"
            );
            Ok(())
        })
        .await
        .unwrap();
    }

    // The disk is gone. What it alone held is named, everywhere, as the same range.
    lab.snapshot(central(1), "found-later").await.unwrap();
    lab.wipe(central(1), Exchange::WholeCentral).await.unwrap();
    everywhere(&lab, "one range is held by nobody", |s| {
        s["nowhere"].as_array().is_some_and(|r| r.len() == 1)
    })
    .await;
    let named = get(&lab, 2, "/api/p2p/sync-state").await.unwrap()["nowhere"][0].as_str().unwrap().to_owned();
    everywhere(&lab, "it is the same range", |s| s["nowhere"][0] == named.as_str()).await;
    until(Duration::from_secs(60), async || {
        let alarms = lab.admin(central(3)).status().await?.alarms;
        let alarm = alarms.iter().find(|a| a.code == "range_unavailable");
        ensure!(alarm.is_some_and(|a| a.detail.contains(&named)), "{alarms:?}");
        Ok(())
    })
    .await
    .unwrap();

    // An operator closes it at one central; all of them stop missing it.
    let [origin, incarnation, seqs] = named.split('/').collect::<Vec<_>>()[..] else { panic!("{named}") };
    let (from, to) = seqs.split_once('-').unwrap();
    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
    assert_eq!((origin, to - from + 1), ("central-1", CARS.len() as u64));
    let body = json!({"central": origin, "incarnation": incarnation, "from": from, "to": to, "staff_id": "s-1",
        "reason": "the disk of central-1 is gone"});
    let answer = lab.admin(central(2)).post("/api/p2p/lost-ranges", Some("close"), &body).await.unwrap();
    assert_eq!(answer.ok().unwrap()["reason"], body["reason"]);
    everywhere(&lab, "the range is closed", |s| {
        s["nowhere"] == json!([]) && s["unavailable"] == json!([]) && s["closed"] == json!([named])
    })
    .await;
    closed_range_is(&lab, "lost").await;

    // The disk turns up after all.
    lab.restore(central(1), "found-later", Exchange::WholeCentral).await.unwrap();
    everywhere(&lab, "nothing is closed any more", |s| s["closed"] == json!([]) && s["nowhere"] == json!([]))
        .await;
    closed_range_is(&lab, "found").await;
    for plate in ["51F97022", "30K12345", "29A67890"] {
        assert_eq!(lab.admin(central(3)).history(plate).await.unwrap().len(), 1, "{plate}");
    }
}
