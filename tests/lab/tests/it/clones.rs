//! A central that runs twice: nothing is lost or overwritten, and people are told.

use std::time::Duration;

use lab::topology::Instance;
use lab::traffic::{self, TrafficOptions};
use lab::until;

use crate::support::{assert_no_forks, assert_passed, central, lab, settled, traffic as drive};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn two_processes_of_one_central_lose_nothing_and_raise_an_alarm() {
    let lab = lab("clone", 3).await;
    assert_passed(&drive(&lab, 40.0, 2.0).await);
    lab.clone_central(central(3)).await.unwrap();

    // Lanes on both: the clone is one central more, with the edges of the first.
    let mut file = lab.file();
    file.centrals.push(file.instance(Instance::clone_of(central(3))).unwrap().clone());
    let options = TrafficOptions { rate: 40.0, seconds: 6.0, seed: 3, watch: true };
    let report = traffic::make(&file, options, |text| eprintln!("{text}")).await.unwrap();
    assert_passed(&report);
    let alarmed = until(Duration::from_secs(45), async || {
        let status = lab.admin(central(1)).status().await?;
        anyhow::ensure!(status.alarms.iter().any(|alarm| alarm.code == "clone"), "{:?}", status.alarms);
        Ok(())
    });
    alarmed.await.unwrap();
    assert_no_forks(&lab).await;

    lab.stop_clone(central(3)).await.unwrap();
    assert_passed(&drive(&lab, 40.0, 2.0).await);
    settled(&lab).await;
}
