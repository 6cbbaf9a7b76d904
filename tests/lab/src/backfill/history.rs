//! The lives of cars over days, as the events their centrals would have written, in the order they happened.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use replication::log::Head;
use wire::event::{
    Basis, Body, ClockFacts, Confirmed, EntryOpened, Exited, FeeLineFact, Frame, PlateFacts, RateTableRef,
    event_id,
};
use wire::hash::{CommandId, PlateTag};
use wire::id::{CentralId as Name, Incarnation};
use wire::position::{Position, StreamId};

use super::BackfillOptions;
use crate::topology::CentralId;

/// Events of one stay: entry, its passage, exit, its passage.
const PER_STAY: u64 = 4;
/// How often a car comes back in all this time, about.
const VISITS: u64 = 12;
const HOUR: i64 = 3_600_000;

/// What happens next to a car.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Enter,
    PassEntry(Stay),
    Leave(Stay),
    PassExit(Stay),
}

/// A car inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stay {
    car: u64,
    entered: i64,
    opening: Position,
    /// Index of the origin where it stands.
    at: usize,
}

/// An origin and the end of its stream.
struct Origin {
    central: CentralId,
    name: Name,
    head: Head,
}

/// See the module.
pub(super) struct History {
    random: StdRng,
    key: Vec<u8>,
    origins: Vec<Origin>,
    agenda: BinaryHeap<Reverse<(i64, u64, Step)>>,
    cars: u64,
    inside: HashSet<u64>,
    number: u64,
    left: u64,
    /// Between two entries, ms.
    pace: f64,
}

impl History {
    pub(super) fn new(options: &BackfillOptions, key: &[u8], now: i64) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(options.seed);
        let mut origins = Vec::new();
        for central in &options.origins {
            let name = Name::new(&central.to_string())?;
            // Drawn, not seeded: the same history twice is two histories, never two events at one position.
            let stream = StreamId { central: name.clone(), incarnation: Incarnation(rand::random()) };
            origins.push(Origin { central: *central, name, head: Head::start(stream) });
        }
        anyhow::ensure!(!origins.is_empty(), "no origins named");
        let stays = options.events.div_ceil(PER_STAY).max(1);
        let length = options.days * 24.0 * HOUR as f64;
        #[expect(clippy::cast_possible_truncation, reason = "days of ms are far below 2^53")]
        let start = now - length as i64 - 10 * HOUR;
        let first = start + random.random_range(0..1000);
        Ok(Self {
            random,
            key: key.to_vec(),
            origins,
            agenda: BinaryHeap::from([Reverse((first, 0, Step::Enter))]),
            cars: (stays / VISITS).max(200),
            inside: HashSet::new(),
            number: 0,
            left: options.events,
            pace: length / stays as f64,
        })
    }

    /// The next event's bytes; none when there are enough.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while self.left > 0 {
            let Some(Reverse((at, _, step))) = self.agenda.pop() else { return Ok(None) };
            if let Some(frame) = self.happen(at, step)? {
                self.left -= 1;
                return Ok(Some(frame.bytes().to_vec()));
            }
        }
        Ok(None)
    }

    fn plan(&mut self, at: i64, step: Step) {
        self.number += 1;
        self.agenda.push(Reverse((at, self.number, step)));
    }

    fn happen(&mut self, at: i64, step: Step) -> Result<Option<Frame>> {
        match step {
            Step::Enter => self.enter(at),
            Step::PassEntry(stay) => {
                let dwell = self.random.random_range(HOUR / 6..9 * HOUR);
                let frame = self.pass(at, &stay, 0)?;
                self.plan(at + dwell, Step::Leave(stay));
                Ok(Some(frame))
            }
            Step::Leave(stay) => self.leave(at, stay).map(Some),
            Step::PassExit(stay) => {
                self.inside.remove(&stay.car);
                self.pass(at, &stay, 2).map(Some)
            }
        }
    }

    fn enter(&mut self, at: i64) -> Result<Option<Frame>> {
        #[expect(clippy::cast_possible_truncation, reason = "a pause in ms")]
        let pause = (self.pace * self.random.random_range(0.2..1.8)) as i64;
        self.plan(at + pause.max(1), Step::Enter);
        // Who is inside does not come; somebody else does, so that the days do not become more.
        let free =
            (0..20).map(|_| self.random.random_range(0..self.cars)).find(|car| !self.inside.contains(car));
        let Some(car) = free else { return Ok(None) };
        self.inside.insert(car);
        let place = self.random.random_range(0..self.origins.len());
        let lane = self.lane(place, 0)?;
        let body = Body::EntryPending(Box::new(EntryOpened {
            plate: plate(car),
            edge_id: lane.0,
            lot_id: Some(lane.1),
            vehicle_class: "car".to_owned(),
            clock: self.clock(at),
            confidence_pm: Some(self.random.random_range(900..1000)),
            image_ref: Some(format!("img/{:016x}.jpg", self.random.random::<u64>())),
            ..EntryOpened::default()
        }));
        let frame = self.write(place, at, None, car, &body)?;
        let opening = frame.header().position.clone();
        let passing = self.random.random_range(2000..9000);
        self.plan(at + passing, Step::PassEntry(Stay { car, entered: at, opening, at: place }));
        Ok(Some(frame))
    }

    fn leave(&mut self, at: i64, stay: Stay) -> Result<Frame> {
        // Most leave where they came in.
        let place = if self.random.random_bool(0.7) {
            stay.at
        } else {
            self.random.random_range(0..self.origins.len())
        };
        let lane = self.lane(place, 2)?;
        let entered_at = self.origins.get(stay.at).context("an origin")?.name.clone();
        let hours = (at - stay.entered).div_euclid(HOUR) + 1;
        let fee = 20_000 + 5000 * hours;
        let line = FeeLineFact {
            code: "tier".to_owned(),
            from: Some(stay.entered),
            to: Some(at),
            amount: fee,
            args: vec![hours.to_string()],
        };
        let body = Body::Exit(Box::new(Exited {
            plate: plate(stay.car),
            edge_id: lane.0,
            lot_id: Some(lane.1),
            vehicle_class: "car".to_owned(),
            clock: self.clock(at),
            basis: Some(Basis {
                event_id: event_id(&entered_at, stay.entered, &plate(stay.car).key),
                entry_time: stay.entered,
            }),
            fee,
            currency: "VND".to_owned(),
            rate_table: Some(RateTableRef { id: "car-mall".to_owned(), version: 1 }),
            lines: vec![line],
            image_ref: Some(format!("img/{:016x}.jpg", self.random.random::<u64>())),
            ..Exited::default()
        }));
        let frame = self.write(place, at, Some(stay.opening.clone()), stay.car, &body)?;
        let passing = self.random.random_range(2000..9000);
        self.plan(at + passing, Step::PassExit(Stay { at: place, ..stay }));
        Ok(frame)
    }

    fn pass(&mut self, at: i64, stay: &Stay, first_lane: usize) -> Result<Frame> {
        let lane = self.lane(stay.at, first_lane)?;
        let passed = Confirmed { edge_id: lane.0, clock: self.clock(at), by: "loop".to_owned() };
        let body = if first_lane == 0 { Body::EntryConfirmed(passed) } else { Body::ExitConfirmed(passed) };
        self.write(stay.at, at, Some(stay.opening.clone()), stay.car, &body)
    }

    fn lane(&mut self, place: usize, first: usize) -> Result<(String, String)> {
        let central = self.origins.get(place).context("an origin")?.central;
        let lane = first + self.random.random_range(0..2usize);
        let edge = central.edges().get(lane).context("a lane")?.id();
        Ok((edge, central.lot_id()))
    }

    fn clock(&mut self, at: i64) -> ClockFacts {
        let skew = self.random.random_range(-40..90);
        ClockFacts { received_at: at + 35, captured_at: Some(at), skew_ms: Some(skew), offset_ms: 0 }
    }

    fn write(
        &mut self,
        place: usize,
        at: i64,
        opening: Option<Position>,
        car: u64,
        body: &Body,
    ) -> Result<Frame> {
        let tag = PlateTag::of(&self.key, &plate(car).key);
        let command = CommandId(self.random.random());
        let salt = self.random.random();
        let origin = self.origins.get_mut(place).context("an origin")?;
        let header = origin.head.next(body.kind(), at, Some(command), opening, Some(tag));
        let frame = Frame::write(header, &salt, &body.encode()?)?;
        origin.head.advance(&frame)?;
        Ok(frame)
    }
}

