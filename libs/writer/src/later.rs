//! Vehicles whose rows lack stored events. A long catch-up stores its events first and makes the rows of each vehicle once, of all that
//! came meanwhile: a vehicle's rows are made of all its events, so making them with every page would read a frequent visitor's
//! life again and again.
//!
//! Nothing is decided by rows alone but who is looked for by card, by alias or by a plate that was misread; a command loads the
//! events of its vehicle, whatever its rows say.

use std::collections::BTreeSet;

use wire::hash::PlateTag;

use crate::writes::Writes;

/// Vehicles that may wait at most before they have their turn while more comes in: bounds the memory.
const MOST_VEHICLES: usize = 50_000;
/// Events that may be stored at most before their vehicles have their turn: bounds how late history is.
const MOST_EVENTS: usize = 200_000;
/// Events read for one step, about: bounds how long a command waits behind one.
const STEP_EVENTS: usize = 4_000;
/// Vehicles of one step at most.
const STEP_VEHICLES: usize = 500;

/// How much the waiting vehicles press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Nothing waits.
    #[default]
    Nothing,
    /// They wait for the next page of a catch-up that goes on.
    Soon,
    /// They can wait until no page is left to store.
    CanWait,
    /// They have their turn although pages wait.
    Due,
}

/// How far the rows are behind the events, as it is kept with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behind {
    /// As before.
    #[default]
    Unchanged,
    /// Events with a higher arrival number than this one may be missing in the rows of their vehicles.
    After(i64),
    /// The rows have every event.
    Nothing,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Later {
    tags: BTreeSet<PlateTag>,
    after: Option<i64>,
    events: usize,
    due: bool,
    /// Events a vehicle of the last step had, on average.
    of_each: usize,
}

impl Later {
    /// What was left when the last writer ended: vehicles with events that arrived after this number.
    pub(crate) fn resume(after: Option<i64>, tags: BTreeSet<PlateTag>) -> Self {
        Self { due: tags.len() > MOST_VEHICLES, tags, after, ..Self::default() }
    }

    /// How many vehicles wait.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// True when the rows have every event.
    pub fn is_empty(&self) -> bool {
        self.after.is_none()
    }

    /// Events that arrived after this number may be missing in the rows.
    pub fn after(&self) -> Option<i64> {
        self.after
    }

    /// How much they press.
    pub fn waiting(&self) -> Waiting {
        match self.after {
            None => Waiting::Nothing,
            Some(_) if self.due => Waiting::Due,
            Some(_) => Waiting::CanWait,
        }
    }

    /// The vehicles of the next step; none may be left when only the note that there are some is.
    pub fn step(&self) -> BTreeSet<PlateTag> {
        let most = (STEP_EVENTS / self.of_each.max(1)).clamp(1, STEP_VEHICLES);
        self.tags.iter().copied().take(most).collect()
    }

    /// A step read so many events of so many vehicles.
    pub(crate) fn stepped(&mut self, vehicles: usize, events: usize) {
        if vehicles > 0 {
            self.of_each = events.div_ceil(vehicles);
        }
    }

    /// What is kept once these rows are written and these vehicles wait too. `arrival`: the number given last before them.
    pub(crate) fn behind(
        &self,
        made: &BTreeSet<PlateTag>,
        more: &BTreeSet<PlateTag>,
        arrival: i64,
    ) -> Behind {
        let left = !more.is_empty() || self.tags.iter().any(|t| !made.contains(t));
        match (self.after, left) {
            (None, true) => Behind::After(arrival),
            (Some(_), false) => Behind::Nothing,
            (None, false) | (Some(_), true) => Behind::Unchanged,
        }
    }

    /// The transaction went through.
    pub(crate) fn committed(&mut self, writes: &Writes) {
        for tag in &writes.projection.tags {
            self.tags.remove(tag);
        }
        self.tags.extend(&writes.later);
        self.events += if writes.later.is_empty() { 0 } else { writes.new.len() };
        match writes.behind {
            Behind::Unchanged => {}
            Behind::After(arrival) => self.after = Some(arrival),
            Behind::Nothing => *self = Self { of_each: self.of_each, ..Self::default() },
        }
        self.due |= self.tags.len() > MOST_VEHICLES || self.events > MOST_EVENTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(range: std::ops::Range<u32>) -> BTreeSet<PlateTag> {
        range
            .map(|n| {
                let mut tag = [0; 16];
                tag[..4].copy_from_slice(&n.to_be_bytes());
                PlateTag(tag)
            })
            .collect()
    }

    fn round(later: &mut Later, made: BTreeSet<PlateTag>, more: BTreeSet<PlateTag>, arrival: i64) -> Behind {
        let behind = later.behind(&made, &more, arrival);
        let mut writes = Writes { later: more, behind, ..Writes::default() };
        writes.projection.tags = made;
        later.committed(&writes);
        behind
    }

    #[test]
    fn vehicles_wait_until_their_rows_are_made() {
        let mut later = Later::default();
        assert_eq!(round(&mut later, tags(0..0), tags(0..3), 7), Behind::After(7));
        assert_eq!(round(&mut later, tags(0..0), tags(2..5), 10), Behind::Unchanged);
        assert_eq!((later.len(), later.after(), later.waiting()), (5, Some(7), Waiting::CanWait));
        assert_eq!(round(&mut later, tags(0..4), tags(0..0), 13), Behind::Unchanged);
        assert_eq!(later.step(), tags(4..5));
        assert_eq!(round(&mut later, tags(4..5), tags(0..0), 13), Behind::Nothing);
        assert_eq!((later.len(), later.after(), later.waiting()), (0, None, Waiting::Nothing));
        assert_eq!(round(&mut later, tags(0..9), tags(0..0), 13), Behind::Unchanged);
    }

    #[test]
    fn a_vehicle_of_a_live_round_waits_no_more_and_one_that_comes_again_does() {
        let mut later = Later::default();
        round(&mut later, tags(0..0), tags(0..2), 1);
        assert_eq!(round(&mut later, tags(0..2), tags(1..2), 3), Behind::Unchanged);
        assert_eq!(later.step(), tags(1..2));
    }

    #[test]
    fn too_many_are_due_until_none_is_left() {
        let mut later = Later::default();
        round(&mut later, tags(0..0), tags(0..MOST_VEHICLES as u32 + 1), 1);
        assert_eq!(later.waiting(), Waiting::Due);
        round(&mut later, tags(0..MOST_VEHICLES as u32), tags(0..0), 2);
        assert_eq!(later.waiting(), Waiting::Due);
        let last = later.step();
        round(&mut later, last, tags(0..0), 2);
        assert_eq!(later.waiting(), Waiting::Nothing);
    }

    #[test]
    fn a_step_is_bounded_by_what_it_reads() {
        let mut later = Later::resume(Some(0), tags(0..2_000));
        assert_eq!(later.step().len(), STEP_VEHICLES);
        later.stepped(500, 20_000);
        assert_eq!(later.step().len(), 100);
        later.stepped(1, 1_000_000);
        assert_eq!(later.step().len(), 1);
    }
}
