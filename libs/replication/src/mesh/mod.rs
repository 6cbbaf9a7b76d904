//! The mesh of one central: its configured peers, the links to them, and what flows over these.
//!
//! A state machine without I/O, clock or randomness. Inputs are methods that take [`Now`]; what is to be done comes out of
//! [`Mesh::take_outputs`]. Whoever runs it (the service, the simulator) owns the sockets, the bus and the timer:
//!
//! - [`Output::Dial`] → connect, then [`Mesh::opened`] or [`Mesh::dial_failed`]; whoever is dialled calls [`Mesh::opened`] too.
//! - [`Output::Wake`] → send what [`Mesh::next`] gives until it gives nothing. What comes in goes to [`Mesh::received`].
//! - [`Output::Close`] → stop reading; what [`Mesh::next`] still gives are the last words. [`Mesh::ended`] when the socket is gone.
//! - requests to the ledger are numbered; each is answered exactly once, in time or as failed.
//! - [`Output::Timer`] → [`Mesh::tick`] at [`Mesh::next_tick`].
//!
//! Follow a link: `dial` → `greet` (HELLO) → `settle` (which link counts) → `take` (what a peer says) → `beat` (does it live).

mod alarms;
mod beat;
mod configure;
mod dial;
mod event;
mod greet;
mod inbox;
mod jitter;
mod link;
mod lookup;
mod outbox;
mod peer;
mod send;
mod settle;
mod speakers;
mod take;
mod view;

use std::collections::BTreeMap;

use wire::hash::Hash32;
use wire::id::CentralId;

pub use event::{Found, HelloFacts, Identity, Limits, LinkId, Note, Now, Opened, Output, Unlinked};
pub use outbox::{Batch, Next};
pub use view::{PeerStatus, Waiting};

use crate::alarm::Board;
use jitter::Jitter;
use link::Link;
use lookup::Lookups;
use peer::Peer;
use speakers::Speakers;

#[cfg(test)]
mod tests;

/// Interval of looks at links, µs.
const LOOK_US: u64 = 1_000_000;

/// What this central's own ledger said of itself.
#[derive(Debug, Default)]
struct OwnLedger {
    projection_version: u32,
    speakers: Speakers,
    /// Digest of the position map as last read, and when, µs.
    digest: Option<(u64, Hash32)>,
    reading: bool,
    beat_waits: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Mesh {
    me: CentralId,
    process: String,
    limits: Limits,
    jitter: Jitter,
    /// In the configuration's order.
    order: Vec<CentralId>,
    peers: BTreeMap<CentralId, Peer>,
    links: BTreeMap<LinkId, Link>,
    lookups: Lookups,
    ledger: OwnLedger,
    own_clone: Option<peer::Cloned>,
    /// Alarms of clocks and of peers that are away.
    board: Board,
    /// When this central's certificates end, by their names for people.
    papers: Vec<(String, i64)>,
    /// Our wall clock less the clock that never jumps, ms, at the last look.
    anchor_ms: Option<i64>,
    next_number: u64,
    look_at: u64,
    beat_at: u64,
    publish_at: u64,
    /// What the timer is set to.
    armed: u64,
    outputs: Vec<Output>,
}

impl Mesh {
    /// A mesh without peers. `process` names this process, `seed` spreads its dials; both are random.
    pub fn new(now: Now, me: CentralId, process: String, limits: Limits, seed: u64) -> Self {
        let mut jitter = Jitter::new(seed);
        // Centrals started together do not beat together.
        let spread = (jitter.fraction() * 1e6) as u64;
        Self {
            me,
            process,
            look_at: now.us + spread,
            beat_at: now.us + limits.heartbeat_us() + spread,
            publish_at: now.us,
            limits,
            jitter,
            order: Vec::new(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            lookups: Lookups::default(),
            ledger: OwnLedger::default(),
            own_clone: None,
            board: Board::default(),
            papers: Vec::new(),
            anchor_ms: None,
            // Random, so that an answer to an earlier process is not taken for one to this.
            next_number: seed >> 1,
            armed: u64::MAX,
            outputs: Vec::new(),
        }
    }

    /// What is to be done, in order. Empties the list.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When [`Self::tick`] is due, µs. The timer is taken to be set to it.
    pub fn next_tick(&mut self) -> u64 {
        let dials = self.peers.values().filter_map(Peer::dial_at).min();
        let lookups = self.lookups.next_deadline();
        let fixed = self.look_at.min(self.beat_at).min(self.publish_at);
        self.armed = [dials, lookups].into_iter().flatten().fold(fixed, u64::min);
        self.armed
    }

    /// Time passes.
    pub fn tick(&mut self, now: Now) {
        self.dial_due(now);
        self.lookups_due(now);
        if now.us >= self.look_at {
            self.look_at = now.us + LOOK_US;
            self.look(now);
        }
        if now.us >= self.beat_at {
            self.beat_at = now.us + self.limits.heartbeat_us();
            self.beat_due(now);
        }
        if now.us >= self.publish_at {
            self.publish(now);
        }
    }

    /// The ledger said who it is. A standby's word does not count.
    pub fn ledger_is(&mut self, now: Now, ledger: &Identity) {
        self.ledger.projection_version = ledger.projection_version;
        if ledger.writer && self.ledger.speakers.heard(&ledger.process, now) {
            self.tell_process(now);
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number = self.next_number.wrapping_add(1);
        self.next_number
    }

    fn publish(&mut self, now: Now) {
        self.publish_at = now.us + self.limits.publish_ms * 1000;
        self.outputs.push(Output::Publish);
    }

    fn note(&mut self, note: Note) {
        self.outputs.push(Output::Note(note));
    }

    /// A deadline was set: the timer may have to be set anew.
    fn arm(&mut self, at: u64) {
        if at < self.armed {
            self.armed = at;
            self.outputs.push(Output::Timer);
        }
    }
}
