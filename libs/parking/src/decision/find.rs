//! Which session a vehicle at an exit belongs to.

use wire::http::{Problem, SessionStatus};

use super::fee;
use super::lane::Ask;
use super::problems;
use crate::history::HistoryRow;
use crate::plate::{Match, PlateKey, is_look_alike, match_entry};

/// Entries staff are shown at most.
const CANDIDATES: usize = 20;

/// What was found.
pub(super) enum Found<'a> {
    /// This session leaves; `flag` says how it was found, where that was not by its plate.
    Session(&'a HistoryRow, Option<&'static str>),
    /// It was let out already and never confirmed: the charge stands.
    Standing(&'a HistoryRow),
    /// The same passage, read again after it was confirmed.
    Passed(&'a HistoryRow),
    /// A person must look.
    Ask(&'static str, Vec<&'a HistoryRow>),
    /// No entry.
    Nothing,
    /// No entry with this very plate, and events are missing here: peers may know.
    AskPeers,
}

pub(super) fn find<'a>(ask: &Ask<'a>) -> Result<Found<'a>, Box<Problem>> {
    if let Some(event_id) = ask.event_id {
        match picked(ask, event_id) {
            // It has left. An entry that is not known here is found by card and plate, or once it comes.
            Err(_) if ask.prepared.stamp.late && (ask.state.peers_asked || !ask.state.catching_up) => {}
            found => return found,
        }
    }
    if let Some(row) = ask.state.by_card
        && row.plate_tag != ask.tag
        && let Some(found) = by_card(ask, row)
    {
        return Ok(found);
    }
    Ok(by_plate(ask))
}

/// The card first, then the plate: the card's session, whose plate is not the one read here.
fn by_card<'a>(ask: &Ask<'a>, row: &'a HistoryRow) -> Option<Found<'a>> {
    let entered = row.plate_key.as_deref().and_then(|k| k.parse::<PlateKey>().ok());
    let unread_there = entered.as_ref().is_none_or(PlateKey::is_generated);
    let unread_here = ask.read.key.is_none();
    if let Some(key) = entered.filter(|_| !unread_here && !unread_there) {
        if is_look_alike(ask.key, &key) {
            return Some(Found::Session(row, Some("look_alike")));
        }
        if ask.prepared.candidates.contains(&key) {
            return Some(Found::Session(row, Some("camera_candidate")));
        }
        // Staff have seen card and plate: what they did not pick is found by its plate.
        return ask.staff.is_none().then(|| {
            let mut rows = vec![row];
            rows.extend(ask.state.projection.open_of(ask.tag));
            Found::Ask("plate_card_mismatch", rows)
        });
    }
    // Nothing contradicts the card. A motorbike needs both, where one of the plates was read; anything else leaves by its card.
    let guarded = row.vehicle_class.contains("motorbike") && unread_here != unread_there;
    Some(if guarded && ask.staff.is_none() {
        Found::Ask("plate_unreadable", vec![row])
    } else {
        Found::Session(row, Some("by_credential"))
    })
}

/// The entry a person picked, or the plate's own.
fn picked<'a>(ask: &Ask<'a>, event_id: &str) -> Result<Found<'a>, Box<Problem>> {
    let projection = ask.state.projection;
    let open = || ask.state.open.iter().map(|o| o.row).find(|r| r.answers_to(event_id));
    let Some(row) = projection.row_named(event_id).or_else(open) else {
        return Err(Box::new(problems::unknown_session(event_id)));
    };
    let row = projection.session_of(row);
    if row.status == SessionStatus::Exited {
        return Ok(match standing(ask, row) {
            Some(found) => found,
            None if ask.staff.is_some() => Found::Session(row, Some("picked")),
            None => Found::Ask("already_exited", vec![row]),
        });
    }
    if row.plate_tag == ask.tag {
        return Ok(Found::Session(row, None));
    }
    Ok(if ask.staff.is_some() {
        Found::Session(row, Some("picked"))
    } else {
        Found::Ask("plate_mismatch", vec![row])
    })
}

