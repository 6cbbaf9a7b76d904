//! Whom to ask for what.

use std::collections::{BTreeMap, BTreeSet};

use wire::id::CentralId;
use wire::mesh::{Message, SyncRequest};
use wire::position::{SeqRange, StreamId};

use super::event::{Cause, Output};
use super::peer::{Peer, Request};
use super::{Catchup, Ticket};
use crate::positions::ranges::{Range, intersect, subtract, union};

/// Events of one stream that one request takes at least, when it has the choice of many streams.
const SHARE: u64 = 64;
/// A request that was answered within this is followed by a larger one, ms.
pub(super) const FAST_MS: i64 = 2000;
/// Smallest request after time-outs.
pub(super) const SMALLEST: u32 = 100;
/// Events that were handed to the store and never reported back are given up after this, ms.
const LOST_APPLY_MS: i64 = 120_000;

/// Ranges per stream that are asked for or on their way to the store.
type Leased = BTreeMap<StreamId, Vec<Range>>;
/// Streams whose events come live, with the heads held here.
pub(super) type Coming = BTreeMap<StreamId, u64>;

impl Catchup {
    /// Ends leases whose peer sent nothing, and counts what is ripe now.
    pub(super) fn expire(&mut self, now: i64) {
        let (lease, settle, moving) = (self.limits.lease_ms, self.limits.settle_ms, self.limits.moving_ms);
        self.moved.retain(|_, at| now - *at < moving);
        for (id, p) in &mut self.peers {
            for w in p.wants.values_mut() {
                w.pass(now, settle);
            }
            if p.request.as_ref().is_some_and(|r| now - r.renewed_at >= lease)
                && let Some(r) = p.request.take()
            {
                p.remember_late(r.id);
                p.chunk = (p.chunk / 2).max(SMALLEST).min(self.limits.request_events.max(1));
                p.strike(now);
                self.stall.trouble = Some(Cause::NoAnswer(id.clone()));
            }
        }
        let lost: Vec<Ticket> =
            self.applying.iter().filter(|(_, a)| now - a.since >= LOST_APPLY_MS).map(|(t, _)| *t).collect();
        for t in lost {
            if let Some(a) = self.applying.remove(&t)
                && let Some(p) = self.peers.get_mut(&a.peer)
            {
                p.unapplied = p.unapplied.saturating_sub(1);
            }
        }
    }

    /// Sends requests to peers that are free and hold something wanted that nobody was asked for yet.
    pub(super) fn plan(&mut self, now: i64) {
        if !self.loaded || now < self.store_rests_until || self.applying.len() > self.limits.unapplied_pages {
            return;
        }
        let under_way = self.peers.values().filter(|p| p.request.is_some()).count();
        let Some(mut free) = self.limits.requests.checked_sub(under_way).filter(|n| *n > 0) else { return };
        let mut order: Vec<(u32, usize, CentralId)> = self
            .peers
            .iter()
            .filter(|(_, p)| {
                p.linked_at.is_some() && p.request.is_none() && p.rests_until <= now && !p.wants.is_empty()
            })
            .map(|(id, p)| (p.strikes, p.unapplied, id.clone()))
            .collect();
        if order.is_empty() {
            return;
        }
        order.sort_unstable();
        let mut leased = self.leased();
        let coming = self.coming(now);
        for (_, _, id) in order {
            if free == 0 {
                break;
            }
            let Some(p) = self.peers.get(&id) else { continue };
            let ranges =
                choose(p, (&leased, &coming), &self.old_to, u64::from(p.chunk), self.limits.request_ranges);
            if ranges.is_empty() {
                continue;
            }
            lease(&mut leased, &ranges);
            self.ask(now, &id, ranges);
            free -= 1;
        }
    }

    fn ask(&mut self, now: i64, peer: &CentralId, ranges: Vec<SeqRange>) {
        let Some(p) = self.peers.get_mut(peer) else { return };
        let id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        p.request = Some(Request { id, ranges: ranges.clone(), asked_at: now, renewed_at: now, brought: 0 });
        let message =
            Message::SyncRequest(SyncRequest { id, ranges, max_events: self.limits.request_events });
        self.outputs.push(Output::Send { to: Some(peer.clone()), message });
    }

