//! A database that goes back: the central gets its own lost events from its peers, and never writes over them.

use std::time::Duration;

use lab::process::Signal;
use lab::{CutMode, Exchange, Lab, until};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{
    assert_no_forks, assert_passed, central, lab, number, settled, traffic, traffic_over_ruins,
};

const OWN: &str =
    "select count(*) from events e join streams s on s.id = e.stream where s.central = 'central-2'";

async fn during_traffic(lab: &Lab, fault: impl Future<Output = ()>) {
    let fault = async {
        sleep(Duration::from_secs(3)).await;
        fault.await;
    };
    let (report, ()) = tokio::join!(traffic_over_ruins(lab, 40.0, 10.0), fault);
    assert_passed(&report);
    settled(lab).await;
    assert_no_forks(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_central_restored_from_an_older_copy_gets_its_own_events_back() {
    let lab = lab("restore", 3).await;
    assert_passed(&traffic(&lab, 40.0, 2.0).await);
    lab.snapshot(central(2), "old").await.unwrap();
    during_traffic(&lab, async {
        lab.restore(central(2), "old", Exchange::WholeCentral).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_copied_data_directory_is_as_good_as_a_backup() {
    let lab = lab("copied", 3).await;
    lab.kill(central(2), &Signal::kill()).await.unwrap();
    lab.snapshot(central(2), "cold").await.unwrap();
    lab.start_target(central(2)).await.unwrap();
    assert_passed(&traffic(&lab, 40.0, 2.0).await);
    lab.restore(central(2), "cold", Exchange::WholeCentral).await.unwrap();
    settled(&lab).await;
    assert_passed(&traffic(&lab, 40.0, 2.0).await);
    assert_no_forks(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_database_exchanged_under_the_ledger_is_noticed_and_its_lanes_go_on() {
    let lab = lab("exchanged", 3).await;
    lab.snapshot(central(2), "old").await.unwrap();
    assert_passed(&traffic(&lab, 40.0, 3.0).await);
    let before = number(&lab, central(2), OWN).await;
    for peer in [1, 3] {
        lab.partition(central(2), central(peer), CutMode::Reset, false).unwrap();
    }
    lab.restore(central(2), "old", Exchange::PostgresOnly).await.unwrap();
    // Alone, with half its memory gone: the lane works at once, and the status says what is the matter.
    let answered = until(Duration::from_secs(10), async || {
        let body = json!({"edge_id": "edge-5", "plate": "51F-970.22"});
        lab.lane(central(2), "edge-5").post("/api/edge/barrier/open", Some("one"), &body).await?.ok()
    });
    assert_eq!(answered.await.unwrap()["recorded"], json!(true));
    let waiting = until(Duration::from_secs(40), async || {
        let recovery = lab.admin(central(2)).status().await?.recovery.unwrap_or_default();
        anyhow::ensure!(recovery.state == "waiting" && recovery.missing_own == before, "{recovery:?}");
        Ok(())
    });
    waiting.await.unwrap();

    lab.heal(None).unwrap();
    settled(&lab).await;
    assert_eq!(number(&lab, central(2), OWN).await, before + 1);
    assert_no_forks(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn an_empty_database_is_filled_while_the_lanes_work() {
    let lab = lab("wipe", 3).await;
    assert_passed(&traffic(&lab, 40.0, 2.0).await);
    during_traffic(&lab, async {
        lab.wipe(central(3), Exchange::WholeCentral).await.unwrap();
    })
    .await;
}
