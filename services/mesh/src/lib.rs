//! `mesh`: WebSocket links to the other centrals. Identity, heartbeat, live events, the p2p configuration. It carries parking events
//! and never looks into one.
//!
//! Follow a link: `listener` or `dialler` → `socket` (TCP, TLS, WebSocket) → `link::hello` → `peers` (which link counts) → `link::run`
//! (one reader, one writer) → `relay` (to ledger and sync, and back).

mod beats;
mod dialler;
mod ledger;
mod link;
mod listener;
mod metrics;
mod node;
mod peers;
mod query;
mod relay;
mod security;
mod socket;

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
    let me = config.this_central.id.clone();
    let node = Arc::new(Node {
        security: Security::of(&svc.settings, &config)?,
        process: svc.settings.instance_id.to_string(),
        ledger: ledger::Ledger::new(svc.bus.clone()),
        bus: svc.bus.clone(),
        peers: peers::Peers::new(me.clone()),
        lookups: relay::Lookups::new(),
        metrics: Arc::new(metrics::Metrics::new()),
        heartbeat: svc.settings.heartbeat_interval,
        shutdown: svc.shutdown.clone(),
        me,
    });
    listen(&svc, &node).await?;
    serve_bus(&svc, &node).await?;
    svc.shutdown.spawn("peers", follow_config(svc.config.clone(), node.clone()));
    svc.shutdown.spawn("beats", beats::beat(node.clone()));
    svc.shutdown.spawn("looks", beats::look(node.clone()));
    svc.shutdown.spawn("state", beats::tell(node.clone()));
    svc.shutdown.spawn("certificates", beats::watch_certificates(node.clone()));
    svc.shutdown.token().cancelled().await;
    for link in node.peers.all_links() {
        link.close("this central stops");
    }
    Ok(())
}

async fn listen(svc: &kit::Service, node: &Arc<Node>) -> anyhow::Result<()> {
    if !matches!(node.security.now(), Protection::Off) {
        let port = svc.settings.p2p_port.unwrap_or(svc.config.current().this_central.p2p_port);
        let at = SocketAddr::new(svc.settings.listen_host, port);
        let listener =
            TcpListener::bind(at).await.with_context(|| format!("P2P_PORT={port}: cannot listen on {at}"))?;
        tracing::info!(%at, "mesh listens");
        svc.shutdown.spawn("listener", listener::serve(node.clone(), listener));
    }
    svc.health.set("listener", true);
    Ok(())
}

async fn serve_bus(svc: &kit::Service, node: &Arc<Node>) -> anyhow::Result<()> {
    let (stop, n) = (svc.shutdown.token(), node.clone());
    let mut committed = svc.bus.subscribe(EVENTS_COMMITTED).await?;
    svc.shutdown.spawn("live-events", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(committed.next()).await {
            relay::send_committed(&n, &m.payload);
        }
        Ok(())
    });
    let (stop, n) = (svc.shutdown.token(), node.clone());
    let mut for_peers = svc.bus.subscribe(MESH_SEND).await?;
    svc.shutdown.spawn("sync-messages", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(for_peers.next()).await {
            relay::send_for_sync(&n, &m.payload);
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

/// Applies the configuration, now and whenever it changes.
async fn follow_config(config: kit::ConfigWatch, node: Arc<Node>) -> anyhow::Result<()> {
    let mut changes = config.subscribe();
    let stop = node.shutdown.token();
    loop {
        let current = changes.borrow_and_update().clone();
        for peer in node.peers.configure(&current) {
            dialler::supervise(&node, peer);
        }
        match stop.run_until_cancelled(changes.changed()).await {
            Some(Ok(())) => {}
            _ => return Ok(()),
        }
    }
}
