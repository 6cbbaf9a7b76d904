//! Things break under traffic; nothing acknowledged is lost, nothing is doubled.

use std::time::Duration;

use lab::process::Signal;
use lab::topology::{Service, Target};
use lab::{CutMode, Lab};
use tokio::time::sleep;

use crate::support::{assert_passed, central, lab, traffic};

/// Kills something of a running lab in the middle of traffic and starts it again.
async fn kill_and_start(lab: &Lab, target: impl Into<Target>) {
    let target = target.into();
    eprintln!("killing {target}");
    let fault = async {
        sleep(Duration::from_secs(2)).await;
        lab.kill(target, &Signal::kill()).await.unwrap();
        sleep(Duration::from_millis(1500)).await;
        lab.start_target(target).await.unwrap();
    };
    let (report, ()) = tokio::join!(traffic(lab, 60.0, 7.0), fault);
    assert_passed(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_can_be_killed_and_started_alone() {
    let lab = lab("services", 3).await;
    for service in Service::PROGRAMS {
        kill_and_start(&lab, (central(2), service)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_and_nats_can_be_killed_under_their_services() {
    let lab = lab("infra", 3).await;
    for service in Service::INFRASTRUCTURE {
        kill_and_start(&lab, (central(2), service)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_central_can_be_killed_and_catches_up() {
    let lab = lab("whole", 3).await;
    kill_and_start(&lab, central(3)).await;
    lab.wait_meshed().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_central_holds_nobody_up_and_catches_up() {
    let lab = lab("frozen", 3).await;
    let fault = async {
        sleep(Duration::from_secs(2)).await;
        lab.pause(central(2)).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        lab.resume(central(2)).await.unwrap();
    };
    let (report, ()) = tokio::join!(traffic(&lab, 60.0, 8.0), fault);
    assert_passed(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_cannot_see_each_other_converge_through_a_third() {
    let lab = lab("third", 3).await;
    lab.partition(central(1), central(2), CutMode::Drop, false).unwrap();
    // The cut stays: whatever the checks find came by way of central-3.
    let report = traffic(&lab, 60.0, 6.0).await;
    assert_passed(&report);
    assert_eq!(lab.file().cuts.len(), 2);
    lab.heal(None).unwrap();
    lab.wait_meshed().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_partition_go_on_and_converge_when_it_is_healed() {
    let lab = lab("partition", 4).await;
    for near in [1, 2] {
        for far in [3, 4] {
            let mode = if near == 1 { CutMode::Drop } else { CutMode::Reset };
            lab.partition(central(near), central(far), mode, false).unwrap();
        }
    }
    let fault = async {
        sleep(Duration::from_secs(7)).await;
        lab.heal(None).unwrap();
    };
    let (report, ()) = tokio::join!(traffic(&lab, 60.0, 6.0), fault);
    assert_passed(&report);
    lab.wait_meshed().await.unwrap();
}
