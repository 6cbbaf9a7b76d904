use std::time::Duration;

use wire::bus::events::{FromPeer, encode};
use wire::bus::subject::MESH_RECEIVED;
use wire::mesh::{Message, SyncRequest};

use crate::site::{Site, until};

const LIMIT: Duration = Duration::from_secs(60);

/// Centrals 1 and 2 hold the same events of central 1, the third nothing.
async fn two_sources(events: usize) -> Site {
    let mut site = Site::new(3, 1000).await;
    site.centrals[0].ledger.append(events);
    site.start().await;
    site.link(0, 1, true).await;
    site.converge_two(LIMIT).await;
    site
}

impl Site {
    async fn converge_two(&self, limit: Duration) {
        let held = || (self.centrals[0].held(), self.centrals[1].held());
        tokio::time::timeout(limit, until("two agree", || held().0 == held().1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_dies_in_the_middle_is_replaced() {
    let mut site = two_sources(6000).await;
    site.net.state().delay = Duration::from_millis(30);
    site.link(0, 2, true).await;
    until("it began", || site.centrals[2].held() > 0).await;
    // Its link stays up: only silence tells.
    site.centrals[0].kill().await;
    site.link(1, 2, true).await;
    site.converge(LIMIT).await;
    assert_eq!(site.held()[2], 6000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_messages_only_cost_time() {
    let mut site = Site::new(3, 500).await;
    site.centrals[0].ledger.append(3000);
    site.centrals[1].ledger.append(2000);
    site.net.state().lose_one_in = 7;
    site.start().await;
    site.link_all().await;
    site.converge(LIMIT).await;
    assert_eq!(site.held(), [5000; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_the_middle_goes_on_where_it_was() {
    let mut site = Site::new(2, 1000).await;
    site.centrals[0].ledger.append(6000);
    site.net.state().delay = Duration::from_millis(20);
    site.start().await;
    for _ in 0..3 {
        let before = site.centrals[1].held();
        site.link(0, 1, true).await;
        until("some came", || site.centrals[1].held() > before).await;
        site.link(0, 1, false).await;
    }
    assert!(site.centrals[1].held() < 6000);
    site.link(0, 1, true).await;
    site.converge(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_service_goes_on() {
    let mut site = Site::new(2, 1000).await;
    site.centrals[0].ledger.append(6000);
    site.net.state().delay = Duration::from_millis(20);
    site.start().await;
    site.link(0, 1, true).await;
    for who in [1, 0, 1] {
        let before = site.centrals[1].held();
        until("some came", || site.centrals[1].held() > before || site.agreed()).await;
        site.centrals[who].kill().await;
        site.centrals[who].start().await;
    }
    site.converge(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_dies_and_returns_costs_nothing() {
    let mut site = Site::new(2, 1000).await;
    site.centrals[0].ledger.append(4000);
    site.net.state().delay = Duration::from_millis(20);
    site.start().await;
    site.link(0, 1, true).await;
    until("some came", || site.centrals[1].held() > 0).await;
    site.centrals[1].nats.kill();
    until("it is noticed", || site.centrals[1].health.missing() == ["bus"]).await;
    site.centrals[0].ledger.append(100);
    site.centrals[1].nats.again();
    site.converge(LIMIT).await;
    until("it is ready", || site.centrals[1].health.missing().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_disk_gets_its_events_back() {
    let mut site = Site::new(2, 1000).await;
    site.centrals[0].ledger.append(500);
    site.start().await;
    site.link(0, 1, true).await;
    site.converge(LIMIT).await;
    // Behind everyone's back, the origin's own store loses the end.
    site.centrals[0].ledger.log().go_back(200);
    site.converge(LIMIT).await;
    assert_eq!(site.held(), [500, 500]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_cannot_store_is_waited_for() {
    let mut site = Site::new(2, 1000).await;
    site.centrals[0].ledger.append(3000);
    site.centrals[1].ledger.log().broken = true;
    site.start().await;
    site.link(0, 1, true).await;
    let (a, b) = (site.centrals[0].id.clone(), site.centrals[1].id.clone());
    let asked = || site.net.state().requests.get(&(b.clone(), a.clone())).copied().unwrap_or(0);
    until("it asks on", || asked() >= 3).await;
    assert!(asked() < 20, "it does not hammer");
    site.centrals[1].ledger.log().broken = false;
    site.converge(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_asker_cannot_flood() {
    let mut site = Site::new(2, 5000).await;
    let frames = site.centrals[0].ledger.append(20_000);
    site.start().await;
    until("it is ready", || site.centrals[0].health.missing().is_empty()).await;
    site.link(0, 1, true).await;
    site.centrals[1].kill().await;
    let (a, b) = (site.centrals[0].id.clone(), site.centrals[1].id.clone());
    let pages = || site.net.state().pages.get(&(a.clone(), b.clone())).copied().unwrap_or(0);
    let before = pages();
    let stream = frames[0].header().position.stream.clone();
    let all = wire::position::SeqRange { stream, from: 1, to: u64::MAX };
    for id in 0..200 {
        let request = SyncRequest { id, ranges: vec![all.clone()], max_events: u32::MAX };
        let message = Message::SyncRequest(request).encode().unwrap();
        let told = encode(&FromPeer { from: b.clone(), message }).unwrap();
        site.centrals[0].bus.publish(MESH_RECEIVED, told).await.unwrap();
    }
    until("it answers", || pages() > before).await;
    // At most one under way, those in its queue, and what was asked for while they were answered.
    let mut last = (pages(), tokio::time::Instant::now());
    until("it has answered", || {
        if pages() != last.0 {
            last = (pages(), tokio::time::Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(1)
    })
    .await;
    let last = last.0;
    assert!(last - before < 40 * 5, "{} pages for 200 requests of 20 000 events", last - before);
    let view: wire::http::SyncStateView = site.centrals[0].ask(&wire::bus::query::SyncQuery::State).await;
    assert_eq!(view.central_id, "central-1");
}
