//! The checks of the lab are checked themselves: an honest system passes, a dishonest one does not.

use lab::scenario;
use lab::traffic::{self, Report, TrafficOptions};

use crate::fake::{self, Fault};

async fn traffic_on(fault: Fault) -> Report {
    let file = fake::start(3, fault).await;
    let options = TrafficOptions { rate: 150.0, seconds: 6.0, seed: 42, watch: true };
    traffic::make(&file, options, |text| eprintln!("{text}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_system_passes_the_story_and_the_traffic() {
    let file = fake::start(5, Fault::None).await;
    scenario::tell(&file).await.unwrap();

    let report = traffic_on(Fault::None).await;
    assert!(report.passed(), "{}", report.render());
    assert_eq!(report.visible_everywhere, report.acknowledged);
    assert_eq!((report.refused, report.maybe, report.lost, report.doubled), (0, 0, 0, 0));
    assert!(report.fees_answered > 0);
    // The pace is the one asked for, whatever the mixture: six seconds, then the last passages.
    assert!((850..=1000).contains(&report.attempts), "{}", report.attempts);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost_on_the_way_are_asked_for_again_and_count_once() {
    let report = traffic_on(Fault::Stutters).await;
    assert!(report.passed(), "{}", report.render());
    assert!(!report.unanswered.is_empty());
    assert_eq!(report.maybe, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_car_is_found() {
    let report = traffic_on(Fault::Doubles).await;
    assert!(!report.passed() && report.doubled > 0, "{}", report.render());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_other_than_the_answered_one_is_found() {
    let report = traffic_on(Fault::Overcharges).await;
    assert!(!report.passed() && !report.truth_ok, "{}", report.render());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "waits a minute for what never comes"]
async fn a_lost_event_is_found() {
    let report = traffic_on(Fault::Loses).await;
    assert!(!report.passed() && report.lost > 0, "{}", report.render());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "waits a minute for what never comes"]
async fn different_digests_are_found() {
    let report = traffic_on(Fault::Disagrees).await;
    assert!(!report.passed() && !report.digests_equal, "{}", report.render());
}
