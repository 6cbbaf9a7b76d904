//! One configured peer.

use wire::bus::events::Carried;
use wire::config::PeerCentral;

use super::event::{Limits, LinkId, Now, Unlinked};
use super::speakers::Speakers;
use crate::clock::{Level, SkewFilter};
use crate::link::{Backoff, Drop, Queue};

/// Whether somebody dials it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialling {
    /// Not now: it has a link, or is disabled.
    No,
    /// At this moment, µs.
    At(u64),
    /// The dial with this number is under way, up to HELLO.
    UnderWay(u64),
}

/// Two live processes claim to be this peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cloned {
    pub(super) since_ms: i64,
    pub(super) detail: String,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) conf: PeerCentral,
    /// Links that stand.
    pub(super) links: Vec<LinkId>,
    /// Those to send on.
    pub(super) primaries: Vec<LinkId>,
    /// Since when it has one, µs.
    pub(super) linked_at: Option<u64>,
    pub(super) dialling: Dialling,
    pub(super) backoff: Backoff,
    /// Live events on their way to the ledger.
    pub(super) inbox: Queue<Carried>,
    /// The request under way with the ledger.
    pub(super) applying: Option<u64>,
    /// The last one failed.
    pub(super) failing: bool,
    pub(super) unlinked: Unlinked,
    pub(super) since_ms: i64,
    pub(super) last_error: Option<String>,
    pub(super) skew: SkewFilter,
    /// The anchor of our clock when it was measured last: what was measured before our clock was set is of no use.
    pub(super) skew_anchor_ms: i64,
    pub(super) level: Level,
    pub(super) speakers: Speakers,
    pub(super) cloned: Option<Cloned>,
}

impl Peer {
    pub(super) fn new(now: Now, conf: PeerCentral, limits: &Limits) -> Self {
        Self {
            dialling: if conf.disabled { Dialling::No } else { Dialling::At(now.us) },
            conf,
            links: Vec::new(),
            primaries: Vec::new(),
            linked_at: None,
            backoff: Backoff::default(),
            inbox: Queue::new("inbox", limits.inbox, 4 * 1024 * 1024, Drop::Oldest),
            applying: None,
            failing: false,
            unlinked: Unlinked::Connecting,
            since_ms: now.clock_ms,
            last_error: None,
            skew: SkewFilter::default(),
            skew_anchor_ms: 0,
            level: Level::Fine,
            speakers: Speakers::default(),
            cloned: None,
        }
    }

    pub(super) fn is_linked(&self) -> bool {
        !self.links.is_empty()
    }

    /// When it is to be dialled.
    pub(super) fn dial_at(&self) -> Option<u64> {
        match self.dialling {
            Dialling::At(at) if !self.is_linked() => Some(at),
            _ => None,
        }
    }

    /// No link came about. True when this is news.
    pub(super) fn failed(&mut self, now: Now, how: Unlinked, reason: &str) -> bool {
        let news = self.unlinked != how || self.last_error.as_deref() != Some(reason);
        if !self.is_linked() {
            if self.unlinked != how {
                self.unlinked = how;
                self.since_ms = now.clock_ms;
            }
            self.last_error = Some(reason.to_owned());
        }
        news
    }
}
