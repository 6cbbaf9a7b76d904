//! A person changes the register: lists, passes given here, anti-passback, counts.

use wire::bus::command::{CommandEnvelope, RegisterChange};
use wire::event::{
    AntiPassbackMode, AntiPassbackReset, Body, Kind, ListEntry, OccupancyCorrected, PassSet, PlateFacts,
    StaffFact,
};
use wire::hash::{CommandId, PlateTag};
use wire::http::Problem;

use super::answer::{Answer, RegisterReply};
use super::prepare::{bare, by_header, read};
use super::ruling::{Draft, Record, Ruling};
use super::state::{Dice, Look, Prepared, Site, State};
use super::{facts, problems};
use crate::fact::Fact;
use crate::plate::PlateRead;
use crate::rights::{Place, Register};

/// Longest name of an entry or a pass, bytes.
const LONGEST_ID: usize = 64;
/// Vehicles of one pass at most.
pub const MOST_PLATES: usize = 20;
/// No count is corrected by more.
pub const FURTHEST: i64 = 100_000;

/// The first step: reads the plate, says what to load.
pub(super) fn prepare<'a>(
    envelope: &'a CommandEnvelope,
    site: &Site<'_>,
    dice: Dice,
    change: &RegisterChange,
) -> Result<Prepared<'a>, Box<Problem>> {
    let command_id = by_header(envelope);
    let plate = match change {
        RegisterChange::ListEntry { plate, .. } => Some(read(plate, &[])?),
        RegisterChange::AntiPassbackReset { plate, .. } => {
            plate.as_deref().map(|p| read(p, &[])).transpose()?
        }
        _ => None,
    };
    let key = plate.as_ref().and_then(|read| read.key.clone());
    let tag = key.as_ref().map(|k| PlateTag::of(site.operator_key, k.as_str()));
    let look = Look {
        command: command_id,
        tags: tag.into_iter().collect(),
        counts: matches!(change, RegisterChange::Occupancy { .. }),
        ..Look::default()
    };
    Ok(Prepared { command_id, plate, key, tag, look, ..bare(envelope, site, dice, None, None) })
}

pub(super) fn decide(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    change: &RegisterChange,
    staff: StaffFact,
) -> Result<Ruling, Box<Problem>> {
    let body = match change {
        RegisterChange::ListEntry { .. } => list_entry(prepared, site, change, staff)?,
        RegisterChange::Pass { .. } => pass(prepared, site, change, staff)?,
        RegisterChange::AntiPassbackReset { credential, plate } => {
            let plate = plate.as_ref().map(|_| plate_of(prepared)).transpose()?;
            if credential.is_some() == plate.is_some() {
                return Err(field("missing", "/credential", "give a credential or a plate"));
            }
            let credential = credential.clone();
            Body::AntiPassbackReset(AntiPassbackReset { credential, plate, staff })
        }
        RegisterChange::AntiPassbackMode { lot_id, pass, mode } => {
            if lot_id.is_some() == pass.is_some() {
                return Err(field("missing", "/lot_id", "give a lot_id or a pass"));
            }
            let (lot_id, pass) = (lot_id.clone(), pass.clone());
            Body::AntiPassbackMode(AntiPassbackMode { lot_id, pass, mode: *mode, staff })
        }
        RegisterChange::Occupancy { .. } => occupancy(site, state, change, staff)?,
    };
    let draft = Draft {
        occurred_at: prepared.stamp.occurred_at,
        command_id: prepared.command_id,
        opening: None,
        plate_tag: prepared.tag,
        body: body.clone(),
    };
    let reply = RegisterReply { body, occurred_at: prepared.stamp.occurred_at, event: None };
    Ok(Ruling::Record(Box::new(Record { draft, answer: Answer::Register(Box::new(reply)) })))
}

fn field(code: &str, name: &str, text: &str) -> Box<Problem> {
    Box::new(Problem::field(code, name, text))
}

/// A plate with letters or digits: a list of vehicles without one means nobody.
fn plate_of(prepared: &Prepared<'_>) -> Result<PlateFacts, Box<Problem>> {
    match (&prepared.plate, &prepared.key) {
        (Some(read), Some(key)) => Ok(facts::plate(read, key)),
        _ => Err(field("no_plate", "/plate", "must be a plate")),
    }
}

/// The name sent, or a new one: the same for the same command, at whichever central it is retried.
fn id_of(sent: Option<&str>, prepared: &Prepared<'_>, of: &str) -> Result<String, Box<Problem>> {
    match sent {
        Some(id) if id.len() > LONGEST_ID => {
            Err(field("too_long", "/id", &format!("must have at most {LONGEST_ID} bytes")))
        }
        Some(id) => Ok(id.to_owned()),
        None => {
            let own = |id: CommandId| id.0.iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b));
            Ok(format!("{of}-{:016x}", prepared.command_id.map_or(prepared.dice.0, own)))
        }
    }
}

fn period(from: Option<i64>, to: Option<i64>) -> Result<(), Box<Problem>> {
    match (from, to) {
        (Some(from), Some(to)) if to <= from => {
            Err(field("out_of_range", "/valid_to", "must be later than valid_from"))
        }
        _ => Ok(()),
    }
}

