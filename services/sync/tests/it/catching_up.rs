use std::time::Duration;

use wire::page::MAX_PAGE_BYTES;

use crate::site::{Site, until};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_events_catch_up_in_bounded_pages() {
    let mut site = Site::new(2, 5000).await;
    site.centrals[0].ledger.append(20_000);
    site.start().await;
    until("both are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    site.link_all().await;
    site.converge(LIMIT).await;
    let log = site.centrals[1].ledger.log();
    assert_eq!((log.backlog_stored, log.backlog_known), (20_000, 0), "nothing travels twice");
    assert!(log.transactions < 60, "{} transactions", log.transactions);
    // The newest come first.
    assert!(log.order[0] > 18_000, "{:?}", &log.order[..5]);
    assert!(site.net.state().largest <= MAX_PAGE_BYTES + 4096);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backlog_flows_within_two_seconds_of_a_link() {
    let mut site = Site::new(2, 5000).await;
    site.centrals[0].ledger.append(1000);
    site.start().await;
    until("both are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    site.link_all().await;
    let took = site.converge(LIMIT).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_fills_the_gap_of_two_that_cannot_see_each_other() {
    let mut site = Site::new(3, 5000).await;
    site.start().await;
    site.link(0, 1, true).await;
    site.link(1, 2, true).await;
    for _ in 0..20 {
        site.happen(0, 5).await;
        site.happen(2, 3).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.converge(LIMIT).await;
    assert_eq!(site.held(), [160, 160, 160]);
    assert!(site.centrals[2].ledger.log().backlog_stored >= 100 - 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_events_do_not_travel_again() {
    let mut site = Site::new(3, 5000).await;
    site.start().await;
    until("all are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    site.link_all().await;
    for _ in 0..100 {
        site.happen(0, 2).await;
        site.happen(1, 1).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    site.converge(LIMIT).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let again: u64 = site.centrals.iter().map(|c| c.ledger.log().backlog_known).sum();
    assert!(again <= 6, "{again} events came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_central_catches_up_from_several_while_events_go_on() {
    let mut site = Site::new(3, 5000).await;
    let old = site.centrals[0].ledger.append(8000);
    {
        let c = &site.centrals[1];
        let carried = old.iter().map(|f| wire::bus::events::Carried {
            trace: None,
            committed_at: 0,
            frame: f.bytes().to_vec(),
        });
        let apply = wire::bus::events::Apply {
            from: site.centrals[0].id.clone(),
            lane: wire::bus::events::ApplyLane::Live,
            events: carried.collect(),
        };
        c.ledger.apply(&c.bus, apply).await;
    }
    site.start().await;
    site.link_all().await;
    for _ in 0..40 {
        site.happen(1, 3).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    site.converge(LIMIT).await;
    assert_eq!(site.held()[2], 8120);
}
