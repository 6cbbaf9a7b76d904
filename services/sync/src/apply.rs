//! Received pages on their way to the ledger: in order per peer, few at once in all, so that live events keep their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use replication::catchup::{Outcome, Ticket};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use wire::event::Frame;
use wire::id::CentralId;
use wire::position::StreamHoldings;

use crate::ledger::Ledger;
use crate::node::Done;

/// Pages of one peer that wait. The state machine asks for no more long before this.
const WAITING: usize = 64;
/// Pages at the ledger at once, all peers together: one is stored while the next one travels.
const AT_ONCE: usize = 2;
/// Bytes of frames in one transaction and one bus message.
const CHUNK_BYTES: usize = 512 * 1024;

struct Job {
    ticket: Ticket,
    frames: Vec<Frame>,
}

/// The queues towards the ledger, one per peer.
pub(crate) struct Appliers {
    me: CentralId,
    ledger: Ledger,
    done: mpsc::Sender<Done>,
    at_once: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
    queues: BTreeMap<CentralId, mpsc::Sender<Job>>,
}

impl Appliers {
    pub(crate) fn new(
        me: CentralId,
        ledger: Ledger,
        done: mpsc::Sender<Done>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { me, ledger, done, at_once, tasks, stop, queues: BTreeMap::new() }
    }

    /// Takes a page; what becomes of it comes as [`Done::Applied`]. False when the queue is full: nothing comes then.
    pub(crate) fn push(&mut self, from: &CentralId, ticket: Ticket, frames: Vec<Frame>) -> bool {
        let queue = self.queues.entry(from.clone()).or_insert_with(|| {
            let (tx, rx) = mpsc::channel(WAITING);
            let worker = Worker {
                me: self.me.clone(),
                peer: from.clone(),
                ledger: self.ledger.clone(),
                done: self.done.clone(),
                at_once: self.at_once.clone(),
                stop: self.stop.clone(),
            };
            self.tasks.spawn(worker.serve(rx));
            tx
        });
        queue.try_send(Job { ticket, frames }).is_ok()
    }

    /// Ends the queues of peers that are gone from the configuration; what waits in them is still stored.
    pub(crate) fn keep(&mut self, peers: impl Fn(&CentralId) -> bool) {
        self.queues.retain(|id, _| peers(id));
    }
}

struct Worker {
    me: CentralId,
    peer: CentralId,
    ledger: Ledger,
    done: mpsc::Sender<Done>,
    at_once: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Worker {
    async fn serve(self, mut queue: mpsc::Receiver<Job>) {
        while let Some(Some(job)) = self.stop.run_until_cancelled(queue.recv()).await {
            let Ok(_permit) = self.at_once.acquire().await else { return };
            let span = tracing::info_span!(
                "sync.page.apply", central = %self.me, peer = %self.peer, events = job.frames.len()
            );
            let outcome = self.store(&job.frames).instrument(span).await;
            if self
                .done
                .send(Done::Applied { ticket: job.ticket, from: self.peer.clone(), outcome })
                .await
                .is_err()
            {
                return;
            }
        }
    }

    async fn store(&self, frames: &[Frame]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut holdings: BTreeMap<_, StreamHoldings> = BTreeMap::new();
        for chunk in chunks(frames) {
            match self.ledger.apply(&self.peer, chunk).await {
                Ok(reply) => {
                    outcome.stored += u64::from(reply.stored);
                    if reply.refused > 0 || reply.poison > 0 || reply.forks > 0 {
                        tracing::warn!(peer = %self.peer, stored = reply.stored, known = reply.known, poison = reply.poison,
                            forks = reply.forks, refused = reply.refused, "backlog events are out of the ordinary");
                    }
                    holdings.extend(reply.holdings.into_iter().map(|h| (h.stream.clone(), h)));
                }
                Err(why) => {
                    outcome.error = Some(why);
                    break;
                }
            }
        }
        outcome.holdings = holdings.into_values().collect();
        outcome
    }
}

/// Cuts a page into pieces that fit into one bus message.
fn chunks(frames: &[Frame]) -> impl Iterator<Item = &[Frame]> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take_while(|f| {
                bytes += f.bytes().len() + 16;
                bytes <= CHUNK_BYTES
            })
            .count();
        let (now, later) = rest.split_at(fits.max(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

#[cfg(test)]
mod tests {
    use wire::event::{Header, Kind};
    use wire::hash::Hash32;
    use wire::id::Incarnation;
    use wire::position::{Position, StreamId};

    use super::*;

    #[test]
    fn a_page_is_cut_into_messages_of_the_bus() {
        let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(1) };
        let frame = |seq| {
            let header = Header {
                kind: Kind::EntryPending,
                position: Position { stream: stream.clone(), seq },
                occurred_at: 0,
                prev_hash: Hash32::default(),
                command_id: None,
                opening: None,
                plate_tag: None,
            };
            Frame::write(header, &[0; 16], &[b'x'; 30_000]).unwrap()
        };
        let frames: Vec<Frame> = (1..=40).map(frame).collect();
        let sizes: Vec<usize> = chunks(&frames).map(<[Frame]>::len).collect();
        assert_eq!(sizes, [17, 17, 6]);
        assert_eq!(chunks(&[]).count(), 0);
    }
}
