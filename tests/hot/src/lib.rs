//! The pure hot paths, each as one call on made-up but lifelike input: timed by `./bench micro`, counted by its test `work`.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use parking::fact::Fact;
use parking::history::{Policies, project};
use parking::plate;
use parking::tariff::{self, Stay};
use parking::vehicle::VehicleClass;
use replication::log::Head;
use replication::positions::{Positions, missing};
use wire::bus::events::{Apply, ApplyLane, Carried, decode, encode};
use wire::event::{
    Basis, Body, ClockFacts, Confirmed, EntryOpened, Exited, FeeLineFact, Frame, PlateFacts, event_id,
};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};
use wire::mesh::Message;
use wire::page;
use wire::position::{Position, StreamHoldings, StreamId};

const HOUR: i64 = 3_600_000;
const START: i64 = 1_764_000_000_000;
/// Events of a stay.
const PER_STAY: usize = 4;

/// One path.
pub struct Case {
    /// What it does.
    pub name: &'static str,
    /// How often the path is gone in one call.
    pub times: usize,
    work: Box<dyn Fn()>,
}

impl Case {
    fn new(name: &'static str, times: usize, work: impl Fn() + 'static) -> Self {
        Self { name, times, work: Box::new(work) }
    }

    /// Goes it once.
    pub fn run(&self) {
        (self.work)();
    }
}

/// All of them.
///
/// # Errors
/// When the input cannot be made; a test makes it.
pub fn cases() -> Result<Vec<Case>> {
    let mut cases = plates_and_fees()?;
    cases.extend(projections()?);
    cases.extend(positions()?);
    cases.extend(bytes()?);
    Ok(cases)
}

fn plates_and_fees() -> Result<Vec<Case>> {
    let tables = tariff::builtin::tables()?;
    let car = tables.into_iter().next().context("a built-in table")?;
    let stay = |hours| Stay { entry_ms: START, exit_ms: START + hours * HOUR, ..Stay::default() };
    let (day, week) = (stay(9), stay(7 * 24));
    let week_car = car.clone();
    Ok(vec![
        Case::new("plate key: clean", 1, || {
            drop(black_box(plate::read(black_box("51F-970.22"), &[VehicleClass::Car])))
        }),
        Case::new("plate key: as cameras read", 1, || {
            drop(black_box(plate::read(black_box(" 5lF 97O.22\n"), &[VehicleClass::Car])));
        }),
        Case::new("plate tag", 1, || {
            black_box(PlateTag::of(black_box(b"the operator's key"), "51F97022"));
        }),
        Case::new("fee: nine hours", 1, move || drop(black_box(car.price(black_box(&day))))),
        Case::new("fee: a week", 1, move || drop(black_box(week_car.price(black_box(&week))))),
    ])
}

fn projections() -> Result<Vec<Case>> {
    let facts = |visits| -> Result<Vec<Fact>> {
        stays(visits)?
            .iter()
            .map(|frame| Fact::of(frame).map_err(|poison| anyhow::anyhow!("{poison}")))
            .collect()
    };
    let (one, many) = (facts(1)?, facts(12)?);
    let mut mixed = many.clone();
    mixed.reverse();
    mixed.extend(many.iter().step_by(3).cloned());
    let policies = Policies::default();
    let (second, third) = (policies.clone(), policies.clone());
    Ok(vec![
        Case::new("project: one visit", 1, move || drop(black_box(project(black_box(&one), &policies)))),
        Case::new("project: twelve visits", 1, move || drop(black_box(project(black_box(&many), &second)))),
        Case::new("project: twelve visits, backwards, a third twice", 1, move || {
            drop(black_box(project(black_box(&mixed), &third)));
        }),
    ])
}

fn positions() -> Result<Vec<Case>> {
    let name = CentralId::new("central-7")?;
    let at = |seq| Position { stream: StreamId { central: name.clone(), incarnation: Incarnation(7) }, seq };
    let places: Vec<Position> = (1..=1000).map(at).collect();
    let scattered: Vec<Position> = (0..1000).map(|i| at(i * 7919 % 10_007 + 1)).collect();
    let map = |behind: u64| -> Result<Positions> {
        let mut told = Vec::new();
        for number in 1..=10_u64 {
            for incarnation in 0..12 {
                let stream = StreamId {
                    central: CentralId::new(&format!("central-{number}"))?,
                    incarnation: Incarnation(u128::from(number * 100 + incarnation)),
                };
                let head = 10_000 + number - behind;
                let gaps = if behind > 0 { vec![(100, 120), (4000, 4001)] } else { Vec::new() };
                let head_hash = Hash32([number as u8; 32]);
                told.push(StreamHoldings { stream, head, head_hash, gaps, forks: Vec::new() });
            }
        }
        Ok(Positions::from_holdings(told))
    };
    let (theirs, mine) = (map(0)?, map(50)?);
    let digested = theirs.clone();
    let insert = |places: Vec<Position>| {
        move || {
            let mut held = Positions::new();
            for place in &places {
                held.insert(black_box(place), Hash32::default());
            }
            black_box(&held);
        }
    };
    Ok(vec![
        Case::new("positions: held, in order", 1000, insert(places)),
        Case::new("positions: held, scattered", 1000, insert(scattered)),
        Case::new("positions: what is missing, 120 streams", 1, move || {
            drop(black_box(missing(black_box(&theirs), black_box(&mine))));
        }),
        Case::new("positions: digest, 120 streams", 1, move || {
            black_box(digested.digest());
        }),
    ])
}

