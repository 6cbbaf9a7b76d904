//! Sync's messages: mesh carries them and reads none.

use std::sync::Arc;

use wire::bus::events::{FromPeer, ToPeer, decode, encode};
use wire::bus::subject::MESH_RECEIVED;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{MAX_FRAME_BYTES, Message, Positions};

use crate::node::Node;

/// Sends what sync wants sent.
pub(crate) fn send_for_sync(node: &Node, payload: &[u8]) {
    let ToPeer { to, message } = match decode(payload) {
        Ok(m) => m,
        Err(e) => return tracing::error!(error = %e, "message of sync cannot be read"),
    };
    if message.len() > MAX_FRAME_BYTES {
        return tracing::error!(bytes = message.len(), "message of sync is too large for a link");
    }
    let links = node.peers.links(to.as_ref());
    for link in &links {
        link.send(message.clone());
    }
}

/// Passes a peer's message to sync. Lost when the bus is away: sync asks again.
pub(crate) async fn to_sync(node: &Node, peer: &CentralId, message: Vec<u8>) {
    let sent = match encode(&FromPeer { from: peer.clone(), message }) {
        Ok(payload) => node.bus.publish(MESH_RECEIVED, payload).await.map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    if let Err(error) = sent {
        tracing::debug!(%peer, %error, "message for sync lost");
    }
}

/// A beat told the digest of a peer's position map: when ours differs, sync is told, so that a loss is noticed even when nothing
/// else flows.
pub(crate) fn digest_came(node: &Arc<Node>, peer: &CentralId, digest: Hash32) {
    if node.ledger.recent_digest() == Some(digest) {
        return;
    }
    let (tasks, node, peer) = (node.tasks(), node.clone(), peer.clone());
    // Not in the reader: a slow ledger must not stop the link.
    tasks.spawn(async move {
        if node.ledger.read_digest().await == Some(digest) {
            return;
        }
        let told = Positions { whole: false, more: false, please_answer: false, digest, streams: Vec::new() };
        if let Ok(message) = Message::Positions(told).encode() {
            to_sync(&node, &peer, message).await;
        }
    });
}
