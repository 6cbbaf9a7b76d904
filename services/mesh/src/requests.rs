//! What the state machine asks of the ledger, each request answered exactly once; and the bus's messages for the peers.

use std::sync::Arc;

use bytes::Bytes;
use replication::mesh::{HelloFacts, LinkId};
use wire::bus::events::{ApplyReply, Carried, EventBatch, ToPeer, decode};
use wire::event::Frame;
use wire::hash::PlateTag;
use wire::id::CentralId;
use wire::mesh::MAX_FRAME_BYTES;
use wire::page;

use crate::node::Node;
use crate::spans;

/// HELLO must not wait long: it says nothing of the peer's streams when the ledger is away.
pub(crate) fn read_hello(node: &Arc<Node>, link: LinkId, peer: CentralId) {
    let n = node.clone();
    node.tasks().spawn(async move {
        let ledger = n.ledger.clone();
        let read = tokio::spawn(async move { ledger.holdings_of(&peer).await });
        let holding_of_you = read.await.unwrap_or_default();
        n.drive(|mesh, now| mesh.hello_ready(now, link, HelloFacts { holding_of_you })).await;
    });
}

/// The digest of the position map, from Postgres.
pub(crate) fn read_digest(node: &Arc<Node>) {
    let n = node.clone();
    node.tasks().spawn(async move {
        let ledger = n.ledger.clone();
        let read = tokio::spawn(async move { ledger.read_digest().await });
        let digest = read.await.unwrap_or_default();
        n.drive(|mesh, now| mesh.digest_read(now, digest)).await;
    });
}

/// Has live events stored.
pub(crate) fn apply(node: &Arc<Node>, request: u64, peer: CentralId, mut events: Vec<Carried>) {
    let n = node.clone();
    node.tasks().spawn(async move {
        let (count, task) = (events.len(), n.clone());
        let stored = tokio::spawn(async move {
            // The spans last until the ledger has answered.
            let _spans = spans::receive(&task.me, &mut events);
            let reply = task.ledger.apply(&peer, events).await;
            if let Ok(r) = &reply {
                task.metrics.received(count);
                unusual(&peer, r);
            }
            reply
        });
        let outcome = stored.await.unwrap_or_else(|e| Err(e.to_string()));
        n.drive(|mesh, _| mesh.applied(request, &outcome)).await;
    });
}

fn unusual(peer: &CentralId, r: &ApplyReply) {
    if r.refused > 0 || r.poison > 0 || r.forks > 0 {
        tracing::info!(%peer, stored = r.stored, known = r.known, poison = r.poison, forks = r.forks,
            refused = r.refused, "live events are out of the ordinary");
    }
}

/// Has the events of a page stored: what a peer knew of a vehicle.
pub(crate) fn apply_page(node: &Arc<Node>, request: u64, peer: CentralId, page: Vec<u8>) {
    let n = node.clone();
    node.tasks().spawn(async move {
        let ledger = n.ledger.clone();
        let stored = tokio::spawn(async move {
            let frames = page::unpack(&page).map_err(|e| e.to_string())?;
            if frames.is_empty() {
                return Ok(ApplyReply::default());
            }
            let carried = |f: Frame| Carried { trace: None, committed_at: 0, frame: f.bytes().to_vec() };
            ledger.apply(&peer, frames.into_iter().map(carried).collect()).await
        });
        let outcome = stored.await.unwrap_or_else(|e| Err(e.to_string()));
        if let Err(reason) = &outcome {
            tracing::warn!(%reason, "answer about a plate not applied");
        }
        n.drive(|mesh, _| mesh.applied(request, &outcome)).await;
    });
}

/// Reads what a peer asks about a vehicle.
pub(crate) fn read_plate(node: &Arc<Node>, request: u64, tag: PlateTag, max_events: u32) {
    let n = node.clone();
    node.tasks().spawn(async move {
        let ledger = n.ledger.clone();
        let read = tokio::spawn(async move {
            let frames = ledger.plate(tag, max_events).await?;
            match page::pack(&frames) {
                Ok((page, _)) => Some(page),
                Err(e) => {
                    tracing::warn!(error = %e, "answer about a plate cannot be packed");
                    None
                }
            }
        });
        let page = read.await.unwrap_or_default();
        n.drive(|mesh, now| mesh.plate_read(now, request, page)).await;
    });
}

/// Hands a committed batch to every peer's queue; whatever was committed together leaves together.
pub(crate) async fn send_committed(node: &Arc<Node>, payload: &[u8]) {
    let batch: EventBatch = match decode(payload) {
        Ok(b) => b,
        Err(e) => return tracing::error!(error = %e, "committed events cannot be read"),
    };
    let mut events = batch.events;
    let _until_queued = spans::send(&node.me, &mut events);
    let count = events.len();
    let links = node.drive(|mesh, now| mesh.committed(now, events)).await;
    node.metrics.sent(count * links);
}

/// Sends what sync wants sent.
pub(crate) async fn send_for_sync(node: &Arc<Node>, payload: &[u8]) {
    let ToPeer { to, message } = match decode(payload) {
        Ok(m) => m,
        Err(e) => return tracing::error!(error = %e, "message of sync cannot be read"),
    };
    if message.len() > MAX_FRAME_BYTES {
        return tracing::error!(bytes = message.len(), "message of sync is too large for a link");
    }
    let message = Bytes::from(message);
    node.drive(|mesh, now| mesh.send(now, to.as_ref(), &message)).await;
}
