//! Takes events of other centrals into a round: what is new, known, an erasure or a fork; chain links; gaps.

use std::collections::BTreeSet;
use std::rc::Rc;

use parking::fact::Fact;
use replication::log::{Acceptance, HeldEvent, Intake};
use wire::event::{Frame, Kind};
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

/// Loads what is held around the positions that come in.
fn around(store: &Store, events: &[&Arrived]) -> Intake {
    let mut look: BTreeSet<Position> = BTreeSet::new();
    for e in events {
        let p = &e.frame.header().position;
        for seq in [p.seq.saturating_sub(1), p.seq, p.seq.saturating_add(1)] {
            look.insert(Position { stream: p.stream.clone(), seq });
        }
    }
    let mut intake = Intake::default();
    for at in look {
        for (held, prev_hash) in store.held_at(&at) {
            intake.put(at.clone(), HeldEvent { held, prev_hash });
        }
    }
    intake
}

/// Takes in one round's events, apply by apply.
pub(super) fn take(
    store: &Store,
    state: &mut State,
    changes: &mut LogChanges,
    applies: &[&[Arrived]],
) -> Vec<Tally> {
    let flat: Vec<&Arrived> = applies.iter().flat_map(|a| a.iter()).collect();
    let mut intake = around(store, &flat);
    let mut tallies = Vec::with_capacity(applies.len());
    for events in applies {
        let mut tally = Tally::default();
        for e in *events {
            let h = e.frame.header();
            tally.touched.insert(h.position.stream.clone());
            let branch = match intake.take(&mut state.positions, &e.frame) {
                Acceptance::Known => {
                    let erased =
                        intake.at(&h.position).iter().any(|x| x.held.hash == e.frame.hash() && x.held.erased);
                    changes.full_after_erased += usize::from(erased && !e.frame.is_erased());
                    tally.known += 1;
                    continue;
                }
                Acceptance::Erase { .. } => {
                    changes.erased.push((e.frame.clone(), e.fact.clone()));
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
            changes.gave_way |= state.writer.written_elsewhere(&h.position.stream);
            changes.new.push(Event {
                frame: e.frame.clone(),
                fact: e.fact.clone(),
                branch,
                arrival: changes.arrival,
            });
        }
        changes.streams.extend(tally.touched.iter().cloned());
        tallies.push(tally);
    }
    intake.check_links(&mut state.positions);
    tallies
}
