//! `test-connection` names the stage that fails.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wire::http::{PeerState, TestStage};

use crate::support::{Authority, Central, Plan};

#[tokio::test]
async fn a_good_connection_is_done_and_leaves_the_link_alone() {
    let ca = Authority::new();
    let [one, two] = Plan::mesh(["central-1", "central-2"].map(|id| Plan::new(id, Some(ca.issue(id)))));
    let (one, two) = (Central::start(one).await, Central::start(two).await);
    one.sees("central-2", PeerState::Connected).await;
    let before = two.sees("central-1", PeerState::Connected).await;
    let t = one.test_connection("central-2").await.unwrap();
    assert_eq!((t.ok, t.stage, t.error), (true, TestStage::Done, None));
    assert!(t.rtt_ms.unwrap() > 0.0);
    let after = two.peer("central-1").await;
    assert_eq!((after.state, after.since), (PeerState::Connected, before.since));
    let p = one.test_connection("central-77").await.unwrap_err();
    assert_eq!((p.status, p.code.as_str()), (404, "unknown_peer"));
}

/// A server that says something that is not what was asked for.
async fn rude() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            drop(tcp.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await);
            drop(tcp.shutdown().await);
        }
    });
    port
}

async fn stage(central: &Central, peer: &str) -> TestStage {
    let t = central.test_connection(peer).await.unwrap();
    assert!(!t.ok && t.rtt_ms.is_none() && t.error.is_some(), "{t:?}");
    t.stage
}

#[tokio::test]
async fn each_stage_is_named() {
    let port = rude().await;
    let ca = Authority::new();
    let foreign = Central::start(Plan::new("central-6", Some(Authority::new().issue("central-6")))).await;
    let unaware = Central::start(Plan::new("central-7", Some(ca.issue("central-7")))).await;
    let plan = Plan::new("central-1", Some(ca.issue("central-1")))
        .peer("central-2", 1)
        .peer("central-3", port)
        .peer("central-4", 1)
        .peer("central-5", unaware.plan.port)
        .peer("central-6", foreign.plan.port)
        .peer("central-7", unaware.plan.port);
    let one = Central::start(plan).await;
    // A label longer than a name may have: no resolver asks the network for it.
    one.edit_config(|c| c["peer_centrals"][2]["ip"] = "x".repeat(70).into());
    crate::support::eventually("the edit is in force", || async {
        let at = one.test_connection("central-4").await.unwrap().stage;
        (at == TestStage::Resolve).then_some(())
    })
    .await;
    assert_eq!(stage(&one, "central-2").await, TestStage::Tcp);
    assert_eq!(stage(&one, "central-3").await, TestStage::Tls);
    assert_eq!(stage(&one, "central-5").await, TestStage::Tls, "another central than the one dialled");
    assert_eq!(stage(&one, "central-6").await, TestStage::Tls, "another operator's");
    assert_eq!(stage(&one, "central-7").await, TestStage::Hello, "it does not know us");

    let plain = Central::start(Plan::new("central-1", None).peer("central-3", port)).await;
    assert_eq!(stage(&plain, "central-3").await, TestStage::Websocket);
}