fn by_plate<'a>(ask: &Ask<'a>) -> Found<'a> {
    let projection = ask.state.projection;
    if let Some(row) = reversed_since(ask) {
        return Found::Passed(row);
    }
    if let Some(row) = projection.open_of(ask.tag) {
        return Found::Session(row, None);
    }
    if let Some(found) = burst(ask) {
        return found;
    }
    let newest = projection
        .rows
        .iter()
        .filter(|r| r.plate_tag == ask.tag && r.status != SessionStatus::Duplicate)
        .max_by_key(|r| (r.exit_time.or(r.entry_time), &r.opening));
    if let Some(row) = newest {
        if let Some(found) = standing(ask, row) {
            return found;
        }
        match (row.status, row.abandoned_by.as_deref()) {
            // Nothing came in time, yet here it is. The projection flags the entry as unconfirmed.
            (SessionStatus::Abandoned, Some("timeout")) => return Found::Session(row, None),
            (SessionStatus::SoftClosed, _) => return Found::Session(row, Some("soft_closed")),
            _ => {}
        }
    }
    if ask.state.catching_up && !ask.state.peers_asked && ask.read.key.is_some() {
        return Found::AskPeers;
    }
    // Generated keys resemble one another by chance alone.
    let open = ask.state.open.iter().filter(|o| o.row.is_open() && !o.key.is_generated());
    let open = open.map(|o| (o.key, o.row));
    match match_entry(ask.key, &ask.prepared.candidates, open) {
        Match::Exact(row) => Found::Session(row, None),
        Match::Candidate(row) => Found::Session(row, Some("camera_candidate")),
        Match::LookAlike(row) => Found::Session(row, Some("look_alike")),
        // Staff who name no entry have looked: it is none of these.
        Match::AskStaff(_) if ask.staff.is_some() => Found::Nothing,
        Match::AskStaff(rows) => Found::Ask("similar_plate", rows),
        Match::None if ask.read.key.is_none() && ask.staff.is_none() => without_plate(ask),
        Match::None => Found::Nothing,
    }
}

/// Nothing to go by: staff pick among the vehicles that entered without a plate, newest first.
fn without_plate<'a>(ask: &Ask<'a>) -> Found<'a> {
    let open = ask.state.open.iter().filter(|o| o.row.is_open() && o.key.is_generated());
    let mut rows: Vec<&HistoryRow> = open.map(|o| o.row).collect();
    if rows.is_empty() {
        return Found::Nothing;
    }
    rows.sort_unstable_by_key(|r| (std::cmp::Reverse(r.entry_time), r.opening.clone()));
    rows.truncate(CANDIDATES);
    Found::Ask("no_plate", rows)
}

/// A read of a passage of this lane that is told only after the driver has reversed: no second exit.
fn reversed_since<'a>(ask: &Ask<'a>) -> Option<&'a HistoryRow> {
    let lane = Some(ask.lane.edge_id.as_str());
    ask.state.projection.rows.iter().filter(|row| row.plate_tag == ask.tag && ask.staff.is_none()).find(
        |row| {
            row.exits.iter().any(|e| {
                e.edge_id.as_deref() == lane
                    && e.time <= ask.at()
                    && e.abandoned_at.is_some_and(|end| ask.at() <= end)
            })
        },
    )
}

/// An exit that was not confirmed stands while its charge holds.
fn standing<'a>(ask: &Ask<'_>, row: &'a HistoryRow) -> Option<Found<'a>> {
    let charge =
        row.exits.iter().rev().find(|e| Some(&e.event) == row.exit.as_ref() || row.exit.is_none())?;
    let unconfirmed = row.exit_confirmed_time.is_none();
    let since = ask.at().saturating_sub(charge.time).saturating_abs();
    (unconfirmed && since <= fee::grace(row, ask.site)).then_some(Found::Standing(row))
}

/// Another read of a passage this lane has just let out.
fn burst<'a>(ask: &Ask<'a>) -> Option<Found<'a>> {
    ask.state.at_lane.iter().find_map(|row| {
        let exit = row.exits.iter().rev().find(|e| e.edge_id.as_deref() == Some(&ask.lane.edge_id))?;
        let unconfirmed = exit.confirmed_time.is_none() && !exit.abandoned;
        let stands = row.exit.as_ref() == Some(&exit.event);
        if !stands || !ask.is_burst(row, ask.at().saturating_sub(exit.time), unconfirmed) {
            return None;
        }
        Some(if unconfirmed { Found::Standing(row) } else { Found::Passed(row) })
    })
}
