//! What peers send.

use std::collections::BTreeSet;

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{Positions as Told, ShortDigest};
use wire::position::{SeqRange, StreamHoldings, StreamId};

use super::event::{Cause, Outcome, Page, Ticket, Verdict};
use super::plan::FAST_MS;
use super::{Applying, Catchup, grow};
use crate::positions::ranges::{intersect, normalise};
use crate::positions::{Positions, StreamPositions};

/// Streams taken from one peer's map at most.
const MAX_STREAMS: usize = 100_000;

impl Catchup {
    /// A peer told of its holdings: a page of the whole map, changes, or only the digest.
    pub fn positions_received(&mut self, now: i64, from: &CentralId, told: Told) {
        let Some(p) = self.peers.get_mut(from) else { return };
        if told.please_answer {
            p.owe_whole = true;
        }
        // The first whole map of a link is acted on at once; what comes later may be on its way live.
        let at_once = !p.fresh;
        if told.whole && told.please_answer && p.fresh {
            p.begun_anew();
        }
        if told.whole {
            self.take_whole_page(now, from, told.streams, told.more, told.digest, at_once);
        } else {
            self.take_changes(now, from, told.streams, told.brought);
            if !told.more {
                self.compare(now, from, 0, |digest| digest == told.digest);
            }
        }
        self.forget_ages();
        self.advance(now);
    }

    /// The digest of a beat. It is newer than what the peer told last when events flow: what it tells next may explain it.
    pub fn digest_received(&mut self, now: i64, from: &CentralId, digest: ShortDigest) {
        self.compare(now, from, self.limits.explain_ms, |known| ShortDigest::of(&known) == digest);
        self.advance(now);
    }

    pub(super) fn take_changes(
        &mut self,
        now: i64,
        from: &CentralId,
        streams: Vec<StreamHoldings>,
        at_once: bool,
    ) {
        let nothing = StreamPositions::default();
        let Some(p) = self.peers.get_mut(from) else { return };
        for told in streams {
            let (stream, new) = StreamPositions::from_holdings(told);
            if p.map.get(&stream).is_none() && p.map.len() >= MAX_STREAMS {
                continue;
            }
            if stream.central == *from {
                p.told_of(&stream, self.mine.get(&stream).map_or(0, StreamPositions::head));
            }
            let before = p.map.get(&stream).map_or(0, StreamPositions::head);
            if !grow(&mut p.map, &stream, new) {
                continue;
            }
            let after = p.map.get(&stream).map_or(0, StreamPositions::head);
            let mine = self.mine.get(&stream).unwrap_or(&nothing);
            p.refresh(&stream, mine, at_once);
            if after > before && !at_once {
                p.opened(&stream, before, now);
            }
        }
    }

    fn take_whole_page(
        &mut self,
        now: i64,
        from: &CentralId,
        streams: Vec<StreamHoldings>,
        more: bool,
        digest: Hash32,
        at_once: bool,
    ) {
        let Some(p) = self.peers.get_mut(from) else { return };
        let last = p.assembling.as_ref().and_then(|a| a.iter().next_back().map(|(id, _)| id.clone()));
        let first = streams.iter().map(|s| &s.stream).min();
        // Pages come in order; one that does not follow begins a new map. A stream too large for one page goes on in the next.
        if p.assembling.is_none() || first.is_none_or(|f| last.is_some_and(|l| *f < l)) {
            p.assembling = Some(Positions::new());
        }
        if let Some(a) = &mut p.assembling {
            for s in &streams {
                if a.len() < MAX_STREAMS {
                    let (stream, part) = StreamPositions::from_holdings(s.clone());
                    if part.head() > 0 {
                        a.entry(&stream).merge(&part);
                    }
                }
            }
        }
        // What is in the page is good to ask for before the rest of the map is here.
        self.take_changes(now, from, streams, at_once);
        if more {
            return;
        }
        let Some(p) = self.peers.get_mut(from) else { return };
        let Some(whole) = p.assembling.take() else { return };
        p.known = true;
        p.fresh = true;
        if whole.digest() != digest {
            // A page was lost, or was larger than its bounds: keep what was learnt and ask again.
            self.compare(now, from, 0, |known| known == digest);
            return;
        }
        p.ask_at = None;
        if std::mem::take(&mut p.denied).is_empty() {
            p.ask_wait = self.limits.ask_again_ms;
        }
        if p.map != whole {
            p.map = whole;
        }
        for (stream, s) in self.mine.iter().filter(|(stream, _)| stream.central == *from) {
            p.told_of(stream, s.head());
        }
        self.refresh_peer(from, at_once);
    }

    /// Asks for the whole map when what is known of a peer is not what it says it holds.
    fn compare(&mut self, now: i64, from: &CentralId, patience: i64, same: impl Fn(Hash32) -> bool) {
        let (first, longest) = (self.limits.ask_again_ms, self.limits.ask_longest_ms);
        let Some(p) = self.peers.get_mut(from) else { return };
        if same(p.map.digest()) {
            // What it once said it has not got stays in doubt until it tells its whole map: another process may have answered for it.
            if p.fresh && p.denied.is_empty() {
                p.ask_at = None;
                p.ask_wait = first;
            }
        } else if p.ask_at.is_none() {
            p.ask_at = Some(now + if p.ask_wait == first { patience } else { p.ask_wait });
            p.ask_wait = (p.ask_wait * 2).min(longest);
        }
    }

