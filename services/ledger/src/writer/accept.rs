//! Takes events of other centrals into a round: what is new, known, an erasure or a fork; chain links; gaps. An event is never
//! refused for its neighbours, its clock or its content.

use std::collections::{BTreeSet, HashMap, HashSet};

use replication::log::{Acceptance, Held, HeldEvent, Intake};
use sqlx::PgConnection;
use wire::event::{Frame, Kind};
use wire::position::{Position, StreamId};

use super::state::State;
use crate::queue::Arrived;
use crate::store::events::{self, NewEvent};
use crate::store::{StoreError, closure::StreamNumbers};

/// What became of one apply.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) stored: u32,
    pub(super) known: u32,
    pub(super) poison: u32,
    pub(super) forks: u32,
    pub(super) newest: i64,
    pub(super) touched: BTreeSet<StreamId>,
}

/// What a round writes to the log.
#[derive(Debug, Default)]
pub(super) struct LogChanges {
    /// Events to insert, in order of arrival.
    pub(super) new: Vec<NewEvent>,
    /// Erased forms to put in place: stream number, branch, frame.
    pub(super) erased: Vec<(i32, i16, Frame)>,
    /// Streams to write.
    pub(super) streams: BTreeSet<StreamId>,
    /// A policy came in.
    pub(super) policy: bool,
    /// Arrival number given last.
    pub(super) arrival: i64,
}

/// Loads what is held around the positions that come in.
async fn around(conn: &mut PgConnection, state: &State, events: &[&Arrived]) -> Result<Intake, StoreError> {
    let mut look = HashSet::new();
    let mut streams: HashMap<i32, &StreamId> = HashMap::new();
    for e in events {
        let p = &e.frame.header().position;
        let (Some(n), Some(held)) = (state.number(&p.stream), state.positions.get(&p.stream)) else {
            continue;
        };
        streams.insert(n, &p.stream);
        for seq in [p.seq, p.seq.saturating_sub(1), p.seq.saturating_add(1)] {
            if held.holds(seq) {
                look.insert((n, seq as i64));
            }
        }
    }
    let look: Vec<_> = look.into_iter().collect();
    let mut intake = Intake::default();
    for row in events::held_at(conn, &look).await? {
        if let Some(stream) = streams.get(&row.stream) {
            let at = Position { stream: (*stream).clone(), seq: row.seq as u64 };
            let held = Held { hash: row.hash, branch: row.branch as u16, erased: row.erased };
            intake.put(at, HeldEvent { held, prev_hash: row.prev_hash });
        }
    }
    Ok(intake)
}

/// Takes in one round's events, apply by apply.
pub(super) async fn take(
    conn: &mut PgConnection,
    state: &mut State,
    changes: &mut LogChanges,
    applies: &[&[Arrived]],
    now: i64,
) -> Result<Vec<Tally>, StoreError> {
    let flat: Vec<&Arrived> = applies.iter().flat_map(|a| a.iter()).collect();
    let mut intake = around(conn, state, &flat).await?;
    let mut tallies = Vec::with_capacity(applies.len());
    let mut new_streams = BTreeSet::new();
    for events in applies {
        let mut tally = Tally::default();
        for e in *events {
            let h = e.frame.header();
            let stream = state.number_or_new(&h.position.stream, &mut new_streams);
            tally.touched.insert(h.position.stream.clone());
            let branch = match intake.take(&mut state.positions, &e.frame) {
                Acceptance::Known => {
                    tally.known += 1;
                    continue;
                }
                Acceptance::Erase { branch } => {
                    changes.erased.push((stream, branch as i16, e.frame.clone()));
                    tally.stored += 1;
                    continue;
                }
                Acceptance::New => 0,
                Acceptance::Fork { branch } => {
                    tracing::error!(position = %h.position, "fork: another event stands at this position");
                    tally.forks += 1;
                    branch as i16
                }
            };
            let opening =
                h.opening.as_ref().map(|o| (state.number_or_new(&o.stream, &mut new_streams), o.seq as i64));
            changes.arrival += 1;
            tally.stored += 1;
            tally.newest = tally.newest.max(h.occurred_at);
            tally.poison += u32::from(e.fact.is_err());
            changes.policy |= h.kind == Kind::PolicySet && e.fact.is_ok();
            if state.writer.written_elsewhere(&h.position.stream) {
                tracing::error!(stream = %h.position.stream, "this central's own stream was written by somebody else");
            }
            changes.new.push(NewEvent {
                frame: e.frame.clone(),
                stream,
                branch,
                opening,
                arrival: changes.arrival,
                received_at: now,
                poison: e.fact.as_ref().err().cloned(),
            });
        }
        changes.streams.extend(tally.touched.iter().cloned());
        tallies.push(tally);
    }
    changes.streams.append(&mut new_streams);
    for at in intake.check_links(&mut state.positions) {
        tracing::error!(position = %at, "the event after this one does not link to what is held here");
    }
    Ok(tallies)
}
