//! What the gateway hears without asking: configuration, mesh, sync, newly stored events.

use std::sync::Arc;

use anyhow::Context;
use kit::{Service, Subscription};
use tokio::sync::{broadcast, watch};
use wire::bus::state::Stored;
use wire::bus::subject;

use crate::gateway::Gateway;
use crate::site::Site;

/// The configuration in force, indexed anew after every change.
pub(crate) fn site(svc: &Service) -> watch::Receiver<Arc<Site>> {
    let mut config = svc.config.clone();
    let (tx, rx) = watch::channel(Arc::new(Site::of(config.current())));
    let token = svc.shutdown.token();
    svc.shutdown.spawn("site", async move {
        while let Some(true) = token.run_until_cancelled(config.changed()).await {
            tx.send_replace(Arc::new(Site::of(config.current())));
        }
        // The sender lives as long as the service: the last configuration stays in force.
        token.cancelled().await;
        Ok(())
    });
    rx
}

/// Messages of stored events one stream may lag behind before it reads from the ledger.
pub(crate) const STORED_BOUND: usize = 256;

fn follow<F>(svc: &Service, name: &'static str, mut subscription: Subscription, mut hear: F)
where
    F: FnMut(&kit::Incoming) + Send + 'static,
{
    let token = svc.shutdown.token();
    svc.shutdown.spawn(name, async move {
        while let Some(Some(message)) = token.run_until_cancelled(subscription.next()).await {
            hear(&message);
        }
        Ok(())
    });
}

/// Starts listening. Errors: the bus client cannot be used.
pub(crate) async fn listen(
    svc: &Service,
    gw: &Gateway,
    stored: broadcast::Sender<Arc<Stored>>,
) -> anyhow::Result<()> {
    let on = async |subject| svc.bus.subscribe(subject).await.with_context(|| format!("subscribe {subject}"));
    let gateway = gw.clone();
    follow(svc, "mesh-state", on(subject::MESH_STATE).await?, move |m| match m.json() {
        Ok(state) => gateway.modes().hear_mesh(state),
        Err(e) => tracing::warn!(error = %e, "state of the mesh not understood"),
    });
    let gateway = gw.clone();
    follow(svc, "sync-state", on(subject::SYNC_STATE).await?, move |m| match m.json() {
        Ok(state) => gateway.modes().hear_sync(state),
        Err(e) => tracing::warn!(error = %e, "state of sync not understood"),
    });
    follow(svc, "stored", on(subject::EVENTS_STORED).await?, move |m| {
        // Without a reader nobody needs to know what it says.
        if stored.receiver_count() > 0 {
            match m.json::<Stored>() {
                Ok(s) => drop(stored.send(Arc::new(s))),
                Err(e) => tracing::warn!(error = %e, "stored events not understood"),
            }
        }
    });
    Ok(())
}
