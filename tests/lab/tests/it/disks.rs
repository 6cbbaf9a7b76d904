//! A database without room, or that takes no writes: said by name, lanes are answered, and it goes on by itself.

use std::time::{Duration, Instant};

use lab::lab_file::LabFile;
use lab::topology::Service;
use lab::{Lab, until};
use serde_json::json;

use crate::support::{assert_passed, central, lab, settled, traffic};

const PATIENCE: Duration = Duration::from_secs(30);

/// Processes of central-2's services.
fn pids(file: &LabFile) -> Vec<Option<u32>> {
    let entry = file.central(central(2)).unwrap();
    Service::PROGRAMS.iter().map(|service| entry.pids[service]).collect()
}

/// A lane of central-2 asks; the answer is what the contract says for a central without its ledger, within a second.
async fn lane_hears_no_ledger(lab: &Lab) -> anyhow::Result<()> {
    let body = json!({"edge_id": "edge-5", "plate": format!("51G-{:03}.{:02}", rand::random_range(0..1000u32), rand::random_range(0..100u32))});
    let asked = Instant::now();
    let answer = lab.lane(central(2), "edge-5").post("/api/edge/barrier/open", None, &body).await?;
    let took = asked.elapsed();
    anyhow::ensure!(answer.status == 503, "answered {}: {}", answer.status, answer.body);
    let said = ["code", "barrier", "recorded"].map(|field| answer.body[field].clone());
    assert_eq!(said, [json!("no_ledger"), json!("open"), json!(false)], "{}", answer.body);
    assert!(took <= Duration::from_secs(1), "answered after {took:?}");
    Ok(())
}

/// The status of central-2 says that it does not record, and why.
async fn status_says(lab: &Lab, cause: &str) -> anyhow::Result<()> {
    let status = lab.admin(central(2)).status().await?;
    anyhow::ensure!(status.degraded.iter().any(|d| d == "no_ledger"), "degraded {:?}", status.degraded);
    anyhow::ensure!(status.alarms.iter().any(|a| a.detail.starts_with(cause)), "{:?}", status.alarms);
    Ok(())
}

/// Under traffic central-2 cannot write for a while.
async fn cannot_write(
    lab: &Lab,
    cause: &str,
    begin: impl Future<Output = ()>,
    end: impl Future<Output = ()>,
) {
    let before = pids(&lab.file());
    let fault = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        begin.await;
        until(PATIENCE, async || lane_hears_no_ledger(lab).await).await.unwrap();
        until(PATIENCE, async || status_says(lab, cause).await).await.unwrap();
        end.await;
        let records = until(PATIENCE, async || {
            let body = json!({"edge_id": "edge-6", "plate": format!("51H-{:03}.{:02}", rand::random_range(0..1000u32), rand::random_range(0..100u32))});
            lab.lane(central(2), "edge-6").post("/api/edge/barrier/open", None, &body).await?.ok()
        });
        assert_eq!(records.await.unwrap()["recorded"], json!(true));
    };
    let (report, ()) = tokio::join!(traffic(lab, 40.0, 12.0), fault);
    assert_passed(&report);
    settled(lab).await;
    let quiet = until(Duration::from_secs(90), async || {
        let alarms = lab.admin(central(2)).status().await?.alarms;
        anyhow::ensure!(!alarms.iter().any(|a| a.detail.starts_with(cause)), "{alarms:?}");
        Ok(())
    });
    quiet.await.unwrap();
    assert_eq!(before, pids(&lab.file()), "nothing was started again");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_full_disk_is_named_lanes_are_answered_and_it_goes_on_by_itself() {
    if !lab::disk::can_mount() {
        eprintln!("skipped: only root can mount the small disk that is filled");
        return;
    }
    let lab = lab("full-disk", 3).await;
    lab.move_to_small_disk(central(2)).await.unwrap();
    let fill = async { lab.fill_disk(central(2)).await.unwrap() };
    let free = async { lab.free_disk(central(2)).await.unwrap() };
    cannot_write(&lab, "disk: ", fill, free).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_database_that_takes_no_writes_is_named_and_goes_on_by_itself() {
    let lab = lab("read-only", 3).await;
    let set = async |value: &str| {
        lab.sql(central(2), &format!("alter system set default_transaction_read_only = {value}"))
            .await
            .unwrap();
        lab.sql(central(2), "select pg_reload_conf()").await.unwrap();
    };
    cannot_write(&lab, "disk: ", set("on"), set("off")).await;
}
