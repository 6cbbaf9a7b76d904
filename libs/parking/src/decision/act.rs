//! What a person does to a session.

use wire::bus::command::SessionAction;
use wire::event::{
    Body, NO_RATE_TABLE, PlateCorrected, PriceSet, Reopened, SoftClosed, StaffFact, Uncollected, Voided,
    Waived,
};
use wire::http::{Problem, SessionStatus};

use super::answer::Answer;
use super::facts;
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use super::state::{Prepared, State};
use crate::history::HistoryRow;

pub(super) fn decide(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    event_id: &str,
    act: &SessionAction,
    staff: StaffFact,
) -> Result<Ruling, Box<Problem>> {
    let named = state.projection.row_named(event_id).ok_or_else(|| problems::unknown_session(event_id))?;
    // A duplicate's money and status are its session's; its plate is its own.
    let row = match act {
        SessionAction::CorrectPlate { .. } => named,
        _ => state.projection.session_of(named),
    };
    let body = body(prepared, row, act, staff)?;
    let draft = Draft {
        occurred_at: prepared.stamp.occurred_at,
        command_id: prepared.command_id,
        opening: Some(row.opening.position.clone()),
        plate_tag: match act {
            SessionAction::CorrectPlate { .. } => prepared.tag,
            _ => Some(row.plate_tag),
        },
        body,
    };
    Ok(Ruling::Record(Box::new(Record { draft, answer: Answer::Session(Box::new(row.clone())) })))
}

fn body(
    prepared: &Prepared<'_>,
    row: &HistoryRow,
    act: &SessionAction,
    staff: StaffFact,
) -> Result<Body, Box<Problem>> {
    let refuse = |detail| Err(Box::new(problems::wrong_state(detail)));
    Ok(match act {
        SessionAction::CorrectPlate { .. } => {
            let (Some(read), Some(key)) = (&prepared.plate, &prepared.key) else {
                return Err(Box::new(Problem::field("no_plate", "/plate", "must be a plate")));
            };
            Body::PlateCorrected(PlateCorrected { plate: facts::plate(read, key), staff })
        }
        SessionAction::Void => {
            if row.charged.is_some() || row.status == SessionStatus::Exited {
                return refuse("the session was charged: waive the fee instead");
            }
            Body::Voided(Voided { staff })
        }
        SessionAction::Waive { amount } | SessionAction::Uncollected { amount } => {
            if row.charged.is_none() {
                return refuse("the session was not charged yet: set a price instead");
            }
            // What is noted as uncollected may still be forgiven, and is not noted twice.
            let noted = if matches!(act, SessionAction::Uncollected { .. }) { row.uncollected } else { 0 };
            let due = row.fee.unwrap_or(0).saturating_sub(noted);
            if due <= 0 {
                return refuse("nothing is due of it, or all of that is noted as uncollected");
            }
            if *amount <= 0 || *amount > due {
                let message = format!("must be 1 to {due}, what is due");
                return Err(Box::new(Problem::field("out_of_range", "/amount", &message)));
            }
            match act {
                SessionAction::Uncollected { .. } => {
                    Body::Uncollected(Uncollected { amount: *amount, staff })
                }
                _ => Body::Waived(Waived { amount: *amount, staff }),
            }
        }
        SessionAction::Price { fee } => {
            if *fee < 0 {
                return Err(Box::new(Problem::field("out_of_range", "/fee", "must be 0 or more")));
            }
            let unpriced = row.flags.iter().any(|f| f == NO_RATE_TABLE);
            if row.status == SessionStatus::Exited && !unpriced {
                return refuse("the session was charged: money is never rewritten");
            }
            Body::PriceSet(PriceSet { fee: *fee, staff })
        }
        SessionAction::SoftClose => {
            if !row.is_open() {
                return refuse("only a session that is open can be closed for counting");
            }
            Body::SoftClosed(SoftClosed { staff })
        }
        SessionAction::Reopen => {
            if !matches!(row.status, SessionStatus::SoftClosed | SessionStatus::Voided) {
                return refuse("only a soft-closed or void session can be reopened");
            }
            Body::Reopened(Reopened { staff })
        }
    })
}
