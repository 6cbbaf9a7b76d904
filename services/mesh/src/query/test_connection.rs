//! A connection of its own to one peer, to see how far it comes. It never becomes a link.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wire::config::P2pConfig;
use wire::http::{Problem, TestConnection, TestStage};
use wire::mesh::{Heartbeat, Message};

use crate::link::hello;
use crate::node::Node;
use crate::socket::{Failure, TEST_PATH, dial};

/// Tries a configured peer. Errors: 404 for one that is not.
pub(super) async fn test(
    node: &Arc<Node>,
    config: &P2pConfig,
    peer_id: &str,
) -> Result<TestConnection, Box<Problem>> {
    let Some(peer) = config.peer_centrals.iter().find(|p| p.id.as_str() == peer_id) else {
        let detail = format!("{peer_id:?} is not configured");
        return Err(Box::new(Problem::new(404, "unknown_peer", "No such peer", detail)));
    };
    let tried = async {
        let (mut ws, paper) = dial(peer, TEST_PATH, node.security.now()).await?;
        hello::as_dialler(&mut ws, node, &peer.id, paper.map(|p| p.central)).await?;
        let sent = Instant::now();
        let beat = Heartbeat {
            n: 1,
            clock: kit::clock::now_ms(),
            echo: None,
            positions_digest: None,
            ledger_process: None,
        };
        hello::send(&mut ws, &Message::Heartbeat(beat)).await?;
        match hello::receive(&mut ws).await? {
            Message::Heartbeat(_) | Message::Beat(_) => {}
            Message::Bye(reason) => return Err(hello::said_no(&reason)),
            m => return Err(Failure::at(TestStage::Hello, format!("echo expected, {} came", m.name()))),
        }
        let rtt = sent.elapsed();
        drop(hello::send(&mut ws, &Message::Bye("test done".to_owned())).await);
        drop(tokio::time::timeout(Duration::from_millis(200), ws.close(None)).await);
        Ok::<_, Failure>(rtt)
    };
    Ok(match tried.await {
        Ok(rtt) => TestConnection {
            ok: true,
            rtt_ms: Some(rtt.as_secs_f64() * 1000.0),
            stage: TestStage::Done,
            error: None,
        },
        Err(f) => TestConnection { ok: false, rtt_ms: None, stage: f.stage, error: Some(f.error) },
    })
}
