//! What was ever stored, anywhere: the one observer that sees every disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::event::Frame;
use wire::hash::{CommandId, Hash32};
use wire::position::Position;

use super::Violation;
use crate::store::{Store, unaltered};

/// An event and who holds it.
#[derive(Debug)]
struct Known {
    frame: Frame,
    /// Disks that hold it now.
    disks: u32,
    /// Some lane was told.
    acknowledged: bool,
    /// The last disk that held it was destroyed.
    lost: bool,
    /// Its body must go.
    erase: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Registry {
    /// Looked up by hash; walked through `order`, never in hash order.
    events: HashMap<Hash32, Known>,
    order: Vec<Hash32>,
    at: BTreeMap<Position, Vec<Hash32>>,
    by_command: BTreeMap<CommandId, Vec<Hash32>>,
    may_fork: bool,
    /// Events whose last disk was destroyed.
    pub losses: u64,
}

impl Registry {
    /// An empty one. `may_fork`: a machine is copied with its memory in this world.
    pub fn new(may_fork: bool) -> Self {
        Self {
            events: HashMap::new(),
            order: Vec::new(),
            at: BTreeMap::new(),
            by_command: BTreeMap::new(),
            may_fork,
            losses: 0,
        }
    }

    /// Events ever stored.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True when nothing ever was.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// A disk has stored an event.
    pub fn stored(&mut self, node: usize, frame: &Frame) -> Result<(), Violation> {
        let hash = frame.hash();
        let position = &frame.header().position;
        if let Some(known) = self.events.get_mut(&hash) {
            if !unaltered(frame, &known.frame) && !unaltered(&known.frame, frame) {
                let what = format!("node {node} stored other bytes at {position} than its origin wrote");
                return Err(Violation::new("nothing is altered", what));
            }
            known.disks += 1;
            known.lost = false;
            return Ok(());
        }
        let all = self.at.entry(position.clone()).or_default();
        all.push(hash);
        if all.len() > 1 && !self.may_fork {
            let what = format!("node {node} stored a second event at {position}, and no machine was copied");
            return Err(Violation::new("a position has one hash", what));
        }
        if let Some(command) = frame.header().command_id {
            self.by_command.entry(command).or_default().push(hash);
        }
        self.order.push(hash);
        let known = Known { frame: frame.clone(), disks: 1, acknowledged: false, lost: false, erase: false };
        self.events.insert(hash, known);
        Ok(())
    }

    /// A disk has put an erased form in place.
    pub fn erased(&mut self, frame: &Frame) -> Result<(), Violation> {
        if !frame.is_erased() {
            return Err(Violation::new("an erased body stays gone", format!("{frame:?} came back")));
        }
        match self.events.get(&frame.hash()) {
            Some(known) if unaltered(frame, &known.frame) || unaltered(&known.frame, frame) => Ok(()),
            _ => {
                Err(Violation::new("nothing is altered", format!("{frame:?} was erased into something else")))
            }
        }
    }

    /// A body must go everywhere.
    pub fn must_go(&mut self, hash: Hash32) {
        if let Some(k) = self.events.get_mut(&hash) {
            k.erase = true;
        }
    }

    /// A lane was told that its command is recorded. `store` is the disk of the central that said so.
    pub fn acknowledged(&mut self, node: usize, command: CommandId, store: &Store) -> Result<(), Violation> {
        if !store.has_command(command) && store.answer(command).is_none() {
            let what = format!("node {node} answered command {command}, and its disk does not hold it");
            return Err(Violation::new("acknowledged means durable", what));
        }
        for hash in self.by_command.get(&command).into_iter().flatten() {
            if let Some(k) = self.events.get_mut(hash)
                && store.event(&k.frame.header().position, *hash).is_some()
            {
                k.acknowledged = true;
            }
        }
        Ok(())
    }

    /// A disk was copied.
    pub fn copied(&mut self, store: &Store) {
        for e in store.events() {
            if let Some(k) = self.events.get_mut(&e.frame.hash()) {
                k.disks += 1;
                k.lost = false;
            }
        }
    }

    /// A disk is no more. True when it was the last one of something acknowledged.
    pub fn destroyed(&mut self, store: &Store) -> bool {
        let mut last = false;
        for e in store.events() {
            if let Some(k) = self.events.get_mut(&e.frame.hash()) {
                k.disks -= 1;
                if k.disks == 0 {
                    k.lost = true;
                    last |= k.acknowledged;
                    self.losses += 1;
                }
            }
        }
        last
    }

    /// What a command left on destroyed disks alone.
    pub fn lost(&self, command: CommandId) -> impl Iterator<Item = &Frame> {
        let all = self.by_command.get(&command).into_iter().flatten().filter_map(|h| self.events.get(h));
        all.filter(|k| k.lost).map(|k| &k.frame)
    }

    /// Every event some disk must hold now, in the order they were first stored.
    pub fn durable(&self) -> impl Iterator<Item = &Frame> {
        self.order.iter().filter_map(|h| self.events.get(h)).filter(|k| k.disks > 0).map(|k| &k.frame)
    }

    /// Compares with what disks hold: an event is on all of them, or on none because its last disk was destroyed.
    pub fn check_everywhere(&self, stores: &[(usize, &Store)]) -> Result<(), Violation> {
        for hash in &self.order {
            let Some(k) = self.events.get(hash) else { continue };
            let at = &k.frame.header().position;
            let without: Vec<usize> =
                stores.iter().filter(|(_, s)| s.event(at, *hash).is_none()).map(|(n, _)| *n).collect();
            if without.len() == stores.len() && k.lost {
                continue;
            }
            if !without.is_empty() {
                let told = if k.acknowledged { "acknowledged" } else { "stored" };
                let what = format!("{:?} was {told}; nodes {without:?} lack it", k.frame);
                return Err(Violation::new("every event is everywhere", what));
            }
            let full = |(_, s): &&(usize, &Store)| s.event(at, *hash).is_some_and(|e| !e.frame.is_erased());
            if k.erase && stores.iter().any(|s| full(&s)) {
                return Err(Violation::new("an erased body stays gone", format!("{:?}", k.frame)));
            }
        }
        Ok(())
    }

    /// Positions with more than one event on some disk.
    pub fn forks(&self) -> impl Iterator<Item = (&Position, &Vec<Hash32>)> {
        self.at.iter().filter(|(_, all)| all.len() > 1)
    }

    /// Positions whose stream is forked at or after them: names of them are ambiguous.
    pub fn forked_streams(&self) -> BTreeSet<&wire::position::StreamId> {
        self.forks().map(|(p, _)| &p.stream).collect()
    }
}
