//! Takes links that peers dial.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kit::files::Intake;
use replication::mesh::Opened;
use tokio::net::{TcpListener, TcpStream};

use crate::handshakes::Handshakes;
use crate::link;
use crate::node::Node;
use crate::socket::{Accepted, accept};

/// After a failed accept (no file handles left): wait for some to come back.
const BREATHE: Duration = Duration::from_millis(100);

/// Accepts until the stop.
pub(crate) async fn serve(node: Arc<Node>, listener: TcpListener, health: kit::Health) -> anyhow::Result<()> {
    let (handshakes, intake) = (Handshakes::default(), Intake::new(health));
    let stop = node.shutdown.token();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(e) if is_fatal(&e) => return Err(e).context("mesh port"),
            Err(e) => {
                // Out of files or buffers: others may give some back.
                intake.failed(&e);
                tokio::time::sleep(BREATHE).await;
                continue;
            }
        };
        intake.works();
        let (handshake, node) = (handshakes.begin(), node.clone());
        node.clone().tasks().spawn(async move {
            let stop = node.shutdown.token();
            tokio::select! {
                () = stop.cancelled() => {}
                () = handshake.end.cancelled() => {}
                () = shake_hands(&node, tcp) => {}
            }
            drop(handshake);
        });
    }
    Ok(())
}

fn is_fatal(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::NotConnected)
}

async fn shake_hands(node: &Arc<Node>, tcp: TcpStream) {
    let address = tcp.peer_addr().map_or_else(|e| e.to_string(), |a| a.to_string());
    match accept(tcp, node.security.now()).await {
        Ok(Accepted { ws, paper, test }) => {
            let certified = paper.as_ref().map(|p| p.central.clone());
            link::open(node, ws, paper, Opened { dial: None, certified, address, test }).await;
        }
        Err(f) if f.refused => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let reason = format!("{f}{}{host}", crate::notes::FROM);
            node.drive(|mesh, now| mesh.incoming_refused(now, None, &reason)).await;
        }
        // A port scan, a health check of a load balancer, a peer that went away: nothing to act on.
        Err(f) => tracing::debug!(reason = %f, "incoming connection ended"),
    }
}
