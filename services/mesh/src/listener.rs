//! Takes links that peers dial.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wire::id::CentralId;
use wire::mesh::{Heartbeat, Message};

use crate::dialler::start;
use crate::link::hello;
use crate::node::Node;
use crate::peers::Unlinked;
use crate::socket::{Accepted, Failure, accept};

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
            if let Some(Err((who, failure))) = stop.run_until_cancelled(handshake(&node, tcp)).await {
                refused(&node, who.as_ref(), &failure);
            }
            drop(permit);
        });
    }
    Ok(())
}

fn is_fatal(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::NotConnected)
}

fn refused(node: &Node, who: Option<&CentralId>, failure: &Failure) {
    let reason = failure.to_string();
    match who {
        Some(peer) if failure.refused => {
            tracing::warn!(%peer, %reason, "incoming link refused");
            node.peers.failed(peer, Unlinked::Refused, &format!("it dialled us: {reason}"));
        }
        _ if failure.refused => tracing::warn!(%reason, "incoming link refused"),
        // A port scan, a health check of a load balancer, a peer that went away: nothing to act on.
        _ => tracing::debug!(%reason, "incoming connection ended"),
    }
}

async fn handshake(node: &Arc<Node>, tcp: TcpStream) -> Result<(), (Option<CentralId>, Failure)> {
    let Accepted { mut ws, certified, test } =
        accept(tcp, node.security.now()).await.map_err(|e| (None, e))?;
    let who = certified.clone();
    let name = |e| (who.clone(), e);
    let hello = hello::as_acceptor(&mut ws, node, certified).await.map_err(name)?;
    // The dialler judges our HELLO too: the link stands when its first message is no good-bye.
    match hello::receive(&mut ws).await.map_err(name)? {
        Message::Bye(reason) => Err(name(hello::said_no(&reason))),
        Message::Heartbeat(beat) if test => {
            let now = kit::clock::now_ms();
            let echo = Heartbeat { n: beat.n, clock: now, echo: Some(beat.clock), positions_digest: None };
            hello::send(&mut ws, &Message::Heartbeat(echo)).await.map_err(name)?;
            drop(hello::receive(&mut ws).await);
            Ok(())
        }
        _ if test => Ok(()),
        first => start(node, ws, &hello, false, Some(first)).map_err(name),
    }
}