fn list_entry(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    change: &RegisterChange,
    staff: StaffFact,
) -> Result<Body, Box<Problem>> {
    let RegisterChange::ListEntry { id, kind, lots, valid_from, valid_to, ended, .. } = change else {
        return Err(field("missing", "/plate", "must be there"));
    };
    let known = |id: &str| site.rights.register.is_some_and(|r| r.list_entry(id).is_some());
    if *ended && !id.as_deref().is_some_and(known) {
        return Err(Box::new(unknown(id.as_deref())));
    }
    period(*valid_from, *valid_to)?;
    Ok(Body::ListEntrySet(Box::new(ListEntry {
        id: id_of(id.as_deref(), prepared, "list")?,
        kind: *kind,
        plate: plate_of(prepared)?,
        lots: lots.clone(),
        valid_from: *valid_from,
        valid_to: *valid_to,
        ended: *ended,
        staff,
    })))
}

fn unknown(id: Option<&str>) -> Problem {
    let text = format!("nothing has the id {}", id.unwrap_or("(none)"));
    Problem::new(404, "unknown_entry", "No such entry", text)
}

fn pass(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    change: &RegisterChange,
    staff: StaffFact,
) -> Result<Body, Box<Problem>> {
    let RegisterChange::Pass { id, plates, vehicle_class, lots, valid_from, valid_to, max_inside, ended } =
        change
    else {
        return Err(field("missing", "/plates", "must be there"));
    };
    if site.reference.passes.version().is_some() {
        return Err(Box::new(Problem::new(
            409,
            "passes_managed_externally",
            "Passes are managed from outside",
            "the external API has the subscriptions: change them there",
        )));
    }
    let known = |id: &str| site.rights.register.is_some_and(|r| has_pass(r, id));
    if *ended && !id.as_deref().is_some_and(known) {
        return Err(Box::new(unknown(id.as_deref())));
    }
    period(Some(*valid_from), Some(*valid_to))?;
    if plates.is_empty() || plates.len() > MOST_PLATES {
        return Err(field("out_of_range", "/plates", &format!("must be 1 to {MOST_PLATES}")));
    }
    if *max_inside == 0 {
        return Err(field("out_of_range", "/max_inside", "must be at least 1"));
    }
    let class = vehicle_class.parse().ok();
    let mut all: Vec<PlateFacts> = Vec::new();
    for (i, text) in plates.iter().enumerate() {
        let at = format!("/plates/{i}");
        let plate: PlateRead =
            crate::plate::read(text, class.as_slice()).map_err(|e| field("too_long", &at, &e.to_string()))?;
        let Some(key) = &plate.key else { return Err(field("no_plate", &at, "must be a plate")) };
        all.push(facts::plate(&plate, key));
    }
    Ok(Body::PassSet(Box::new(PassSet {
        id: id_of(id.as_deref(), prepared, "pass")?,
        plates: all,
        vehicle_class: vehicle_class.clone(),
        lots: lots.clone(),
        valid_from: *valid_from,
        valid_to: *valid_to,
        max_inside: *max_inside,
        ended: *ended,
        staff,
    })))
}

fn has_pass(register: &Register, id: &str) -> bool {
    register.passes_set().any(|p| p.said.id == id)
}

/// The difference is made here and now; every central adds it.
fn occupancy(
    site: &Site<'_>,
    state: &State<'_>,
    change: &RegisterChange,
    staff: StaffFact,
) -> Result<Body, Box<Problem>> {
    let RegisterChange::Occupancy { central, lot_id, vehicle_class, delta, counted } = change else {
        return Err(field("missing", "/delta", "must be there"));
    };
    let place = Place {
        central: central.clone().unwrap_or_else(|| site.central.to_string()),
        lot: lot_id.clone(),
        class: vehicle_class.clone(),
    };
    // Against what is counted by passages and corrections, even where that is below zero.
    let count = state.inside.of(&place);
    let before = count.passages.saturating_add(count.corrected);
    let delta = match (delta, counted) {
        (Some(delta), None) => *delta,
        (None, Some(counted)) => {
            if !(0..=FURTHEST).contains(counted) {
                return Err(field("out_of_range", "/counted", &format!("must be 0 to {FURTHEST}")));
            }
            counted.saturating_sub(before)
        }
        _ => return Err(field("missing", "/delta", "give delta or counted")),
    };
    if !(-FURTHEST..=FURTHEST).contains(&delta) {
        return Err(field("out_of_range", "/delta", &format!("must be -{FURTHEST} to {FURTHEST}")));
    }
    if delta < 0 && before.saturating_add(delta) < 0 {
        let text = format!("{} are counted there: none can be fewer than nothing", before.max(0));
        return Err(field("out_of_range", "/delta", &text));
    }
    Ok(Body::OccupancyCorrected(OccupancyCorrected {
        central: place.central,
        lot_id: place.lot,
        vehicle_class: place.class,
        delta,
        counted: *counted,
        staff,
    }))
}

/// The answer to a request that came before: the same kind of change, of the same vehicle.
pub(super) fn again(
    prepared: &Prepared<'_>,
    change: &RegisterChange,
    earlier: &Fact,
) -> Result<Answer, Box<Problem>> {
    let wanted = match change {
        RegisterChange::ListEntry { .. } => Kind::ListEntrySet,
        RegisterChange::Pass { .. } => Kind::PassSet,
        RegisterChange::AntiPassbackReset { .. } => Kind::AntiPassbackReset,
        RegisterChange::AntiPassbackMode { .. } => Kind::AntiPassbackMode,
        RegisterChange::Occupancy { .. } => Kind::OccupancyCorrected,
    };
    match earlier.body.as_deref() {
        Some(body) if earlier.kind() == wanted && earlier.tag() == prepared.tag => {
            Ok(Answer::Register(Box::new(RegisterReply {
                body: body.clone(),
                occurred_at: earlier.header.occurred_at,
                event: Some(crate::world::reference(earlier)),
            })))
        }
        _ => Err(Box::new(problems::key_reused())),
    }
}
