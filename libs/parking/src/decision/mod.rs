//! Decisions: command + state → ruling. Pure: time comes from the envelope, randomness from [`Dice`], state from the
//! caller.
//!
//! The way of a command: [`prepare`] reads it (plate, stamp, command id) and says in [`Look`] what to load; [`decide`] rules;
//! the caller appends the [`Draft`], projects again and lets [`Answer::complete`] fill the reply. [`timeout`] and
//! [`late_basis`] give the drafts nobody asked for.

mod act;
mod answer;
mod close;
mod detection;
mod entry;
mod exit;
pub(crate) mod facts;
mod fee;
mod find;
mod gate;
mod lane;
pub mod lane_control;
pub mod late_basis;
mod lost_range;
mod missing;
pub mod policy;
mod prepare;
mod problems;
pub mod register;
mod replay;
mod ruling;
mod staff;
mod state;
pub mod timeout;
mod unopened;
mod vended;

use wire::bus::command::Command;
use wire::http::{Direction, Problem};

pub use self::answer::{
    Answer, ClosedAnswer, DecisionAnswer, DetectionAnswer, LostRangeAnswer, PolicyReply, RegisterReply, Reply,
};
pub use self::facts::charge_flag_name;
pub use self::fee::{Price, Terms, quote, shared_passes};
pub use self::gate::WATCHED;
use self::lane::Ask;
pub use self::lane::{BURST_CAMERA_MS, BURST_LANE_MS};
pub use self::prepare::prepare;
pub use self::ruling::{Draft, Record, Ruling};
use self::staff::Staff;
pub use self::staff::{PinCheck, claimed};
pub use self::state::{Dice, Look, OpenSession, Prepared, Site, State};

/// Rules on a prepared command.
#[must_use]
pub fn decide(prepared: &Prepared<'_>, site: &Site<'_>, state: &State<'_>) -> Ruling {
    ruling(prepared, site, state).unwrap_or_else(|problem| missing::or_ask(prepared, site, state, *problem))
}

fn ruling(prepared: &Prepared<'_>, site: &Site<'_>, state: &State<'_>) -> Result<Ruling, Box<Problem>> {
    if let Some(earlier) = state.earlier {
        return replay::replay(prepared, state, earlier);
    }
    match &prepared.envelope.command {
        Command::Close { lane, event_id, tailgate: true, .. } => {
            return unopened::tailgate(prepared, state, lane, event_id.as_deref());
        }
        Command::Close { lane, event_id, passed, .. } => {
            return close::decide(prepared, site, state, lane, event_id.as_deref(), *passed);
        }
        Command::Act { event_id, act, reason, .. } => {
            return match Staff::of(prepared, Some(reason), site, state)? {
                Some(staff) => act::decide(prepared, state, event_id, act, staff.fact),
                None => Err(Box::new(Problem::field("missing", "/staff_id", "must say who"))),
            };
        }
        Command::SetPolicy { reason, .. } => {
            let staff = Staff::of(prepared, Some(reason), site, state)?;
            return match (staff, policy::Wanted::of(&prepared.envelope.command)) {
                (Some(staff), Some(wanted)) => policy::decide(prepared, site, &wanted, staff.fact),
                _ => Err(Box::new(Problem::field("missing", "/staff_id", "must say who"))),
            };
        }
        Command::LoseRange { range, reason, .. } => {
            return match Staff::of(prepared, Some(reason), site, state)? {
                Some(staff) => Ok(lost_range::decide(prepared, range, staff.fact)),
                None => Err(Box::new(Problem::field("missing", "/staff_id", "must say who"))),
            };
        }
        Command::Register { change, reason, .. } => {
            return match Staff::of(prepared, Some(reason), site, state)? {
                Some(staff) => register::decide(prepared, site, state, change, staff.fact),
                None => Err(Box::new(Problem::field("missing", "/staff_id", "must say who"))),
            };
        }
        Command::Open { .. } | Command::Detect { .. } => {}
        Command::TellLane { .. }
        | Command::NextForLane { .. }
        | Command::EndLaneCommand { .. }
        | Command::SetLaneMode { .. }
        | Command::Resolve { .. } => return lane_control::decide(prepared, site, state),
    }
    let Some(ask) = Ask::of(prepared, site, state)? else {
        return Err(Box::new(Problem::field("missing", "/plate", "must be there")));
    };
    match (&prepared.envelope.command, ask.lane.direction) {
        (Command::Detect { .. }, _) => detection::decide(ask),
        (_, Direction::Entry) => Ok(entry::decide(&ask)),
        (_, Direction::Exit) => exit::decide(&ask),
    }
}
