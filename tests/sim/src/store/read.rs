//! Queries.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;

use ::writer::Answer;
use parking::fact::Fact;
use replication::log::{Held, HeldEvent};
use replication::positions::StreamPositions;
use wire::event::{Body, Content, Frame, Kind};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::position::{Position, SeqRange, StreamId};

use super::{Event, Store};
use crate::ledger::{Reads, at_once};

/// Plates of one step of a rebuild: few, so that a rebuild has steps.
const STEP: usize = 20;

impl Store {
    /// What is held at a position, with the hash each names before it.
    pub fn held_at(&self, at: &Position) -> Vec<HeldEvent> {
        let Some(all) = self.by_position.get(at) else { return Vec::new() };
        all.iter()
            .map(|i| {
                let e = &self.events[*i];
                let held = Held { hash: e.frame.hash(), branch: e.branch, erased: e.frame.is_erased() };
                HeldEvent { held, prev_hash: e.frame.header().prev_hash }
            })
            .collect()
    }

    /// The stored form of an event.
    pub fn event(&self, at: &Position, hash: Hash32) -> Option<&Event> {
        self.find(hash, at).map(|i| &self.events[i])
    }

    /// True when an event of this command is stored.
    pub fn has_command(&self, id: CommandId) -> bool {
        self.by_command.contains_key(&id)
    }

    /// The facts of these commands, ordered as the query orders them: by time, then by arrival.
    pub fn of_commands(&self, ids: &[CommandId]) -> Vec<Fact> {
        let all = ids.iter().filter_map(|id| self.by_command.get(id)).flatten();
        let mut events: Vec<&Event> = all.map(|i| &self.events[*i]).collect();
        events.sort_by_key(|e| (e.frame.header().occurred_at, e.arrival));
        events.into_iter().filter_map(|e| e.fact.as_deref().cloned()).collect()
    }

    /// Openings that stored events name and that are not held.
    pub fn awaited(&self) -> HashSet<Position> {
        self.by_opening.keys().filter(|p| !self.by_position.contains_key(*p)).cloned().collect()
    }

    /// The first answer of a command.
    pub fn answer(&self, id: CommandId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Facts of policies, in order of arrival.
    pub fn policies(&self) -> Vec<Fact> {
        self.policies.iter().filter_map(|i| self.events[*i].fact.as_deref().cloned()).collect()
    }

    /// Facts of the register, in order of arrival.
    pub fn register(&self) -> Vec<Fact> {
        let of = self.events.iter().filter(|e| e.frame.header().kind.is_register());
        of.filter_map(|e| e.fact.as_deref().cloned()).collect()
    }

    /// The ranges people gave up.
    pub fn lost_ranges(&self) -> Vec<SeqRange> {
        let of = self.events.iter().filter(|e| e.frame.header().kind == Kind::LostRange);
        let range = |f: &Fact| match f.body.as_deref() {
            Some(Body::LostRange(lost)) => Some(lost.range()),
            _ => None,
        };
        of.filter_map(|e| e.fact.as_deref().and_then(range)).collect()
    }

    /// What happened about lanes since this moment, and every mode.
    pub fn lane_events(&self, since: i64) -> Vec<Fact> {
        let wanted = |f: &&Fact| {
            f.kind() == Kind::LaneModeSet || (f.kind().is_of_lane() && f.header.occurred_at > since)
        };
        self.events.iter().filter_map(|e| e.fact.as_deref()).filter(wanted).cloned().collect()
    }

    /// The events of these ranges that are held, from the front, at most so many, and whether there are more.
    pub fn ranges(&self, ranges: &[SeqRange], max: u64) -> (Vec<Frame>, bool) {
        let mut out = Vec::new();
        for r in ranges {
            for (_, all) in self.range(&r.stream, r.from, r.to) {
                // The branches of a fork go together.
                if !out.is_empty() && (out.len() + all.len()) as u64 > max {
                    return (out, true);
                }
                out.extend(all.iter().map(|i| self.events[*i].frame.clone()));
            }
        }
        (out, false)
    }

    /// All that a vehicle's fold needs, with every branch of it, newest first, at most so many.
    pub fn plate(&self, tag: PlateTag, max: usize) -> Vec<Frame> {
        let facts = self.closure(&BTreeSet::from([tag]));
        let at: BTreeSet<&Position> = facts.iter().map(Fact::position).collect();
        let all = at.into_iter().filter_map(|p| self.by_position.get(p)).flatten();
        let mut frames: Vec<&Frame> = all.map(|i| &self.events[*i].frame).collect();
        frames.sort_by(|a, b| b.rank().cmp(&a.rank()));
        frames.into_iter().take(max).cloned().collect()
    }

    /// Every fact with one of these plate tags.
    pub fn of_tags(&self, tags: &BTreeSet<PlateTag>) -> Vec<Fact> {
        let all = tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten();
        all.filter_map(|i| self.events[*i].fact.as_deref().cloned()).collect()
    }

    /// Every fact at one of these positions or naming one, but for those with the tag beside it.
    pub fn of_openings(&self, openings: &[(Position, Option<PlateTag>)]) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (p, loaded) in openings {
            let at = self.by_position.get(p).into_iter().flatten();
            let naming = self.by_opening.get(p).into_iter().flatten();
            let events = at.chain(naming).map(|i| &self.events[*i]);
            let more = events.filter(|e| e.frame.header().plate_tag != *loaded);
            facts.extend(more.filter_map(|e| e.fact.as_deref().cloned()));
        }
        facts
    }

