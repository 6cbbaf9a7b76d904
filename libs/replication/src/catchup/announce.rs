//! What peers are told of this central's holdings.

use std::collections::BTreeSet;

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{Message, Positions as Told};
use wire::position::{StreamHoldings, StreamId};

use super::Catchup;
use super::event::Output;
use super::parts::{WEIGHT, parts, weigh};

/// Streams of one message at most.
const STREAMS: usize = 1000;

/// Streams that changed, and since when that waits.
#[derive(Debug, Default)]
struct Changes {
    streams: BTreeSet<StreamId>,
    since: Option<i64>,
}

impl Changes {
    fn add(&mut self, now: i64, stream: StreamId) {
        self.streams.insert(stream);
        self.since.get_or_insert(now);
    }

    fn take(&mut self) -> BTreeSet<StreamId> {
        self.since = None;
        std::mem::take(&mut self.streams)
    }
}

/// Changes of the own holdings not told yet.
///
/// What came live is on its way to everybody: peers are told now and then, so that it is known who holds what. What came otherwise
/// reaches nobody unless they ask: they are told at once, and less and less often while more of it comes.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    live: Changes,
    told_at: Option<i64>,
    brought: Changes,
    /// When peers were last told of what was brought, and how long the next telling waits after that.
    brought_told: Option<(i64, i64)>,
}

impl Announcer {
    /// Streams changed; true for those where something came otherwise than live.
    pub(super) fn changed(&mut self, now: i64, streams: Vec<(StreamId, bool)>) {
        for (stream, brought) in streams {
            if brought { &mut self.brought } else { &mut self.live }.add(now, stream);
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.live.since.is_some() || self.brought.since.is_some()
    }

    /// When what was brought may be told; none when there is nothing.
    pub(super) fn brought_at(&self) -> Option<i64> {
        let since = self.brought.since?;
        Some(self.brought_told.map_or(since, |(at, gap)| since.max(at + gap)))
    }

    fn due(&mut self, now: i64, wait: i64, gap: i64) -> Option<BTreeSet<StreamId>> {
        let since = self.live.since?;
        if now - since < wait || self.told_at.is_some_and(|at| now - at < gap) {
            return None;
        }
        self.told_at = Some(now);
        Some(self.live.take())
    }

    fn brought_due(&mut self, now: i64, shortest: i64, longest: i64) -> Option<BTreeSet<StreamId>> {
        self.brought_at().filter(|at| *at <= now)?;
        let gap = match self.brought_told {
            Some((at, gap)) if now - at <= longest => (gap * 2).min(longest),
            _ => shortest,
        };
        self.brought_told = Some((now, gap));
        let told = self.brought.take();
        self.live.streams.retain(|s| !told.contains(s));
        if self.live.streams.is_empty() {
            self.live.since = None;
        }
        Some(told)
    }
}

impl Catchup {
    pub(super) fn announce(&mut self, now: i64) {
        if !self.loaded {
            return;
        }
        let (shortest, longest) = (self.limits.brought_gap_ms, self.limits.brought_longest_ms);
        if let Some(streams) = self.announcer.brought_due(now, shortest, longest) {
            self.tell_changes(now, &streams, true);
        }
        if let Some(streams) = self.announcer.due(now, self.limits.announce_ms, self.limits.announce_gap_ms) {
            self.tell_changes(now, &streams, false);
        }
        let ids: Vec<CentralId> = self.peers.keys().cloned().collect();
        for id in ids {
            self.announce_to(now, id);
        }
    }

    fn tell_changes(&mut self, now: i64, streams: &BTreeSet<StreamId>, brought: bool) {
        if self.peers.values().all(|p| p.linked_at.is_none()) {
            return;
        }
        let told: Vec<StreamHoldings> =
            streams.iter().filter_map(|id| self.mine.get(id).map(|s| s.to_holdings(id))).collect();
        self.tell(None, What { brought, ..What::default() }, told);
        for p in self.peers.values_mut() {
            p.told_at = now;
        }
    }

    fn announce_to(&mut self, now: i64, id: CentralId) {
        let (beat, longest) = (self.limits.beat_ms, self.limits.ask_longest_ms);
        let gap = self.limits.whole_gap_ms;
        let Some(p) = self.peers.get_mut(&id).filter(|p| p.linked_at.is_some()) else { return };
        let ask = p.ask_at.is_some_and(|at| at <= now);
        if p.owe_whole && p.whole_sent_at.is_none_or(|at| now - at >= gap) {
            p.owe_whole = false;
            p.whole_sent_at = Some(now);
            p.told_at = now;
            let please_answer = ask || !p.fresh;
            if please_answer {
                Self::asked(p, now, longest);
            }
            let all = self.mine.holdings().collect();
            self.tell(Some(id), What { whole: true, please_answer, brought: false }, all);
        } else if ask {
            Self::asked(p, now, longest);
            p.told_at = now;
            self.tell(Some(id), What { please_answer: true, ..What::default() }, Vec::new());
        } else if now.saturating_sub(p.told_at) >= beat {
            p.told_at = now;
            self.tell(Some(id), What::default(), Vec::new());
        }
    }

    /// The peer is being asked for its whole map; when it does not come, again later.
    fn asked(p: &mut super::peer::Peer, now: i64, longest: i64) {
        p.ask_at = Some(now + p.ask_wait);
        p.ask_wait = (p.ask_wait * 2).min(longest);
    }

    /// Sends holdings in as many messages as needed. The digest counts in the last one.
    fn tell(&mut self, to: Option<CentralId>, what: What, all: Vec<StreamHoldings>) {
        let digest = self.digest();
        let mut page = Vec::new();
        let mut weight = 0;
        let mut all = all.into_iter().flat_map(parts);
        loop {
            let next = all.next();
            let last = next.is_none();
            let full = next.as_ref().is_some_and(|s| weight + weigh(s) > WEIGHT || page.len() >= STREAMS);
            if (full && !page.is_empty()) || last {
                let told = message(what, !last, digest, std::mem::take(&mut page));
                self.outputs.push(Output::Send { to: to.clone(), message: told });
                weight = 0;
            }
            let Some(s) = next else { return };
            weight += weigh(&s);
            page.push(s);
        }
    }
}

/// What a message is.
#[derive(Debug, Clone, Copy, Default)]
struct What {
    whole: bool,
    please_answer: bool,
    brought: bool,
}

fn message(what: What, more: bool, digest: Hash32, streams: Vec<StreamHoldings>) -> Message {
    let What { whole, please_answer, brought } = what;
    Message::Positions(Told { whole, more, please_answer: please_answer && !more, digest, streams, brought })
}
