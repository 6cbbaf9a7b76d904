//! `mesh`: WebSocket links to the other centrals. Identity, heartbeat, live events, the p2p configuration. It carries parking events
//! and never looks into one.
//!
//! What is decided is decided by [`replication::mesh`], a state machine; this service is the sockets, the bus and the timer around
//! it. `node` owns it and does what it wants done. Follow a link: `listener` or `dial` → `socket` (TCP, TLS, WebSocket) →
//! `link` (one reader, one writer). Follow a request to the ledger: `node::act` → `requests`.

mod dial;
mod handshakes;
mod ledger;
mod link;
mod listener;
mod metrics;
mod node;
mod notes;
mod query;
mod refusals;
mod requests;
mod routine;
mod security;
mod socket;
mod spans;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use wire::bus::subject::{EVENTS_COMMITTED, MESH_QUERY, MESH_SEND};

use node::Node;
use security::{Protection, Security};

/// Checks certificates and mode before any port is bound. Errors: one line naming the setting.
pub fn check(settings: &kit::Settings, config: &wire::config::P2pConfig) -> Result<(), kit::BadSetting> {
    Security::of(settings, config).map(drop)
}

/// Runs the mesh of one central until the stop. Errors: [`kit::BadSetting`] for certificates that cannot be used or are missing; a
/// port that cannot be bound.
pub async fn run(svc: kit::Service) -> anyhow::Result<()> {
    svc.health.set("listener", false);
    let config = svc.config.current();
    let security = Security::of(&svc.settings, &config)?;
    let node = Node::new(&svc, config.this_central.id.clone(), security);
    listen(&svc, &node).await?;
    serve_bus(&svc, &node).await?;
    svc.shutdown.spawn("peers", routine::follow_config(svc.config.clone(), node.clone()));
    svc.shutdown.spawn("timer", routine::tick(node.clone()));
    svc.shutdown.spawn("state", routine::tell(node.clone()));
    svc.shutdown.spawn("own-ledger", routine::know_ledger(node.clone()));
    svc.shutdown.spawn("certificates", routine::watch_certificates(node.clone()));
    svc.shutdown.token().cancelled().await;
    node.drive(|mesh, now| mesh.close_all(now, "this central stops")).await;
    Ok(())
}

async fn listen(svc: &kit::Service, node: &Arc<Node>) -> anyhow::Result<()> {
    if !matches!(node.security.now(), Protection::Off) {
        let port = svc.settings.p2p_port.unwrap_or(svc.config.current().this_central.p2p_port);
        let at = SocketAddr::new(svc.settings.listen_host, port);
        let listener =
            TcpListener::bind(at).await.with_context(|| format!("P2P_PORT={port}: cannot listen on {at}"))?;
        tracing::info!(%at, "mesh listens");
        svc.shutdown.spawn("listener", listener::serve(node.clone(), listener, svc.health.clone()));
    }
    svc.health.set("listener", true);
    Ok(())
}

async fn serve_bus(svc: &kit::Service, node: &Arc<Node>) -> anyhow::Result<()> {
    let (stop, n) = (svc.shutdown.token(), node.clone());
    let mut committed = svc.bus.subscribe(EVENTS_COMMITTED).await?;
    svc.shutdown.spawn("live-events", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(committed.next()).await {
            requests::send_committed(&n, &m.payload).await;
        }
        Ok(())
    });
    let (stop, n) = (svc.shutdown.token(), node.clone());
    let mut for_peers = svc.bus.subscribe(MESH_SEND).await?;
    svc.shutdown.spawn("sync-messages", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(for_peers.next()).await {
            requests::send_for_sync(&n, &m.payload).await;
        }
        Ok(())
    });
    let (stop, n, config) = (svc.shutdown.token(), node.clone(), svc.config.clone());
    let mut questions = svc.bus.serve(MESH_QUERY, "mesh").await?;
    svc.shutdown.spawn("questions", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(questions.next()).await {
            n.tasks().spawn(query::answer(n.clone(), config.clone(), m));
        }
        Ok(())
    });
    Ok(())
}
