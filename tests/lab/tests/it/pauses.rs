//! Processes that stand still for a minute while everything around them goes on: nothing acknowledged is lost.

use std::time::Duration;

use lab::Lab;
use lab::topology::{Service, Target};
use tokio::time::sleep;

use crate::support::{central, lab, settled, traffic};

const STILL: Duration = Duration::from_secs(60);

async fn stand_still(lab: &Lab, targets: &[Target]) {
    let fault = async {
        sleep(Duration::from_secs(2)).await;
        for target in targets {
            eprintln!("pausing {target}");
            lab.pause(*target).await.unwrap();
        }
        sleep(STILL).await;
        for target in targets {
            lab.resume(*target).await.unwrap();
        }
    };
    let (report, ()) = tokio::join!(traffic(lab, 20.0, 70.0), fault);
    // Not the cars' own stories: a request that lay in a frozen gateway's socket for a minute seems to come from a lane whose clock
    // is a minute off, and takes place when it is received.
    assert_eq!((report.lost, report.doubled, report.digests_equal), (0, 0, true), "{}", report.render());
    assert!(report.acknowledged > 0);
    lab.wait_meshed().await.unwrap();
    settled(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn single_services_stand_still_for_a_minute() {
    let lab = lab("still", 4).await;
    let services = [Service::Ledger, Service::Mesh, Service::Sync, Service::EdgeGateway];
    let targets: Vec<Target> =
        services.iter().zip(1..).map(|(service, k)| Target::from((central(k), *service))).collect();
    stand_still(&lab, &targets).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_database_and_a_bus_stand_still_for_a_minute() {
    let lab = lab("still-infra", 3).await;
    let targets = [(1, Service::Postgres), (2, Service::Nats)];
    stand_still(&lab, &targets.map(|(k, service)| Target::from((central(k), service)))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_whole_central_stands_still_for_a_minute() {
    let lab = lab("still-whole", 3).await;
    stand_still(&lab, &[Target::from(central(2))]).await;
}
