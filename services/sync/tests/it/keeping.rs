use std::time::Duration;

use wire::bus::query::{RangeState, SyncQuery};
use wire::http::{LostRange, SpreadView, SyncStateView};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

use crate::site::{Central, Site, until};

const LIMIT: Duration = Duration::from_secs(60);

/// What an operator wrote of `range` when closing it.
fn lost(range: &SeqRange) -> LostRange {
    LostRange {
        position: "central-1/0/1".to_owned(),
        central: range.stream.central.to_string(),
        incarnation: range.stream.incarnation.to_string(),
        from: range.from,
        to: range.to,
        missing: Some(range.len()),
        state: None,
        staff_id: "s-1".to_owned(),
        reason: "gone".to_owned(),
        at: "2026-11-22T08:00:00.000+07:00".to_owned(),
    }
}

async fn until_spread(c: &Central, so: impl Fn(&SpreadView) -> bool) -> SpreadView {
    let start = tokio::time::Instant::now();
    loop {
        let told: Option<SpreadView> = c.ask(&SyncQuery::Spread).await;
        if let Some(s) = told.filter(&so) {
            return s;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "never told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_events_have_spread_is_told_with_their_age() {
    let mut site = Site::new(2, 5000).await;
    site.centrals[0].ledger.append(40);
    let range = SeqRange {
        stream: StreamId { central: CentralId::new("central-9").unwrap(), incarnation: Incarnation(7) },
        from: 3,
        to: 9,
    };
    site.centrals[0].ledger.log().closed.push(lost(&range));
    site.start().await;
    until("all are ready", || site.centrals.iter().all(|c| c.health.missing().is_empty())).await;
    site.link_all().await;
    site.converge(LIMIT).await;
    let c = &site.centrals[0];
    let everywhere = until_spread(c, |s| s.not_everywhere == 0 && s.peers[0].known).await;
    assert_eq!((everywhere.oldest, everywhere.peers[0].lacks), (None, Some(0)));
    site.link(0, 1, false).await;
    site.happen(0, 3).await;
    let s = until_spread(c, |s| s.not_everywhere > 0).await;
    let peer = &s.peers[0];
    assert_eq!((s.not_everywhere, peer.known, peer.lacks), (3, true, Some(3)));
    // The stand-in's ledger stamps its events so: event 41 is the first the peer lacks.
    let at = wire::time::parse_rfc3339(s.oldest.as_deref().unwrap()).unwrap();
    assert_eq!((at, s.oldest.as_ref()), (1_700_000_000_041, peer.oldest_lacked.as_ref()));
    let state: SyncStateView = c.ask(&SyncQuery::State).await;
    assert_eq!(state.closed, [format!("{}/3-9", range.stream)]);
    assert!(state.nowhere.is_empty() && state.unavailable.is_empty());
    let seen: RangeState = c.ask(&SyncQuery::Range(range)).await;
    assert_eq!((seen.missing, seen.known, seen.holders.len()), (7, 0, 0), "nobody ever told of it");
}
