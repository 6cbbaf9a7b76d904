//! Completeness as numbers.

use std::collections::{BTreeMap, BTreeSet};

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::position::{Position, SeqRange, StreamId};

use super::Catchup;
use super::peer::Peer;
use crate::positions::StreamPositions;
use crate::positions::ranges::{Range, intersect, len, subtract, union};

/// Ranges listed at most; a view is for people.
const LISTED: usize = 100;

/// Completeness in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// True while something a connected peer holds is missing here.
    pub catching_up: bool,
    /// How many events that is.
    pub missing: u64,
    /// Digest of the own map.
    pub digest: Hash32,
}

/// Completeness of one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerView {
    /// The peer.
    pub id: CentralId,
    /// True while its link is up.
    pub connected: bool,
    /// True once it told its whole map; without that, nothing is known of what it lacks.
    pub known: bool,
    /// Events it holds that are missing here.
    pub backlog: u64,
    /// Events held here that it lacks.
    pub behind_events: u64,
    /// Events of its own that are held here.
    pub held_events: u64,
    /// Missing ranges of its own streams, at most a hundred.
    pub gaps: Vec<SeqRange>,
    /// Events applied per second, lately.
    pub rate: f64,
    /// Backlog over rate, seconds.
    pub eta_s: Option<f64>,
}

/// What is known of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSeen {
    /// How many of its positions are missing here.
    pub missing: u64,
    /// How many of these are known to exist: not above the highest head anybody told of.
    pub known: u64,
    /// Connected peers that hold some of what is missing.
    pub holders: Vec<CentralId>,
    /// Peers without a link that held some of it when last heard of.
    pub away: Vec<CentralId>,
}

/// Completeness at length.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// In short.
    pub summary: Summary,
    /// Ranges known to exist that are missing here and that no connected peer holds, at most a hundred.
    pub unavailable: Vec<SeqRange>,
    /// Of these, ranges that no configured peer is known to hold, connected or not, at most a hundred.
    pub nowhere: Vec<SeqRange>,
    /// Ranges operators closed that are still missing, at most a hundred.
    pub closed: Vec<SeqRange>,
    /// Why nothing moves, while the alarm stands.
    pub stalled: Option<String>,
    /// Every configured peer.
    pub peers: Vec<PeerView>,
}

impl Catchup {
    /// Completeness in short.
    pub fn summary(&mut self, now: i64) -> Summary {
        Summary { catching_up: self.catching_up(now), missing: self.missing(), digest: self.digest() }
    }

    /// True for a peer of the configuration.
    pub fn is_configured(&self, peer: &CentralId) -> bool {
        self.peers.contains_key(peer)
    }

