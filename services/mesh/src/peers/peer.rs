//! One peer.

use std::sync::Arc;

use jiff::tz::TimeZone;
use replication::clock::{Level, Sample, SkewFilter};
use replication::link::{LinkFacts, clones, primaries, spares};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::config::PeerCentral;
use wire::http::{PeerState, PeerView};
use wire::time::rfc3339;

use super::Supervised;
use crate::link::Link;
use crate::relay::Inbox;

/// How a peer without a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlinked {
    /// Not tried to the end yet.
    Connecting,
    /// Not reachable.
    Down,
    /// It or we said no.
    Refused,
}

/// A configured peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) conf: PeerCentral,
    pub(super) inbox: Arc<Inbox>,
    links: Vec<Arc<Link>>,
    primaries: Vec<Arc<Link>>,
    linked: watch::Sender<Option<Instant>>,
    redial: Arc<Notify>,
    stop: CancellationToken,
    unlinked: Unlinked,
    since_ms: i64,
    last_error: Option<String>,
    skew: SkewFilter,
    level: Level,
    cloned: bool,
}

impl Peer {
    pub(super) fn new(conf: PeerCentral, now_ms: i64) -> Self {
        Self {
            conf,
            inbox: Arc::new(Inbox::new()),
            links: Vec::new(),
            primaries: Vec::new(),
            linked: watch::Sender::new(None),
            redial: Arc::default(),
            stop: CancellationToken::new(),
            unlinked: Unlinked::Connecting,
            since_ms: now_ms,
            last_error: None,
            skew: SkewFilter::default(),
            level: Level::Fine,
            cloned: false,
        }
    }

    pub(super) fn supervised(&self) -> Supervised {
        Supervised {
            conf: self.conf.clone(),
            linked: self.linked.subscribe(),
            redial: self.redial.clone(),
            inbox: self.inbox.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Ends every link and whoever looks after the peer.
    pub(super) fn cut(&self, reason: &str) {
        self.stop.cancel();
        for link in &self.links {
            link.close(reason);
        }
    }

    pub(super) fn redial(&self) {
        if self.links.is_empty() {
            self.redial.notify_one();
        }
    }

    pub(super) fn add(&mut self, link: Arc<Link>, base: Instant, now_ms: i64) {
        if self.links.is_empty() {
            self.since_ms = now_ms;
            self.last_error = None;
            // Another process or another machine may answer now.
            self.skew = SkewFilter::default();
            tracing::info!(peer = %self.conf.id, link = link.id, process = %link.process, "link up");
        }
        self.links.push(link);
        self.linked.send_if_modified(|l| l.is_none() && l.replace(Instant::now()).is_none());
        self.settle(base);
    }

    /// True when the peer has no link any more.
    pub(super) fn remove(&mut self, link: u64, reason: &str, base: Instant, now_ms: i64) -> bool {
        let before = self.links.len();
        self.links.retain(|l| l.id != link);
        if self.links.len() == before {
            return false;
        }
        if !self.links.is_empty() {
            self.settle(base);
            return false;
        }
        self.primaries.clear();
        self.unlinked = Unlinked::Down;
        self.since_ms = now_ms;
        self.last_error = Some(reason.to_owned());
        self.cloned = false;
        self.linked.send_replace(None);
        true
    }

    /// True when this is news.
    pub(super) fn failed(&mut self, how: Unlinked, reason: &str, now_ms: i64) -> bool {
        let news = self.unlinked != how || self.last_error.as_deref() != Some(reason);
        if self.links.is_empty() {
            if self.unlinked != how {
                self.unlinked = how;
                self.since_ms = now_ms;
            }
            self.last_error = Some(reason.to_owned());
        }
        news
    }

    pub(super) fn measured(&mut self, sample: Sample) {
        self.skew.add(sample);
        let level = self.skew.skew_ms().map_or(Level::Fine, Level::of);
        if level != self.level {
            let skew_ms = self.skew.skew_ms();
            match level {
                Level::Fine => tracing::info!(peer = %self.conf.id, skew_ms, "clocks agree again"),
                Level::Warn => tracing::warn!(peer = %self.conf.id, skew_ms, "clocks differ"),
                Level::Alarm => {
                    tracing::error!(peer = %self.conf.id, skew_ms, "CLOCK: clocks differ by more than 5 s")
                }
            }
            self.level = level;
        }
    }

    /// Retires spare links, chooses the ones to send on, looks for a second process.
    pub(super) fn settle(&mut self, base: Instant) {
        let facts: Vec<LinkFacts> = self.links.iter().map(|l| l.facts(base)).collect();
        let spare = spares(&facts);
        for link in self.links.extract_if(.., |l| spare.contains(&l.id)) {
            link.retire();
        }
        let chosen = primaries(&facts);
        self.primaries = self.links.iter().filter(|l| chosen.contains(&l.id)).cloned().collect();
        let cloned = clones(&facts);
        if cloned && !self.cloned {
            tracing::error!(peer = %self.conf.id, "CLONE: two processes of this central are alive at once; a disk or machine was copied");
        }
        self.cloned = cloned;
    }

    pub(super) fn links(&self) -> &[Arc<Link>] {
        &self.links
    }

    pub(super) fn primaries(&self) -> &[Arc<Link>] {
        &self.primaries
    }

    pub(super) fn is_linked(&self) -> bool {
        !self.links.is_empty()
    }

    pub(super) fn skew_ms(&self) -> Option<i64> {
        self.skew.skew_ms()
    }

    fn state(&self) -> PeerState {
        match self.unlinked {
            _ if self.conf.disabled => PeerState::Disabled,
            _ if self.is_linked() => PeerState::Connected,
            Unlinked::Connecting => PeerState::Connecting,
            Unlinked::Down => PeerState::Down,
            Unlinked::Refused => PeerState::Refused,
        }
    }

    fn trouble(&self) -> Option<String> {
        if self.cloned {
            return Some("CLONE: two processes of this central are alive at once".to_owned());
        }
        if self.is_linked() && self.level == Level::Alarm {
            return self.skew.skew_ms().map(|s| format!("CLOCK: its clock differs from ours by {s} ms"));
        }
        self.last_error.clone()
    }

    pub(super) fn view(&self, tz: &TimeZone) -> PeerView {
        let linked = self.is_linked();
        PeerView {
            id: self.conf.id.to_string(),
            state: self.state(),
            since: rfc3339(self.since_ms, tz),
            rtt_ms: self.skew.rtt_ms().filter(|_| linked),
            clock_skew_ms: self.skew.skew_ms().filter(|_| linked),
            behind_events: None,
            held_events: None,
            last_error: self.trouble(),
        }
    }
}
