//! Takes events of other centrals into a round: what is new, known, an erasure or a fork; chain links; gaps. An event is never
//! refused for its neighbours, its clock or its content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking::fact::Fact;
use replication::log::{Acceptance, Held, HeldEvent, Intake};
use replication::positions::{Positions, StreamPositions};
use wire::bus::events::ApplyReply;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::position::{Position, StreamId};

use crate::log::Log;
use crate::notice::Notice;
use crate::state::State;
use crate::work::{Arrived, Brought};
use crate::writes::{CameFrom, Erased, LogChanges, NewEvent};

/// What became of one apply.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    stored: u32,
    known: u32,
    poison: u32,
    forks: u32,
    newest: i64,
    touched: BTreeSet<StreamId>,
}

impl Tally {
    /// The answer to it.
    pub(crate) fn reply(&self, state: &State) -> ApplyReply {
        ApplyReply {
            stored: self.stored,
            known: self.known,
            poison: self.poison,
            forks: self.forks,
            refused: 0,
            error: None,
            holdings: self.touched.iter().map(|s| state.holdings(s)).collect(),
        }
    }
}

/// Positions that come in, and those beside them, where something is held: what must be read. Of a stream that only goes on above
/// its head nothing is: the head's hash is in the map, and with it the link of what follows is checked.
fn around(positions: &Positions, applies: &[Brought<'_>], intake: &mut Intake) -> Vec<Position> {
    let mut lowest: BTreeMap<&StreamId, u64> = BTreeMap::new();
    for p in applies.iter().flat_map(|b| b.events).map(|e| &e.frame.header().position) {
        let seq = lowest.entry(&p.stream).or_insert(p.seq);
        *seq = p.seq.min(*seq);
    }
    let goes_on = |stream: &StreamId, held: &StreamPositions| {
        lowest.get(stream).is_some_and(|seq| *seq > held.head()) && !held.forks().contains_key(&held.head())
    };
    let mut look = BTreeSet::new();
    for e in applies.iter().flat_map(|b| b.events) {
        let p = &e.frame.header().position;
        let Some(held) = positions.get(&p.stream) else { continue };
        if goes_on(&p.stream, held) {
            continue;
        }
        for seq in [p.seq, p.seq.saturating_sub(1), p.seq.saturating_add(1)] {
            if held.holds(seq) {
                look.insert(Position { stream: p.stream.clone(), seq });
            }
        }
    }
    for stream in lowest.keys() {
        if let Some(held) = positions.get(stream).filter(|h| h.head() > 0 && goes_on(stream, h)) {
            let head = Position { stream: (*stream).clone(), seq: held.head() };
            // Nothing comes in at the head itself: only its hash is asked for.
            let event = Held { hash: held.head_hash(), branch: 0, erased: false };
            intake.put(head, HeldEvent { held: event, prev_hash: Hash32::default() });
        }
    }
    look.into_iter().collect()
}

/// Takes in one round's events, apply by apply.
pub(crate) async fn take<L: Log>(
    log: &mut L,
    state: &mut State,
    changes: &mut LogChanges,
    notices: &mut Vec<Notice>,
    applies: &[Brought<'_>],
) -> Result<Vec<Tally>, L::Error> {
    let mut intake = Intake::default();
    let look = around(&state.positions, applies, &mut intake);
    if !look.is_empty() {
        for (at, held) in log.held_at(&look).await? {
            intake.put(at, held);
        }
    }
    let mut tallies = Vec::with_capacity(applies.len());
    for brought in applies {
        let mut tally = Tally::default();
        for e in brought.events {
            one(state, changes, notices, &mut intake, &mut tally, e);
        }
        tallies.push(tally);
    }
    for at in intake.check_links(&mut state.positions) {
        notices.push(Notice::BrokenLink(at));
    }
    Ok(tallies)
}

fn one(
    state: &mut State,
    changes: &mut LogChanges,
    notices: &mut Vec<Notice>,
    intake: &mut Intake,
    tally: &mut Tally,
    e: &Arrived,
) {
    let h = e.frame.header();
    let stream = &h.position.stream;
    tally.touched.insert(stream.clone());
    let branch = match intake.take(&mut state.positions, &e.frame) {
        Acceptance::Known => {
            tally.known += 1;
            let held = intake.at(&h.position).iter().find(|x| x.held.hash == e.frame.hash());
            if !e.frame.is_erased() && held.is_some_and(|x| x.held.erased) {
                notices.push(Notice::FullAfterErased(h.position.clone()));
            }
            return;
        }
        Acceptance::Erase { branch } => {
            tally.stored += 1;
            return erase(changes, e, branch);
        }
        Acceptance::New => 0,
        Acceptance::Fork { branch } => {
            tally.forks += 1;
            notices.push(Notice::Fork(h.position.clone()));
            branch
        }
    };
    changes.arrival += 1;
    changes.streams.insert(stream.clone());
    tally.stored += 1;
    tally.newest = tally.newest.max(h.occurred_at);
    tally.poison += u32::from(e.fact.is_err());
    if state.writer.written_elsewhere(stream) {
        notices.push(Notice::WrittenElsewhere(stream.clone()));
    }
    changes.new.push(NewEvent {
        frame: e.frame.clone(),
        fact: e.fact.clone(),
        branch,
        arrival: changes.arrival,
    });
}

/// The erased form takes the place of the full one: of a stored one, or of one that came just before it in the same round.
fn erase(changes: &mut LogChanges, e: &Arrived, branch: u16) {
    match changes.new.iter_mut().find(|n| n.frame.hash() == e.frame.hash()) {
        Some(new) => {
            new.frame = e.frame.clone();
            new.fact.clone_from(&e.fact);
        }
        None => changes.erased.push(Erased { frame: e.frame.clone(), fact: e.fact.clone(), branch }),
    }
}

/// The facts of what came in, erased forms first; policies among them are in force from here on.
pub(crate) fn facts(state: &mut State, changes: &mut LogChanges) -> Vec<Arc<Fact>> {
    let erased = changes.erased.iter().map(|e| &e.fact);
    let all = erased.chain(changes.new.iter().map(|e| &e.fact));
    let facts: Vec<Arc<Fact>> = all.filter_map(|f| f.as_ref().ok().cloned()).collect();
    for f in facts.iter().filter(|f| f.kind().is_of_lane()) {
        state.book.note(f);
    }
    for f in facts.iter().filter(|f| f.kind().is_rule() && !f.foreign) {
        changes.policy = true;
        state.add_policy((**f).clone());
    }
    for f in facts.iter().filter(|f| f.kind().is_register() && !f.foreign) {
        state.add_to_register((**f).clone());
    }
    facts
}

/// What came through whom.
pub(crate) fn came_from(applies: &[Brought<'_>], tallies: &[Tally]) -> Vec<CameFrom> {
    let mut all: BTreeMap<&CentralId, CameFrom> = BTreeMap::new();
    for (b, t) in applies.iter().zip(tallies).filter(|(_, t)| t.stored > 0) {
        let c = all.entry(b.from).or_insert_with(|| CameFrom { peer: b.from.clone(), newest: 0, stored: 0 });
        c.newest = c.newest.max(t.newest);
        c.stored += i64::from(t.stored);
    }
    all.into_values().collect()
}
