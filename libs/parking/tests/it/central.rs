//! A central in memory: the ledger's part around the decisions, in the fewest lines that are true to it.

use jiff::tz::TimeZone;
use parking::decision::PinCheck;
use parking::decision::{
    self, Dice, Draft, OpenSession, Reply, Ruling, Site, State, late_basis, prepare, timeout,
};
use parking::fact::Fact;
use parking::history::{EventRef, HistoryRow, Policies, Projection, project};
use parking::lane_book::LaneBook;
use parking::plate::PlateKey;
use parking::reference::Reference;
use parking::rights::{Counts, LotRule, Place, Register, Rights};
use parking::view::View;
use wire::bus::command::{Command, CommandEnvelope, LaneFacts, RegisterChange, Seen, SessionAction};
use wire::event::{BasisDifference, Body, Frame, Header};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::http::{Closed, Decision, Detection, Direction, Problem, RegisterView, SessionStatus};
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use crate::log::{KEY, T0};

pub(crate) struct Central {
    pub(crate) id: CentralId,
    pub(crate) facts: Vec<Fact>,
    pub(crate) reference: Reference,
    /// What comes of PINs.
    pub(crate) pin: PinCheck,
    pub(crate) lots: Vec<LotRule>,
    pub(crate) catching_up: bool,
    seq: u64,
    rolls: u64,
}

pub(crate) fn lane(edge: &str, direction: Direction) -> LaneFacts {
    LaneFacts {
        edge_id: edge.into(),
        direction,
        lot_id: Some("P01".into()),
        vehicle_classes: vec!["car".into()],
        assumed: false,
    }
}

pub(crate) fn entry_lane() -> LaneFacts {
    lane("edge-1", Direction::Entry)
}

pub(crate) fn exit_lane() -> LaneFacts {
    lane("edge-3", Direction::Exit)
}

/// An `open` of a lane at T0 + `s` seconds.
pub(crate) fn open(lane: LaneFacts, s: i64, plate: &str) -> Request {
    let seen = Seen { plate: plate.into(), ..Seen::default() };
    Request {
        at: T0 + s * 1000,
        key: None,
        command: Command::Open {
            lane,
            seen,
            staff_id: None,
            pin: None,
            reason: None,
            event_id: None,
            lost_credential: false,
            discounts: Vec::new(),
            payment: None,
            spooled: false,
        },
    }
}

pub(crate) fn close(lane: LaneFacts, s: i64, event_id: Option<&str>, passed: bool) -> Request {
    let event_id = event_id.map(str::to_owned);
    let command =
        Command::Close { lane, event_id, passed, captured_at: None, sent_at: None, tailgate: false };
    Request { at: T0 + s * 1000, key: None, command }
}

pub(crate) fn act(s: i64, event_id: &str, act: SessionAction) -> Request {
    let command = Command::Act {
        event_id: event_id.into(),
        act,
        staff_id: "s1".into(),
        pin: None,
        reason: "because".into(),
    };
    Request { at: T0 + s * 1000, key: None, command }
}

pub(crate) fn change(s: i64, change: RegisterChange) -> Request {
    let command = Command::Register {
        change: Box::new(change),
        staff_id: "s1".into(),
        pin: None,
        reason: "because".into(),
    };
    Request { at: T0 + s * 1000, key: None, command }
}

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) at: i64,
    pub(crate) key: Option<String>,
    pub(crate) command: Command,
}

impl Request {
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(crate) fn seen(mut self, edit: impl FnOnce(&mut Seen)) -> Self {
        if let Command::Open { seen, .. } | Command::Detect { seen, .. } = &mut self.command {
            edit(seen);
        }
        self
    }

    pub(crate) fn staff(mut self, pick: Option<&str>) -> Self {
        if let Command::Open { staff_id, reason, event_id, .. } = &mut self.command {
            *staff_id = Some("s1".into());
            *reason = Some("looked".into());
            *event_id = pick.map(str::to_owned);
        }
        self
    }

    pub(crate) fn discounts(mut self, ids: &[&str]) -> Self {
        if let Command::Open { discounts, .. } = &mut self.command {
            *discounts = ids.iter().map(|id| (*id).to_owned()).collect();
        }
        self
    }

    pub(crate) fn detect(mut self) -> Self {
        if let Command::Open { lane, seen, .. } = self.command {
            self.command = Command::Detect { lane, seen };
        }
        self
    }
}

#[derive(Debug)]
pub(crate) enum Said {
    Reply(Reply),
    Refused(Problem),
    NeedPeers,
}

impl Said {
    pub(crate) fn decision(self) -> Decision {
        match self {
            Said::Reply(Reply::Decision(d)) => *d,
            other => panic!("no decision: {other:?}"),
        }
    }