    fn leased(&self) -> Leased {
        let mut all = Leased::new();
        for p in self.peers.values() {
            // A peer that did not help last time is given another chance, but nobody waits for it.
            if let Some(r) = p.request.as_ref().filter(|_| p.strikes == 0) {
                lease(&mut all, &r.ranges);
            }
        }
        for a in self.applying.values() {
            lease(&mut all, &a.ranges);
        }
        all
    }

    pub(super) fn coming(&self, now: i64) -> Coming {
        let heads = self.moved.iter().filter(|(_, at)| now - **at < self.limits.moving_ms);
        heads.filter_map(|(s, _)| Some((s.clone(), self.mine.get(s)?.head()))).collect()
    }

    /// Events at and below these ends are older than the window: they come last.
    pub(super) fn learn_age(&mut self, now: i64, ends: impl IntoIterator<Item = (StreamId, u64, i64)>) {
        let horizon = now.saturating_sub(self.limits.window_ms);
        for (stream, seq, at) in ends {
            if at < horizon {
                let old = self.old_to.entry(stream).or_insert(0);
                *old = (*old).max(seq);
            }
        }
    }

    /// Forgets the ages of streams nobody wants anything of.
    pub(super) fn forget_ages(&mut self) {
        if !self.old_to.is_empty() {
            let wanted: BTreeSet<&StreamId> = self.peers.values().flat_map(|p| p.wants.keys()).collect();
            self.old_to.retain(|s, _| wanted.contains(s));
        }
    }
}

fn lease(all: &mut Leased, ranges: &[SeqRange]) {
    for r in ranges {
        let of = all.entry(r.stream.clone()).or_default();
        *of = union(of, &[(r.from, r.to)]);
    }
}

/// The next ranges to ask this peer for: the newest of every stream first, what is older than the window last.
fn choose(
    p: &Peer,
    (leased, coming): (&Leased, &Coming),
    old_to: &BTreeMap<StreamId, u64>,
    events: u64,
    max_ranges: usize,
) -> Vec<SeqRange> {
    let (mut recent, mut old) = (Vec::new(), Vec::new());
    for (stream, w) in &p.wants {
        let mut ripe = w.ripe();
        if let Some(head) = coming.get(stream) {
            ripe = intersect(&ripe, &[(1, *head)]);
        }
        if let Some(l) = leased.get(stream) {
            ripe = subtract(&ripe, l);
        }
        if ripe.is_empty() {
            continue;
        }
        match old_to.get(stream) {
            None => recent.push((stream, ripe)),
            Some(seq) => {
                let (above, below) = split(&ripe, *seq);
                if !above.is_empty() {
                    recent.push((stream, above));
                }
                if !below.is_empty() {
                    old.push((stream, below));
                }
            }
        }
    }
    let mut out: Vec<SeqRange> = Vec::new();
    let mut left = events;
    for streams in [&mut recent, &mut old] {
        while left > 0 && out.len() < max_ranges && !streams.is_empty() {
            let share = (left / streams.len().min(max_ranges) as u64).max(SHARE);
            for (stream, ranges) in streams.iter_mut() {
                take_newest(stream, ranges, share.min(left), max_ranges, &mut out, &mut left);
            }
            streams.retain(|(_, r)| !r.is_empty());
        }
    }
    out
}

/// Moves up to `events` of the newest positions into the request.
fn take_newest(
    stream: &StreamId,
    ranges: &mut Vec<Range>,
    events: u64,
    max_ranges: usize,
    out: &mut Vec<SeqRange>,
    left: &mut u64,
) {
    let mut n = events;
    while n > 0 {
        let Some((from, to)) = ranges.pop() else { return };
        let take = (to - from + 1).min(n);
        let start = to - take + 1;
        let room = out.len() < max_ranges;
        match out.iter_mut().find(|r| r.stream == *stream && r.from == to + 1) {
            Some(next) => next.from = start,
            None if room => out.push(SeqRange { stream: stream.clone(), from: start, to }),
            None => {
                ranges.push((from, to));
                return;
            }
        }
        if start > from {
            ranges.push((from, start - 1));
        }
        n -= take;
        *left -= take;
    }
}

/// What is above a seq, and what is at or below it.
fn split(ranges: &[Range], seq: u64) -> (Vec<Range>, Vec<Range>) {
    let below = [(1, seq)];
    (subtract(ranges, &below), intersect(ranges, &below))
}
