//! Live events of one peer on their way to the ledger. While one request is under way the next events gather, so a burst becomes
//! few transactions and a slow ledger never stops a link's reader.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::bus::events::Carried;
use wire::id::CentralId;

use super::spans;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use replication::link::{Drop, Queue};

const MAX_BATCH: usize = 512;
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// The queue of one peer.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Mutex<Queue<Carried>>,
    wake: Notify,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::new(Queue::new("inbox", 8192, 4 * 1024 * 1024, Drop::Oldest)),
            wake: Notify::new(),
        }
    }

    /// Takes events from a link.
    pub(crate) fn push(&self, events: Vec<Carried>) {
        {
            let mut q = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            for e in events {
                q.push(e.frame.len() + 48, e);
            }
        }
        self.wake.notify_one();
    }

    fn take(&self) -> (Vec<Carried>, Option<(&'static str, u64)>) {
        let mut q = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        (q.pop_many(MAX_BATCH, MAX_BATCH_BYTES), q.take_dropped())
    }

    /// Hands events to the ledger until the peer is gone from the configuration.
    pub(crate) async fn serve(
        self: Arc<Self>,
        peer: CentralId,
        me: CentralId,
        ledger: Ledger,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) {
        let mut failing = false;
        loop {
            let (mut events, dropped) = self.take();
            if let Some((queue, n)) = dropped {
                tracing::warn!(%peer, queue, dropped = n, "queue full, catch-up brings the rest");
                metrics.dropped(queue, n);
            }
            if events.is_empty() {
                if stop.run_until_cancelled(self.wake.notified()).await.is_none() {
                    return;
                }
                continue;
            }
            let n = events.len();
            // The spans last until the ledger has answered.
            let _spans = spans::receive(&me, &mut events);
            match ledger.apply(&peer, events).await {
                Ok(reply) => {
                    metrics.received(n);
                    if failing || reply.refused > 0 || reply.poison > 0 || reply.forks > 0 {
                        tracing::info!(%peer, stored = reply.stored, known = reply.known, poison = reply.poison,
                            forks = reply.forks, refused = reply.refused, "live events applied");
                    }
                    failing = false;
                }
                Err(reason) => {
                    if !failing {
                        tracing::warn!(%peer, %reason, events = n, "live events not applied, catch-up brings them");
                    }
                    failing = true;
                }
            }
        }
    }
}
