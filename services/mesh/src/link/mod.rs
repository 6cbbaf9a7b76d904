//! One link: a WebSocket and the two tasks that read and write it.

pub(crate) mod hello;
mod run;

use std::sync::Arc;

use replication::mesh::Opened;

use crate::node::Node;
use crate::security::Paper;
use crate::socket::Ws;

/// Brings a connection to the state machine and runs it on its own.
pub(crate) async fn open(node: &Arc<Node>, ws: Ws, paper: Option<Paper>, opened: Opened) {
    // None: the peer was removed while it was dialled; the socket is dropped.
    let Some(link) = node.drive(|mesh, now| mesh.opened(now, opened)).await else { return };
    let io = node.begin_link(link, paper);
    let (tasks, node) = (node.tasks(), node.clone());
    tasks.spawn(async move {
        let running = tokio::spawn(run::run(node.clone(), link, io, ws));
        // A panic costs this link only.
        let reason = running.await.unwrap_or_else(|e| {
            tracing::error!(link = link.0, panicked = e.is_panic(), "link failed");
            "internal error".to_owned()
        });
        node.end_link(link, &reason).await;
    });
}
