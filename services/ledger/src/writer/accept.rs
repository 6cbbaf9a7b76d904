//! Takes events of other centrals into a round: what is new, known, an erasure or a fork; chain links; gaps. An event is never
//! refused for its neighbours, its clock or its content.

use std::collections::{BTreeSet, HashMap, HashSet};

use replication::log::{Acceptance, Held, accept, links};
use sqlx::PgConnection;
use wire::event::{Frame, Kind};
use wire::hash::Hash32;
use wire::position::StreamId;

use super::state::State;
use crate::queue::Arrived;
use crate::store::events::{self, HeldRow, NewEvent};
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

/// What is held around the positions that come in: from memory where the position map knows the hash, else from Postgres.
struct Around(HashMap<(i32, i64), Vec<HeldRow>>);

impl Around {
    async fn load(conn: &mut PgConnection, state: &State, events: &[&Arrived]) -> Result<Self, StoreError> {
        let mut look = HashSet::new();
        for e in events {
            let p = &e.frame.header().position;
            let (Some(n), Some(held)) = (state.number(&p.stream), state.positions.get(&p.stream)) else {
                continue;
            };
            for seq in [p.seq, p.seq.saturating_sub(1), p.seq.saturating_add(1)] {
                if held.holds(seq) {
                    look.insert((n, seq as i64));
                }
            }
        }
        let look: Vec<_> = look.into_iter().collect();
        let mut all: HashMap<(i32, i64), Vec<HeldRow>> = HashMap::new();
        for row in events::held_at(conn, &look).await? {
            all.entry((row.stream, row.seq)).or_default().push(row);
        }
        Ok(Self(all))
    }

    fn at(&self, stream: i32, seq: i64) -> &[HeldRow] {
        self.0.get(&(stream, seq)).map_or(&[], Vec::as_slice)
    }

    /// True when some event at `seq` continues a branch that is not held at the position before.
    fn broken(&self, stream: i32, seq: i64) -> bool {
        let before: Vec<Hash32> = self.at(stream, seq - 1).iter().map(|r| r.hash).collect();
        self.at(stream, seq).iter().any(|r| !links(r.prev_hash, &before))
    }
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
    let mut around = Around::load(conn, state, &flat).await?;
    let mut tallies = Vec::with_capacity(applies.len());
    let mut new_streams = BTreeSet::new();
    let mut placed: Vec<(StreamId, i32, i64)> = Vec::new();
    for events in applies {
        let mut tally = Tally::default();
        for e in *events {
            let h = e.frame.header();
            let stream = state.number_or_new(&h.position.stream, &mut new_streams);
            let seq = h.position.seq as i64;
            tally.touched.insert(h.position.stream.clone());
            let held: Vec<Held> = around
                .at(stream, seq)
                .iter()
                .map(|r| Held { hash: r.hash, branch: r.branch as u16, erased: r.erased })
                .collect();
            let branch = match accept(&held, e.frame.hash(), e.frame.is_erased()) {
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
            state.positions.insert(&h.position, e.frame.hash());
            if !held.is_empty() {
                let hashes = held.iter().map(|x| x.hash).chain([e.frame.hash()]);
                state.positions.entry(&h.position.stream).mark_forked(h.position.seq, hashes);
            }
            around.0.entry((stream, seq)).or_default().push(HeldRow {
                stream,
                seq,
                branch,
                hash: e.frame.hash(),
                prev_hash: h.prev_hash,
                erased: e.frame.is_erased(),
            });
            placed.push((h.position.stream.clone(), stream, seq));
            own_stream_written_elsewhere(state, &h.position.stream);
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
    check_links(state, &around, &placed);
    Ok(tallies)
}

/// Somebody else has written to the stream this writer appends to: a clone. Both branches stand; this one goes on in a new
/// incarnation.
fn own_stream_written_elsewhere(state: &mut State, stream: &StreamId) {
    if state.own.as_ref().is_some_and(|h| h.stream == *stream) {
        tracing::error!(%stream, "this central's own stream was written by somebody else");
        state.own = None;
    }
}

/// Where neighbours are both held and do not link, a branch is missing: the position is listed as forked until it comes.
fn check_links(state: &mut State, around: &Around, placed: &[(StreamId, i32, i64)]) {
    for (id, stream, seq) in placed {
        for (before, after) in [(seq - 1, *seq), (*seq, seq + 1)] {
            if before < 1 || !around.broken(*stream, after) {
                continue;
            }
            tracing::error!(stream = %id, seq = after, "event does not link to the one before it");
            let held: Vec<Hash32> = around.at(*stream, before).iter().map(|r| r.hash).collect();
            state.positions.entry(id).mark_forked(before as u64, held);
        }
    }
}