    /// A page of an answer came. When the verdict says so, its events go to the store and [`Self::applied`] follows.
    pub fn page_received(&mut self, now: i64, from: &CentralId, page: &Page) -> Verdict {
        let verdict = self.take_page(now, from, page);
        self.advance(now);
        verdict
    }

    fn take_page(&mut self, now: i64, from: &CentralId, page: &Page) -> Verdict {
        let limit = self.limits.request_events.max(1);
        let Some(p) = self.peers.get_mut(from) else { return Verdict::Unasked };
        let events: u64 = page.brought.iter().map(|b| b.range.len()).sum();
        let current = p.request.as_ref().is_some_and(|r| r.id == page.id);
        if !current && !p.late.contains(&page.id) {
            return Verdict::Unasked;
        }
        if let Some(r) = p.request.as_mut().filter(|_| current) {
            r.renewed_at = now;
            r.brought = r.brought.saturating_add(events);
        }
        if !page.not_held.is_empty() {
            // Its map says more than it holds. Remember that until it tells its whole map again.
            for r in page.not_held.iter().filter(|r| r.from >= 1 && !r.is_empty()) {
                let denied = p.denied.entry(r.stream.clone()).or_default();
                *denied = normalise(denied.iter().copied().chain([(r.from, r.to)]).collect(), u64::MAX);
            }
            if p.ask_at.is_none() {
                p.ask_at = Some(now + p.ask_wait);
                p.ask_wait = (p.ask_wait * 2).min(self.limits.ask_longest_ms);
            }
        }
        if current
            && !page.more
            && let Some(r) = p.request.take()
        {
            // Two links of one pair can turn pages round: what comes behind the last one is taken as well.
            p.remember_late(r.id);
            if r.brought == 0 && page.not_held.is_empty() {
                p.strike(now);
                self.stall.trouble = Some(Cause::Empty(from.clone()));
            } else if now - r.asked_at <= FAST_MS {
                p.chunk = p.chunk.saturating_mul(2).min(limit);
            }
        }
        let denied: BTreeSet<&StreamId> = page.not_held.iter().map(|r| &r.stream).collect();
        for stream in denied {
            self.refresh(from, stream, false);
        }
        if page.brought.is_empty() {
            return Verdict::Nothing;
        }
        self.learn_age(now, page.brought.iter().map(|b| (b.range.stream.clone(), b.range.to, b.newest_at)));
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let ranges: Vec<SeqRange> = page.brought.iter().map(|b| b.range.clone()).collect();
        self.applying.insert(ticket, Applying { peer: from.clone(), ranges, since: now });
        if let Some(p) = self.peers.get_mut(from) {
            p.unapplied += 1;
            if let Some(a) = self.applying.get(&ticket) {
                p.suspects_answered(&a.ranges, &self.mine);
            }
        }
        Verdict::Apply(ticket)
    }

    /// What became of a page's events.
    pub fn applied(&mut self, now: i64, ticket: Ticket, outcome: Outcome) {
        if let Some(a) = self.applying.remove(&ticket) {
            self.take_outcome(now, a, outcome);
        }
        self.advance(now);
    }

    fn take_outcome(&mut self, now: i64, a: Applying, outcome: Outcome) {
        if let Some(p) = self.peers.get_mut(&a.peer) {
            p.unapplied = p.unapplied.saturating_sub(1);
        }
        if let Some(why) = outcome.error {
            // 250 ms to 4 s: the store is away, asking for more would only fill the memory.
            self.store_rests_until = now + (250i64 << self.store_errors.min(4));
            self.store_errors = self.store_errors.saturating_add(1);
            self.stall.trouble = Some(Cause::Store(why));
            return;
        }
        self.store_errors = 0;
        self.store_rests_until = i64::MIN;
        if outcome.stored > 0 {
            self.backlog_applied = self.backlog_applied.saturating_add(outcome.stored);
        }
        self.take_own(now, outcome.holdings, true);
        for r in &a.ranges {
            if self.mine.get(&r.stream).is_some_and(|m| !m.forks().is_empty()) {
                // A suspicion that was answered is wanted no longer.
                self.refresh(&a.peer, &r.stream, false);
            }
        }
        let Some(p) = self.peers.get_mut(&a.peer) else { return };
        p.rate.add(now, outcome.stored);
        let stays = a.ranges.iter().any(|r| {
            p.wants.get(&r.stream).is_some_and(|w| !intersect(w.ranges(), &[(r.from, r.to)]).is_empty())
        });
        if stays && outcome.stored == 0 {
            // Stored already, it seems, yet missing in the map: the map is wrong, or the ledger refused them.
            p.strike(now);
            self.stall.trouble = Some(Cause::NothingNew(a.peer.clone()));
            self.ask_reload(now);
            return;
        }
        p.strikes = 0;
        self.stall.progress(now);
        self.forget_ages();
    }
}
