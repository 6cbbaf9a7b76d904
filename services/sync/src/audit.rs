//! Carries the conversation of the audits: what the ledger wants said goes to the peers, what they say goes to the ledger. The sums
//! themselves are made and judged there, beside the rows.

use std::time::Duration;

use kit::Bus;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::audit::{AuditAsk, AuditSay};
use wire::bus::events::{decode, encode};
use wire::bus::subject::{LEDGER_AUDIT, MESH_SEND};
use wire::id::CentralId;

/// Messages of peers that wait. One that finds the queue full is dropped: sums are told again, questions asked again.
const WAITING: usize = 64;
/// Between two askings whether something is to be said.
const EVERY: Duration = Duration::from_secs(3);
/// The ledger may have to repair something first.
const LIMIT: Duration = Duration::from_secs(20);

/// The queue towards the ledger.
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditAsk>,
    asked_at: Option<tokio::time::Instant>,
}

impl Audit {
    pub(crate) fn new(bus: Bus, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let (queue, asks) = mpsc::channel(WAITING);
        tasks.spawn(carry(bus, asks, stop));
        Self { queue, asked_at: None }
    }

    /// A peer said something.
    pub(crate) fn heard(&self, from: &CentralId, message: Vec<u8>) {
        if self.queue.try_send(AuditAsk::Heard { from: from.clone(), message }).is_err() {
            tracing::debug!(peer = %from, "queue of the audit is full, the peer says it again");
        }
    }

    /// Time passed.
    pub(crate) fn tick(&mut self, connected: impl FnOnce() -> Vec<CentralId>) {
        let now = tokio::time::Instant::now();
        if self.asked_at.is_some_and(|at| now - at < EVERY) {
            return;
        }
        self.asked_at = Some(now);
        // A full queue has something to say already.
        drop(self.queue.try_send(AuditAsk::Tick { connected: connected() }));
    }
}

async fn carry(bus: Bus, mut asks: mpsc::Receiver<AuditAsk>, stop: CancellationToken) {
    while let Some(Some(ask)) = stop.run_until_cancelled(asks.recv()).await {
        if let Some(Err(error)) = stop.run_until_cancelled(one(&bus, &ask)).await {
            tracing::debug!(%error, "the audit was not carried on");
        }
    }
}

async fn one(bus: &Bus, ask: &AuditAsk) -> Result<(), String> {
    let question = encode(ask).map_err(|e| e.to_string())?;
    let answer = bus.request(LEDGER_AUDIT, question, LIMIT).await.map_err(|e| e.to_string())?;
    let said: AuditSay = decode(&answer).map_err(|e| e.to_string())?;
    for to in said.send {
        let payload = encode(&to).map_err(|e| e.to_string())?;
        bus.publish(MESH_SEND, payload).await.map_err(|e| e.to_string())?;
    }
    Ok(())
}