    pub(crate) fn closed(self) -> Closed {
        match self {
            Said::Reply(Reply::Closed(c)) => *c,
            other => panic!("not closed: {other:?}"),
        }
    }

    pub(crate) fn detection(self) -> Detection {
        match self {
            Said::Reply(Reply::Detection(d)) => *d,
            other => panic!("no detection: {other:?}"),
        }
    }

    pub(crate) fn row(self) -> HistoryRow {
        match self {
            Said::Reply(Reply::Session(r)) => *r,
            other => panic!("no session: {other:?}"),
        }
    }

    pub(crate) fn register(self) -> RegisterView {
        match self {
            Said::Reply(Reply::Register(r)) => r.unwrap(),
            other => panic!("nothing registered: {other:?}"),
        }
    }

    pub(crate) fn code(self) -> (u16, String) {
        match self {
            Said::Refused(p) => (p.status, p.code),
            other => panic!("not refused: {other:?}"),
        }
    }
}

impl Central {
    pub(crate) fn new(n: u8) -> Self {
        Self {
            id: CentralId::new(&format!("central-{n}")).unwrap(),
            facts: Vec::new(),
            reference: Reference::built_in().unwrap(),
            pin: PinCheck::NotChecked,
            lots: Vec::new(),
            catching_up: false,
            seq: 0,
            rolls: u64::from(n) << 32,
        }
    }

    /// The same, apart.
    pub(crate) fn copy(&self) -> Self {
        Self {
            id: self.id.clone(),
            facts: self.facts.clone(),
            reference: Reference::default(),
            pin: PinCheck::NotChecked,
            lots: Vec::new(),
            catching_up: self.catching_up,
            seq: self.seq,
            rolls: self.rolls,
        }
    }

    pub(crate) fn view(&self) -> View {
        let tz = TimeZone::fixed(jiff::tz::offset(7));
        View { central: self.id.clone(), tz }
    }

    pub(crate) fn project(&self) -> Projection {
        project(&self.facts, &Policies::default())
    }

    pub(crate) fn register(&self) -> Register {
        Register::of(&self.facts, Policies::of(&self.facts).offsets())
    }

    /// Vehicles inside, corrected.
    pub(crate) fn inside(&self, projection: &Projection) -> Counts {
        let mut counts = Counts::default();
        for row in projection.rows.iter().filter(|r| r.is_open()) {
            let (lot, class) = (row.lot_id.clone(), row.vehicle_class.clone());
            let count = counts.at(Place { central: row.source_central.to_string(), lot, class });
            match row.status {
                SessionStatus::Inside => count.passages += 1,
                _ => count.pending += 1,
            }
        }
        self.register().correct(&mut counts);
        counts
    }

    /// Everything the other holds.
    pub(crate) fn hear(&mut self, other: &Self) {
        for f in &other.facts {
            if !self.facts.contains(f) {
                self.facts.push(f.clone());
            }
        }
    }

    pub(crate) fn tell(&mut self, r: &Request) -> Said {
        self.tell_after(r, false)
    }

