//! What recurs: the state machine's timer, the state others are told, the own ledger's name, files that change.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wire::bus::subject::MESH_STATE;

use crate::node::Node;

const SECOND: Duration = Duration::from_secs(1);
/// Between two questions to the ledger who it is.
const WHO: Duration = Duration::from_secs(2);
/// Looks at the files between two words about their ends.
const PAPERS: u64 = 60;

/// The state machine's timer.
pub(crate) async fn tick(node: Arc<Node>) -> anyhow::Result<()> {
    let stop = node.shutdown.token();
    loop {
        let due = node.instant(node.take(replication::mesh::Mesh::next_tick));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(due) => node.drive(|mesh, now| mesh.tick(now)).await,
            () = node.timer.notified() => {}
        }
    }
}

/// Tells everyone on the bus how the mesh stands, whenever the state machine wants it told.
pub(crate) async fn tell(node: Arc<Node>) -> anyhow::Result<()> {
    let stop = node.shutdown.token();
    while stop.run_until_cancelled(node.publish.notified()).await.is_some() {
        let mut state = node.look(replication::mesh::Mesh::state);
        if let Some(clock) = &mut state.clock {
            // Other processes know the machine's steady clock, not this one's.
            clock.anchor_ms = clock.anchor_ms.saturating_add(node.ahead_of_boot_ms());
        }
        node.metrics.alarms(&node.look(replication::mesh::Mesh::alarms));
        node.metrics
            .queued(node.look(|mesh| mesh.queued().map(|(peer, n)| (peer.clone(), n)).collect::<Vec<_>>()));
        node.metrics.links(&node.look(|mesh| mesh.peers().collect::<Vec<_>>()));
        if let Err(error) = node.bus.publish_json(MESH_STATE, &state).await {
            tracing::debug!(%error, "state not told");
        }
    }
    Ok(())
}

/// Asks the ledger who it is, again and again: peers are told when it is another process.
pub(crate) async fn know_ledger(node: Arc<Node>) -> anyhow::Result<()> {
    let stop = node.shutdown.token();
    let mut due = interval(WHO);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        if node.bus.is_connected()
            && let Some(identity) = node.ledger.identity().await
        {
            node.drive(|mesh, now| mesh.ledger_is(now, &identity)).await;
        }
    }
    Ok(())
}

/// Applies the configuration, now and whenever it changes.
pub(crate) async fn follow_config(config: kit::ConfigWatch, node: Arc<Node>) -> anyhow::Result<()> {
    let mut changes = config.subscribe();
    let stop = node.shutdown.token();
    loop {
        let current = changes.borrow_and_update().clone();
        node.drive(|mesh, now| mesh.configure(now, &current.peer_centrals)).await;
        match stop.run_until_cancelled(changes.changed()).await {
            Some(Ok(())) => {}
            _ => return Ok(()),
        }
    }
}

/// When this central's papers end, for the metric and the alarm.
fn tell_papers(node: &Node) {
    let papers = node.security.papers();
    for (whose, _, end) in &papers {
        node.metrics.certificate_expires(whose, *end);
    }
    node.take(|mesh| mesh.papers_end(papers.into_iter().map(|(_, name, end)| (name, end)).collect()));
}

/// Reads certificates and the deny list again when their files change; tells when they end.
pub(crate) async fn watch_certificates(node: Arc<Node>) -> anyhow::Result<()> {
    let mut due = interval(SECOND);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = node.shutdown.token();
    let mut refused = None;
    let mut complained = String::new();
    let mut looks = 0u64;
    while stop.run_until_cancelled(due.tick()).await.is_some() {
        if looks.is_multiple_of(PAPERS) {
            tell_papers(&node);
        }
        looks += 1;
        match node.security.reread(&mut refused) {
            Ok(true) => {
                tracing::info!("certificate changed; standing links stay, new ones use it");
                complained.clear();
                tell_papers(&node);
                let ended = node.end_denied();
                if ended > 0 {
                    tracing::warn!(links = ended, "links of denied certificates end");
                }
                node.drive(|mesh, now| mesh.redial(now)).await;
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
