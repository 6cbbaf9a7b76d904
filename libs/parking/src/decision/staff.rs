//! Who, of the staff, stands behind a command, and whether they may.

use wire::bus::command::{Command, RegisterChange, SessionAction};
use wire::event::{LaneMode, StaffFact};
use wire::http::Problem;

use super::problems;
use super::state::{Prepared, Site, State};
use crate::reference::Power;

/// Flag of what was done while no staff list was there to check the id against, or by somebody a late delivery could not check.
pub(super) const UNVERIFIED: &str = "staff_unverified";

/// What came of a PIN, checked by the caller before the command was queued: it takes a slow hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinCheck {
    /// None came, nobody is on the list under this id, or there was no list then.
    #[default]
    NotChecked,
    /// It is theirs.
    Right,
    /// It is not.
    Wrong,
    /// Too many wrong ones came before: it was not looked at.
    Throttled {
        /// So many seconds are to be waited.
        retry_after_s: u32,
    },
}

/// The staff id and the PIN of a command; none where nobody of the staff stands behind it. The caller checks the one against the
/// other before it queues the command.
#[must_use]
pub fn claimed(command: &Command) -> Option<(&str, Option<&str>)> {
    let (id, pin) = match command {
        Command::Open { staff_id, pin, .. } => (staff_id.as_deref()?, pin),
        Command::Act { staff_id, pin, .. }
        | Command::SetPolicy { staff_id, pin, .. }
        | Command::LoseRange { staff_id, pin, .. }
        | Command::Register { staff_id, pin, .. }
        | Command::TellLane { staff_id, pin, .. }
        | Command::SetLaneMode { staff_id, pin, .. }
        | Command::Resolve { staff_id, pin, .. } => (staff_id.as_str(), pin),
        Command::Detect { .. }
        | Command::Close { .. }
        | Command::NextForLane { .. }
        | Command::EndLaneCommand { .. } => return None,
    };
    let id = id.trim();
    (!id.is_empty()).then_some((id, pin.as_deref().filter(|p| !p.is_empty())))
}

/// What a command needs.
fn power(command: &Command) -> Power {
    match command {
        Command::SetPolicy { .. } | Command::LoseRange { .. } => Power::Rules,
        Command::Act { act: SessionAction::CorrectPlate { .. }, .. } => Power::Lane,
        Command::Act { .. } => Power::Money,
        Command::Register { change, .. } => match **change {
            // Who stands at the lane counts, and sees whether a card is there.
            RegisterChange::AntiPassbackReset { .. } | RegisterChange::Occupancy { .. } => Power::Lane,
            RegisterChange::ListEntry { .. } | RegisterChange::Pass { .. } => Power::Money,
            RegisterChange::AntiPassbackMode { .. } => Power::Rules,
        },
        // Whoever is there says that there is a fire; to let everybody through is money.
        Command::SetLaneMode { mode: LaneMode::HeldOpen, .. } => Power::Money,
        Command::SetLaneMode { .. }
        | Command::TellLane { .. }
        | Command::Resolve { .. }
        | Command::NextForLane { .. }
        | Command::EndLaneCommand { .. }
        | Command::Open { .. }
        | Command::Detect { .. }
        | Command::Close { .. } => Power::Lane,
    }
}

/// A staff member and their reason.
#[derive(Debug, Clone)]
pub(super) struct Staff {
    pub(super) fact: StaffFact,
    /// On the list, with the right PIN and the power.
    pub(super) verified: bool,
}

impl Staff {
    /// None without a staff id.
    pub(super) fn of(
        prepared: &Prepared<'_>,
        reason: Option<&str>,
        site: &Site<'_>,
        state: &State<'_>,
    ) -> Result<Option<Self>, Box<Problem>> {
        let command = &prepared.envelope.command;
        let Some((id, pin)) = claimed(command) else { return Ok(None) };
        let reason = reason.map(str::trim).unwrap_or_default();
        if reason.is_empty() && !prepared.stamp.late {
            let message = "must say why, together with staff_id";
            return Err(Box::new(Problem::field("missing", "/reason", message)));
        }
        let verified = match verify(id, pin.is_some(), power(command), site, state.pin) {
            Ok(verified) => verified,
            // It happened, whoever it was and whyever: a late delivery is recorded, and marked.
            Err(_) if prepared.stamp.late => false,
            Err(problem) => return Err(problem),
        };
        let verified = verified && !reason.is_empty();
        Ok(Some(Self { fact: StaffFact { id: id.to_owned(), reason: reason.to_owned() }, verified }))
    }
}

/// False while nobody can be verified: there is no list.
fn verify(
    id: &str,
    has_pin: bool,
    power: Power,
    site: &Site<'_>,
    pin: PinCheck,
) -> Result<bool, Box<Problem>> {
    let Some(list) = &site.reference.staff else { return Ok(false) };
    if !has_pin {
        return Err(Box::new(Problem::field("missing", "/pin", "must come with staff_id")));
    }
    let member = list.active(id).ok_or_else(|| Box::new(problems::unknown_staff()))?;
    match pin {
        PinCheck::Right if member.role.has(power) => Ok(true),
        PinCheck::Right => Err(Box::new(problems::role_insufficient(power.needs().as_str()))),
        PinCheck::Wrong => Err(Box::new(problems::wrong_pin())),
        PinCheck::Throttled { retry_after_s } => Err(Box::new(problems::pin_throttled(retry_after_s))),
        // The list came while the command was on its way.
        PinCheck::NotChecked => Err(Box::new(problems::not_checked())),
    }
}
