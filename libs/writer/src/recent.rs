//! Vehicles of the last rounds, kept in memory: of a car's four events three come soon after one another, and a read of the store costs a
//! round of one event as much as its commit.
//!
//! A vehicle is kept only while it is *closed*: all its stored facts carry one tag, and no fact of another tag names one of them, nor the
//! other way round. Whatever breaks that, or might, takes the vehicle out; it is then read again. Only committed facts are in here.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use parking::fact::Fact;
use wire::event::Kind;
use wire::hash::{Hash32, PlateTag};
use wire::position::Position;

use crate::closure::Walk;
use crate::generations::{Generations, Weight};
use crate::log::Facts;
use crate::writes::Writes;

/// Facts and vehicles kept at most, in each of two generations: about 800 bytes each. At 800 events/s a generation so lasts four seconds.
const FACTS: usize = 3072;
/// A car passes a lane's loop within this time after its plate was read, ms.
const AGE_MS: i64 = 20_000;

/// The stored facts of one vehicle.
#[derive(Debug, Clone, Default)]
struct Vehicle {
    facts: Vec<Arc<Fact>>,
}

impl Weight for Vehicle {
    /// One of which nothing is stored takes room too.
    fn weight(&self) -> usize {
        1 + self.facts.len()
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Recent {
    vehicles: Generations<Vehicle>,
    /// Whose passage stands at a position; of vehicles kept.
    owners: HashMap<Position, PlateTag>,
    /// Openings that stored facts name and that are not held.
    awaited: HashSet<Position>,
}

fn passage(fact: &Fact) -> Option<&Position> {
    fact.is_passage().then_some(&fact.header.position)
}

fn disown(owners: &mut HashMap<Position, PlateTag>, vehicle: &Vehicle) {
    for p in vehicle.facts.iter().filter_map(|f| passage(f)) {
        owners.remove(p);
    }
}

impl Recent {
    /// Nothing is kept yet. `awaited`: the openings that stored facts name and that are not held.
    pub(crate) fn new(awaited: HashSet<Position>) -> Self {
        Self::of(awaited, FACTS)
    }

    fn of(awaited: HashSet<Position>, facts: usize) -> Self {
        Self { vehicles: Generations::new(facts, AGE_MS), owners: HashMap::new(), awaited }
    }

    /// A round begins.
    fn turn(&mut self, now: i64) {
        let Self { vehicles, owners, .. } = self;
        vehicles.turn(now, |v| disown(owners, &v));
    }

    fn forget(&mut self, tag: &PlateTag) {
        if let Some(v) = self.vehicles.remove(tag) {
            disown(&mut self.owners, &v);
        }
    }

    /// Somebody else wrote to the store: nothing is believed any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.awaited));
    }

    /// All that is kept, in no order.
    pub(crate) fn all(&self) -> (impl Iterator<Item = (PlateTag, &[Arc<Fact>])>, &HashSet<Position>) {
        (self.vehicles.iter().map(|(tag, v)| (*tag, &v.facts[..])), &self.awaited)
    }

    /// Everything that belongs with some vehicles was read: those that are closed are kept. `read`: tags whose facts came from the store;
    /// `facts`: all that was loaded; `in_hand`: hashes of those among them that are not committed yet.
    pub(crate) fn learn(
        &mut self,
        read: &BTreeSet<PlateTag>,
        facts: &[Fact],
        in_hand: impl Fn(&Fact) -> bool,
    ) {
        if read.is_empty() {
            return;
        }
        let mut owners: HashMap<&Position, PlateTag> = HashMap::new();
        let mut open: foldhash::HashSet<PlateTag> = foldhash::HashSet::default();
        for f in facts {
            // At a fork another vehicle's event may stand at the same position.
            if let Some(tag) = f.tag()
                && let Some(other) = owners.insert(f.position(), tag)
                && other != tag
            {
                open.extend([tag, other]);
            }
        }
        for f in facts {
            let Some(opening) = &f.header.opening else { continue };
            let owner = owners.get(opening).copied();
            if owner != f.tag() || owner.is_none() {
                open.extend(owner.into_iter().chain(f.tag()));
            }
        }
        for tag in &open {
            self.forget(tag);
        }
        let closed = read.iter().filter(|t| !open.contains(t));
        let mut vehicles: HashMap<PlateTag, Vehicle> = closed.map(|t| (*t, Vehicle::default())).collect();
        let mut seen = foldhash::HashSet::default();
        for f in facts {
            if let Some(v) = f.tag().and_then(|t| vehicles.get_mut(&t))
                && !in_hand(f)
                && seen.insert(f.hash)
            {
                v.facts.push(Arc::new(f.clone()));
            }
        }
        for (tag, vehicle) in vehicles {
            self.forget(&tag);
            for p in vehicle.facts.iter().filter_map(|f| passage(f)) {
                self.owners.insert(p.clone(), tag);
            }
            self.vehicles.put(tag, vehicle);
        }
    }

    /// The transaction went through. `holds`: what is held then.
    pub(crate) fn committed(&mut self, writes: &Writes, holds: impl Fn(&Position) -> bool) {
        if !writes.erased.is_empty() || writes.new.iter().any(|e| e.branch > 0) {
            self.clear();
        }
        for e in &writes.new {
            let header = e.frame.header();
            let was_awaited = self.awaited.remove(&header.position);
            if let Some(opening) = &header.opening
                && !holds(opening)
            {
                self.awaited.insert(opening.clone());
            }
            match &e.fact {
                // Facts of other tags may name it.
                _ if was_awaited => header.plate_tag.iter().for_each(|t| self.forget(t)),
                // It has left: nothing more comes of it for hours, and its four events are the most there are of one.
                Ok(fact) if fact.kind() == Kind::ExitConfirmed => {
                    fact.tag().iter().for_each(|t| self.forget(t))
                }
                Ok(fact) => self.add(fact),
                Err(_) => {}
            }
        }
    }

    /// A fact was stored.
    fn add(&mut self, fact: &Arc<Fact>) {
        let Some(tag) = fact.tag() else { return };
        if let Some(opening) = &fact.header.opening {
            let owner = self.owners.get(opening).copied();
            if owner != Some(tag) {
                self.forget(&tag);
                owner.iter().for_each(|t| self.forget(t));
                return;
            }
        }
        if !self.vehicles.change(&tag, |v| v.facts.push(fact.clone())) {
            return;
        }
        if let Some(p) = passage(fact) {
            self.owners.insert(p.clone(), tag);
        }
    }
}

/// [`closure::load`](crate::closure::load), through what is kept. `fresh`: positions that come in in this very round and were not held
/// before it; `in_hand`: facts that are not committed yet; `now`: ms since the epoch.
///
/// # Errors
/// A read failed.
pub(crate) async fn load<L: Facts>(
    log: &mut L,
    recent: &mut Recent,
    now: i64,
    fresh: &foldhash::HashSet<Position>,
    tags: &BTreeSet<PlateTag>,
    in_hand: Vec<Fact>,
) -> Result<Vec<Fact>, L::Error> {
    recent.turn(now);
    let hashes: foldhash::HashSet<Hash32> = in_hand.iter().map(|f| f.hash).collect();
    let mut read = BTreeSet::new();
    let mut walk = Walk::new(tags, in_hand);
    while let Some(mut asked) = walk.next() {
        asked.tags.retain(|tag| match recent.vehicles.get(tag) {
            Some(v) => {
                walk.facts.extend(v.facts.iter().map(|f| (**f).clone()));
                false
            }
            None => true,
        });
        asked.openings.retain(|(p, tag)| {
            // Of a vehicle that is kept, and so closed; or new, and nothing stored waits for it.
            let owned = tag.is_some() && recent.owners.get(p) == tag.as_ref();
            let new = fresh.contains(p) && !recent.awaited.contains(p);
            !owned && !new
        });
        if !asked.tags.is_empty() || !asked.openings.is_empty() {
            walk.add(log.belonging(&asked.tags, &asked.openings).await?);
            read.append(&mut asked.tags);
        }
    }
    recent.learn(&read, &walk.facts, |f| hashes.contains(&f.hash));
    Ok(walk.facts)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Future, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use wire::event::{Frame, Header};
    use wire::id::{CentralId, Incarnation};
    use wire::position::StreamId;

    use super::*;
    use crate::writes::NewEvent;

    const CAR: PlateTag = PlateTag([1; 16]);
    const OTHER: PlateTag = PlateTag([2; 16]);

    /// A store that counts how often it is asked.
    #[derive(Default)]
    struct Store {
        facts: Vec<Fact>,
        reads: usize,
    }

    impl Facts for Store {
        type Error = Infallible;

        fn belonging(
            &mut self,
            tags: &BTreeSet<PlateTag>,
            openings: &[(Position, Option<PlateTag>)],
        ) -> impl Future<Output = Result<Vec<Fact>, Infallible>> + Send {
            self.reads += 1;
            let linked = |f: &Fact| {
                openings.iter().any(|(p, tag)| {
                    f.tag() != *tag && (f.position() == p || f.header.opening.as_ref() == Some(p))
                })
            };
            let wanted = |f: &&Fact| f.tag().is_some_and(|t| tags.contains(&t)) || linked(f);
            ready(Ok(self.facts.iter().filter(wanted).cloned().collect()))
        }
    }

    fn at(seq: u64) -> Position {
        let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(7) };
        Position { stream, seq }
    }

