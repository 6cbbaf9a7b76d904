//! The facts of a closed set, each once, in rank order, with their names resolved.
//!
//! From here on a fact is its index, and comparing two indices compares ranks.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};
use wire::event::{Body, Kind};
use wire::hash::{CommandId, PlateTag};
use wire::position::Position;

use super::offsets::Offsets;
use super::row::EventRef;
use crate::fact::Fact;
use crate::unasked;

/// A fact's place in rank order.
pub(super) type Ix = usize;

pub(super) struct Index<'f> {
    facts: Vec<&'f Fact>,
    /// When each of them happened, ms since the epoch: the stamp, or what it would have been with the right clock.
    at_ms: Vec<i64>,
    /// The passage at a position: at a fork the highest-ranked branch.
    at: HashMap<&'f Position, Ix>,
    /// All passages at a forked position, in rank order.
    forked: HashMap<&'f Position, Vec<Ix>>,
    /// Each passage's stand-in: itself, or the one that carried out the same command before.
    stands: Vec<Ix>,
    /// Acts of a command that was already carried out.
    repeated: HashSet<Ix>,
}

impl<'f> Index<'f> {
    pub(super) fn of(facts: &'f [Fact], offsets: &Offsets) -> Self {
        let mut facts: Vec<&Fact> = facts.iter().filter(|f| !f.foreign && f.tag().is_some()).collect();
        // Of an event's two forms the erased one counts, for its time too.
        facts.sort_unstable_by(|a, b| {
            a.rank().cmp(&b.rank()).then_with(|| a.body.is_some().cmp(&b.body.is_some()))
        });
        facts.dedup_by(|later, first| later.rank() == first.rank());
        let mut timed: Vec<(i64, &Fact)> = facts.into_iter().map(|f| (offsets.occurred_at(f), f)).collect();
        if timed.iter().any(|(at, f)| *at != f.header.occurred_at) {
            timed
                .sort_unstable_by(|(a, f), (b, g)| (a, f.position(), f.hash).cmp(&(b, g.position(), g.hash)));
        }
        let (at_ms, facts): (Vec<i64>, Vec<&Fact>) = timed.into_iter().unzip();
        let stands = (0..facts.len()).collect();
        let mut index = Self {
            facts,
            at_ms,
            at: HashMap::new(),
            forked: HashMap::new(),
            stands,
            repeated: HashSet::new(),
        };
        index.name_passages();
        index.count_commands_once();
        index
    }

    fn name_passages(&mut self) {
        for (i, f) in self.facts.iter().enumerate() {
            if f.is_passage()
                && let Some(before) = self.at.insert(&f.header.position, i)
            {
                self.forked.entry(&f.header.position).or_insert_with(|| vec![before]).push(i);
            }
        }
    }

    /// The lowest-ranked event of a command stands: a lane that retried at another central did one thing.
    fn count_commands_once(&mut self) {
        let mut passages: HashMap<(CommandId, PlateTag, Kind), Ix> = HashMap::new();
        for (i, f) in self.facts.iter().enumerate() {
            if let (true, Some(command), Some(tag)) = (f.is_passage(), f.header.command_id, f.tag()) {
                self.stands[i] = *passages.entry((command, tag, f.kind())).or_insert(i);
            }
        }
        let mut acts: HashSet<(CommandId, Kind, Option<Ix>)> = HashSet::new();
        for (i, f) in self.facts.iter().enumerate() {
            if let (false, Some(command)) = (f.is_passage(), f.header.command_id)
                && !acts.insert((command, f.kind(), self.named(i)))
            {
                self.repeated.insert(i);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Ix, &'f Fact)> + '_ {
        self.facts.iter().copied().enumerate()
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn fact(&self, i: Ix) -> &'f Fact {
        self.facts[i]
    }

    /// When it happened, ms since the epoch.
    pub(super) fn occurred_at(&self, i: Ix) -> i64 {
        self.at_ms[i]
    }

    /// True when it was stamped by a clock that was found wrong later, and so happened at another time than its stamp says.
    pub(super) fn is_corrected(&self, i: Ix) -> bool {
        self.at_ms[i] != self.facts[i].header.occurred_at
    }

    pub(super) fn body(&self, i: Ix) -> Option<&'f Body> {
        self.facts[i].body.as_deref()
    }

    pub(super) fn event(&self, i: Ix) -> EventRef {
        EventRef { position: self.facts[i].header.position.clone(), hash: self.facts[i].hash }
    }

    /// The passage an event names, where it is here.
    pub(super) fn named(&self, i: Ix) -> Option<Ix> {
        let position = self.facts[i].header.opening.as_ref()?;
        let at = match self.forked.get(position) {
            Some(branches) => self.branch(i, branches),
            None => *self.at.get(position)?,
        };
        Some(self.stands_for(at))
    }

    /// The branch of a forked position that an event means. A name is a position, and both branches have it: the command id of what
    /// nobody asked for tells ([`unasked`]), the event's own vehicle, and what it says (an entry's loop never means an exit);
    /// else the highest rank stands.
    fn branch(&self, i: Ix, branches: &[Ix]) -> Ix {
        let fact = self.facts[i];
        let means = match fact.kind() {
            Kind::EntryConfirmed | Kind::EntryAbandoned => Some(Kind::EntryPending),
            Kind::ExitConfirmed | Kind::ExitAbandoned | Kind::BasisDifference => Some(Kind::Exit),
            _ => None,
        };
        let fits = |b: &Ix| {
            let branch = self.facts[*b];
            let about = unasked::is_about(fact, &branch.hash);
            (about, means.is_none_or(|k| branch.kind() == k), branch.tag() == fact.tag(), *b)
        };
        branches.iter().copied().max_by_key(fits).unwrap_or(i)
    }

    /// The passage that stands for this one.
    pub(super) fn stands_for(&self, i: Ix) -> Ix {
        self.stands[i]
    }

    /// True when the command behind this event was already carried out by a lower-ranked one.
    pub(super) fn is_repeated(&self, i: Ix) -> bool {
        self.stands[i] != i || self.repeated.contains(&i)
    }
}
