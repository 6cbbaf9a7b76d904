//! Takes links that peers dial.

use std::sync::Arc;

use anyhow::Context;
use replication::mesh::Opened;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::link;
use crate::node::Node;
use crate::socket::{Accepted, accept};

/// Handshakes under way at once; more are hung up on.
const HANDSHAKES: usize = 64;

/// Accepts until the stop.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener) -> anyhow::Result<()> {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let stop = node.shutdown.token();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(e) if is_fatal(&e) => return Err(e).context("mesh port"),
            Err(e) => {
                // Out of files or buffers: others may give some back.
                tracing::warn!(error = %e, "connection not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = handshakes.clone().try_acquire_owned() else { continue };
        let node = node.clone();
        node.clone().tasks().spawn(async move {
            let stop = node.shutdown.token();
            stop.run_until_cancelled(handshake(&node, tcp)).await;
            drop(permit);
        });
    }
    Ok(())
}

fn is_fatal(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::NotConnected)
}

async fn handshake(node: &Arc<Node>, tcp: TcpStream) {
    let address = tcp.peer_addr().map_or_else(|e| e.to_string(), |a| a.to_string());
    match accept(tcp, node.security.now()).await {
        Ok(Accepted { ws, certified, test }) => {
            link::open(node, ws, Opened { dial: None, certified, address, test }).await;
        }
        Err(f) if f.refused => {
            let reason = f.to_string();
            node.drive(|mesh, now| mesh.incoming_refused(now, None, &reason)).await;
        }
        // A port scan, a health check of a load balancer, a peer that went away: nothing to act on.
        Err(f) => tracing::debug!(reason = %f, "incoming connection ended"),
    }
}
