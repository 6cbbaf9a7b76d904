//! A hand-written log: facts of several centrals, for tables of cases and properties.

use std::collections::HashMap;
use std::sync::Arc;

use parking::fact::Fact;
use parking::history::{Closure, Policies, Projection, project};
use wire::event::{
    BackedOut, Basis, Body, ClockFacts, Confirmed, EntryOpened, Exited, Header, PlateFacts, StaffFact,
};
use wire::hash::{CommandId, Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

pub(crate) const T0: i64 = 1_800_000_000_000;
pub(crate) const KEY: &[u8] = b"operator";

pub(crate) fn tag(plate: &str) -> PlateTag {
    PlateTag::of(KEY, plate)
}

pub(crate) fn staff() -> StaffFact {
    StaffFact { id: "s1".into(), reason: "because".into() }
}

fn plate(key: &str) -> PlateFacts {
    PlateFacts { raw: key.into(), key: key.into(), display: key.into(), kind: "car".into(), flags: vec![] }
}

pub(crate) fn clock(at: i64) -> ClockFacts {
    ClockFacts { received_at: at, ..ClockFacts::default() }
}

/// Bodies with nothing special in them.
pub(crate) fn entry_body(key: &str, at: i64) -> Body {
    Body::EntryPending(Box::new(EntryOpened {
        plate: plate(key),
        edge_id: "edge-1".into(),
        vehicle_class: "car".into(),
        clock: clock(at),
        ..EntryOpened::default()
    }))
}

pub(crate) fn exit_body(key: &str, at: i64, fee: i64, basis: Option<Basis>) -> Body {
    Body::Exit(Box::new(Exited {
        plate: plate(key),
        edge_id: "edge-20".into(),
        vehicle_class: "car".into(),
        clock: clock(at),
        basis,
        fee,
        currency: "VND".into(),
        ..Exited::default()
    }))
}

/// The facts, and the next seq of each central.
#[derive(Default, Clone)]
pub(crate) struct Log {
    pub(crate) facts: Vec<Fact>,
    heads: HashMap<u8, u64>,
    opened: HashMap<Position, i64>,
}

impl Log {
    /// Appends an event of `central-<n>` at T0 + `s` seconds.
    pub(crate) fn push(
        &mut self,
        central: u8,
        s: i64,
        key: &str,
        opening: Option<&Position>,
        body: Body,
    ) -> Position {
        let seq = self.heads.entry(central).or_insert(0);
        *seq += 1;
        let position = Position {
            stream: StreamId {
                central: CentralId::new(&format!("central-{central}")).unwrap(),
                incarnation: Incarnation(u128::from(central)),
            },
            seq: *seq,
        };
        self.put(position.clone(), s, key, opening, body);
        position
    }

    /// Puts an event at a position of one's own choice: the way to a fork.
    pub(crate) fn put(
        &mut self,
        position: Position,
        s: i64,
        key: &str,
        opening: Option<&Position>,
        body: Body,
    ) {
        let header = Header {
            kind: body.kind(),
            position,
            occurred_at: T0 + s * 1000,
            prev_hash: Hash32::default(),
            command_id: None,
            opening: opening.cloned(),
            plate_tag: Some(tag(key)),
        };
        let hash = Hash32::of(&[&header.encode(), &body.encode().unwrap()]);
        self.facts.push(Fact { header, hash, body: Some(Arc::new(body)), foreign: false });
    }

    pub(crate) fn last(&mut self) -> &mut Fact {
        self.facts.last_mut().unwrap()
    }

    /// Gives the last event a command id.
    pub(crate) fn by_command(&mut self, n: u8) {
        self.last().header.command_id = Some(CommandId([n; 16]));
    }

    /// Takes the body of the last event away.
    pub(crate) fn erase(&mut self) {
        self.last().body = None;
    }

    pub(crate) fn entry(&mut self, central: u8, s: i64, key: &str) -> Position {
        let p = self.push(central, s, key, None, entry_body(key, T0 + s * 1000));
        self.opened.insert(p.clone(), T0 + s * 1000);
        p
    }

    pub(crate) fn confirm(&mut self, central: u8, s: i64, key: &str, of: &Position) -> Position {
        let b = Confirmed { edge_id: "edge-1".into(), clock: clock(T0), by: "loop".into() };
        self.push(central, s, key, Some(of), Body::EntryConfirmed(b))
    }

    pub(crate) fn abandon(&mut self, central: u8, s: i64, key: &str, of: &Position) -> Position {
        let b = BackedOut { edge_id: "edge-1".into(), clock: clock(T0), by: "timeout".into() };
        self.push(central, s, key, Some(of), Body::EntryAbandoned(b))
    }

    /// An exit that names and charges from an opening, or none.
    pub(crate) fn exit(
        &mut self,
        central: u8,
        s: i64,
        key: &str,
        of: Option<&Position>,
        fee: i64,
    ) -> Position {
        let basis =
            of.and_then(|p| self.opened.get(p)).map(|t| Basis { event_id: "e".into(), entry_time: *t });
        self.push(central, s, key, of, exit_body(key, T0 + s * 1000, fee, basis))
    }

    pub(crate) fn exit_confirm(&mut self, central: u8, s: i64, key: &str, of: &Position) -> Position {
        let b = Confirmed { edge_id: "edge-20".into(), clock: clock(T0), by: "loop".into() };
        self.push(central, s, key, Some(of), Body::ExitConfirmed(b))
    }

    pub(crate) fn reverse(&mut self, central: u8, s: i64, key: &str, of: &Position) -> Position {
        let b = BackedOut { edge_id: "edge-20".into(), clock: clock(T0), by: "reversed".into() };
        self.push(central, s, key, Some(of), Body::ExitAbandoned(b))
    }

    /// Everything at once.
    pub(crate) fn project(&self) -> Projection {
        project(&self.facts, &Policies::of(&self.facts))
    }
}

/// Everything a closure asks for, from a store.
pub(crate) fn close_over(store: &[Fact], start: &[Fact]) -> Vec<Fact> {
    let mut facts = start.to_vec();
    let mut closure = Closure::default();
    loop {
        let needs = closure.missing(&facts);
        if needs.is_empty() {
            return facts;
        }
        facts.extend(
            store
                .iter()
                .filter(|f| {
                    f.tag().is_some_and(|t| needs.tags.contains(&t))
                        || needs.openings.contains(f.position())
                        || f.header.opening.as_ref().is_some_and(|o| needs.openings.contains(o))
                })
                .cloned(),
        );
    }
}