    pub(crate) fn tell_after(&mut self, r: &Request, peers_asked: bool) -> Said {
        self.rolls += 1;
        let (edge, path) = match &r.command {
            Command::Open { lane, .. } | Command::Detect { lane, .. } => (lane.edge_id.clone(), "open"),
            Command::Close { lane, .. } => (lane.edge_id.clone(), "close"),
            Command::LoseRange { .. } => ("admin".into(), "lost-ranges"),
            Command::Act { .. } => ("admin".into(), "act"),
            Command::SetPolicy { .. } => ("admin".into(), "policies"),
            Command::Register { .. } => ("admin".into(), "register"),
            other => ("admin".into(), other.name()),
        };
        let envelope = CommandEnvelope {
            principal: edge,
            path: path.into(),
            idempotency_key: r.key.clone(),
            received_at: r.at,
            deadline: r.at + 1000,
            degraded: vec![],
            command: r.command.clone(),
        };
        let (id, reference, policies) = (self.id.clone(), self.reference.clone(), Policies::default());
        let register = self.register();
        let site = Site {
            central: &id,
            operator_key: KEY,
            clock_offset_ms: 0,
            reference: &reference,
            policies: &policies,
            rights: Rights { register: Some(&register), lots: &self.lots },
        };
        let prepared = match prepare(&envelope, &site, Dice(self.rolls)) {
            Ok(p) => p,
            Err(p) => return Said::Refused(*p),
        };
        let projection = self.project();
        let keys: Vec<(PlateKey, &HistoryRow)> = projection
            .rows
            .iter()
            .filter(|r| r.is_open())
            .map(|r| (PlateKey::new(r.plate_key.clone().unwrap()).unwrap(), r))
            .collect();
        let open: Vec<OpenSession<'_>> = keys.iter().map(|(key, row)| OpenSession { key, row }).collect();
        let at_lane: Vec<HistoryRow> = projection
            .rows
            .iter()
            .filter(|r| {
                let edge = prepared.look.lane.as_deref();
                r.edge_id.as_deref() == edge || r.exits.iter().any(|e| e.edge_id.as_deref() == edge)
            })
            .cloned()
            .collect();
        let book = LaneBook::of(&self.facts);
        let subject = self
            .facts
            .iter()
            .filter(|f| prepared.look.subject.is_some() && f.header.command_id == prepared.look.subject)
            .min_by_key(|f| f.rank())
            .cloned();
        let card = prepared.look.credential.as_ref();
        let mut earlier: Vec<&Fact> = self
            .facts
            .iter()
            .filter(|f| prepared.look.command.is_some() && f.header.command_id == prepared.look.command)
            .collect();
        earlier.sort_by_key(|f| f.rank());
        let state = State {
            earlier: earlier.first().copied(),
            projection: &projection,
            open: &open,
            at_lane: &at_lane,
            by_card: card.and_then(|c| {
                projection.rows.iter().find(|r| r.is_open() && r.credential.as_ref() == Some(c))
            }),
            lanes: &book,
            subject: subject.as_ref(),
            catching_up: self.catching_up,
            peers_asked,
            pin: self.pin,
            inside: &self.inside(&projection),
        };
        match decision::decide(&prepared, &site, &state) {
            Ruling::Refuse(p) => Said::Refused(p),
            Ruling::RecordAndRefuse(both) => {
                let (draft, problem) = *both;
                self.append(draft);
                Said::Refused(problem)
            }
            Ruling::NeedPeers(_) => Said::NeedPeers,
            Ruling::Answer(a) => Said::Reply(a.complete(&projection, None, &self.view())),
            Ruling::Record(record) => {
                let event = self.append(record.draft);
                Said::Reply(record.answer.complete(&self.project(), Some(&event), &self.view()))
            }
        }
    }

    pub(crate) fn append(&mut self, draft: Draft) -> EventRef {
        self.seq += 1;
        let stream = StreamId { central: self.id.clone(), incarnation: Incarnation(7) };
        let header = Header {
            kind: draft.body.kind(),
            position: Position { stream, seq: self.seq },
            occurred_at: draft.occurred_at,
            prev_hash: Hash32::default(),
            command_id: draft.command_id,
            opening: draft.opening,
            plate_tag: draft.plate_tag,
        };
        let frame = Frame::write(header, &[0; 16], &draft.body.encode().unwrap()).unwrap();
        let fact = Fact::of(&frame).unwrap();
        let event = EventRef { position: fact.position().clone(), hash: fact.hash };
        self.facts.push(fact);
        event
    }

    /// Appends the differences that charges made here ask for, as the writer does after each round; returns them.
    pub(crate) fn settle(&mut self, s: i64) -> Vec<BasisDifference> {
        let (id, reference, policies) = (self.id.clone(), self.reference.clone(), Policies::default());
        let register = self.register();
        let site = Site {
            central: &id,
            operator_key: KEY,
            clock_offset_ms: 0,
            reference: &reference,
            policies: &policies,
            rights: Rights { register: Some(&register), lots: &self.lots },
        };
        let rows = self.project().rows;
        let of = |row| late_basis::difference(row, &self.facts, &rows, &site, T0 + s * 1000);
        let drafts: Vec<Draft> = rows.iter().filter_map(of).collect();
        let mut told = Vec::new();
        for draft in drafts {
            if let Body::BasisDifference(d) = &draft.body {
                told.push(d.clone());
            }
            self.append(draft);
        }
        told
    }

    /// Time passes: T0 + `s` seconds.
    pub(crate) fn sweep(&mut self, s: i64) -> usize {
        let (id, reference, policies) = (self.id.clone(), self.reference.clone(), Policies::default());
        let register = self.register();
        let site = Site {
            central: &id,
            operator_key: KEY,
            clock_offset_ms: 0,
            reference: &reference,
            policies: &policies,
            rights: Rights { register: Some(&register), lots: &self.lots },
        };
        let drafts = timeout::sweep(&self.project().rows, &site, T0 + s * 1000);
        let n = drafts.len();
        for d in drafts {
            self.append(d);
        }
        n
    }
}

pub(crate) fn command_of(f: &Fact) -> Option<CommandId> {
    f.header.command_id
}

pub(crate) fn tag_of(plate_key: &str) -> PlateTag {
    PlateTag::of(KEY, plate_key)
}
