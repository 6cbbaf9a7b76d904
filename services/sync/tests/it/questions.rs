use std::time::Duration;

use wire::bus::query::{PeerTimes, SyncPeers, SyncQuery};
use wire::bus::state::SyncState;
use wire::bus::subject::SYNC_STATE;
use wire::http::SyncStateView;
use wire::position::Position;

use crate::site::{Site, until};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_and_peers_are_told() {
    let mut site = Site::new(3, 5000).await;
    site.centrals[0].ledger.append(40);
    site.start().await;
    until("all are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    let c = &site.centrals[0];
    let peers: SyncPeers = c.ask(&SyncQuery::Peers).await;
    assert_eq!((peers.held_only_here, peers.peers.len()), (40, 0), "nobody was met yet");
    let frames = c.ledger.append(1);
    c.ledger.tell(&c.bus, &frames).await;
    let at_once: Vec<u64> = c.ask(&SyncQuery::Holders(vec![frames[0].header().position.clone()])).await;
    assert_eq!(at_once, [1], "the origin holds what it has just written");
    let at: Position = frames[0].header().position.clone();
    site.link_all().await;
    site.converge(LIMIT).await;
    let start = tokio::time::Instant::now();
    loop {
        let holders: Vec<u64> = c.ask(&SyncQuery::Holders(vec![at.clone()])).await;
        if holders == [3] {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{holders:?}");
    }
    let peers: SyncPeers = c.ask(&SyncQuery::Peers).await;
    assert_eq!(peers.held_only_here, 0);
    assert!(peers.peers.iter().all(|p| p.behind_events == 0 && p.held_events == 0));
    site.link(0, 1, false).await;
    site.link(0, 2, false).await;
    site.happen(0, 3).await;
    let start = tokio::time::Instant::now();
    loop {
        let peers: SyncPeers = site.centrals[0].ask(&SyncQuery::Peers).await;
        if peers.held_only_here == 3 {
            assert!(peers.peers.iter().all(|p| p.behind_events == 3));
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{peers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_shows_what_is_missing_and_how_new_everything_is() {
    let mut site = Site::new(2, 5000).await;
    site.centrals[0].ledger.append(2000);
    site.centrals[1].ledger.log().broken = true;
    site.start().await;
    let mut states = site.centrals[1].bus.subscribe(SYNC_STATE).await.unwrap();
    site.link_all().await;
    let told = async {
        loop {
            let s: SyncState = states.next().await.unwrap().json().unwrap();
            if s.missing == 2000 {
                return s;
            }
        }
    };
    let state = tokio::time::timeout(LIMIT, told).await.unwrap();
    assert!(state.catching_up);
    let view: SyncStateView = site.centrals[1].ask(&SyncQuery::State).await;
    assert_eq!((view.backlog, view.catching_up, view.peers[0].backlog), (2000, true, 2000));
    assert_eq!(view.peers[0].gaps.len(), 1);
    assert!(view.peers[0].gaps[0].ends_with("/1-2000"), "{:?}", view.peers[0].gaps);
    assert_eq!(view.peers[0].last_sync_timestamp, None);
    site.centrals[1].ledger.log().broken = false;
    // The rate looks back a few seconds only, so it is read while they last.
    let moving = async {
        loop {
            let view: SyncStateView = site.centrals[1].ask(&SyncQuery::State).await;
            if view.peers[0].rate > 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, moving).await.unwrap();
    site.converge(LIMIT).await;
    let told = async {
        loop {
            let s: SyncState = states.next().await.unwrap().json().unwrap();
            if !s.catching_up && s.missing == 0 {
                return s;
            }
        }
    };
    let state = tokio::time::timeout(LIMIT, told).await.unwrap();
    assert_eq!(state.positions_digest, site.centrals[1].ledger.log().positions.digest());
    let view: SyncStateView = site.centrals[1].ask(&SyncQuery::State).await;
    let peer = &view.peers[0];
    assert_eq!(peer.last_sync_timestamp, Some(1_700_000_002_000));
    assert!(peer.last_sync_time.as_ref().unwrap().ends_with("+07:00"));
    assert_eq!(peer.eta_s, Some(0.0));
    // After a restart, the newest event is read back, and when something last came is asked of the ledger.
    let last_sync_at = 1_700_000_123_000;
    let from = site.centrals[0].ledger.me.clone();
    site.centrals[1].ledger.log().times = vec![PeerTimes { peer: from, last_sync_at }];
    site.centrals[1].kill().await;
    site.centrals[1].start().await;
    until("it is ready", || site.centrals[1].health.missing().is_empty()).await;
    let view: SyncStateView = site.centrals[1].ask(&SyncQuery::State).await;
    assert_eq!(view.peers[0].last_sync_timestamp, Some(1_700_000_002_000));
    assert_eq!(view.peers[0].last_sync_time.as_deref(), Some("2023-11-15T05:15:23.000+07:00"));
}