/// A plate that the lab's traffic never uses.
fn plate(car: u64) -> PlateFacts {
    let letter = char::from(*b"ABCDEFGH".get((car / 100_000 % 8) as usize).unwrap_or(&b'A'));
    let key = format!("{}{letter}{:05}", 80 + car / 800_000 % 9, car % 100_000);
    let (head, tail) = key.split_at(3);
    let (high, low) = tail.split_at(3);
    let display = format!("{head}-{high}.{low}");
    PlateFacts { raw: display.clone(), key, display, kind: "car".to_owned(), flags: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_gapless_linked_and_in_the_order_of_time() {
        let options = BackfillOptions {
            central: CentralId::new(1).unwrap(),
            events: 4000,
            days: 3.0,
            origins: CentralId::first(2).collect(),
            seed: 7,
        };
        let now = 1_800_000_000_000;
        let mut history = History::new(&options, b"key", now).unwrap();
        let mut heads = std::collections::HashMap::new();
        let (mut before, mut count) = (0, 0);
        while let Some(bytes) = history.next().unwrap() {
            let frame = Frame::parse(bytes.into()).unwrap();
            let h = frame.header();
            assert!(h.occurred_at >= before);
            before = h.occurred_at;
            let last = heads.insert(h.position.stream.clone(), (h.position.seq, frame.hash()));
            let (seq, hash) = last.unwrap_or_default();
            assert_eq!((h.position.seq, h.prev_hash), (seq + 1, hash));
            count += 1;
        }
        assert_eq!((count, heads.len()), (4000, 2));
        assert!(before <= now, "history is over");
        assert!(before >= now - 48 * HOUR, "and reaches to the present");
    }
}
