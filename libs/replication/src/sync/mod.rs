//! The work around [`crate::catchup`]: when holdings are read, how pages are stored and requests answered, what waits where.
//!
//! A state machine without I/O, clock or randomness. Inputs are methods that take the time in ms; what is to be done comes out of
//! [`Sync::take_outputs`]. Whoever runs it (the service, the simulator) owns the bus and the timer: messages of mesh, ledger and
//! peers go in as they come; each numbered read or store is answered exactly once, in time or as failed.
//!
//! - `reading`: the own holdings, page by page, every ten seconds;
//! - `received`: what peers say;
//! - `storing`: received pages on their way to the ledger, in order per peer, few at once in all, so that live events keep their
//!   place;
//! - `answering`: the requests of peers, one per peer at a time, few at once in all.

mod answering;
mod event;
mod reading;
mod received;
mod storing;

use std::collections::BTreeSet;

use wire::id::CentralId;
use wire::position::StreamHoldings;

pub use answering::{Packed, pack};
pub use event::{Note, Output};
pub use storing::chunk;

use crate::catchup::{self, Catchup, Limits};
use answering::Answers;
use reading::Reading;
use storing::Stores;

#[cfg(test)]
mod tests;

/// Without word from mesh for so long, no link is believed to be up, ms.
const MESH_SILENT_MS: i64 = 5000;

/// See the module.
#[derive(Debug)]
pub struct Sync {
    catchup: Catchup,
    reading: Reading,
    stores: Stores,
    answers: Answers,
    /// The bus is there.
    connected: bool,
    mesh_heard_at: Option<i64>,
    published_at: i64,
    publish_ms: i64,
    next_request: u64,
    outputs: Vec<Output>,
}

impl Sync {
    /// A sync that knows nothing yet. `publish_ms`: the state is published at least this often. `seed` numbers the requests of
    /// this process: random, so that an answer to an earlier process is not taken for one to this.
    pub fn new(me: CentralId, limits: Limits, publish_ms: i64, seed: u64) -> Self {
        Self {
            answers: Answers::new(limits.request_events),
            catchup: Catchup::new(me, limits, seed),
            reading: Reading::default(),
            stores: Stores::default(),
            connected: true,
            mesh_heard_at: None,
            published_at: i64::MIN,
            publish_ms,
            next_request: seed >> 1,
            outputs: Vec::new(),
        }
    }

    /// What is to be done, in order. Empties the list.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`Self::tick`] is due at the latest, ms.
    pub fn next_tick(&self, now: i64) -> i64 {
        let next = self.catchup.next_tick(now).min(self.published_at.saturating_add(self.publish_ms));
        let read = self.reading.due().filter(|_| self.connected);
        read.map_or(next, |due| next.min(due)).max(now)
    }

    /// Time passes. `connected`: the bus is there.
    pub fn tick(&mut self, now: i64, connected: bool) {
        if connected != self.connected {
            self.connected = connected;
            if connected {
                // Whatever was said meanwhile was not heard, answers of the ledger neither.
                self.ledger_anew(now);
            } else {
                self.catchup.linked(now, &BTreeSet::new());
            }
        }
        if self.mesh_heard_at.is_some_and(|at| now - at >= MESH_SILENT_MS) {
            self.mesh_heard_at = None;
            self.outputs.push(Output::Note(Note::MeshSilent));
            self.catchup.linked(now, &BTreeSet::new());
        }
        if connected {
            self.read(now);
        }
        self.catchup.tick(now);
        if now.saturating_sub(self.published_at) >= self.publish_ms {
            self.publish(now);
        }
        self.after(now);
    }

    /// The peers of the configuration.
    pub fn configure(&mut self, now: i64, peers: &BTreeSet<CentralId>) {
        self.stores.keep(peers);
        self.answers.keep(peers);
        self.catchup.configure(now, peers.iter().cloned());
        self.after(now);
    }

    /// Mesh told which peers have a live link.
    pub fn linked(&mut self, now: i64, connected: &BTreeSet<CentralId>) {
        self.mesh_heard_at = Some(now);
        self.catchup.linked(now, connected);
        self.after(now);
    }

    /// The ledger told what it holds of some streams after a commit.
    pub fn holdings_changed(&mut self, now: i64, holdings: Vec<StreamHoldings>) {
        self.catchup.holdings_changed(now, holdings);
        self.after(now);
    }

    /// The same for events that nobody gets live: old ones that were brought in.
    pub fn holdings_brought(&mut self, now: i64, holdings: Vec<StreamHoldings>) {
        self.catchup.holdings_brought(now, holdings);
        self.after(now);
    }

    /// The ledger told something that cannot be read: everything is read anew.
    pub fn reread(&mut self, now: i64) {
        self.reading.now();
        self.after(now);
    }

    /// Another process, or another connection to it, answers for the ledger: what was asked before is never answered. It is asked
    /// again now instead of when the time for an answer is over, and what was committed without a word is found.
    pub fn ledger_anew(&mut self, now: i64) {
        self.stores_lost(now);
        self.catchup.store_is_back(now);
        self.reads_lost();
        self.reading.anew();
        self.after(now);
    }

    /// What is missing, whom to ask; to look at.
    pub fn catchup(&mut self) -> &mut Catchup {
        &mut self.catchup
    }

    /// True while received pages are being stored.
    pub fn is_storing(&self) -> bool {
        !self.stores.is_empty()
    }

    /// True when nothing is missing that a connected peer holds, and nothing is being stored.
    pub fn is_settled(&self, now: i64) -> bool {
        !self.is_storing() && !self.catchup.catching_up(now)
    }

    fn number(&mut self) -> u64 {
        self.next_request = self.next_request.wrapping_add(1);
        self.next_request
    }

    fn publish(&mut self, now: i64) {
        self.published_at = now;
        self.outputs.push(Output::Publish);
    }

    /// Takes over what catch-up wants done.
    fn after(&mut self, now: i64) {
        for output in self.catchup.take_outputs() {
            match output {
                catchup::Output::Send { to, message } => self.outputs.push(Output::Send { to, message }),
                catchup::Output::Reload => self.reading.now(),
                catchup::Output::Publish => self.publish(now),
                catchup::Output::Stalled(cause) => self.outputs.push(Output::Note(Note::Stalled(cause))),
                catchup::Output::Moving => self.outputs.push(Output::Note(Note::Moving)),
            }
        }
    }
}
