//! Decisions: command + state → ruling. Pure: time comes from the envelope, randomness from [`Dice`], state from the
//! caller.
//!
//! The way of a command: [`prepare`] reads it (plate, stamp, command id) and says in [`Look`] what to load; [`decide`] rules;
//! the caller appends the [`Draft`], projects again and lets [`Answer::complete`] fill the reply.

mod answer;
mod ruling;
mod state;
pub mod timeout;

pub use self::answer::{Answer, ClosedAnswer, DecisionAnswer, DetectionAnswer, Reply};
pub use self::ruling::{Draft, Record, Ruling};
pub use self::state::{Dice, Look, OpenSession, Prepared, Site, StaffMember, State, prepare};

/// Rules on a prepared command.
#[must_use]
pub fn decide(prepared: &Prepared<'_>, site: &Site<'_>, state: &State<'_>) -> Ruling {
    let _ = (prepared, site, state);
    Ruling::Refuse(wire::http::Problem::new(501, "not_yet", "Not yet", "not yet"))
}
