//! Slow, silent, cloned and broken peers.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use wire::http::PeerState;
use wire::mesh::Message;

use crate::support::{Central, FakePeer, Plan, WITHIN, Wire, event, eventually};

fn with_fake_peers(ids: &[&str]) -> Plan {
    // Nobody listens on port 1: the fake peers dial.
    ids.iter().fold(Plan::new("central-1", None), |p, id| p.peer(id, 1))
}

#[tokio::test]
async fn a_peer_that_does_not_read_slows_nobody() {
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, None)));
    let one = Central::start(one.peer("central-9", 1)).await;
    let mut two = Central::start(two).await;
    one.sees("central-2", PeerState::Connected).await;
    let deaf = FakePeer::link(one.plan.port, None, "central-9", "p").await;
    one.sees("central-9", PeerState::Connected).await;
    // Far more than its socket and its queue take.
    let (batches, size) = (40, 100);
    let frame = vec![1u8; 8 * 1024];
    for b in 0..batches {
        let events = (0..size)
            .map(|i| wire::bus::events::Carried { frame: frame.clone(), ..event(b * size + i) })
            .map(|e| wire::bus::events::Carried { committed_at: 1, ..e });
        for part in events.collect::<Vec<_>>().chunks(50) {
            one.commit(part.to_vec()).await;
        }
        let got = two.take_events(size).await;
        assert_eq!(got.len(), size);
    }
    drop(deaf);
}

#[tokio::test]
async fn a_peer_that_never_echoes_is_dead_after_three_beats() {
    let one = Central::start(with_fake_peers(&["central-2"])).await;
    let mut silent = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    one.sees("central-2", PeerState::Connected).await;
    let mut beats = 0;
    loop {
        match silent.receive().await {
            Some(Message::Heartbeat(_)) => beats += 1,
            Some(Message::Bye(reason)) => {
                assert_eq!(reason, "three heartbeats in a row were not answered");
                break;
            }
            Some(_) => {}
            None => panic!("a good-bye was due"),
        }
    }
    // Its own beat's echo, and three of ours.
    assert_eq!(beats, 4);
    one.sees("central-2", PeerState::Down).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed_and_links_return_with_it() {
    let [mut one, mut two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, None)));
    let network = [Wire::lay(two.port).await, Wire::lay(one.port).await];
    one.peers[0].1 = network[0].port;
    two.peers[0].1 = network[1].port;
    let (one, mut two) = (Central::start(one).await, Central::start(two).await);
    one.sees("central-2", PeerState::Connected).await;
    two.sees("central-1", PeerState::Connected).await;
    network.iter().for_each(|w| w.cut(true));
    one.sees("central-2", PeerState::Down).await;
    two.sees("central-1", PeerState::Down).await;
    network.iter().for_each(|w| w.cut(false));
    one.sees("central-2", PeerState::Connected).await;
    one.commit(vec![event(8)]).await;
    assert_eq!(two.take_events(1).await, [event(8)]);
}

#[tokio::test]
async fn two_processes_of_one_central_keep_both_links_and_raise_the_alarm() {
    let one = Central::start(with_fake_peers(&["central-2"])).await;
    let first = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    let second = FakePeer::link(one.plan.port, None, "central-2", "q").await;
    let (first, second) = (tokio::spawn(first.live()), tokio::spawn(second.live()));
    eventually("CLONE alarm", || async {
        one.peer("central-2").await.last_error.filter(|e| e.contains("CLONE"))
    })
    .await;
    assert!(!first.is_finished() && !second.is_finished());
}

#[tokio::test]
async fn of_two_links_to_one_process_the_older_is_closed_once_the_newer_is_proven() {
    let one = Central::start(with_fake_peers(&["central-2"])).await;
    let first = tokio::spawn(FakePeer::link(one.plan.port, None, "central-2", "p").await.live());
    one.sees("central-2", PeerState::Connected).await;
    // HELLO and a beat, but no echo: not proven.
    let mut second = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    assert!(!first.is_finished());
    let beat = loop {
        match second.receive().await {
            Some(Message::Heartbeat(b)) if b.echo.is_none() => break b,
            Some(_) => {}
            None => panic!("the newer link stays"),
        }
    };
    assert!(!first.is_finished());
    second.send(&Message::Heartbeat(wire::mesh::Heartbeat { echo: Some(beat.clock), ..beat })).await;
    let said = tokio::time::timeout(WITHIN, first).await.unwrap().unwrap();
    assert_eq!(said.as_deref(), Some("spare link"));
    assert_eq!(one.peer("central-2").await.state, PeerState::Connected);
}

#[tokio::test]
async fn what_a_killed_ledger_was_given_is_given_up_as_soon_as_another_writes() {
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, None)));
    let (one, mut two) = (Central::start(one).await, Central::start(two).await);
    one.sees("central-2", PeerState::Connected).await;
    let ledger = two.ledger.clone();
    *ledger.process.lock().unwrap() = Some("the first".to_owned());
    eventually("mesh knows its ledger", || async { (ledger.named.load(SeqCst) > 0).then_some(()) }).await;
    ledger.is_dead.store(true, SeqCst);
    one.commit(vec![event(1)]).await;
    assert_eq!(two.take_events(1).await, [event(1)]);
    // A slow one is waited for; it says that it is the same.
    one.commit(vec![event(2)]).await;
    let early = tokio::time::timeout(Duration::from_secs(2), two.applied.recv()).await;
    assert!(early.is_err(), "{early:?}");
    let began = Instant::now();
    ledger.is_dead.store(false, SeqCst);
    *ledger.process.lock().unwrap() = Some("the second".to_owned());
    assert_eq!(two.take_events(1).await, [event(2)]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn rubbish_neither_ends_the_link_nor_reaches_anyone() {
    let mut one = Central::start(with_fake_peers(&["central-2"])).await;
    let mut peer = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for n in 0..200usize {
        let mut bytes: Vec<u8> = (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        // Any type but good-bye and HELLO, which may end a link, and beats, which are answered.
        if let Some(first) = bytes.first_mut() {
            *first = [4, 5, 6, 7, 8, 77][n % 6];
        }
        if Message::decode(&bytes).is_err() {
            peer.send_bytes(bytes).await;
        }
    }
    peer.send(&Message::Events(vec![event(3)])).await;
    assert_eq!(one.take_events(1).await, [event(3)]);
    assert_eq!(one.peer("central-2").await.state, PeerState::Connected);
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    for n in 0..20_000usize {
        let mut bytes: Vec<u8> = (0..n % 97).map(|_| random()).collect();
        if let Some(first) = bytes.first_mut() {
            *first %= 12;
        }
        drop(Message::decode(&bytes));
    }
}
