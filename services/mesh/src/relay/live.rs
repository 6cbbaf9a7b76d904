//! Local events to all peers, right after their commit.

use std::sync::Arc;

use wire::bus::events::{Carried, EventBatch, decode};
use wire::event::MAX_FRAME_BYTES;

use super::spans;
use crate::node::Node;

/// Hands a committed batch to every peer's queue; whatever was committed together leaves together.
pub(crate) fn send_committed(node: &Node, payload: &[u8]) {
    let batch: EventBatch = match decode(payload) {
        Ok(b) => b,
        Err(e) => return tracing::error!(error = %e, "committed events cannot be read"),
    };
    let links = node.peers.links(None);
    if links.is_empty() {
        return;
    }
    let mut events = batch.events;
    events.retain(|e| e.frame.len() <= MAX_FRAME_BYTES);
    let _until_queued = spans::send(&node.me, &mut events);
    let events: Vec<Arc<Carried>> = events.into_iter().map(Arc::new).collect();
    for link in &links {
        link.send_live(&events);
    }
    node.metrics.sent(events.len() * links.len());
}
