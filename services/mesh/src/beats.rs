//! The clockwork: heartbeats, looks at silent links, the state others are told.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wire::bus::subject::MESH_STATE;

use crate::node::Node;

const LOOK: Duration = Duration::from_secs(1);

/// Sends every link its beat, with the digest read from Postgres for that beat.
pub(crate) async fn beat(node: Arc<Node>) -> anyhow::Result<()> {
    let mut due = interval(node.heartbeat);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due.tick().await;
    let stop = node.shutdown.token();
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        let digest = node.ledger.read_digest().await;
        for link in node.peers.all_links() {
            if !link.beat(kit::clock::now_ms(), digest) {
                link.close("three heartbeats in a row were not answered");
            }
        }
    }
    Ok(())
}

/// Looks at every link once a second.
pub(crate) async fn look(node: Arc<Node>) -> anyhow::Result<()> {
    let mut due = interval(LOOK);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = node.shutdown.token();
    let mut version_known = false;
    let mut looks = 0u64;
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        let clock_ms = kit::clock::now_ms();
        for (queue, n) in node.peers.look(clock_ms) {
            node.metrics.dropped(queue, n);
        }
        if !version_known && node.bus.is_connected() {
            version_known = node.ledger.learn_version().await;
        }
        if looks.is_multiple_of(86_400) {
            node.security.warn_of_end(clock_ms);
        }
        looks += 1;
    }
    Ok(())
}

/// Tells everyone on the bus how the mesh stands: on change and every second.
pub(crate) async fn tell(node: Arc<Node>) -> anyhow::Result<()> {
    let mut due = interval(LOOK);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = node.shutdown.token();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = due.tick() => {}
            () = node.peers.changed() => {}
        }
        if let Err(error) = node.bus.publish_json(MESH_STATE, &node.peers.state()).await {
            tracing::debug!(%error, "state not told");
        }
    }
}

/// Reads certificates again when their files change.
pub(crate) async fn watch_certificates(node: Arc<Node>) -> anyhow::Result<()> {
    let mut due = interval(LOOK);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = node.shutdown.token();
    let mut refused = None;
    let mut complained = String::new();
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        match node.security.reread(&mut refused) {
            Ok(true) => {
                tracing::info!("certificate changed; standing links stay, new ones use it");
                complained.clear();
                node.peers.redial();
            }
            Ok(false) => {}
            Err(e) => {
                let reason = e.to_string();
                if reason != complained {
                    tracing::error!(%reason, "new certificate refused, the last good one stays");
                    complained = reason;
                }
            }
        }
    }
    Ok(())
}
