//! The first step of a decision: read the command, and say what to load for it.

use wire::bus::command::{Command, CommandEnvelope, LaneFacts, Seen, SessionAction};
use wire::hash::{CommandId, PlateTag};
use wire::http::{Direction, Problem};

use super::state::{Dice, Look, Prepared, Site};
use super::{fee, lane_control, register};
use crate::clock;
use crate::plate::{self, PlateKey, PlateRead};
use crate::vehicle::VehicleClass;

/// Reads a command: plate, stamp, command id, and what to load.
///
/// # Errors
/// The problem to answer: a plate text that is too long.
pub fn prepare<'a>(
    envelope: &'a CommandEnvelope,
    site: &Site<'_>,
    dice: Dice,
) -> Result<Prepared<'a>, Box<Problem>> {
    match &envelope.command {
        Command::Detect { lane, seen } => at_lane(envelope, site, dice, lane, seen, None),
        Command::Open { lane, seen, event_id, .. } => {
            at_lane(envelope, site, dice, lane, seen, event_id.clone())
        }
        Command::Close { lane, event_id, passed, captured_at, sent_at, tailgate } => {
            let edge = lane.edge_id.as_str();
            let named = event_id.as_deref();
            let by_time = || captured_at.map(|at| format!("close|{edge}|{passed}|{tailgate}|{at}"));
            let by_time = || by_time().map(|key| CommandId::of(&envelope.principal, &envelope.path, &key));
            let command_id = if *tailgate {
                // Several may follow one vehicle: its name alone does not tell them apart.
                by_header(envelope).or_else(by_time)
            } else {
                let by_event = named.map(|e| close_id(envelope, edge, lane.direction, e, *passed));
                by_event.or_else(|| by_header(envelope)).or_else(by_time)
            };
            let look = Look {
                command: command_id,
                event_id: event_id.clone(),
                lane: Some(lane.edge_id.clone()),
                ..Look::default()
            };
            Ok(Prepared { look, command_id, ..bare(envelope, site, dice, *captured_at, *sent_at) })
        }
        Command::Register { change, .. } => register::prepare(envelope, site, dice, change),
        Command::SetPolicy { .. } | Command::LoseRange { .. } | Command::SetLaneMode { .. } => {
            let command_id = by_header(envelope);
            let look = Look { command: command_id, ..Look::default() };
            Ok(Prepared { look, command_id, ..bare(envelope, site, dice, None, None) })
        }
        Command::TellLane { event_id, .. } => {
            let command_id = by_header(envelope);
            let look = Look { command: command_id, event_id: event_id.clone(), ..Look::default() };
            Ok(Prepared { look, command_id, ..bare(envelope, site, dice, None, None) })
        }
        // What goes out is no answer to keep.
        Command::NextForLane { .. } => Ok(bare(envelope, site, dice, None, None)),
        Command::EndLaneCommand { id, .. } => {
            let command_id = Some(lane_control::end_id(*id));
            let look = Look { command: command_id, subject: Some(*id), ..Look::default() };
            Ok(Prepared { look, command_id, ..bare(envelope, site, dice, None, None) })
        }
        Command::Resolve { id, event_id, .. } => {
            let command_id = Some(lane_control::resolve_id(*id));
            let look = Look {
                command: command_id,
                subject: Some(*id),
                event_id: event_id.clone(),
                ..Look::default()
            };
            Ok(Prepared { look, command_id, ..bare(envelope, site, dice, None, None) })
        }
        Command::Act { event_id, act, .. } => {
            let command_id = by_header(envelope);
            let look = Look { command: command_id, event_id: Some(event_id.clone()), ..Look::default() };
            let mut prepared = Prepared { look, command_id, ..bare(envelope, site, dice, None, None) };
            if let SessionAction::CorrectPlate { plate } = act {
                let read = read(plate, &[])?;
                prepared.tag = read.key.as_ref().map(|k| PlateTag::of(site.operator_key, k.as_str()));
                // It joins whatever is known of a vehicle with that plate.
                prepared.look.tags.extend(prepared.tag);
                prepared.key.clone_from(&read.key);
                prepared.plate = Some(read);
            }
            Ok(prepared)
        }
    }
}

