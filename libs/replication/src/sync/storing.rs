//! Received pages on their way to the ledger: begun in order per peer, few at once in all, so that live events keep their place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::bus::events::ApplyReply;
use wire::event::Frame;
use wire::id::CentralId;
use wire::position::{StreamHoldings, StreamId};

use super::Sync;
use super::event::{Note, Output};
use crate::catchup::{Outcome, Ticket};

/// Pages of one peer that wait. Catch-up asks for no more long before this.
const WAITING: usize = 64;
/// Pages at the ledger at once, all peers together: one is stored while the next one travels and is read. Where only one peer has some,
/// both are its: the bus and the ledger's queue keep their order.
const AT_ONCE: usize = 2;
/// Why a page was not stored whose answer will never come.
const LEDGER_ANEW: &str = "the ledger began anew";
/// Bytes of frames in one transaction and one bus message.
const CHUNK_BYTES: usize = 512 * 1024;

/// A page on its way.
#[derive(Debug)]
struct Job {
    ticket: Ticket,
    /// What is not at the ledger yet.
    frames: Vec<Frame>,
    outcome: Outcome,
    holdings: BTreeMap<StreamId, StreamHoldings>,
}

/// The queues, one per peer.
#[derive(Debug, Default)]
pub(super) struct Stores {
    waiting: BTreeMap<CentralId, VecDeque<Job>>,
    /// By the number of the request that is at the ledger.
    at_work: BTreeMap<u64, (CentralId, Job)>,
    /// Whose turn it is.
    turns: VecDeque<CentralId>,
}

impl Stores {
    pub(super) fn is_empty(&self) -> bool {
        self.at_work.is_empty() && self.turns.is_empty()
    }

    /// Only these peers take part; what waits of others is still stored.
    pub(super) fn keep(&mut self, peers: &BTreeSet<CentralId>) {
        self.waiting.retain(|id, queue| peers.contains(id) || !queue.is_empty());
    }
}

impl Sync {
    /// Takes a page. False when the queue is full: nothing comes of it then.
    pub(super) fn store(&mut self, from: &CentralId, ticket: Ticket, frames: Vec<Frame>) -> bool {
        let queue = self.stores.waiting.entry(from.clone()).or_default();
        if queue.len() >= WAITING {
            return false;
        }
        let job = Job { ticket, frames, outcome: Outcome::default(), holdings: BTreeMap::new() };
        queue.push_back(job);
        if !self.stores.turns.contains(from) {
            self.stores.turns.push_back(from.clone());
        }
        self.begin_stores();
        true
    }

    fn begin_stores(&mut self) {
        while self.stores.at_work.len() < AT_ONCE {
            let Some(peer) = self.stores.turns.pop_front() else { return };
            let Some(queue) = self.stores.waiting.get_mut(&peer) else { continue };
            let Some(job) = queue.pop_front() else { continue };
            if !queue.is_empty() {
                self.stores.turns.push_back(peer.clone());
            }
            self.send_chunk(peer, job);
        }
    }

    fn send_chunk(&mut self, peer: CentralId, mut job: Job) {
        let later = job.frames.split_off(chunk(&job.frames));
        let frames = std::mem::replace(&mut job.frames, later);
        let request = self.number();
        self.stores.at_work.insert(request, (peer.clone(), job));
        self.outputs.push(Output::Apply { request, peer, frames });
    }

    /// What became of a chunk.
    pub fn applied(&mut self, now: i64, request: u64, reply: Result<ApplyReply, String>) {
        let Some((peer, mut job)) = self.stores.at_work.remove(&request) else { return };
        match reply {
            Ok(r) => {
                job.outcome.stored += u64::from(r.stored);
                if r.refused > 0 || r.poison > 0 || r.forks > 0 {
                    let (poison, forks, refused) = (r.poison, r.forks, r.refused);
                    self.outputs.push(Output::Note(Note::Unusual {
                        peer: peer.clone(),
                        poison,
                        forks,
                        refused,
                    }));
                }
                job.holdings.extend(r.holdings.into_iter().map(|h| (h.stream.clone(), h)));
                if !job.frames.is_empty() {
                    return self.send_chunk(peer, job);
                }
            }
            Err(reason) => {
                self.outputs
                    .push(Output::Note(Note::NotStored { peer: peer.clone(), reason: reason.clone() }));
                job.outcome.error = Some(reason);
            }
        }
        job.outcome.holdings = job.holdings.into_values().collect();
        if job.outcome.stored > 0 {
            let events = job.outcome.stored;
            self.outputs.push(Output::Note(Note::Stored { peer: peer.clone(), events }));
        }
        self.catchup.applied(now, job.ticket, job.outcome);
        self.begin_stores();
        self.after(now);
    }
}

impl Sync {
    /// What is at the ledger is not answered any more: those pages are asked for again, what waits is stored.
    pub(super) fn stores_lost(&mut self, now: i64) {
        let lost: Vec<u64> = self.stores.at_work.keys().copied().collect();
        for request in lost {
            self.applied(now, request, Err(LEDGER_ANEW.to_owned()));
        }
    }
}

/// How many frames fit into one bus message; at least one.
pub fn chunk(frames: &[Frame]) -> usize {
    let mut bytes = 0;
    let fits = frames.iter().take_while(|f| {
        bytes += f.bytes().len() + 16;
        bytes <= CHUNK_BYTES
    });
    fits.count().max(1).min(frames.len())
}