    /// Vehicles that wait for a time-out, and those with a passage stored after this arrival number and this moment.
    pub fn lately(&self, arrival: i64, since: i64) -> BTreeSet<PlateTag> {
        let new = self.events.iter().rev().take_while(|e| e.arrival > arrival);
        let passages = new
            .map(|e| (e, e.frame.header()))
            .filter(|(e, h)| e.received_at > since && matches!(h.kind, Kind::EntryPending | Kind::Exit));
        self.rows
            .waiting()
            .map(|r| r.row.plate_tag)
            .chain(passages.filter_map(|(_, h)| h.plate_tag))
            .collect()
    }

    /// The vehicles of the events that arrived after this number.
    pub fn tags_since(&self, arrival: i64) -> BTreeSet<PlateTag> {
        let since = self.events.iter().rev().take_while(|e| e.arrival > arrival);
        since.filter_map(|e| e.frame.header().plate_tag).collect()
    }

    /// The next plate tags after this one, of events and of rows.
    pub fn tags_after(&self, after: Option<PlateTag>) -> BTreeSet<PlateTag> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let events = self.by_tag.range((from, Bound::Unbounded)).map(|(tag, _)| *tag).take(STEP);
        let rows = self.rows.tags((from, Bound::Unbounded)).take(STEP);
        let all: BTreeSet<PlateTag> = events.chain(rows).collect();
        all.into_iter().take(STEP).collect()
    }

    /// Every stored fact that belongs with these tags.
    pub fn closure(&self, tags: &BTreeSet<PlateTag>) -> Vec<Fact> {
        at_once(::writer::closure::load(&mut Reads(self), tags, Vec::new()))
    }

    /// The map of one stream as its events alone make it.
    pub fn recount(&self, stream: &StreamId) -> StreamPositions {
        let mut out = StreamPositions::default();
        let mut hashes: BTreeMap<u64, Vec<Hash32>> = BTreeMap::new();
        for (at, all) in self.range(stream, 1, u64::MAX) {
            hashes.insert(at.seq, all.iter().map(|i| self.events[*i].frame.hash()).collect());
        }
        for (seq, all) in &hashes {
            for h in all {
                out.insert(*seq, *h);
            }
            if all.len() > 1 {
                out.mark_forked(*seq, all.iter().copied());
            }
        }
        for (at, all) in self.range(stream, 2, u64::MAX) {
            let Some(before) = hashes.get(&(at.seq - 1)) else { continue };
            if all.iter().any(|i| !before.contains(&self.events[*i].frame.header().prev_hash)) {
                out.mark_forked(at.seq - 1, before.iter().copied());
            }
        }
        out
    }

    /// The events of a vehicle and those they name, for people.
    pub fn story(&self, tag: PlateTag) -> String {
        let mut facts = self.closure(&BTreeSet::from([tag]));
        facts.sort_by(|a, b| a.rank().cmp(&b.rank()));
        facts.dedup_by(|a, b| a.hash == b.hash);
        let short =
            |p: &Position| format!("{}/{:.4}#{}", p.stream.central, p.stream.incarnation.to_string(), p.seq);
        let mut out = String::new();
        for f in &facts {
            let h = &f.header;
            let tag = h.plate_tag.map(|t| t.to_string()).unwrap_or_default();
            let command = h.command_id.map(|c| c.to_string()).unwrap_or_default();
            let names = h.opening.as_ref().map(short).unwrap_or_default();
            out.push_str(&format!(
                "\n    {:>9} {} {} names {names} tag {tag:.6} command {command:.6}{}",
                h.occurred_at - crate::world::BEGIN,
                short(&h.position),
                h.kind,
                if f.body.is_none() { " (no body)" } else { "" },
            ));
        }
        for r in self.rows.history().filter(|r| r.row.plate_tag == tag) {
            let r = &r.row;
            out.push_str(&format!(
                "\n    row {} {:?} exits {} flags {:?}",
                r.event_id,
                r.status,
                r.exits.len(),
                r.flags
            ));
        }
        out
    }

    /// Every fact stored.
    pub fn facts(&self) -> Vec<Fact> {
        self.events.iter().filter_map(|e| e.fact.as_deref().cloned()).collect()
    }
}

/// True when the stored bytes are the original ones, or their erased form.
pub fn unaltered(stored: &Frame, original: &Frame) -> bool {
    if stored.bytes() == original.bytes() {
        return true;
    }
    matches!(stored.content(), Content::Erased { .. }) && stored.bytes() == original.erased().bytes()
}
