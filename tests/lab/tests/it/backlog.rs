//! What happens now is visible now, while history is still coming in.

use std::time::Duration;

use lab::backfill::{self, BackfillOptions};
use lab::process::Signal;
use lab::topology::CentralId;
use lab::traffic::{self, TrafficOptions};
use lab::{Lab, until};

use crate::support::{assert_passed, central, lab, settled};

/// Fills central-1 with history while central-3 is away; central-2 has it all when this returns.
async fn history(lab: &Lab, events: u64) {
    lab.kill(central(3), &Signal::kill()).await.unwrap();
    let options = BackfillOptions {
        central: central(1),
        events,
        days: 30.0,
        origins: CentralId::first(2).collect(),
        seed: 5,
    };
    let done = backfill::bring_in(&lab.file(), lab.layout(), &options).await.unwrap();
    eprintln!("{} events brought in in {:.1} s", done.stored, done.seconds);
    assert_eq!(done.stored, events);
    let copied = until(Duration::from_secs(600), async || {
        let lacks = missing(lab, 2).await?;
        anyhow::ensure!(lacks == 0 && held(lab, 2).await? >= events, "central-2 lacks {lacks}");
        Ok(())
    });
    copied.await.unwrap();
}

async fn missing(lab: &Lab, number: u16) -> anyhow::Result<u64> {
    Ok(lab.admin(central(number)).status().await?.recovery.unwrap_or_default().missing)
}

async fn held(lab: &Lab, number: u16) -> anyhow::Result<u64> {
    Ok(lab.admin(central(number)).status().await?.recovery.unwrap_or_default().held)
}

async fn live_while_catching_up(lab: &Lab, events: u64, seconds: f64) {
    history(lab, events).await;
    lab.start_target(central(3)).await.unwrap();
    lab.wait_meshed().await.unwrap();
    let behind = async {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        missing(lab, 3).await
    };
    let options = TrafficOptions { rate: 20.0, seconds, seed: 9, watch: true };
    let file = lab.file();
    let (report, behind) = tokio::join!(traffic::make(&file, options, |text| eprintln!("{text}")), behind);
    let report = report.unwrap();
    eprintln!("central-3 still lacks {behind:?} events; {}", report.render());
    assert!(behind.unwrap() > 0, "it had caught up before the traffic was over: nothing was measured");
    let visible = report.p99_ms.unwrap();
    assert!(visible <= 1000.0, "visible on the central that catches up after {visible} ms (p99)");
    let caught_up = until(Duration::from_secs(600), async || {
        let left = missing(lab, 3).await?;
        anyhow::ensure!(left == 0 && held(lab, 3).await? >= events, "still lacks {left}");
        Ok(())
    });
    caught_up.await.unwrap();
    settled(lab).await;
    assert_eq!((report.lost, report.doubled), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn a_new_entry_is_visible_at_once_on_a_central_that_catches_up_a_hundred_thousand_events() {
    let lab = lab("backlog", 3).await;
    live_while_catching_up(&lab, 120_000, 5.0).await;
    assert_passed(&crate::support::traffic(&lab, 20.0, 2.0).await);
}
