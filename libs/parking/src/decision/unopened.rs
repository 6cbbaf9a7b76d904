//! A vehicle crossed the loop and nothing had been opened for it: counted, and left to people.

use wire::bus::command::{Command, LaneFacts};
use wire::event::{Body, UnopenedPassage};
use wire::hash::CommandId;
use wire::http::Problem;

use super::answer::{Answer, ClosedAnswer};
use super::close::named;
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use super::state::{Prepared, State};
use crate::fact::Fact;
use crate::history::HistoryRow;

/// So soon behind a vehicle that passed, the next one without an opening came through on its, ms.
const TAILGATE_MS: i64 = 10_000;

/// The answer's kind where the lane said so itself.
const TAILGATE: &str = "TAILGATE";

/// A `close` without a name while nothing is pending. Recorded where a repetition can be told from another vehicle.
pub(super) fn passage(prepared: &Prepared<'_>, state: &State<'_>, lane: &LaneFacts, passed: bool) -> Ruling {
    let refusal = problems::nothing_pending(&lane.edge_id);
    match prepared.command_id.filter(|_| passed) {
        Some(id) => {
            let draft = draft(prepared, state, lane, id, before(prepared, state, lane), false);
            Ruling::RecordAndRefuse(Box::new((draft, refusal)))
        }
        None => Ruling::Refuse(refusal),
    }
}

/// The lane counted a further vehicle on one opening.
pub(super) fn tailgate(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    lane: &LaneFacts,
    event_id: Option<&str>,
) -> Result<Ruling, Box<Problem>> {
    let row = match event_id {
        Some(id) => {
            let row = named(state, id).ok_or_else(|| problems::unknown_session(id))?;
            Some(state.projection.session_of(row))
        }
        None => before(prepared, state, lane),
    };
    let id = prepared
        .command_id
        .unwrap_or_else(|| CommandId::of("lane", "tailgate", &format!("{:016x}", prepared.dice.0)));
    let draft = draft(prepared, state, lane, id, row, true);
    let answer = ClosedAnswer { kind: TAILGATE, row: row.cloned(), guessed: false };
    Ok(Ruling::Record(Box::new(Record { draft, answer: Answer::Closed(Box::new(answer)) })))
}

/// The answer to a request that came before.
pub(super) fn again(state: &State<'_>, lane: &LaneFacts, earlier: &Fact) -> Result<Answer, Box<Problem>> {
    match earlier.body.as_deref() {
        Some(Body::UnopenedPassage(b)) if b.edge_id == lane.edge_id && !b.told => {
            Err(Box::new(problems::nothing_pending(&lane.edge_id)))
        }
        Some(Body::UnopenedPassage(b)) if b.edge_id == lane.edge_id => {
            let followed = earlier.header.opening.as_ref().and_then(|o| state.projection.row_of(o));
            let row = followed.map(|r| state.projection.session_of(r).clone());
            Ok(Answer::Closed(Box::new(ClosedAnswer { kind: TAILGATE, row, guessed: false })))
        }
        _ => Err(Box::new(problems::key_reused())),
    }
}

/// The vehicle that passed here last, just before.
fn before<'a>(prepared: &Prepared<'_>, state: &State<'a>, lane: &LaneFacts) -> Option<&'a HistoryRow> {
    let edge = Some(lane.edge_id.as_str());
    let passed = state.at_lane.iter().filter_map(|row| {
        let out = row.exits.iter().filter(|e| e.edge_id.as_deref() == edge).filter_map(|e| e.confirmed_time);
        let into = row.confirmed_time.filter(|_| row.edge_id.as_deref() == edge);
        out.chain(into).max().map(|at| (at, row))
    });
    let at = prepared.stamp.occurred_at;
    let (when, row) = passed.max_by_key(|(when, row)| (*when, &row.opening))?;
    ((0..=TAILGATE_MS).contains(&at.saturating_sub(when))).then_some(row)
}

fn draft(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    lane: &LaneFacts,
    id: CommandId,
    followed: Option<&HistoryRow>,
    told: bool,
) -> Draft {
    debug_assert!(matches!(prepared.envelope.command, Command::Close { .. }));
    Draft {
        occurred_at: prepared.stamp.occurred_at,
        command_id: Some(id),
        opening: followed.map(|r| r.opening.position.clone()),
        plate_tag: followed.map(|r| r.plate_tag),
        body: Body::UnopenedPassage(UnopenedPassage {
            edge_id: lane.edge_id.clone(),
            lot_id: lane.lot_id.clone(),
            direction: lane.direction,
            clock: prepared.stamp.clock.clone(),
            tailgate: told || followed.is_some(),
            told,
            mode: state.lanes.mode(&lane.edge_id),
            event_id: followed.map(|r| r.event_id.clone()),
        }),
    }
}
