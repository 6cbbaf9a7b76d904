//! Peers are asked for a vehicle that is not known here, while something may be missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wire::bus::query::QueryReply;
use wire::bus::state::SyncState;
use wire::bus::subject::{MESH_QUERY, SYNC_STATE};
use wire::http::Problem;

use crate::rig::{Central, leave, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_not_told_that_nothing_is_missing_asks_for_an_unknown_vehicle() {
    let c = Central::start("central-1").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let mut questions = c.bus.serve(MESH_QUERY, "test").await.unwrap();
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Some(q) = questions.next().await {
            counted.fetch_add(1, Ordering::SeqCst);
            q.reply_json(&QueryReply::Problem(Problem::new(404, "unknown", "Unknown", "nobody knows it")))
                .await;
        }
    });
    c.bus.flush().await;
    leave(&c, "edge-3", "30A-111.11").await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "sync has said nothing yet");
    // What it says takes a moment.
    let cars = AtomicUsize::new(0);
    until("peers are not asked", || async {
        c.bus.publish_json(SYNC_STATE, &SyncState::default()).await.unwrap();
        let n = cars.fetch_add(1, Ordering::SeqCst);
        let before = asked.load(Ordering::SeqCst);
        leave(&c, "edge-3", &format!("30A-222.{n:02}")).await;
        (asked.load(Ordering::SeqCst) == before).then_some(())
    })
    .await;
}
