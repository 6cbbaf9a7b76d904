//! A question about a plate goes to every peer, and the answers to the ledger.

use serde_json::{Value, json};
use wire::bus::query::MeshQuery;
use wire::event::{Frame, Header, Kind};
use wire::hash::{Hash32, PlateTag};
use wire::http::PeerState;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use crate::support::{Central, FakePeer, Plan};

const TAG: PlateTag = PlateTag([3; 16]);

fn frame(central: &str, seq: u64) -> Frame {
    let stream = StreamId { central: CentralId::new(central).unwrap(), incarnation: Incarnation(9) };
    let header = Header {
        kind: Kind::from_code(1),
        position: Position { stream, seq },
        occurred_at: 1,
        prev_hash: Hash32::default(),
        command_id: None,
        opening: None,
        plate_tag: Some(TAG),
    };
    Frame::write(header, &[0; 16], b"{}").unwrap()
}

#[tokio::test]
async fn every_peer_is_asked_and_what_they_hold_is_applied() {
    let mut plans = Plan::mesh(["central-1", "central-2", "central-3"].map(|id| Plan::new(id, None)));
    plans[1].plate_frames =
        vec![frame("central-2", 1).bytes().to_vec(), frame("central-2", 2).bytes().to_vec()];
    let [one, two, three] = plans;
    let (mut one, _two) = (Central::start(one.peer("central-9", 1)).await, Central::start(two).await);
    let _three = Central::start(three).await;
    // One that never answers costs the time given, not more.
    let _mute = FakePeer::link(one.plan.port, None, "central-9", "p").await;
    for id in ["central-2", "central-3", "central-9"] {
        one.sees(id, PeerState::Connected).await;
    }
    let found: Value = one.ask(&MeshQuery::PlateLookup { tag: TAG, timeout_ms: 1_000 }).await.unwrap();
    assert_eq!(found, json!({"asked": 3, "answered": 2, "stored": 2}));
    let applied = one.take_events(2).await;
    let seqs: Vec<_> =
        applied.iter().map(|c| Frame::parse(c.frame.clone().into()).unwrap().header().position.seq).collect();
    assert_eq!(seqs, [1, 2]);
}
