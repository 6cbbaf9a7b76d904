//! The register: what events say about lists, passes given here, anti-passback and corrections of counts.
//!
//! The same set of events gives the same register, in any order, with any duplication: of two events about one thing the
//! highest-ranked stands; a correction counts once per command.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::event::{
    Body, Credential, ListEntry, ListKind, OccupancyCorrected, PassSet, PassbackMode, StaffFact,
};
use wire::hash::{CommandId, Hash32, PlateTag};

use super::lot::{Counts, Place};
use super::pass::is_among;
use super::passback::name_of;
use crate::fact::Fact;
use crate::history::{EventRef, Offsets};
use crate::plate::PlateKey;
use crate::reference::{Pass, Passes};

/// What an event said, and stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands<T> {
    /// When, ms since the epoch; the right time, where the stamp was found wrong later.
    pub at: i64,
    /// The event.
    pub event: EventRef,
    /// What it said.
    pub said: T,
}

impl<T> Stands<T> {
    fn rank(&self) -> (i64, &EventRef) {
        (self.at, &self.event)
    }
}

/// A mode with who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The mode.
    pub mode: PassbackMode,
    /// Who and why.
    pub staff: StaffFact,
}

/// A correction that counts.
pub type Correction = Stands<OccupancyCorrected>;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Register {
    lists: BTreeMap<String, Stands<ListEntry>>,
    listed: HashMap<PlateTag, BTreeSet<String>>,
    tags: HashMap<String, PlateTag>,
    passes: BTreeMap<String, Stands<PassSet>>,
    given: Passes,
    given_is_old: bool,
    lots: BTreeMap<String, Stands<Mode>>,
    pass_modes: BTreeMap<String, Stands<Mode>>,
    /// Moments, by credential …
    reset_credentials: BTreeMap<String, i64>,
    /// … and by vehicle.
    reset_vehicles: HashMap<PlateTag, i64>,
    corrections: BTreeMap<Counted, Correction>,
}

/// What makes two corrections one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Command([u8; 16]),
    Event(Hash32),
}

