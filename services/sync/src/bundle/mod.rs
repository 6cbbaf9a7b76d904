//! Bundles: files with a stretch of the log, for a site without any link. The gateway asks here for a file piece by piece and brings
//! the pages of one that is trusted.

mod export;
mod peers;
mod store;

use std::sync::Arc;

use anyhow::Context;
use kit::{Incoming, Service};
use tokio::sync::{Semaphore, mpsc};
use wire::bus::bundle::{BundleAsk, BundleReply};
use wire::bus::events::{decode, encode};
use wire::bus::subject::SYNC_BUNDLE;
use wire::http::Problem;

use crate::ledger::Ledger;
use crate::requests::Done;

pub(crate) use peers::OfPeer;

/// Queue group.
const GROUP: &str = "sync";
/// Questions worked on at once; more wait on the bus.
const AT_ONCE: usize = 4;

/// Serves [`SYNC_BUNDLE`] in a task of its own. Errors: the bus client cannot subscribe.
pub(crate) async fn serve(svc: &Service, ledger: Ledger, node: mpsc::Sender<Done>) -> anyhow::Result<()> {
    let mut questions = svc.bus.serve(SYNC_BUNDLE, GROUP).await.context(SYNC_BUNDLE)?;
    let peers = peers::Peers::new(node);
    let desk = Arc::new(Desk {
        exports: export::Exports::new(svc.config.clone(), svc.bus.clone(), ledger.clone(), peers.clone()),
        store: store::Store::new(ledger, peers),
    });
    let (stop, tasks) = (svc.shutdown.token(), svc.shutdown.tracker());
    let room = Arc::new(Semaphore::new(AT_ONCE));
    svc.shutdown.spawn("bundles", async move {
        while let Some(Some(m)) = stop.run_until_cancelled(questions.next()).await {
            let Some(Ok(permit)) = stop.run_until_cancelled(room.clone().acquire_owned()).await else {
                break;
            };
            let (desk, stop) = (desk.clone(), stop.clone());
            tasks.spawn(async move {
                let _permit = permit;
                stop.run_until_cancelled(desk.answer(m)).await;
            });
        }
        Ok(())
    });
    Ok(())
}

struct Desk {
    exports: export::Exports,
    store: store::Store,
}

impl Desk {
    async fn answer(&self, question: Incoming) {
        let reply = match decode::<BundleAsk>(&question.payload) {
            Ok(ask) => self.reply(ask).await.unwrap_or_else(|p| BundleReply::problem(&p)),
            Err(e) => BundleReply::problem(&internal(e.to_string())),
        };
        match encode(&reply) {
            Ok(bytes) => question.reply(bytes).await,
            Err(e) => tracing::error!(error = %e, "answer about a bundle could not be encoded"),
        }
    }

    async fn reply(&self, ask: BundleAsk) -> Result<BundleReply, Box<Problem>> {
        match ask {
            BundleAsk::Begin(wanted) => self.exports.begin(wanted).await,
            BundleAsk::Next { id, part } => self.exports.next(id, part).await,
            BundleAsk::End { id } => Ok(self.exports.end(id)),
            BundleAsk::Store { from, page } => self.store.page(&from, &page).await,
            BundleAsk::Learn { from, streams, last } => Ok(self.store.learn(from, streams, last).await),
        }
    }
}

fn internal(detail: String) -> Box<Problem> {
    Box::new(Problem::new(500, "internal", "Something went wrong here", detail))
}

fn no_ledger(why: impl Into<String>) -> Box<Problem> {
    let mut p = Problem::new(503, "no_ledger", "Nothing can be recorded now", why);
    p.retry_after_s = Some(5);
    Box::new(p)
}
