//! What is known of one peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::position::{Position, SeqRange, StreamId};

use super::event::Limits;
use super::progress::Rate;
use super::wanted::Wanted;
use crate::positions::ranges::{Range, len, normalise, subtract};
use crate::positions::{Positions, StreamPositions, missing_of, suspected_of};

/// Numbers of requests given up whose pages are still taken when they come late: on a slow link they are the progress.
const LATE: usize = 4;
/// Positions asked for on suspicion of a fork, per stream and link; beyond, suspicion waits for the next link.
const SUSPECTS: usize = 1000;

/// A request under way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) ranges: Vec<SeqRange>,
    pub(super) asked_at: i64,
    /// When something last came of it.
    pub(super) renewed_at: i64,
    pub(super) brought: u64,
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    /// Since when the link is up.
    pub(super) linked_at: Option<i64>,
    /// What it holds, as last told. Kept while the link is down.
    pub(super) map: Positions,
    /// True once a whole map was received.
    pub(super) known: bool,
    /// True once a whole map was received on this link.
    pub(super) fresh: bool,
    /// A whole map that is arriving in pages.
    pub(super) assembling: Option<Positions>,
    pub(super) wants: BTreeMap<StreamId, Wanted>,
    pub(super) wanted: u64,
    pub(super) lacks: BTreeMap<StreamId, u64>,
    pub(super) lacked: u64,
    /// Its map names them, it said it has not got them.
    pub(super) denied: BTreeMap<StreamId, Vec<Range>>,
    suspects_done: BTreeMap<StreamId, BTreeSet<u64>>,
    /// Of its own streams: the head held here when it last told of them. What is above has come from it since.
    told_of: BTreeMap<StreamId, u64>,
    pub(super) request: Option<Request>,
    pub(super) late: VecDeque<u64>,
    pub(super) unapplied: usize,
    /// Events the next request asks for.
    pub(super) chunk: u32,
    /// Fruitless requests in a row.
    pub(super) strikes: u32,
    pub(super) rests_until: i64,
    /// It is owed the whole map.
    pub(super) owe_whole: bool,
    pub(super) whole_sent_at: Option<i64>,
    /// When it is to be asked for its whole map.
    pub(super) ask_at: Option<i64>,
    pub(super) ask_wait: i64,
    /// When it was last told anything of the own map.
    pub(super) told_at: i64,
    pub(super) rate: Rate,
}

