//! Takes events of other centrals into a round: what is new, known, an erasure or a fork; chain links; gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use parking::fact::Fact;
use replication::log::{Acceptance, Held, accept, links};
use wire::event::{Frame, Kind};
use wire::hash::Hash32;
use wire::position::{Position, StreamId};

use super::{Arrived, State};
use crate::store::{Event, Store};

/// What became of one apply.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) stored: u32,
    pub(super) known: u32,
    pub(super) poison: u32,
    pub(super) forks: u32,
    pub(super) touched: BTreeSet<StreamId>,
}

/// What a round writes to the log.
#[derive(Debug, Default)]
pub(super) struct LogChanges {
    pub(super) new: Vec<Event>,
    pub(super) erased: Vec<(Frame, Option<Rc<Fact>>)>,
    pub(super) streams: BTreeSet<StreamId>,
    pub(super) policy: bool,
    pub(super) arrival: i64,
    pub(super) gave_way: bool,
    pub(super) full_after_erased: usize,
}

/// What is held around the positions that come in.
struct Around<'a> {
    store: &'a Store,
    seen: BTreeMap<Position, Vec<(Held, Hash32)>>,
}

impl Around<'_> {
    fn at(&mut self, at: &Position) -> &mut Vec<(Held, Hash32)> {
        let store = self.store;
        self.seen.entry(at.clone()).or_insert_with(|| store.held_at(at))
    }

    /// True when some event after `at` continues a branch that is not held there.
    fn broken(&mut self, at: &Position) -> bool {
        let before: Vec<Hash32> = self.at(at).iter().map(|r| r.0.hash).collect();
        self.at(&next(at)).iter().any(|r| !links(r.1, &before))
    }
}

fn next(at: &Position) -> Position {
    Position { stream: at.stream.clone(), seq: at.seq + 1 }
}

/// Takes in one round's events, apply by apply.
pub(super) fn take(store: &Store, state: &mut State, changes: &mut LogChanges, applies: &[&[Arrived]]) -> Vec<Tally> {
    let mut around = Around { store, seen: BTreeMap::new() };
    let mut tallies = Vec::with_capacity(applies.len());
    let mut placed: Vec<Position> = Vec::new();
    for events in applies {
        let mut tally = Tally::default();
        for e in *events {
            let h = e.frame.header();
            tally.touched.insert(h.position.stream.clone());
            let held: Vec<Held> = around.at(&h.position).iter().map(|r| r.0).collect();
            let branch = match accept(&held, e.frame.hash(), e.frame.is_erased()) {
                Acceptance::Known => {
                    let erased = held.iter().any(|x| x.hash == e.frame.hash() && x.erased);
                    changes.full_after_erased += usize::from(erased && !e.frame.is_erased());
                    tally.known += 1;
                    continue;
                }
                Acceptance::Erase { branch } => {
                    changes.erased.push((e.frame.clone(), e.fact.clone()));
                    for r in around.at(&h.position).iter_mut().filter(|r| r.0.branch == branch) {
                        r.0.erased = true;
                    }
                    tally.stored += 1;
                    continue;
                }
                Acceptance::New => 0,
                Acceptance::Fork { branch } => {
                    tally.forks += 1;
                    branch
                }
            };
            changes.arrival += 1;
            tally.stored += 1;
            tally.poison += u32::from(e.fact.is_none());
            changes.policy |= h.kind == Kind::PolicySet && e.fact.as_ref().is_some_and(|f| !f.foreign);
            state.positions.insert(&h.position, e.frame.hash());
            if !held.is_empty() {
                let hashes = held.iter().map(|x| x.hash).chain([e.frame.hash()]);
                state.positions.entry(&h.position.stream).mark_forked(h.position.seq, hashes);
            }
            let here = Held { hash: e.frame.hash(), branch, erased: e.frame.is_erased() };
            around.at(&h.position).push((here, h.prev_hash));
            placed.push(h.position.clone());
            if state.own.as_ref().is_some_and(|own| own.stream == h.position.stream) {
                // Somebody else has written to the stream this writer appends to: a clone.
                state.own = None;
                changes.gave_way = true;
            }
            changes.new.push(Event { frame: e.frame.clone(), fact: e.fact.clone(), branch, arrival: changes.arrival });
        }
        changes.streams.extend(tally.touched.iter().cloned());
        tallies.push(tally);
    }
    for at in &placed {
        let before = Position { stream: at.stream.clone(), seq: at.seq - 1 };
        for p in [before, at.clone()] {
            if p.seq >= 1 && around.broken(&p) {
                let held: Vec<Hash32> = around.at(&p).iter().map(|r| r.0.hash).collect();
                state.positions.entry(&p.stream).mark_forked(p.seq, held);
            }
        }
    }
    tallies
}
