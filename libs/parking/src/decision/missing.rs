//! A session that is not known, or not as the caller knows it, while events are known to be missing here: the peers are
//! asked for that vehicle before anybody is told that there is no such thing.

use wire::bus::command::Command;
use wire::hash::PlateTag;
use wire::http::Problem;

use super::ruling::Ruling;
use super::state::{Prepared, Site, State};
use crate::plate::PlateKey;

/// What a refusal becomes: itself, or the question that may change it.
pub(super) fn or_ask(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    problem: Problem,
) -> Ruling {
    let unsure = matches!(problem.code.as_str(), "unknown_session" | "not_this_lane");
    match vehicle(prepared, site).filter(|_| unsure && state.catching_up && !state.peers_asked) {
        Some(tag) => Ruling::NeedPeers(tag),
        None => Ruling::Refuse(problem),
    }
}

/// The vehicle that the named session is about: an `event_id` ends with its plate key, and perhaps `~2`.
fn vehicle(prepared: &Prepared<'_>, site: &Site<'_>) -> Option<PlateTag> {
    let named = match &prepared.envelope.command {
        Command::Open { event_id, .. } | Command::Close { event_id, .. } => event_id.as_deref()?,
        Command::TellLane { event_id, .. } | Command::Resolve { event_id, .. } => event_id.as_deref()?,
        Command::Act { event_id, .. } => event_id,
        Command::Detect { .. }
        | Command::SetPolicy { .. }
        | Command::LoseRange { .. }
        | Command::Register { .. }
        | Command::NextForLane { .. }
        | Command::EndLaneCommand { .. }
        | Command::SetLaneMode { .. } => return None,
    };
    let alias = named.split('~').next()?;
    let key = PlateKey::new(alias.rsplit('_').next()?).ok()?;
    Some(PlateTag::of(site.operator_key, key.as_str()))
}
