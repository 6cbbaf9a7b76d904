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
/// Changes of the own holdings not told yet.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    streams: BTreeSet<StreamId>,
    since: Option<i64>,
    told_at: Option<i64>,
}

impl Announcer {
    pub(super) fn changed(&mut self, now: i64, streams: Vec<StreamId>) {
        if !streams.is_empty() {
            self.streams.extend(streams);
            self.since.get_or_insert(now);
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.since.is_some()
    }

    fn due(&mut self, now: i64, wait: i64, gap: i64) -> Option<BTreeSet<StreamId>> {
        let since = self.since?;
        if now - since < wait || self.told_at.is_some_and(|at| now - at < gap) {
            return None;
        }
        self.since = None;
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.streams))
    }
}

impl Catchup {
    pub(super) fn announce(&mut self, now: i64) {
        if !self.loaded {
            return;
        }
        if let Some(streams) = self.announcer.due(now, self.limits.announce_ms, self.limits.announce_gap_ms)
            && self.peers.values().any(|p| p.linked_at.is_some())
        {
            let told: Vec<StreamHoldings> =
                streams.iter().filter_map(|id| self.mine.get(id).map(|s| s.to_holdings(id))).collect();
            self.tell(None, false, false, told);
            for p in self.peers.values_mut() {
                p.told_at = now;
            }
        }
        let ids: Vec<CentralId> = self.peers.keys().cloned().collect();
        for id in ids {
            self.announce_to(now, id);
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
            self.tell(Some(id), true, please_answer, all);
        } else if ask {
            Self::asked(p, now, longest);
            p.told_at = now;
            self.tell(Some(id), false, true, Vec::new());
        } else if now.saturating_sub(p.told_at) >= beat {
            p.told_at = now;
            self.tell(Some(id), false, false, Vec::new());
        }
    }

    /// The peer is being asked for its whole map; when it does not come, again later.
    fn asked(p: &mut super::peer::Peer, now: i64, longest: i64) {
        p.ask_at = Some(now + p.ask_wait);
        p.ask_wait = (p.ask_wait * 2).min(longest);
    }

    /// Sends holdings in as many messages as needed. The digest counts in the last one.
    fn tell(&mut self, to: Option<CentralId>, whole: bool, please_answer: bool, all: Vec<StreamHoldings>) {
        let digest = self.digest();
        let mut page = Vec::new();
        let mut weight = 0;
        let mut all = all.into_iter().flat_map(parts);
        loop {
            let next = all.next();
            let last = next.is_none();
            let full = next.as_ref().is_some_and(|s| weight + weigh(s) > WEIGHT || page.len() >= STREAMS);
            if (full && !page.is_empty()) || last {
                let told = message(whole, !last, please_answer && last, digest, std::mem::take(&mut page));
                self.outputs.push(Output::Send { to: to.clone(), message: told });
                weight = 0;
            }
            let Some(s) = next else { return };
            weight += weigh(&s);
            page.push(s);
        }
    }
}

fn message(
    whole: bool,
    more: bool,
    please_answer: bool,
    digest: Hash32,
    streams: Vec<StreamHoldings>,
) -> Message {
    Message::Positions(Told { whole, more, please_answer, digest, streams })
}