impl Register {
    /// Reads the register's events among the facts.
    pub fn of<'f>(facts: impl IntoIterator<Item = &'f Fact>, offsets: &Offsets) -> Self {
        let mut register = Self::default();
        for fact in facts {
            register.take(fact, offsets);
        }
        register.give();
        register
    }

    /// Takes one more event in. An erased one says nothing.
    pub fn note(&mut self, fact: &Fact, offsets: &Offsets) {
        self.take(fact, offsets);
        self.give();
    }

    fn take(&mut self, fact: &Fact, offsets: &Offsets) {
        if fact.foreign {
            return;
        }
        let at = offsets.occurred_at(fact);
        let event = EventRef { position: fact.header.position.clone(), hash: fact.hash };
        match fact.body.as_deref() {
            Some(Body::ListEntrySet(entry)) => {
                let Some(tag) = fact.tag() else { return };
                let said = Stands { at, event, said: (**entry).clone() };
                if stands(&mut self.lists, entry.id.clone(), said) {
                    self.list(entry.id.clone(), tag);
                }
            }
            Some(Body::PassSet(set)) => {
                self.given_is_old |=
                    stands(&mut self.passes, set.id.clone(), Stands { at, event, said: (**set).clone() });
            }
            Some(Body::AntiPassbackMode(set)) => {
                let said = Mode { mode: set.mode, staff: set.staff.clone() };
                let said = Stands { at, event, said };
                match (&set.lot_id, &set.pass) {
                    (Some(lot), _) => stands(&mut self.lots, lot.clone(), said),
                    (None, Some(pass)) => stands(&mut self.pass_modes, pass.clone(), said),
                    (None, None) => false,
                };
            }
            Some(Body::AntiPassbackReset(reset)) => {
                if let Some(credential) = &reset.credential {
                    let last = self.reset_credentials.entry(name_of(credential)).or_insert(at);
                    *last = at.max(*last);
                }
                if let Some(tag) = fact.tag() {
                    let last = self.reset_vehicles.entry(tag).or_insert(at);
                    *last = at.max(*last);
                }
            }
            Some(Body::OccupancyCorrected(corrected)) => {
                let once = match fact.header.command_id {
                    Some(CommandId(id)) => Counted::Command(id),
                    None => Counted::Event(fact.hash),
                };
                let said = Stands { at, event, said: corrected.clone() };
                // The lowest-ranked of a command stands, as everywhere.
                match self.corrections.get(&once) {
                    Some(known) if known.rank() <= said.rank() => {}
                    _ => {
                        self.corrections.insert(once, said);
                    }
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, id: String, tag: PlateTag) {
        if let Some(before) = self.tags.insert(id.clone(), tag)
            && before != tag
            && let Some(ids) = self.listed.get_mut(&before)
        {
            ids.remove(&id);
        }
        self.listed.entry(tag).or_default().insert(id);
    }

    /// Finds the passes by vehicle again, where one changed.
    fn give(&mut self) {
        if !std::mem::take(&mut self.given_is_old) {
            return;
        }
        let everywhere = || vec!["*".to_owned()];
        let pass = |p: &Stands<PassSet>| Pass {
            id: p.said.id.clone(),
            plates: p.said.plates.iter().filter_map(|plate| PlateKey::new(plate.key.as_str()).ok()).collect(),
            vehicle_class: p.said.vehicle_class.parse().ok(),
            lots: if p.said.lots.is_empty() { everywhere() } else { p.said.lots.clone() },
            valid_from: p.said.valid_from,
            valid_to: Some(p.said.valid_to),
            max_inside: p.said.max_inside,
        };
        let given = self.passes.values().filter(|p| !p.said.ended).map(pass).collect();
        self.given = Passes::new(None, given);
    }

    /// True when a vehicle stands on a list in this car park at this moment, ms.
    pub fn is_listed(&self, tag: PlateTag, kind: ListKind, lot: Option<&str>, at: i64) -> bool {
        let ids = self.listed.get(&tag).into_iter().flatten();
        ids.filter_map(|id| self.lists.get(id)).any(|e| e.said.kind == kind && holds(&e.said, lot, at))
    }

    /// Every entry of every list, those that ended too, by id.
    pub fn lists(&self) -> impl Iterator<Item = &Stands<ListEntry>> {
        self.lists.values()
    }

    /// The entry of this id.
    pub fn list_entry(&self, id: &str) -> Option<&Stands<ListEntry>> {
        self.lists.get(id)
    }

    /// The passes given here that did not end.
    pub fn passes(&self) -> &Passes {
        &self.given
    }

    /// Every pass given here, those that ended too, by id.
    pub fn passes_set(&self) -> impl Iterator<Item = &Stands<PassSet>> {
        self.passes.values()
    }

    /// The mode of a car park, where one was set.
    pub fn lot_mode(&self, lot: &str) -> Option<PassbackMode> {
        self.lots.get(lot).map(|m| m.said.mode)
    }

    /// The mode of a pass, where one was set.
    pub fn pass_mode(&self, pass: &str) -> Option<PassbackMode> {
        self.pass_modes.get(pass).map(|m| m.said.mode)
    }

    /// The mode of every car park where one was set.
    pub fn lot_modes(&self) -> impl Iterator<Item = (&String, &Stands<Mode>)> {
        self.lots.iter()
    }

    /// The mode of every pass for which one was set.
    pub fn pass_modes(&self) -> impl Iterator<Item = (&String, &Stands<Mode>)> {
        self.pass_modes.iter()
    }

    /// When a credential or a vehicle was last set to neutral, ms.
    pub fn reset_of(&self, credential: Option<&Credential>, tag: Option<PlateTag>) -> Option<i64> {
        let card = credential.and_then(|c| self.reset_credentials.get(&name_of(c)));
        card.max(tag.and_then(|t| self.reset_vehicles.get(&t))).copied()
    }

    /// Every correction of a count that counts, in no order of time.
    pub fn corrections(&self) -> impl Iterator<Item = &Correction> {
        self.corrections.values()
    }

    /// Adds what corrections say to counts of passages.
    pub fn correct(&self, counts: &mut Counts) {
        for c in self.corrections() {
            let count = counts.at(Place {
                central: c.said.central.clone(),
                lot: c.said.lot_id.clone(),
                class: c.said.vehicle_class.clone(),
            });
            count.corrected = count.corrected.saturating_add(c.said.delta);
        }
    }
}

/// Puts what was said in its place, unless something of a higher rank stands there. True when it did.
fn stands<T>(all: &mut BTreeMap<String, Stands<T>>, id: String, said: Stands<T>) -> bool {
    match all.get(&id) {
        Some(known) if known.rank() >= said.rank() => false,
        _ => {
            all.insert(id, said);
            true
        }
    }
}

fn holds(entry: &ListEntry, lot: Option<&str>, at: i64) -> bool {
    !entry.ended
        && is_among(&entry.lots, lot)
        && entry.valid_from.is_none_or(|from| from <= at)
        && entry.valid_to.is_none_or(|to| at < to)
}
