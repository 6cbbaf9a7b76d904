//! Events of other centrals.

use wire::bus::events::ApplyLane;
use wire::event::Frame;
use wire::http::{Direction, SessionStatus};

use crate::rig::{Central, enter, leave, pass};

const HOUR: i64 = 3_600_000;

/// Some traffic: everybody enters, most pass, half of them leave.
async fn traffic(c: &Central, cars: i64) {
    let at = kit::clock::now_ms() - HOUR;
    for i in 0..cars {
        let plate = format!("29A-{i:03}.11");
        let id = enter(c, "edge-1", &plate, at + 10_000 * i).await.event_id.unwrap();
        if i % 5 != 0 {
            pass(c, "edge-1", Direction::Entry, &id).await;
        }
        if i % 2 == 0 {
            leave(c, "edge-3", &plate).await;
        }
    }
}

fn shuffled<T>(mut all: Vec<T>, mut seed: u64) -> Vec<T> {
    for i in (1..all.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(i, (seed >> 33) as usize % (i + 1));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_and_duplication_gives_the_same_digest() {
    let (one, two) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    traffic(&one, 40).await;
    let frames = one.all_frames().await;
    let stored = one.status().await;
    assert_eq!(stored.events, frames.len() as u64);
    for (i, part) in shuffled(frames.clone(), 7).chunks(7).enumerate() {
        let lane = if i % 2 == 0 { ApplyLane::Live } else { ApplyLane::Backlog };
        assert_eq!(two.apply(lane, part).await.error, None);
        two.apply(lane, &part[..part.len() / 2]).await;
    }
    let known = two.apply(ApplyLane::Backlog, &frames).await;
    assert_eq!((known.stored, known.known as usize), (0, frames.len()));
    let there = two.status().await;
    assert_eq!((&there.digest, there.positions_digest), (&stored.digest, stored.positions_digest));
    let row = &two.history(None).await[0];
    assert_eq!((row.sync_status.as_str(), row.source_central.as_str()), ("SYNCED", "central-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_close_and_unknown_and_poison_events_are_held() {
    let (one, two) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    traffic(&one, 5).await;
    let frames = one.all_frames().await;
    let last = frames.len() as u64;
    let reply = two.apply(ApplyLane::Live, &frames[frames.len() - 1..]).await;
    assert_eq!(
        (reply.stored, reply.holdings[0].head, &reply.holdings[0].gaps[..]),
        (1, last, &[(1, last - 1)][..])
    );
    let reply = two.apply(ApplyLane::Backlog, &frames[..2]).await;
    assert_eq!(reply.holdings[0].gaps, [(3, last - 1)]);

    let header = |seq: u64, kind| {
        let f = Frame::parse(frames[0].clone().into()).unwrap();
        let mut h = f.header().clone();
        (h.position.stream.incarnation, h.position.seq, h.kind) = (wire::id::Incarnation(5), seq, kind);
        h
    };
    let unknown = Frame::write(header(1, wire::event::Kind::Unknown(900)), &[1; 16], b"whatever").unwrap();
    let poison = Frame::write(header(2, wire::event::Kind::EntryPending), &[1; 16], b"{\"no\":1}").unwrap();
    let nul = Frame::write(
        header(3, wire::event::Kind::EntryPending),
        &[1; 16],
        br#"{"plate":{"raw":"\u0000","key":"A\u0000B","display":"x\u0000"},"edge_id":"e\u0000","vehicle_class":"car","clock":{"received_at":1}}"#,
    )
    .unwrap();
    let odd: Vec<Vec<u8>> = [&unknown, &poison, &nul].iter().map(|f| f.bytes().to_vec()).collect();
    let mut with_rubbish = odd.clone();
    with_rubbish.push(b"no event".to_vec());
    let reply = two.apply(ApplyLane::Live, &with_rubbish).await;
    assert_eq!((reply.stored, reply.poison, reply.refused, reply.error), (3, 1, 1, None));
    let held = two.all_frames().await;
    assert!(odd.iter().all(|f| held.contains(f)), "relayed byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_branches_of_a_fork_are_stored_and_an_erased_form_stays() {
    let (one, two) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    let at = kit::clock::now_ms() - HOUR;
    enter(&one, "edge-1", "29A-000.01", at).await;
    let first = Frame::parse(one.all_frames().await[0].clone().into()).unwrap();
    let wire::event::Content::Full { body, .. } = first.content() else { panic!("full") };
    let other = Frame::write(first.header().clone(), &[9; 16], body).unwrap();
    let reply = two.apply(ApplyLane::Live, &[first.bytes().to_vec(), other.bytes().to_vec()]).await;
    assert_eq!((reply.stored, reply.forks, reply.holdings[0].forks.len()), (2, 1, 1));
    assert_eq!(two.all_frames().await.len(), 2);

    let erased = first.erased();
    assert_eq!(two.apply(ApplyLane::Live, &[erased.bytes().to_vec()]).await.stored, 1);
    assert_eq!(two.apply(ApplyLane::Live, &[first.bytes().to_vec()]).await.known, 1);
    assert!(two.all_frames().await.contains(&erased.bytes().to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_at_another_central_closes_the_session() {
    let (one, two) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    let at = kit::clock::now_ms() - HOUR;
    let id = enter(&one, "edge-1", "29A-123.45", at).await.event_id.unwrap();
    pass(&one, "edge-1", Direction::Entry, &id).await;
    two.apply(ApplyLane::Live, &one.all_frames().await).await;
    let exit = leave(&two, "edge-7", "29A-123.45").await;
    assert_eq!((exit.event_id.as_deref(), exit.fee), (Some(id.as_str()), Some(25_000)));
    one.apply(ApplyLane::Live, &two.all_frames().await).await;
    let (a, b) = (one.history(None).await, two.history(None).await);
    assert_eq!((a[0].status, a[0].exit_central.as_deref()), (SessionStatus::Exited, Some("central-2")));
    assert_eq!((a[0].sync_status.as_str(), b[0].sync_status.as_str()), ("LOCAL", "SYNCED"));
    assert_eq!(one.status().await.digest, two.status().await.digest);
}