impl Peer {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            linked_at: None,
            map: Positions::new(),
            known: false,
            fresh: false,
            assembling: None,
            wants: BTreeMap::new(),
            wanted: 0,
            lacks: BTreeMap::new(),
            lacked: 0,
            denied: BTreeMap::new(),
            suspects_done: BTreeMap::new(),
            told_of: BTreeMap::new(),
            request: None,
            late: VecDeque::new(),
            unapplied: 0,
            chunk: limits.first_events.clamp(1, limits.request_events.max(1)),
            strikes: 0,
            rests_until: i64::MIN,
            owe_whole: false,
            whole_sent_at: None,
            ask_at: None,
            ask_wait: limits.ask_again_ms,
            told_at: i64::MIN,
            rate: Rate::default(),
        }
    }

    pub(super) fn link_up(&mut self, now: i64) {
        self.linked_at = Some(now);
        self.fresh = false;
        self.owe_whole = true;
        self.whole_sent_at = None;
        self.ask_at = Some(now + self.ask_wait);
        self.strikes = 0;
        self.rests_until = i64::MIN;
        self.denied.clear();
        self.suspects_done.clear();
    }

    /// It told its map on this link before, and now all of it again with the wish for ours: another process answers for it, which knows
    /// nothing of what its forerunner was asked. The lease on that would be waited for in vain.
    pub(super) fn begun_anew(&mut self) {
        if let Some(r) = self.request.take() {
            self.remember_late(r.id);
        }
        self.strikes = 0;
        self.rests_until = i64::MIN;
    }

    pub(super) fn link_down(&mut self) {
        self.linked_at = None;
        self.fresh = false;
        self.assembling = None;
        self.ask_at = None;
        self.owe_whole = false;
        if let Some(r) = self.request.take() {
            self.remember_late(r.id);
        }
    }

    pub(super) fn remember_late(&mut self, id: u64) {
        if self.late.len() >= LATE {
            self.late.pop_front();
        }
        self.late.push_back(id);
    }

    /// True while a tick may have something to do for it.
    pub(super) fn busy(&self) -> bool {
        self.linked_at.is_some()
            && (self.request.is_some() || !self.wants.is_empty() || self.owe_whole || self.ask_at.is_some())
    }

    /// True when it holds something that may be asked for.
    pub(super) fn has_ripe(&self) -> bool {
        self.wants.values().any(Wanted::has_ripe)
    }

    /// Works out again what it can give of a stream, and what it lacks of it.
    pub(super) fn refresh(&mut self, stream: &StreamId, mine: &StreamPositions, at_once: bool) {
        let nothing = StreamPositions::default();
        let theirs = self.map.get(stream).unwrap_or(&nothing);
        let same = theirs == mine;
        let mut wants = if same { Vec::new() } else { missing_of(theirs, mine) };
        if !mine.forks().is_empty() {
            let asked = self.suspects_done.get(stream);
            let open = suspected_of(theirs, mine);
            let new: Vec<Range> = open
                .into_iter()
                .filter(|(seq, _)| asked.is_none_or(|a| a.len() < SUSPECTS && !a.contains(seq)))
                .collect();
            if !new.is_empty() {
                wants = normalise(wants.into_iter().chain(new).collect(), u64::MAX);
            }
        }
        if let Some(denied) = self.denied.get(stream) {
            wants = subtract(&wants, denied);
        }
        let lacks = if same { 0 } else { len(&missing_of(mine, theirs)) };
        self.set_wants(stream, wants, at_once);
        self.set_lacks(stream, lacks);
    }

    fn set_wants(&mut self, stream: &StreamId, ranges: Vec<Range>, at_once: bool) {
        if ranges.is_empty() {
            if let Some(old) = self.wants.remove(stream) {
                self.wanted -= old.count();
            }
            return;
        }
        let w = self.wants.entry(stream.clone()).or_default();
        let before = w.count();
        w.set(ranges);
        if at_once {
            w.ripen();
        }
        self.wanted = self.wanted.saturating_sub(before).saturating_add(w.count());
    }

    fn set_lacks(&mut self, stream: &StreamId, count: u64) {
        let before = if count == 0 {
            self.lacks.remove(stream).unwrap_or(0)
        } else {
            self.lacks.insert(stream.clone(), count).unwrap_or(0)
        };
        self.lacked = self.lacked.saturating_sub(before).saturating_add(count);
    }

    /// The peer's head moved up from `before` while the link is up: what is new may be on its way live.
    pub(super) fn opened(&mut self, stream: &StreamId, before: u64, now: i64) {
        if let Some(w) = self.wants.get_mut(stream) {
            w.opened(before, now);
        }
    }

    /// Forks suspected within these ranges were answered, with whatever there is.
    pub(super) fn suspects_answered(&mut self, ranges: &[SeqRange], mine: &Positions) {
        for r in ranges {
            let Some(m) = mine.get(&r.stream) else { continue };
            for (seq, have) in m.forks().range(r.from..=r.to) {
                if have.len() == 1 {
                    self.suspects_done.entry(r.stream.clone()).or_default().insert(*seq);
                }
            }
        }
    }

    /// True when it holds a position, as far as is known.
    pub(super) fn holds(&self, stream: &StreamId, seq: u64) -> bool {
        self.map.get(stream).is_some_and(|s| s.holds(seq))
            && !self
                .denied
                .get(stream)
                .is_some_and(|d| d.iter().any(|(from, to)| (*from..=*to).contains(&seq)))
    }

    /// It told of a stream of its own, up to which `held` is the head here.
    pub(super) fn told_of(&mut self, stream: &StreamId, held: u64) {
        if held > 0 {
            self.told_of.insert(stream.clone(), held);
        }
    }

    /// True for an event of its own that is held here and newer than what it last told: it wrote it, so it has it.
    pub(super) fn has_written(&self, at: &Position) -> bool {
        at.seq > self.told_of.get(&at.stream).copied().unwrap_or(0)
            && self.map.get(&at.stream).is_none_or(|s| at.seq > s.head())
    }

    /// What it holds of a stream, as far as is known.
    pub(super) fn holding(&self, stream: &StreamId) -> Vec<Range> {
        let Some(s) = self.map.get(stream) else { return Vec::new() };
        match self.denied.get(stream) {
            None => s.holding(),
            Some(d) => subtract(&s.holding(), d),
        }
    }

    /// A request brought nothing that helps: others first, and this one after a while.
    pub(super) fn strike(&mut self, now: i64) {
        self.rests_until = now + (1000i64 << self.strikes.min(5)).min(30_000);
        self.strikes = self.strikes.saturating_add(1);
    }
}
