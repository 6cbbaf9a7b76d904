//! Local events to all peers, right after their commit.

use std::sync::Arc;

use wire::bus::events::{Carried, EventBatch, decode};
use wire::event::MAX_FRAME_BYTES;

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
    let traced = kit::trace::enabled();
    let mut spans = Vec::new();
    let events: Vec<Arc<Carried>> = batch
        .events
        .into_iter()
        .filter(|e| e.frame.len() <= MAX_FRAME_BYTES)
        .map(|mut e| {
            if traced && e.trace.is_some() {
                let span = tracing::info_span!("mesh.event.send", otel.kind = "producer", central = %node.me);
                kit::trace::set_parent(&span, e.trace);
                e.trace = kit::trace::context_of(&span).or(e.trace);
                spans.push(span);
            }
            Arc::new(e)
        })
        .collect();
    for link in &links {
        link.send_live(&events);
    }
    node.metrics.sent(events.len() * links.len());
}
