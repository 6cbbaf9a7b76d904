//! Random faults, the same again for the same seed (as far as processes can be).

use lab::chaos::ChaosOptions;

use crate::support::{assert_passed, lab, settled};

async fn campaign(centrals: u16, seconds: f64, seed: u64) {
    let lab = lab("chaos", centrals).await;
    let options = ChaosOptions { seconds, seed, rate: 30.0 };
    let report = lab.chaos(options, |text| eprintln!("{text}")).await.unwrap();
    assert_passed(&report);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn half_a_minute_of_random_faults_loses_nothing() {
    campaign(4, 30.0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten minutes"]
async fn ten_minutes_of_random_faults_lose_nothing() {
    campaign(6, 600.0, 2).await;
}
