//! Dials a peer, up to a WebSocket.

use std::sync::Arc;

use replication::mesh::Opened;
use wire::config::PeerCentral;

use crate::link;
use crate::node::Node;
use crate::security::Paper;
use crate::socket::{Failure, LINK_PATH, Ws, dial};

/// Begins a dial; the state machine hears what becomes of it.
pub(crate) fn begin(node: &Arc<Node>, number: u64, peer: Box<PeerCentral>) {
    let (tasks, node) = (node.tasks(), node.clone());
    tasks.spawn(async move {
        let running = {
            let node = node.clone();
            tokio::spawn(async move { connect(&node, number, &peer).await })
        };
        let abort = running.abort_handle();
        let outcome = match node.shutdown.token().run_until_cancelled(running).await {
            None => return abort.abort(),
            Some(Ok(outcome)) => outcome,
            // A panic costs this dial only.
            Some(Err(e)) => {
                tracing::error!(panicked = e.is_panic(), "dial failed");
                Err(Failure::at(wire::http::TestStage::Tcp, "internal error"))
            }
        };
        match outcome {
            Ok((ws, paper, opened)) => link::open(&node, ws, paper, opened).await,
            Err(f) => {
                let reason = f.to_string();
                node.drive(|mesh, now| mesh.dial_failed(now, number, f.refused, &reason)).await;
            }
        }
    });
}

async fn connect(
    node: &Node,
    number: u64,
    peer: &PeerCentral,
) -> Result<(Ws, Option<Paper>, Opened), Failure> {
    let (ws, paper) = dial(peer, LINK_PATH, node.security.now()).await?;
    let address = format!("{}:{}", peer.ip, peer.p2p_port);
    let certified = paper.as_ref().map(|p| p.central.clone());
    Ok((ws, paper, Opened { dial: Some(number), certified, address, test: false }))
}
