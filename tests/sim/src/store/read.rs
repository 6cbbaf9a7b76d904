//! Queries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking::fact::Fact;
use parking::history::Closure;
use replication::log::Held;
use replication::positions::StreamPositions;
use wire::event::{Content, Frame};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::position::{Position, SeqRange, StreamId};

use super::{Answer, Event, Store};

impl Store {
    /// What is held at a position, with the hash each names before it.
    pub fn held_at(&self, at: &Position) -> Vec<(Held, Hash32)> {
        let Some(all) = self.by_position.get(at) else { return Vec::new() };
        all.iter()
            .map(|i| {
                let e = &self.events[*i];
                let held = Held { hash: e.frame.hash(), branch: e.branch, erased: e.frame.is_erased() };
                (held, e.frame.header().prev_hash)
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

    /// The lowest-ranked event of a command.
    pub fn of_command(&self, id: CommandId) -> Option<&Fact> {
        let all = self.by_command.get(&id)?.iter().filter_map(|i| self.events[*i].fact.as_deref());
        // As the query orders them: by time, then by arrival.
        all.min_by_key(|f| f.header.occurred_at)
    }

    /// The first answer of a command.
    pub fn answer(&self, id: CommandId) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Facts of policies, in order of arrival.
    pub fn policies(&self) -> Vec<Fact> {
        self.policies.iter().filter_map(|i| self.events[*i].fact.as_deref().cloned()).collect()
    }

    /// The events of these ranges that are held, from the front, at most so many, and whether there are more.
    pub fn ranges(&self, ranges: &[SeqRange], max: u64) -> (Vec<Frame>, bool) {
        let mut out = Vec::new();
        for r in ranges {
            for (_, all) in self.range(&r.stream, r.from, r.to) {
                if out.len() as u64 >= max {
                    return (out, true);
                }
                out.extend(all.iter().map(|i| self.events[*i].frame.clone()));
            }
        }
        (out, false)
    }

    /// The events of a vehicle, newest first, at most so many.
    pub fn plate(&self, tag: PlateTag, max: usize) -> Vec<Frame> {
        let mut facts = Vec::new();
        self.of_tags(&BTreeSet::from([tag]), &mut facts);
        facts.sort_by(|a, b| b.rank().cmp(&a.rank()));
        facts.truncate(max);
        facts.iter().filter_map(|f| self.event(f.position(), f.hash)).map(|e| e.frame.clone()).collect()
    }

    fn of_tags(&self, tags: &BTreeSet<PlateTag>, into: &mut Vec<Fact>) {
        for tag in tags {
            for i in self.by_tag.get(tag).into_iter().flatten() {
                into.extend(self.events[*i].fact.as_deref().cloned());
            }
        }
    }

    fn of_openings(
        &self,
        openings: &BTreeSet<Position>,
        loaded: &HashMap<Position, PlateTag>,
        into: &mut Vec<Fact>,
    ) {
        for p in openings {
            let at = self.by_position.get(p).into_iter().flatten();
            let naming = self.by_opening.get(p).into_iter().flatten();
            for i in at.chain(naming) {
                let e = &self.events[*i];
                let tag = e.frame.header().plate_tag;
                if tag.is_none() || tag != loaded.get(p).copied() {
                    into.extend(e.fact.as_deref().cloned());
                }
            }
        }
    }

    /// Every stored fact that belongs with these tags and with the facts in hand (which are in the answer too).
    pub fn closure(&self, tags: &BTreeSet<PlateTag>, in_hand: Vec<Fact>) -> Vec<Fact> {
        let mut closure = Closure::with_tags(tags.iter().copied());
        let mut facts = in_hand;
        self.of_tags(tags, &mut facts);
        loop {
            let needs = closure.missing(&facts);
            if needs.is_empty() {
                return facts;
            }
            let mut more = Vec::new();
            self.of_tags(&needs.tags, &mut more);
            if !needs.openings.is_empty() {
                let mut loaded: HashMap<Position, PlateTag> = HashMap::new();
                for f in &facts {
                    if let Some(tag) = f.tag() {
                        let own = f.is_passage().then_some(&f.header.position);
                        for p in own.into_iter().chain(&f.header.opening) {
                            loaded.entry(p.clone()).or_insert(tag);
                        }
                    }
                }
                self.of_openings(&needs.openings, &loaded, &mut more);
            }
            facts.append(&mut more);
        }
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
        let mut facts = self.closure(&BTreeSet::from([tag]), Vec::new());
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