fn at_lane<'a>(
    envelope: &'a CommandEnvelope,
    site: &Site<'_>,
    dice: Dice,
    lane: &LaneFacts,
    seen: &Seen,
    event_id: Option<String>,
) -> Result<Prepared<'a>, Box<Problem>> {
    let classes: Vec<VehicleClass> = match &seen.vehicle_class {
        Some(class) => class.parse().into_iter().collect(),
        None => lane.vehicle_classes.iter().filter_map(|c| c.parse().ok()).collect(),
    };
    let read = read(&seen.plate, &classes)?;
    let command_id = match (&envelope.command, by_header(envelope)) {
        (Command::Detect { .. }, _) => None,
        (_, Some(id)) => Some(id),
        (_, None) => seen.captured_at.map(|at| {
            let key = read.key.as_ref().map_or("", PlateKey::as_str);
            CommandId::of(&envelope.principal, &envelope.path, &format!("{}|{key}|{at}", lane.edge_id))
        }),
    };
    // A retry at another central draws the same id: the command's own bits come before the dice.
    let random = command_id.map_or(dice.0, |id| id.0.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b)));
    let key = read.key.clone().unwrap_or_else(|| PlateKey::generated(random));
    let tag = PlateTag::of(site.operator_key, key.as_str());
    let mut candidates: Vec<PlateKey> = Vec::new();
    for text in seen.candidates.iter().take(10) {
        if let Some(other) = plate::read(text, &classes).ok().and_then(|r| r.key)
            && other != key
            && !candidates.contains(&other)
        {
            candidates.push(other);
        }
    }
    let mut tags = vec![tag];
    tags.extend(fee::shared_passes(&key, site).into_iter().filter(|t| *t != tag));
    let look = Look {
        command: command_id,
        tags,
        event_id,
        near: lane.direction == Direction::Exit,
        lane: Some(lane.edge_id.clone()),
        credential: seen.credential.clone(),
        counts: lane.direction == Direction::Entry && site.rights.lot(lane.lot_id.as_deref()).is_some(),
        subject: None,
    };
    let bare = bare(envelope, site, dice, seen.captured_at, seen.sent_at);
    let mut stamp = bare.stamp.clone();
    if matches!(envelope.command, Command::Open { spooled: true, .. }) && !stamp.late {
        stamp.late = true;
        stamp.flags.push("late");
    }
    Ok(Prepared {
        stamp,
        command_id,
        plate: Some(read),
        key: Some(key),
        tag: Some(tag),
        candidates,
        look,
        ..bare
    })
}

pub(super) fn bare<'a>(
    envelope: &'a CommandEnvelope,
    site: &Site<'_>,
    dice: Dice,
    captured_at: Option<i64>,
    sent_at: Option<i64>,
) -> Prepared<'a> {
    Prepared {
        envelope,
        command_id: None,
        stamp: clock::occurred(captured_at, sent_at, envelope.received_at, site.clock_offset_ms),
        plate: None,
        key: None,
        tag: None,
        candidates: Vec::new(),
        look: Look::default(),
        dice,
    }
}

pub(super) fn read(text: &str, classes: &[VehicleClass]) -> Result<PlateRead, Box<Problem>> {
    plate::read(text, classes).map_err(|e| Box::new(Problem::field("too_long", "/plate", &e.to_string())))
}

pub(super) fn by_header(envelope: &CommandEnvelope) -> Option<CommandId> {
    let key = envelope.idempotency_key.as_deref()?;
    Some(CommandId::of(&envelope.principal, &envelope.path, key))
}

/// A close is known by (edge, event_id, passed); on a lane that goes both ways, also by the way.
pub(super) fn close_id(
    envelope: &CommandEnvelope,
    edge: &str,
    direction: Direction,
    event_id: &str,
    passed: bool,
) -> CommandId {
    let way = match direction {
        Direction::Entry => "entry",
        Direction::Exit => "exit",
    };
    CommandId::of(&envelope.principal, &envelope.path, &format!("close|{edge}|{way}|{event_id}|{passed}"))
}
