//! One connection, from the moment it can carry messages.

use wire::id::CentralId;
use wire::mesh::{PROTOCOL_COMPACT, PROTOCOL_MIN};

use super::event::{Limits, LinkId, Now, Opened};
use super::outbox::Outbox;
use crate::link::{Beats, LinkFacts, Liveness};

/// HELLO and its answer may take so long, µs.
const GREETING_US: u64 = 5_000_000;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The peer's HELLO is awaited.
    Greeting,
    /// The peer dialled and its HELLO is good; ours is being made.
    Checked,
    /// Our HELLO is on its way to the peer, which judges it: the link stands when something else than a good-bye comes back.
    Answered,
    /// It stands.
    Up,
    /// A spare: what is queued still goes out, what comes is still taken.
    Draining,
    /// Over; the socket may still carry the last words.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// Known from the start where dialled, else from HELLO.
    pub(super) peer: Option<CentralId>,
    pub(super) opened: Opened,
    pub(super) phase: Phase,
    /// The peer's mesh process.
    pub(super) process: String,
    /// The ledger process HELLO named.
    pub(super) ledger_process: String,
    /// The protocol both sides speak.
    pub(super) protocol: u16,
    /// The own ledger process the peer was told of on this link.
    pub(super) told_process: String,
    /// The last bits of the number of the peer's last beat, and when it came, µs.
    pub(super) last_beat: Option<(u8, u64)>,
    /// True when the central with the lower id dialled.
    pub(super) by_lower: bool,
    pub(super) opened_us: u64,
    pub(super) up_us: u64,
    heard_us: u64,
    pub(super) beats: Beats,
    pub(super) liveness: Liveness,
    pub(super) outbox: Outbox,
    /// Said that messages of it were skipped.
    pub(super) skipped: bool,
}

impl Link {
    pub(super) fn new(
        now: Now,
        id: LinkId,
        peer: Option<CentralId>,
        opened: Opened,
        limits: &Limits,
    ) -> Self {
        Self {
            id,
            peer,
            opened,
            phase: Phase::Greeting,
            process: String::new(),
            ledger_process: String::new(),
            protocol: PROTOCOL_MIN,
            told_process: String::new(),
            last_beat: None,
            by_lower: false,
            opened_us: now.us,
            up_us: now.us,
            heard_us: now.us,
            beats: Beats::default(),
            liveness: Liveness::default(),
            outbox: Outbox::new(limits),
            skipped: false,
        }
    }

    /// True when the peer understands the beats and events of protocol 2.
    pub(super) fn is_compact(&self) -> bool {
        self.protocol >= PROTOCOL_COMPACT
    }

    /// Something came from the peer.
    pub(super) fn heard(&mut self, now: Now) {
        self.heard_us = now.us;
        self.liveness.heard();
    }

    /// True while HELLO has not passed both ways.
    pub(super) fn is_greeting(&self) -> bool {
        matches!(self.phase, Phase::Greeting | Phase::Checked | Phase::Answered)
    }

    /// True when HELLO takes too long.
    pub(super) fn is_late(&self, now: Now) -> bool {
        self.is_greeting() && now.us.saturating_sub(self.opened_us) >= GREETING_US
    }

    /// For the rules about several links of one peer.
    pub(super) fn facts(&self) -> LinkFacts {
        LinkFacts {
            id: self.id.0,
            by_lower: self.by_lower,
            process: self.process.clone(),
            proven: self.beats.proven(),
            up_at: self.up_us,
            heard_at: self.heard_us,
        }
    }
}
