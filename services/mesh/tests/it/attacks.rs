//! A mesh port under attack: floods, silence, oversized, cut and repeated messages. The honest peer notices nothing.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::http::PeerState;
use wire::mesh::{MAX_FRAME_BYTES, Message};

use crate::support::{Authority, Central, FakePeer, Plan, WITHIN, event};

/// Handshakes and HELLO have five seconds each; a busy machine a little more.
const STAGE: Duration = Duration::from_secs(12);

async fn alone() -> Central {
    Central::start(Plan::new("central-1", None).peer("central-2", 1)).await
}

/// The port says nothing more on this socket, in time.
async fn is_ended(socket: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    let mut said = Vec::new();
    let read = tokio::time::timeout(STAGE, socket.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "the port waits for ever");
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connects_that_say_nothing_keeps_no_peer_out() {
    let ca = Authority::new();
    let plan = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1);
    let mut one = Central::start(plan).await;
    let port = one.plan.port;
    let flood = tokio::spawn(async move {
        let mut held = std::collections::VecDeque::new();
        loop {
            held.push_back(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
            if held.len() > 400 {
                held.pop_front();
            }
            if held.len() % 20 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let issued = ca.issue("central-2");
    let linked = FakePeer::link(port, Some(&issued), "central-2", "p");
    let mut peer = tokio::time::timeout(STAGE, linked).await.expect("a link in spite of the flood");
    one.sees("central-2", PeerState::Connected).await;
    peer.send(&Message::Events(vec![event(1)])).await;
    assert_eq!(one.take_events(1).await, [event(1)]);
    assert!(!flood.is_finished());
    flood.abort();
}

#[tokio::test]
async fn whoever_says_nothing_is_hung_up_on_at_each_stage() {
    let ca = Authority::new();
    let plan = Plan::new("central-1", Some(ca.issue("central-1"))).peer("central-2", 1);
    let tls = Central::start(plan).await;
    let plain = alone().await;
    let (silent_tcp, trickled_head, no_hello) = tokio::join!(
        async {
            let mut socket = TcpStream::connect(("127.0.0.1", tls.plan.port)).await.unwrap();
            is_ended(&mut socket).await
        },
        async {
            let mut socket = TcpStream::connect(("127.0.0.1", plain.plan.port)).await.unwrap();
            socket.write_all(b"GET /mesh HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
            let (mut reader, mut writer) = socket.into_split();
            let trickle = tokio::spawn(async move {
                while writer.write_all(b"y").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
            let begun = Instant::now();
            let mut said = Vec::new();
            let read = tokio::time::timeout(STAGE, reader.read_to_end(&mut said)).await;
            assert!(read.is_ok(), "the port listens for ever");
            trickle.abort();
            begun.elapsed()
        },
        async {
            let mut peer = FakePeer::dial(plain.plan.port, None).await;
            let begun = Instant::now();
            assert!(matches!(peer.receive().await, None | Some(Message::Bye(_))));
            begun.elapsed()
        }
    );
    for took in [silent_tcp, trickled_head, no_hello] {
        assert!(took > Duration::from_secs(3) && took < STAGE, "{took:?}");
    }
}

#[tokio::test]
async fn nothing_counts_before_hello_nor_without_a_known_one() {
    let mut one = alone().await;
    let mut early = FakePeer::dial(one.plan.port, None).await;
    early.send(&Message::Events(vec![event(1)])).await;
    early.beat(1).await;
    early.send(&FakePeer::hello("central-9", "p")).await;
    early.send(&Message::Events(vec![event(2)])).await;
    assert!(matches!(early.receive().await, Some(Message::Bye(_))), "a stranger is told why");
    assert_ne!(one.peer("central-2").await.state, PeerState::Connected);
    let mut honest = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    honest.send(&Message::Events(vec![event(3)])).await;
    assert_eq!(one.take_events(1).await, [event(3)], "and nothing of the others");
}

#[tokio::test]
async fn messages_beyond_the_bound_end_their_own_link_only() {
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, None)));
    let mut one = Central::start(one.peer("central-9", 1)).await;
    let two = Central::start(two).await;
    let before = one.sees("central-2", PeerState::Connected).await;
    for in_pieces in [false, true] {
        let mut big = FakePeer::link(one.plan.port, None, "central-9", "p").await;
        one.sees("central-9", PeerState::Connected).await;
        let bytes = vec![3u8; MAX_FRAME_BYTES + 1];
        if in_pieces {
            big.send_in_pieces(&bytes, 64 * 1024).await;
        } else {
            big.send_unasked(bytes).await;
        }
        while big.try_receive().await.is_some() {}
        one.sees("central-9", PeerState::Down).await;
    }
    two.commit(vec![event(4)]).await;
    assert_eq!(one.take_events(1).await, [event(4)]);
    let after = one.peer("central-2").await;
    assert_eq!((after.state, after.since), (PeerState::Connected, before.since));
}

#[tokio::test]
async fn a_message_cut_anywhere_is_skipped_and_one_said_twice_is_passed_on_twice() {
    let mut one = alone().await;
    let mut peer = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    let whole = Message::Events(vec![event(1), event(2)]).encode().unwrap();
    for n in 1..whole.len() {
        peer.send_bytes(whole[..n].to_vec()).await;
    }
    // Twice: the ledger knows each event by its position and hash.
    peer.send_bytes(whole.clone()).await;
    peer.send_bytes(whole).await;
    peer.send(&FakePeer::hello("central-2", "p")).await;
    peer.send(&Message::Events(vec![event(3)])).await;
    let got = one.take_events(5).await;
    assert_eq!(got, [event(1), event(2), event(1), event(2), event(3)]);
    assert_eq!(one.peer("central-2").await.state, PeerState::Connected);
}

#[tokio::test]
async fn text_and_noise_on_the_port_end_with_themselves() {
    let mut one = alone().await;
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4096],
        b"\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", one.plan.port)).await.unwrap();
        drop(socket.write_all(noise).await);
        is_ended(&mut socket).await;
    }
    let mut peer = FakePeer::link(one.plan.port, None, "central-2", "p").await;
    peer.send_text("{\"hello\": true}").await;
    let ended = tokio::time::timeout(WITHIN, async { while peer.try_receive().await.is_some() {} }).await;
    assert!(ended.is_ok(), "text ends a link");
    let mut peer = FakePeer::link(one.plan.port, None, "central-2", "q").await;
    peer.send(&Message::Events(vec![event(1)])).await;
    assert_eq!(one.take_events(1).await, [event(1)]);
}