fn bytes() -> Result<Vec<Case>> {
    let frames = stays(250)?;
    let first = frames.first().context("an event")?.clone();
    let raw = first.bytes().clone();
    let carried: Vec<Carried> = frames
        .iter()
        .take(64)
        .map(|frame| Carried { trace: None, committed_at: START, frame: frame.bytes().to_vec() })
        .collect();
    let apply = Apply { from: CentralId::new("central-2")?, lane: ApplyLane::Live, events: carried.clone() };
    let said = encode(&apply)?;
    let carried_one: Vec<Carried> = carried.first().cloned().into_iter().collect();
    let message = Message::Events(carried);
    let sent = message.encode()?;
    let one = Message::encode_events(carried_one.as_slice())?;
    let one_packed = Message::pack_events(&one);
    let packed = page::pack(&frames)?.0;
    let body = Body::of(&first).ok().flatten().context("a body")?;
    Ok(vec![
        Case::new("event: written", 1, move || {
            let bytes = body.encode().unwrap_or_default();
            drop(black_box(Frame::write(first.header().clone(), &[7; 16], &bytes)));
        }),
        Case::new("event: read, hash checked, body read", 1, move || {
            let frame = Frame::parse(black_box(raw.clone()));
            drop(black_box(frame.map(|frame| Fact::of(&frame))));
        }),
        Case::new("bus: 64 events written", 1, move || drop(black_box(encode(black_box(&apply))))),
        Case::new("bus: 64 events read", 1, move || drop(black_box(decode::<Apply>(black_box(&said))))),
        Case::new("mesh: 64 events written", 1, move || drop(black_box(message.encode()))),
        Case::new("mesh: 64 events read", 1, move || drop(black_box(Message::decode(black_box(&sent))))),
        Case::new("mesh: an event packed", 1, move || drop(black_box(Message::pack_events(black_box(&one))))),
        Case::new("mesh: a packed event read", 1, move || {
            drop(black_box(Message::decode(black_box(&one_packed))))
        }),
        Case::new("page: 1000 events packed", 1, move || drop(black_box(page::pack(black_box(&frames))))),
        Case::new("page: 1000 events unpacked", 1, move || drop(black_box(page::unpack(black_box(&packed))))),
    ])
}

/// So many visits of one car, four events each. The same every time.
fn stays(visits: usize) -> Result<Vec<Frame>> {
    let name = CentralId::new("central-7")?;
    let mut head = Head::start(StreamId { central: name.clone(), incarnation: Incarnation(7) });
    let plate = PlateFacts {
        raw: "51F-970.22".to_owned(),
        key: "51F97022".to_owned(),
        display: "51F-970.22".to_owned(),
        kind: "car".to_owned(),
        flags: Vec::new(),
    };
    let tag = PlateTag::of(b"key", &plate.key);
    let mut frames = Vec::with_capacity(visits * PER_STAY);
    let mut write = |at: i64, opening: Option<Position>, body: &Body| -> Result<Position> {
        let number = frames.len() as u128;
        let command = CommandId(number.to_be_bytes());
        let header = head.next(body.kind(), at, Some(command), opening, Some(tag));
        let frame = Frame::write(header, &(number * 977).to_be_bytes(), &body.encode()?)?;
        head.advance(&frame)?;
        let position = frame.header().position.clone();
        frames.push(frame);
        Ok(position)
    };
    let clock =
        |at| ClockFacts { received_at: at + 35, captured_at: Some(at), skew_ms: Some(12), offset_ms: 0 };
    for visit in 0..visits {
        let entered = START + visit as i64 * 24 * HOUR;
        let opened = EntryOpened {
            plate: plate.clone(),
            edge_id: "edge-25".to_owned(),
            lot_id: Some("P07".to_owned()),
            vehicle_class: "car".to_owned(),
            clock: clock(entered),
            confidence_pm: Some(970),
            image_ref: Some(format!("img/{visit:016x}.jpg")),
            ..EntryOpened::default()
        };
        let opening = write(entered, None, &Body::EntryPending(Box::new(opened)))?;
        let passed =
            |at, edge: &str| Confirmed { edge_id: edge.to_owned(), clock: clock(at), by: "loop".to_owned() };
        write(
            entered + 5000,
            Some(opening.clone()),
            &Body::EntryConfirmed(passed(entered + 5000, "edge-25")),
        )?;
        let left = entered + 9 * HOUR;
        let exited = Exited {
            plate: plate.clone(),
            edge_id: "edge-27".to_owned(),
            lot_id: Some("P07".to_owned()),
            vehicle_class: "car".to_owned(),
            clock: clock(left),
            basis: Some(Basis { event_id: event_id(&name, entered, &plate.key), entry_time: entered }),
            fee: 65_000,
            currency: "VND".to_owned(),
            lines: vec![FeeLineFact {
                code: "tier".to_owned(),
                from: Some(entered),
                to: Some(left),
                amount: 65_000,
                args: vec!["9".to_owned()],
            }],
            ..Exited::default()
        };
        write(left, Some(opening.clone()), &Body::Exit(Box::new(exited)))?;
        write(left + 5000, Some(opening), &Body::ExitConfirmed(passed(left + 5000, "edge-27")))?;
    }
    Ok(frames)
}
