//! Dials one peer whenever it has no link.

use std::sync::Arc;
use std::time::Duration;

use replication::link::Backoff;
use wire::mesh::Message;

use crate::link::{self, hello};
use crate::node::Node;
use crate::peers::{Supervised, Unlinked};
use crate::socket::{Failure, LINK_PATH, Ws, dial};

/// After a panic in a peer's task: long enough not to spin, short enough to be back.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Looks after a peer until it is removed: whatever goes wrong here, other peers do not notice.
pub(crate) fn supervise(node: &Arc<Node>, peer: Supervised) {
    let inbox = {
        let (node, peer) = (node.clone(), peer.clone());
        move || {
            let p = peer.clone();
            p.inbox.clone().serve(
                p.conf.id,
                node.me.clone(),
                node.ledger.clone(),
                node.metrics.clone(),
                p.stop,
            )
        }
    };
    isolate(node, &peer, "inbox", inbox);
    let dialling = {
        let (node, peer) = (node.clone(), peer.clone());
        move || keep_dialled(node.clone(), peer.clone())
    };
    isolate(node, &peer, "dialler", dialling);
}

/// Runs a task of one peer until the peer is removed or the service stops; starts it again after a panic.
fn isolate<F, Fut>(node: &Arc<Node>, peer: &Supervised, task: &'static str, make: F)
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (id, stop, end) = (peer.conf.id.clone(), peer.stop.clone(), node.shutdown.token());
    node.tasks().spawn(async move {
        loop {
            let mut running = tokio::spawn(make());
            let ended = tokio::select! {
                r = &mut running => r,
                () = stop.cancelled() => return running.abort(),
                () = end.cancelled() => return running.abort(),
            };
            match ended {
                Ok(()) => return,
                Err(e) => tracing::error!(peer = %id, task, panicked = e.is_panic(), "task of a peer failed, starts again"),
            }
            tokio::time::sleep(AFTER_PANIC).await;
        }
    });
}

async fn keep_dialled(node: Arc<Node>, mut peer: Supervised) {
    let mut backoff = Backoff::default();
    loop {
        let linked = *peer.linked.borrow_and_update();
        if let Some(since) = linked {
            if peer.linked.wait_for(Option::is_none).await.is_err() {
                return;
            }
            backoff.link_ended(since.elapsed());
        }
        let pause = backoff.pause(rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = peer.redial.notified() => {}
            // The peer came to us.
            r = peer.linked.wait_for(Option::is_some) => {
                if r.is_err() {
                    return;
                }
                continue;
            }
        }
        match connect(&node, &peer).await {
            // Until the link has lived for a while; one that ends at once must not be dialled in a loop.
            Ok(()) => backoff.failed(),
            Err(failure) => {
                let how = if failure.refused {
                    backoff.refused();
                    Unlinked::Refused
                } else {
                    backoff.failed();
                    Unlinked::Down
                };
                node.peers.failed(&peer.conf.id, how, &failure.to_string());
            }
        }
    }
}

async fn connect(node: &Arc<Node>, peer: &Supervised) -> Result<(), Failure> {
    let id = &peer.conf.id;
    let (mut ws, certified) = dial(&peer.conf, LINK_PATH, node.security.now()).await?;
    let hello = hello::as_dialler(&mut ws, node, id, certified).await?;
    start(node, ws, &hello, true, None)
}

/// Brings a link up after HELLO and lets it run on its own. Errors: the peer was removed meanwhile.
pub(crate) fn start(
    node: &Arc<Node>,
    ws: Ws,
    hello: &wire::mesh::Hello,
    dialled_here: bool,
    first: Option<Message>,
) -> Result<(), Failure> {
    let link = node
        .peers
        .up(&hello.central, hello.ledger_process.clone(), dialled_here)
        .map_err(|e| Failure::refused(wire::http::TestStage::Hello, e))?;
    let node = node.clone();
    node.tasks().spawn(async move {
        let running = tokio::spawn(link::run(node.clone(), link.clone(), ws, first));
        // A panic costs this link only.
        let reason = running.await.unwrap_or_else(|e| {
            tracing::error!(peer = %link.peer, panicked = e.is_panic(), "link failed");
            "internal error".to_owned()
        });
        node.peers.down(&link, &reason);
    });
    Ok(())
}
