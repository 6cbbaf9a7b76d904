//! A command that was carried out before, here or at another central: the first answer again.

use wire::bus::command::Command;
use wire::event::{Body, Kind};
use wire::http::{BarrierWish, DecisionKind, Degraded, Direction, LaneDecision, Problem};

use super::answer::{Answer, ClosedAnswer, DecisionAnswer, LostRangeAnswer};
use super::policy::Wanted;
use super::ruling::Ruling;
use super::state::{Prepared, State};
use super::{close, entry, exit, lane_control, policy, problems, register, unopened};
use crate::fact::Fact;
use crate::history::{EventRef, STANDING_CHARGE};

/// The first answer, rebuilt from the event that came of it.
pub(super) fn replay(
    prepared: &Prepared<'_>,
    state: &State<'_>,
    earlier: &Fact,
) -> Result<Ruling, Box<Problem>> {
    let answer = match &prepared.envelope.command {
        Command::Open { lane, .. } => {
            let wanted = if lane.direction == Direction::Exit { Kind::Exit } else { Kind::EntryPending };
            if earlier.kind() != wanted || !same(prepared, earlier, &lane.edge_id) {
                return Err(Box::new(problems::key_reused()));
            }
            Answer::Decision(Box::new(opened(earlier)))
        }
        Command::Close { lane, .. } if earlier.kind() == Kind::UnopenedPassage => {
            unopened::again(state, lane, earlier)?
        }
        Command::Close { lane, .. } => {
            // The session may still be on its way here: what the loop told stands all the same.
            let row = state.projection.row_of(earlier.position());
            match close::kind_of(earlier.kind()) {
                Some(kind) if edge_of(earlier).is_none_or(|e| e == lane.edge_id) => {
                    let row = row.map(|r| state.projection.session_of(r).clone());
                    Answer::Closed(Box::new(ClosedAnswer { kind, row, guessed: false }))
                }
                _ => return Err(Box::new(problems::key_reused())),
            }
        }
        Command::Act { event_id, .. } => {
            let row = state.projection.row_of(earlier.position());
            let Some(row) = row else { return Err(Box::new(problems::unknown_session(event_id))) };
            if !row.answers_to(event_id) {
                return Err(Box::new(problems::key_reused()));
            }
            Answer::Session(Box::new(row.clone()))
        }
        command @ Command::SetPolicy { .. } => match Wanted::of(command) {
            Some(wanted) => policy::again(&wanted, earlier)?,
            None => return Err(Box::new(problems::key_reused())),
        },
        Command::Register { change, .. } => register::again(prepared, change, earlier)?,
        Command::TellLane { .. }
        | Command::NextForLane { .. }
        | Command::EndLaneCommand { .. }
        | Command::SetLaneMode { .. }
        | Command::Resolve { .. } => lane_control::again(prepared, state, earlier)?,
        Command::LoseRange { range, .. } => match earlier.body.as_deref() {
            Some(Body::LostRange(lost)) if lost.range() == *range => {
                let event = EventRef { position: earlier.position().clone(), hash: earlier.hash };
                let at = earlier.header.occurred_at;
                Answer::LostRange(Box::new(LostRangeAnswer { lost: lost.clone(), at, event: Some(event) }))
            }
            _ => return Err(Box::new(problems::key_reused())),
        },
        Command::Detect { .. } => return Err(Box::new(problems::key_reused())),
    };
    Ok(Ruling::Answer(Box::new(answer)))
}

/// Edge and plate key are compared; times and confidence do not count.
fn same(prepared: &Prepared<'_>, earlier: &Fact, edge: &str) -> bool {
    let no_plate = prepared.plate.as_ref().is_some_and(|p| p.key.is_none());
    let plate = match earlier.body.as_deref() {
        Some(Body::EntryPending(b)) => Some(&b.plate),
        Some(Body::Exit(b)) => Some(&b.plate),
        _ => None,
    };
    let same_plate = match plate {
        Some(plate) if no_plate || plate.kind == "none" => no_plate && plate.kind == "none",
        _ => earlier.tag() == prepared.tag,
    };
    same_plate && edge_of(earlier).is_none_or(|e| e == edge)
}

fn edge_of(fact: &Fact) -> Option<&str> {
    match fact.body.as_deref()? {
        Body::EntryPending(b) => Some(&b.edge_id),
        Body::Exit(b) => Some(&b.edge_id),
        Body::EntryConfirmed(b) | Body::ExitConfirmed(b) => Some(&b.edge_id),
        Body::EntryAbandoned(b) | Body::ExitAbandoned(b) => Some(&b.edge_id),
        _ => None,
    }
}

fn opened(earlier: &Fact) -> DecisionAnswer {
    let image_ref = match earlier.body.as_deref() {
        Some(Body::EntryPending(b)) => b.image_ref.clone(),
        Some(Body::Exit(b)) => b.image_ref.clone(),
        _ => None,
    };
    let (kind, fee, flags, staff) = match earlier.body.as_deref() {
        Some(Body::EntryPending(b)) => (DecisionKind::Entry, None, &b.flags[..], b.staff.is_some()),
        Some(Body::Exit(b)) => (DecisionKind::Exit, b.charged(), &b.flags[..], b.staff.is_some()),
        _ if earlier.kind() == Kind::Exit => (DecisionKind::Exit, None, &[][..], false),
        _ => (DecisionKind::Entry, None, &[][..], false),
    };
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    let late = has("late");
    let reason = match kind {
        DecisionKind::Exit => exit::reason(late, staff, has(STANDING_CHARGE)),
        _ => entry::reason(late, staff),
    };
    DecisionAnswer {
        decision: LaneDecision::Open,
        barrier: if late { BarrierWish::KeepClosed } else { BarrierWish::Open },
        reason,
        kind,
        recorded: true,
        row: None,
        event: Some(EventRef { position: earlier.position().clone(), hash: earlier.hash }),
        fee,
        price: None,
        candidates: Vec::new(),
        image_ref,
        degraded: Degraded::OF_DECISIONS.into_iter().filter(|m| has(m.as_str())).collect(),
    }
}
