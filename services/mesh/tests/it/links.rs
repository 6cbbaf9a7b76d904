//! Links come up, carry, break and come back.

use wire::bus::events::{ApplyLane, ToPeer, encode};
use wire::bus::subject;
use wire::hash::Hash32;
use wire::http::{MeshStatus, Mode, PeerState};
use wire::mesh::{Message, Positions};

use crate::support::{Authority, Central, Plan, event, eventually};

#[tokio::test]
async fn a_live_event_passes_with_its_trace_and_links_settle() {
    let ca = Authority::new();
    let plans = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let [one, two] = plans;
    let (one, mut two) = (Central::start(one).await, Central::start(two).await);
    let before = one.sees("central-2", PeerState::Connected).await;
    two.sees("central-1", PeerState::Connected).await;

    let sent: Vec<_> = (0..3).map(event).collect();
    one.commit(sent.clone()).await;
    let first = tokio::time::timeout(crate::support::WITHIN, two.applied.recv()).await.unwrap().unwrap();
    assert_eq!((first.from.as_str(), first.lane), ("central-1", ApplyLane::Live));
    let mut got = first.events;
    if got.len() < 3 {
        got.extend(two.take_events(3 - got.len()).await);
    }
    assert_eq!(got, sent);

    // Round trip and skew come with the first echo; both sides dialled, and the peer was never down.
    let measured = eventually("rtt and skew", || async {
        Some(one.peer("central-2").await).filter(|p| p.rtt_ms.is_some() && p.clock_skew_ms.is_some())
    })
    .await;
    assert!(measured.clock_skew_ms.unwrap().abs() < 300, "{measured:?}");
    assert_eq!((measured.since, measured.last_error), (before.since, None));
}

#[tokio::test]
async fn a_peer_that_stops_is_down_and_linked_again_when_it_is_back() {
    let ca = Authority::new();
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (mut one, mut two) = (Central::start(one).await, Central::start(two).await);
    one.sees("central-2", PeerState::Connected).await;
    two.stop().await;
    let down = one.sees("central-2", PeerState::Down).await;
    assert!(down.last_error.is_some());
    two.run().await;
    let up = one.sees("central-2", PeerState::Connected).await;
    assert_eq!(up.last_error, None);
    two.sees("central-1", PeerState::Connected).await;
    two.commit(vec![event(1)]).await;
    assert_eq!(one.take_events(1).await, [event(1)]);
}

#[tokio::test]
async fn messages_of_sync_pass_to_one_or_to_all() {
    let ca = Authority::new();
    let ids = ["central-1", "central-2", "central-3"];
    let [one, two, three] = Plan::mesh(ids.map(|id| Plan::new(id, Some(ca.issue(id)))));
    let one = Central::start(one).await;
    let (mut two, mut three) = (Central::start(two).await, Central::start(three).await);
    one.sees("central-2", PeerState::Connected).await;
    one.sees("central-3", PeerState::Connected).await;
    let message = |n: u8| {
        let p = Positions {
            brought: false,
            whole: true,
            more: false,
            please_answer: false,
            digest: Hash32([n; 32]),
            streams: Vec::new(),
        };
        Message::Positions(p).encode().unwrap()
    };
    for (to, n) in [(Some(two.plan.id.parse().unwrap()), 1), (None, 2)] {
        let payload = encode(&ToPeer { to, message: message(n) }).unwrap();
        one.bus.publish(subject::MESH_SEND, payload).await.unwrap();
    }
    for (central, wanted) in [(&mut two, &[1u8, 2][..]), (&mut three, &[2][..])] {
        for n in wanted {
            let got = tokio::time::timeout(crate::support::WITHIN, central.for_sync.recv()).await;
            let got = got.unwrap().unwrap();
            assert_eq!((got.from.as_str(), got.message), ("central-1", message(*n)));
        }
    }
}

#[tokio::test]
async fn without_peers_a_central_stands_alone_and_needs_no_certificate() {
    let mut alone = Plan::new("central-1", None);
    alone.plain = false;
    let alone = Central::start(alone).await;
    let status: MeshStatus = alone.ask(&wire::bus::query::MeshQuery::Status).await.unwrap();
    assert_eq!((status.mode, status.peers.len()), (Mode::Standalone, 0));
}