    /// True when a page with this request's number is of use.
    pub fn expects(&self, peer: &CentralId, request: u64) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|p| p.request.as_ref().is_some_and(|r| r.id == request) || p.late.contains(&request))
    }

    /// Events missing here that some connected peer holds; those that may still arrive live do not count.
    pub(super) fn missing(&self) -> u64 {
        let mut all: BTreeMap<&StreamId, Vec<Range>> = BTreeMap::new();
        for p in self.peers.values().filter(|p| p.linked_at.is_some()) {
            for (stream, w) in &p.wants {
                let ripe = w.ripe();
                if !ripe.is_empty() {
                    let of = all.entry(stream).or_default();
                    *of = if of.is_empty() { ripe } else { union(of, &ripe) };
                }
            }
        }
        all.values().map(|r| len(r)).sum()
    }

    /// Completeness at length.
    pub fn view(&mut self, now: i64) -> View {
        let summary = self.summary(now);
        View {
            summary,
            unavailable: self.unavailable(),
            nowhere: self.nowhere(),
            closed: self.closed.in_effect(&self.mine).into_iter().take(LISTED).collect(),
            stalled: self.stall.cause().map(ToString::to_string),
            peers: self.peers.keys().map(|id| self.peer_view(id, now)).collect(),
        }
    }

    fn peer_view(&self, id: &CentralId, now: i64) -> PeerView {
        let Some(p) = self.peers.get(id) else { return PeerView::nothing(id) };
        let held_events =
            self.mine.iter().filter(|(s, _)| s.central == *id).map(|(_, s)| s.held()).sum::<u64>();
        let rate = p.rate.per_second(now);
        let eta_s = match p.wanted {
            0 => Some(0.0),
            n if rate > 0.0 => Some(n as f64 / rate),
            _ => None,
        };
        let mut gaps = Vec::new();
        for (stream, top) in self.tops() {
            if stream.central == *id && gaps.len() < LISTED {
                list(&mut gaps, stream, &self.lacking(stream, top));
            }
        }
        PeerView {
            id: id.clone(),
            connected: p.linked_at.is_some(),
            known: p.known,
            backlog: p.wanted,
            behind_events: p.lacked,
            held_events,
            gaps,
            rate,
            eta_s,
        }
    }

    /// The highest seq known to exist, per stream.
    fn tops(&self) -> BTreeMap<&StreamId, u64> {
        let mut tops: BTreeMap<&StreamId, u64> = BTreeMap::new();
        let maps = std::iter::once(&self.mine).chain(self.peers.values().map(|p| &p.map));
        for (stream, s) in maps.flat_map(|m| m.iter()) {
            let top = tops.entry(stream).or_insert(0);
            *top = (*top).max(s.head());
        }
        tops
    }

    /// What is missing of a stream and not closed.
    fn lacking(&self, stream: &StreamId, top: u64) -> Vec<Range> {
        let missing = self.mine.get(stream).unwrap_or(&StreamPositions::default()).lacking(top);
        self.closed.open_of(stream, missing)
    }

    /// Ranges known to exist that are missing here, not closed, and that no connected peer holds, at most a hundred.
    pub fn unavailable(&self) -> Vec<SeqRange> {
        self.held_by_none(|p| p.linked_at.is_some())
    }

    /// Ranges known to exist that are missing here, not closed, and that no configured peer is known to hold, at most a hundred. A
    /// peer that never told its map may hold them all the same.
    pub fn nowhere(&self) -> Vec<SeqRange> {
        self.held_by_none(|_| true)
    }

    fn held_by_none(&self, counts: impl Fn(&Peer) -> bool) -> Vec<SeqRange> {
        let mut out = Vec::new();
        for (stream, top) in self.tops() {
            let mut lacking = self.lacking(stream, top);
            for p in self.peers.values().filter(|p| counts(p)) {
                if lacking.is_empty() {
                    break;
                }
                lacking = subtract(&lacking, &p.holding(stream));
            }
            list(&mut out, stream, &lacking);
            if out.len() >= LISTED {
                break;
            }
        }
        out
    }

    /// Peers without a link, with how many events that are missing here they are known to hold and no linked peer does.
    pub fn only_unlinked(&self) -> Vec<(CentralId, u64)> {
        let unavailable = self.unavailable();
        let held = |p: &super::peer::Peer| -> u64 {
            let of = |r: &SeqRange| len(&intersect(&p.holding(&r.stream), &[(r.from, r.to)]));
            unavailable.iter().map(of).sum()
        };
        let away = self.peers.iter().filter(|(_, p)| p.linked_at.is_none());
        away.map(|(id, p)| (id.clone(), held(p))).filter(|(_, n)| *n > 0).collect()
    }

    /// Why nothing moves, while that alarm stands.
    pub fn stuck(&self) -> Option<&super::Cause> {
        self.stall.cause()
    }

    /// What is known of a range that an operator wants to close.
    pub fn range(&self, range: &SeqRange) -> RangeSeen {
        let whole = [(range.from.max(1), range.to)];
        if range.is_empty() {
            return RangeSeen::default();
        }
        let top = self.tops().get(&range.stream).copied().unwrap_or(0);
        let missing =
            subtract(&whole, &self.mine.get(&range.stream).map(|s| s.holding()).unwrap_or_default());
        let known = intersect(&missing, &[(1, top.max(1))]);
        let known = if top == 0 { 0 } else { len(&known) };
        let mut seen = RangeSeen { missing: len(&missing), known, ..RangeSeen::default() };
        for (id, p) in &self.peers {
            if !intersect(&missing, &p.holding(&range.stream)).is_empty() {
                if p.linked_at.is_some() { &mut seen.holders } else { &mut seen.away }.push(id.clone());
            }
        }
        seen
    }

    /// On how many centrals, this one included, a position is known to be stored. Whoever asks has read it from this central's
    /// ledger: what is newer than the own map is held here too.
    pub fn holders(&self, at: &Position) -> u64 {
        let own_head = self.mine.get(&at.stream).map_or(0, StreamPositions::head);
        let here = self.mine.holds(at) || at.seq > own_head;
        let there = |(id, p): (&CentralId, &Peer)| {
            p.holds(&at.stream, at.seq) || (here && *id == at.stream.central && p.has_written(at))
        };
        u64::from(here) + self.peers.iter().filter(|(id, p)| there((id, p))).count() as u64
    }

    /// Events of this central's own that no peer is known to hold.
    pub fn held_only_here(&self) -> u64 {
        let own: BTreeSet<&StreamId> =
            self.mine.iter().map(|(s, _)| s).filter(|s| s.central == self.me).collect();
        own.into_iter()
            .map(|stream| {
                let mut held = self.mine.get(stream).map(StreamPositions::holding).unwrap_or_default();
                for p in self.peers.values() {
                    if held.is_empty() {
                        break;
                    }
                    held = subtract(&held, &p.holding(stream));
                }
                len(&held)
            })
            .sum()
    }
}

impl PeerView {
    fn nothing(id: &CentralId) -> Self {
        Self {
            id: id.clone(),
            connected: false,
            known: false,
            backlog: 0,
            behind_events: 0,
            held_events: 0,
            gaps: Vec::new(),
            rate: 0.0,
            eta_s: None,
        }
    }
}

fn list(out: &mut Vec<SeqRange>, stream: &StreamId, ranges: &[Range]) {
    let room = LISTED.saturating_sub(out.len());
    out.extend(ranges.iter().take(room).map(|&(from, to)| SeqRange { stream: stream.clone(), from, to }));
}
