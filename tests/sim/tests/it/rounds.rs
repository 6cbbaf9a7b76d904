//! Rounds of the writer over the simulated store, one at a time.

use std::collections::HashSet;

use ::writer::{Arrived, Asked, Brought, Here, Notice, Outcome, Round, State, Work, fact};
use parking::decision::PinCheck;
use parking::reference::Reference;
use parking::view::View;
use sim::chance::Chance;
use sim::ledger::{Reads, at_once};
use sim::store::Store;
use wire::bus::command::{
    Command, CommandEnvelope, CommandReply, LaneFacts, RegisterChange, Seen, SessionAction,
};
use wire::event::{Body, ClockFacts, Credential, EntryOpened, Exited, Frame, LaneOrder, PlateFacts};
use wire::hash::{Hash32, PlateTag};
use wire::http::{Direction, SessionStatus};
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

const KEY: &[u8] = b"a key of the operator";
const T0: i64 = 1_800_000_000_000;

/// One central and its writer.
struct Central {
    name: CentralId,
    view: View,
    lanes: HashSet<String>,
    reference: Reference,
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
        let reference = Reference::built_in().unwrap();
        Self { name, view, lanes, reference, store, state, chance: Chance::new(1, "id") }
    }

    /// As after a restart.
    fn restart(&mut self, now: i64) {
        let log = &mut Reads(&self.store);
        self.state = at_once(State::load(log, &self.name, "2".to_owned(), &self.lanes, now));
    }

    /// A round of events, committed.
    fn round(&mut self, frames: &[Frame], sweep: bool, now: i64) -> Round {
        self.work(frames, &[], sweep, now)
    }

    /// A command, a round of its own.
    fn tell(&mut self, now: i64, command: Command) -> serde_json::Value {
        let envelope = CommandEnvelope {
            principal: "edge-1".to_owned(),
            path: "path".to_owned(),
            idempotency_key: None,
            received_at: now,
            deadline: now + 1_000,
            degraded: Vec::new(),
            command,
        };
        let round = self.work(&[], std::slice::from_ref(&envelope), false, now);
        match &round.outcomes[0] {
            Outcome::Reply(CommandReply::Answer { body, .. }, _) => serde_json::from_str(body.get()).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn work(&mut self, frames: &[Frame], commands: &[CommandEnvelope], sweep: bool, now: i64) -> Round {
        let here = Here {
            central: &self.name,
            operator_key: KEY,
            clock_offset_ms: 0,
            covers: &[],
            reference: &self.reference,
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
        let commands = commands
            .iter()
            .map(|envelope| Asked { envelope, peers_asked: false, pin: PinCheck::default() })
            .collect();
        let work = Work { applies, commands, sweep, ..Work::default() };
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

fn open(edge: &str, direction: Direction, plate: &str, candidates: &[&str]) -> Command {
    Command::Open {
        lane: LaneFacts {
            edge_id: edge.to_owned(),
            direction,
            lot_id: None,
            vehicle_classes: vec!["car".to_owned()],
            assumed: false,
        },
        seen: Seen {
            plate: plate.to_owned(),
            candidates: candidates.iter().map(|c| (*c).to_owned()).collect(),
            ..Seen::default()
        },
        staff_id: None,
        pin: None,
        reason: None,
        event_id: None,
        lost_credential: false,
        discounts: Vec::new(),
        payment: None,
        spooled: false,
    }
}

#[test]
fn the_cameras_other_reading_is_looked_for_in_the_store() {
    let mut c = Central::new();
    let entered = c.tell(T0, open("edge-1", Direction::Entry, "29A-123.45", &[]));
    c.restart(T0 + 1_000);
    let left = c.tell(T0 + 3_600_000, open("edge-3", Direction::Exit, "51F-970.22", &["29A-123.45"]));
    assert_eq!((&left["event_id"], &left["decision"]), (&entered["event_id"], &"open".into()), "{left}");
}

#[test]
fn a_plate_corrected_to_one_that_is_known_joins_its_sessions_at_once() {
    let mut c = Central::new();
    c.tell(T0, open("edge-1", Direction::Entry, "29A-123.45", &[]));
    let misread = c.tell(T0 + 600_000, open("edge-1", Direction::Entry, "30A-999.99", &[]));
    c.restart(T0 + 601_000);
    let corrected = c.tell(
        T0 + 700_000,
        Command::Act {
            event_id: misread["event_id"].as_str().unwrap().to_owned(),
            act: SessionAction::CorrectPlate { plate: "29A-123.45".to_owned() },
            staff_id: "s1".to_owned(),
            pin: None,
            reason: "misread".to_owned(),
        },
    );
    assert_eq!(corrected["plate"], "29A-123.45");
    let rows: Vec<_> = c.store.rows.history().map(|r| (r.row.plate.clone(), r.row.status)).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let mut statuses = c.statuses();
    statuses.sort_unstable_by_key(|s| s.as_str());
    assert_eq!(statuses, [SessionStatus::Pending, SessionStatus::Superseded]);
}

#[test]
fn the_other_vehicles_of_a_pass_count_whichever_way_a_session_is_found() {
    let (p, other, misread) = ("29A-123.45", "30A-999.99", "51F-970.22");
    let card = || Credential { kind: "card".to_owned(), id: "C-1".to_owned() };
    let with = |edge: &str, direction, plate: &str, edit: &dyn Fn(&mut Command)| {
        let mut command = open(edge, direction, plate, &[]);
        edit(&mut command);
        command
    };
    let seen = |command: &mut Command, edit: &dyn Fn(&mut Seen)| {
        if let Command::Open { seen, .. } = command {
            edit(seen);
        }
    };
    for way in ["staff pick it", "a candidate", "the card"] {
        let mut c = Central::new();
        let change = RegisterChange::Pass {
            id: Some("m-1".to_owned()),
            plates: vec![p.to_owned(), other.to_owned()],
            vehicle_class: "car".to_owned(),
            lots: Vec::new(),
            valid_from: T0 - 1_000,
            valid_to: T0 + 86_400_000,
            max_inside: 1,
            ended: false,
        };
        let (staff_id, reason) = ("s1".to_owned(), "because".to_owned());
        c.tell(T0, Command::Register { change: Box::new(change), staff_id, pin: None, reason });
        c.tell(T0, open("edge-1", Direction::Entry, other, &[]));
        let second = with("edge-1", Direction::Entry, p, &|c| seen(c, &|s| s.credential = Some(card())));
        let entered = c.tell(T0 + 60_000, second);
        assert!(entered["session"]["flags"].to_string().contains("pass_in_use"), "{entered}");
        c.restart(T0 + 61_000);
        let leave = match way {
            "a candidate" => open("edge-3", Direction::Exit, misread, &[p]),
            "the card" => with("edge-3", Direction::Exit, "", &|c| seen(c, &|s| s.credential = Some(card()))),
            _ => with("edge-3", Direction::Exit, misread, &|c| {
                if let Command::Open { staff_id, reason, event_id, .. } = c {
                    *staff_id = Some("s1".to_owned());
                    *reason = Some("misread".to_owned());
                    *event_id = entered["event_id"].as_str().map(str::to_owned);
                }
            }),
        };
        let left = c.tell(T0 + 3_660_000, leave);
        assert_eq!(left["event_id"], entered["event_id"], "{way}: {left}");
        assert_eq!(left["fee"], 25_000, "{way}: the place is taken: {left}");
    }
}

#[test]
fn vehicles_without_a_plate_are_shown_to_staff_from_the_store() {
    let mut c = Central::new();
    let entered = c.tell(T0, open("edge-1", Direction::Entry, "", &[]));
    c.tell(T0 + 60_000, open("edge-1", Direction::Entry, "30A-999.99", &[]));
    c.restart(T0 + 61_000);
    let asked = c.tell(T0 + 3_600_000, open("edge-3", Direction::Exit, "NOPLATE", &[]));
    assert_eq!(asked["reason"], "no_plate", "{asked}");
    assert_eq!(asked["candidates"].as_array().unwrap().len(), 1);
    assert_eq!(asked["candidates"][0]["event_id"], entered["event_id"]);
}

#[test]
fn a_lanes_open_goes_out_once_though_the_writer_began_anew() {
    let mut c = Central::new();
    let told = c.tell(
        T0,
        Command::TellLane {
            edge_id: "edge-1".to_owned(),
            order: LaneOrder::Open,
            event_id: None,
            expires_in_ms: 30_000,
            staff_id: "s1".to_owned(),
            pin: None,
            reason: "why".to_owned(),
        },
    );
    c.restart(T0 + 1_000);
    let next = || Command::NextForLane { edge_id: "edge-1".to_owned(), told: Vec::new() };
    assert_eq!(c.tell(T0 + 2_000, next())["command"]["command_id"], told["command_id"]);
    c.restart(T0 + 3_000);
    assert_eq!(c.tell(T0 + 4_000, next())["command"], serde_json::Value::Null);
    // Nothing comes back: that is recorded, once.
    let over = |r: &Round| r.notices.iter().filter(|n| matches!(n, Notice::LaneCommandOver(_))).count();
    let recorded: Vec<usize> =
        [30_000, 34_999, 35_000, 36_000].map(|ms| over(&c.round(&[], true, T0 + ms))).to_vec();
    assert_eq!(recorded, [0, 0, 1, 0]);
}

#[test]
fn what_is_kept_of_a_lane_is_what_a_restart_would_load() {
    let mut c = Central::new();
    c.round(&[exit(T0 + 5_000, 1)], false, T0 + 5_000);
    // Its entry becomes known: the exit is part of the entry's row now.
    c.round(&[entry(T0, 2)], false, T0 + 6_000);
    let of = |state: &State| {
        let mut rows: Vec<String> = state.lanes.of("edge-1").iter().map(|r| r.event_id.clone()).collect();
        rows.sort_unstable();
        rows
    };
    let log = &mut Reads(&c.store);
    let fresh = at_once(State::load(log, &c.name, "2".to_owned(), &c.lanes, T0 + 6_000));
    assert_eq!(of(&fresh).len(), 1);
    assert_eq!(of(&c.state), of(&fresh));
}

#[test]
fn a_busy_lane_keeps_what_still_counts() {
    let mut c = Central::new();
    for n in 0..60 {
        let at = T0 + n * 2_000;
        let ask = open("edge-1", Direction::Entry, &format!("29A-{}", 10_000 + n), &[]);
        let entered = c.tell(at, ask);
        let Command::Open { lane, .. } = open("edge-1", Direction::Entry, "", &[]) else {
            panic!("an opening")
        };
        let close = Command::Close {
            lane,
            event_id: Some(entered["event_id"].as_str().unwrap().to_owned()),
            passed: true,
            captured_at: None,
            sent_at: None,
            tailgate: false,
        };
        assert_eq!(c.tell(at + 500, close)["kind"], "CONFIRMED");
    }
    // A car counts for fifteen seconds after it has passed.
    let kept = c.state.lanes.of("edge-1").len();
    assert!((8..=17).contains(&kept), "{kept}");
}

#[test]
fn a_closing_that_names_no_session_leaves_its_row_in_place() {
    let mut c = Central::new();
    let entered = c.tell(T0, open("edge-1", Direction::Entry, "29A-123.45", &[]));
    let Command::Open { lane, .. } = open("edge-1", Direction::Entry, "", &[]) else { panic!("an opening") };
    let close = Command::Close {
        lane,
        event_id: None,
        passed: true,
        captured_at: None,
        sent_at: None,
        tailgate: false,
    };
    let closed = c.tell(T0 + 3_000, close);
    assert_eq!((&closed["kind"], &closed["event_id"]), (&"CONFIRMED".into(), &entered["event_id"]));
    assert_eq!(closed["session"]["status"], "INSIDE");
    assert_eq!(c.statuses(), [SessionStatus::Inside]);
}