    fn event(kind: Kind, seq: u64, tag: PlateTag, opening: Option<u64>) -> Frame {
        let header = Header {
            kind,
            position: at(seq),
            occurred_at: 1_000 + seq as i64,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: opening.map(at),
            plate_tag: Some(tag),
        };
        Frame::write(header, &[0; 16], b"{}").unwrap()
    }

    /// This store answers at once.
    fn at_once<T>(loading: impl Future<Output = Result<T, Infallible>>) -> T {
        match pin!(loading).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(loaded)) => loaded,
            Poll::Ready(Err(never)) => match never {},
            Poll::Pending => panic!("the store answers at once"),
        }
    }

    /// The writer's store and memory, as a round uses them.
    struct Rig {
        store: Store,
        recent: Recent,
    }

    impl Default for Rig {
        fn default() -> Self {
            Self { store: Store::default(), recent: Recent::new(HashSet::new()) }
        }
    }

    impl Rig {
        fn load(&mut self, tags: &[PlateTag], in_hand: &[Frame]) -> BTreeSet<u64> {
            let fresh = in_hand.iter().map(|f| f.header().position.clone()).collect();
            let facts = in_hand.iter().map(fact).collect();
            let tags =
                tags.iter().copied().chain(in_hand.iter().filter_map(|f| f.header().plate_tag)).collect();
            let loading = load(&mut self.store, &mut self.recent, 1_000, &fresh, &tags, facts);
            at_once(loading).iter().map(|f| f.position().seq).collect()
        }

        /// The hashes of all that belongs with these vehicles.
        fn facts(&mut self, tags: &[PlateTag]) -> BTreeSet<Hash32> {
            let (tags, fresh) = (tags.iter().copied().collect(), foldhash::HashSet::default());
            let loading = load(&mut self.store, &mut self.recent, 1_000, &fresh, &tags, Vec::new());
            at_once(loading).iter().map(|f| f.hash).collect()
        }

        /// A round that takes in these events. How often the store was asked, and what was loaded.
        fn round(&mut self, frames: &[Frame]) -> (usize, Vec<u64>) {
            let before = self.store.reads;
            let loaded = self.load(&[], frames);
            let new =
                |f: &Frame| NewEvent { frame: f.clone(), fact: Ok(Arc::new(fact(f))), branch: 0, arrival: 0 };
            let writes = Writes { new: frames.iter().map(new).collect(), ..Writes::default() };
            self.store.facts.extend(frames.iter().map(fact));
            let held: HashSet<Position> = self.store.facts.iter().map(|f| f.position().clone()).collect();
            self.recent.committed(&writes, |p| held.contains(p));
            (self.store.reads - before, loaded.into_iter().collect())
        }
    }

    /// What these events say does not matter here.
    fn fact(frame: &Frame) -> Fact {
        Fact { header: frame.header().clone(), hash: frame.hash(), body: None, foreign: false }
    }

    #[test]
    fn the_events_of_a_car_are_read_once() {
        let mut rig = Rig::default();
        assert_eq!(rig.round(&[event(Kind::EntryPending, 1, CAR, None)]), (1, vec![1]));
        assert_eq!(rig.round(&[event(Kind::EntryConfirmed, 2, CAR, Some(1))]), (0, vec![1, 2]));
        assert_eq!(rig.round(&[event(Kind::Exit, 3, CAR, Some(1))]), (0, vec![1, 2, 3]));
        assert_eq!(rig.round(&[event(Kind::ExitConfirmed, 4, CAR, Some(3))]), (0, vec![1, 2, 3, 4]));
        assert_eq!(rig.recent.all().0.count(), 0, "it has left");
        assert!(rig.recent.owners.is_empty());
        // A late word on it finds it in the store.
        assert_eq!(rig.round(&[event(Kind::ExitAbandoned, 5, CAR, Some(3))]).1, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_event_of_another_vehicle_takes_both_out() {
        let mut rig = Rig::default();
        rig.round(&[event(Kind::EntryPending, 1, CAR, None)]);
        rig.round(&[event(Kind::EntryPending, 2, OTHER, None)]);
        // Staff picked the session of another plate.
        assert_eq!(rig.round(&[event(Kind::Exit, 3, OTHER, Some(1))]).1, [1, 2, 3]);
        let (reads, loaded) = rig.round(&[event(Kind::EntryConfirmed, 4, CAR, Some(1))]);
        assert!(reads > 0, "the first vehicle is no longer alone");
        assert_eq!(loaded, [1, 2, 3, 4]);
        let (reads, loaded) = rig.round(&[event(Kind::EntryConfirmed, 5, OTHER, Some(2))]);
        assert!(reads > 0, "nor is the other");
        assert_eq!(loaded, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_opening_that_was_named_before_it_came_is_looked_for() {
        let mut rig = Rig::default();
        // An exit of another reading of the plate came first.
        rig.round(&[event(Kind::Exit, 9, OTHER, Some(5))]);
        rig.round(&[event(Kind::EntryPending, 1, CAR, None)]);
        let (_, loaded) = rig.round(&[event(Kind::EntryPending, 5, CAR, None)]);
        assert_eq!(loaded, [1, 5, 9]);
        assert_eq!(rig.round(&[event(Kind::EntryConfirmed, 6, CAR, Some(5))]).1, [1, 5, 6, 9]);
    }

    #[test]
    fn the_same_after_a_start() {
        let mut rig = Rig::default();
        rig.round(&[event(Kind::Exit, 9, OTHER, Some(5))]);
        rig.recent = Recent::new(HashSet::from([at(5)]));
        rig.round(&[event(Kind::EntryPending, 1, CAR, None)]);
        assert_eq!(rig.round(&[event(Kind::EntryPending, 5, CAR, None)]).1, [1, 5, 9]);
    }

    #[test]
    fn what_a_copy_of_the_writer_wrote_beside_an_exit_belongs_with_no_vehicle() {
        let mut rig = Rig::default();
        rig.round(&[event(Kind::EntryPending, 1, CAR, None)]);
        rig.round(&[event(Kind::Exit, 2, CAR, Some(1))]);
        // At the exit's position, of no vehicle.
        let mut header = event(Kind::PolicySet, 2, CAR, None).header().clone();
        header.plate_tag = None;
        rig.store.facts.push(fact(&Frame::write(header, &[0; 16], b"{}").unwrap()));
        rig.recent.clear();
        let read = rig.facts(&[CAR]);
        let kept = rig.facts(&[CAR]);
        assert_eq!((rig.store.reads, read.len()), (3, 2), "read once more, with the openings");
        assert_eq!(read, kept, "the same from memory as from the store");
    }

    #[test]
    fn after_a_repair_and_after_an_erasure_all_is_read_again() {
        let mut rig = Rig::default();
        rig.round(&[event(Kind::EntryPending, 1, CAR, None)]);
        rig.recent.clear();
        assert_eq!(rig.round(&[event(Kind::EntryConfirmed, 2, CAR, Some(1))]).0, 1);
        let erased = crate::writes::Erased {
            frame: event(Kind::EntryPending, 1, CAR, None).erased(),
            fact: Err(String::new()),
            branch: 0,
        };
        rig.recent.committed(&Writes { erased: vec![erased], ..Writes::default() }, |_| true);
        assert_eq!(rig.round(&[event(Kind::Exit, 3, CAR, Some(1))]).0, 1);
    }

    #[test]
    fn the_oldest_give_way() {
        const MOST: usize = 512;
        let mut rig = Rig { recent: Recent::of(HashSet::new(), MOST), ..Rig::default() };
        let car = |n: usize| PlateTag((n as u128).to_be_bytes());
        for n in 1..=2 * MOST + 2 {
            rig.round(&[event(Kind::EntryPending, n as u64, car(n), None)]);
            // Somebody who comes by again and again stays.
            if n > 1 && n.is_multiple_of(60) {
                let reads = rig.store.reads;
                rig.load(&[car(1)], &[]);
                assert_eq!(rig.store.reads, reads, "{n}");
            }
        }
        let kept = rig.recent.all().0.count();
        assert!(kept <= MOST + 2, "{kept}");
        assert_eq!(rig.recent.owners.len(), kept);
        let reads = rig.store.reads;
        rig.load(&[car(2)], &[]);
        assert!(rig.store.reads > reads);
    }
}
