//! Rounds of the writer over the simulated store, one at a time.

use std::collections::HashSet;

use ::writer::{Arrived, Brought, Here, Notice, Round, State, Work, fact};
use parking::reference::Reference;
use parking::view::View;
use sim::chance::Chance;
use sim::ledger::{Reads, at_once};
use sim::store::Store;
use wire::event::{Body, ClockFacts, EntryOpened, Exited, Frame, PlateFacts};
use wire::hash::{Hash32, PlateTag};
use wire::http::SessionStatus;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

const KEY: &[u8] = b"a key of the operator";
const T0: i64 = 1_800_000_000_000;

/// One central and its writer.
struct Central {
    name: CentralId,
    view: View,
    lanes: HashSet<String>,
    store: Store,
    state: State,
    chance: Chance,
}

impl Central {
    fn new() -> Self {
        let name = CentralId::new("central-1").unwrap();
        let view = View { central: name.clone(), tz: jiff::tz::TimeZone::UTC };
        let lanes = HashSet::from(["edge-1".to_owned()]);
        let store = Store::default();
        let state = at_once(State::load(&mut Reads(&store), &name, "1".to_owned(), &lanes, T0));
        Self { name, view, lanes, store, state, chance: Chance::new(1, "id") }
    }

    /// A round, committed.
    fn round(&mut self, frames: &[Frame], sweep: bool, now: i64) -> Round {
        let reference = Reference::default();
        let here = Here {
            central: &self.name,
            operator_key: KEY,
            clock_offset_ms: 0,
            covers: &[],
            reference: &reference,
            lots: &[],
            view: &self.view,
            lanes: &self.lanes,
            catching_up: false,
            now,
            read: fact,
        };
        let read = |f: &Frame| Arrived { frame: f.clone(), fact: fact(f).map(Into::into), trace: None };
        let events: Vec<Arrived> = frames.iter().map(read).collect();
        let applies = vec![Brought { from: &self.name, events: &events }];
        let work = Work { applies, sweep, ..Work::default() };
        let log = &mut Reads(&self.store);
        let round = at_once(::writer::run(log, &mut self.state, &here, &mut self.chance, &work));
        self.store.commit(&round.writes, &self.name).unwrap();
        self.state.committed(&round.writes, &self.lanes);
        round
    }

    fn statuses(&self) -> Vec<SessionStatus> {
        self.store.rows.history().map(|r| r.row.status).collect()
    }
}

fn plate() -> PlateFacts {
    let text = "29A12345".to_owned();
    PlateFacts { raw: text.clone(), key: text.clone(), display: text, kind: "car".into(), flags: Vec::new() }
}

fn first_of_its_stream(body: &Body, opening: Option<Position>, at: i64, salt: u8) -> Frame {
    let stream = StreamId { central: CentralId::new("central-1").unwrap(), incarnation: Incarnation(7) };
    let header = wire::event::Header {
        kind: body.kind(),
        position: Position { stream, seq: 1 },
        occurred_at: at,
        prev_hash: Hash32::default(),
        command_id: None,
        opening,
        plate_tag: Some(PlateTag::of(KEY, "29A12345")),
    };
    Frame::write(header, &[salt; 16], &body.encode().unwrap()).unwrap()
}

fn entry(at: i64, salt: u8) -> Frame {
    let clock = ClockFacts { received_at: at, captured_at: Some(at), skew_ms: None, offset_ms: 0 };
    let body = Body::EntryPending(Box::new(EntryOpened {
        plate: plate(),
        edge_id: "edge-1".to_owned(),
        vehicle_class: "car".to_owned(),
        clock,
        ..EntryOpened::default()
    }));
    first_of_its_stream(&body, None, at, salt)
}

fn exit(at: i64, salt: u8) -> Frame {
    let clock = ClockFacts { received_at: at, captured_at: Some(at), skew_ms: None, offset_ms: 0 };
    let body = Body::Exit(Box::new(Exited {
        plate: plate(),
        edge_id: "edge-1".to_owned(),
        vehicle_class: "car".to_owned(),
        clock,
        fee: 25_000,
        currency: "VND".to_owned(),
        assumed: true,
        ..Exited::default()
    }));
    first_of_its_stream(&body, None, at, salt)
}

fn time_outs(round: &Round) -> usize {
    round.notices.iter().filter(|n| matches!(n, Notice::TimedOut(_))).count()
}

#[test]
fn at_a_fork_each_branch_has_its_own_time_out_once() {
    let mut c = Central::new();
    // Far enough apart that the later one is no duplicate.
    c.round(&[entry(T0, 1), entry(T0 + 600_000, 2)], false, T0 + 600_000);
    assert_eq!(c.store.len(), 2);
    let appended: Vec<usize> =
        (0..5).map(|s| time_outs(&c.round(&[], true, T0 + 800_000 + 1_000 * s))).collect();
    // The first is superseded until the second has gone.
    assert_eq!(appended, [1, 1, 0, 0, 0]);
    assert!(!c.statuses().contains(&SessionStatus::Pending), "{:?}", c.statuses());
}

#[test]
fn of_two_exits_at_a_fork_each_is_confirmed_by_its_own_time_out() {
    let mut c = Central::new();
    c.round(&[exit(T0, 1), exit(T0 + 600_000, 2)], false, T0 + 600_000);
    let appended: Vec<usize> =
        (0..5).map(|s| time_outs(&c.round(&[], true, T0 + 800_000 + 1_000 * s))).collect();
    assert_eq!(appended, [2, 0, 0, 0, 0]);
    assert!(c.store.rows.history().all(|r| r.row.exits.iter().all(|e| e.confirmed_time.is_some())));
}

#[test]
fn a_body_erased_in_the_round_it_came_in_is_neither_stored_nor_projected() {
    let mut c = Central::new();
    let full = entry(T0, 1);
    let round = c.round(&[full.clone(), full.erased(), full], false, T0);
    assert!(round.notices.iter().any(|n| matches!(n, Notice::FullAfterErased(_))));
    assert!(c.store.events().iter().all(|e| e.frame.is_erased()));
    let row = &c.store.rows.history().next().unwrap().row;
    assert_eq!((row.plate.as_deref(), row.flags.contains(&"erased".to_owned())), (None, true));
}

#[test]
fn what_is_known_already_writes_nothing() {
    let mut c = Central::new();
    let frame = entry(T0, 1);
    assert!(!c.round(std::slice::from_ref(&frame), false, T0).writes.is_empty());
    let again = c.round(std::slice::from_ref(&frame), false, T0);
    assert!(again.writes.is_empty() && again.news.is_none());
    assert_eq!((again.replies[0].known, again.replies[0].holdings.len()), (1, 1));
}
