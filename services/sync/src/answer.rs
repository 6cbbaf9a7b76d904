//! Answers to the requests of peers: one request per peer at a time, few pages at once, everything bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::Bus;
use replication::catchup::{Answer, runs};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::bus::events::{ToPeer, encode};
use wire::bus::subject::MESH_SEND;
use wire::id::CentralId;
use wire::mesh::{Message, SyncRequest, SyncResponse};
use wire::page;
use wire::position::SeqRange;

use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// Requests of one peer that wait; it sends the next one only after an answer or a time-out.
const WAITING: usize = 2;
/// Pages read and packed at once, all peers together.
const AT_ONCE: usize = 2;
/// Pages of one answer; whoever wants more asks again.
const PAGES: u32 = 8;

/// The queues of requests, one per peer.
pub(crate) struct Answers {
    desk: Desk,
    tasks: TaskTracker,
    queues: BTreeMap<CentralId, mpsc::Sender<SyncRequest>>,
}

/// What answering needs.
#[derive(Clone)]
struct Desk {
    ledger: Ledger,
    bus: Bus,
    limit: u32,
    at_once: Arc<Semaphore>,
    metrics: Metrics,
    stop: CancellationToken,
}

impl Answers {
    pub(crate) fn new(
        ledger: Ledger,
        bus: Bus,
        limit: u32,
        metrics: Metrics,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { desk: Desk { ledger, bus, limit, at_once, metrics, stop }, tasks, queues: BTreeMap::new() }
    }

    /// Takes a request. One that finds the queue full is dropped: the asker's lease ends and it asks again.
    pub(crate) fn push(&mut self, from: &CentralId, request: SyncRequest) {
        let queue = self.queues.entry(from.clone()).or_insert_with(|| {
            let (tx, rx) = mpsc::channel(WAITING);
            self.tasks.spawn(self.desk.clone().serve(from.clone(), rx));
            tx
        });
        if queue.try_send(request).is_err() {
            tracing::debug!(peer = %from, "queue of requests is full, the peer asks again");
        }
    }

    /// Ends the queues of peers that are gone from the configuration.
    pub(crate) fn keep(&mut self, peers: impl Fn(&CentralId) -> bool) {
        self.queues.retain(|id, _| peers(id));
    }
}

impl Desk {
    async fn serve(self, peer: CentralId, mut queue: mpsc::Receiver<SyncRequest>) {
        while let Some(Some(request)) = self.stop.run_until_cancelled(queue.recv()).await {
            let answer = Answer::new(request, self.limit, PAGES);
            if let Some(Err(why)) = self.stop.run_until_cancelled(self.answer(&peer, answer)).await {
                tracing::warn!(%peer, %why, "request of a peer could not be answered in full");
            }
        }
    }

    async fn answer(&self, peer: &CentralId, mut answer: Answer) -> Result<(), String> {
        let mut trouble = None;
        while let Some((ranges, events)) = answer.next() {
            let _permit = self.at_once.acquire().await.map_err(|e| e.to_string())?;
            let (frames, more) = match self.ledger.events(ranges.to_vec(), events).await {
                Ok(read) => read,
                Err(why) => {
                    trouble = Some(why);
                    break;
                }
            };
            let mut rest = &frames[..];
            let mut room = true;
            while !rest.is_empty() && room {
                let (page, n) = page::pack(rest).map_err(|e| e.to_string())?;
                let (now, later) = rest.split_at(n.max(1).min(rest.len()));
                room = answer.sent(&runs(now));
                self.send(peer, answer.id(), true, Vec::new(), page).await?;
                self.metrics.sent(now.len());
                rest = later;
            }
            let taken = &frames[..frames.len() - rest.len()];
            answer.read_to(&runs(taken), more || !rest.is_empty());
        }
        // The end is told even when the ledger is away, so that the peer asks another one without waiting for the lease.
        let not_held = if trouble.is_none() { answer.not_held() } else { Vec::new() };
        self.send(peer, answer.id(), false, not_held, Vec::new()).await?;
        trouble.map_or(Ok(()), Err)
    }

    async fn send(
        &self,
        peer: &CentralId,
        id: u64,
        more: bool,
        not_held: Vec<SeqRange>,
        page: Vec<u8>,
    ) -> Result<(), String> {
        let message = Message::SyncResponse(SyncResponse { id, more, not_held, page });
        let message = message.encode().map_err(|e| e.to_string())?;
        let payload = encode(&ToPeer { to: Some(peer.clone()), message }).map_err(|e| e.to_string())?;
        self.bus.publish(MESH_SEND, payload).await.map_err(|e| e.to_string())
    }
}
