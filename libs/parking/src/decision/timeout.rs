//! Time-outs: what never came within 90 s of receipt. An event of the origin, never of a local clock elsewhere.

use wire::event::{BackedOut, Body, ClockFacts, Confirmed};
use wire::http::SessionStatus;

use super::ruling::Draft;
use super::state::Site;
use crate::history::{EventRef, HistoryRow};
use crate::{clock, unasked};

/// How long an opening waits for its loop, ms from receipt.
pub const TIMEOUT_MS: i64 = 90_000;

/// When this row's time-out ends, ms by this central's clock; none when it waits for nothing, or is another origin's.
#[must_use]
pub fn due_at(row: &HistoryRow, site: &Site<'_>) -> Option<i64> {
    let entry = (row.source_central == *site.central && waits_at_entry(row)).then_some(row.received_at);
    let exit = assumed_exit(row, site).map(|e| e.received_at);
    entry.or(exit).map(|t| t.saturating_add(TIMEOUT_MS))
}

/// The events that time-outs ask for at `now` (this central's clock, ms), among rows that may be pending. Rows of other
/// origins, and rows not due, are passed over.
///
/// An entry is abandoned, or confirmed where its lane has no loop. An exit is confirmed where its lane has no loop, and
/// else left alone: the vehicle was let out, and counts as out until it is seen to reverse.
#[must_use]
pub fn sweep<'r>(rows: impl IntoIterator<Item = &'r HistoryRow>, site: &Site<'_>, now: i64) -> Vec<Draft> {
    let stamp = clock::occurred(None, None, now, site.clock_offset_ms);
    let due = |row: &&HistoryRow| due_at(row, site).is_some_and(|t| t <= now);
    rows.into_iter()
        .filter(due)
        .filter_map(|row| draft(row, site, &stamp.clock).map(|(about, body)| (row, about, body)))
        .map(|(row, about, body)| Draft {
            occurred_at: stamp.occurred_at,
            command_id: Some(unasked::command(&body, &about.hash)),
            opening: Some(about.position.clone()),
            plate_tag: Some(row.plate_tag),
            body,
        })
        .collect()
}

fn waits_at_entry(row: &HistoryRow) -> bool {
    row.status == SessionStatus::Pending && row.confirmed_time.is_none()
}

fn assumed_exit<'r>(row: &'r HistoryRow, site: &Site<'_>) -> Option<&'r crate::history::ExitRow> {
    row.exits.iter().find(|e| {
        e.assumed
            && e.confirmed_time.is_none()
            && !e.abandoned
            && e.event.position.stream.central == *site.central
            && row.exit.as_ref() == Some(&e.event)
    })
}

/// What to append, and about which event.
fn draft<'r>(row: &'r HistoryRow, site: &Site<'_>, clock: &ClockFacts) -> Option<(&'r EventRef, Body)> {
    let edge = |edge: &Option<String>| edge.clone().unwrap_or_default();
    if row.source_central == *site.central && waits_at_entry(row) {
        let edge_id = edge(&row.edge_id);
        let body = if row.assumed {
            Body::EntryConfirmed(Confirmed { edge_id, clock: clock.clone(), by: "assumed".to_owned() })
        } else {
            Body::EntryAbandoned(BackedOut { edge_id, clock: clock.clone(), by: "timeout".to_owned() })
        };
        return Some((&row.opening, body));
    }
    let exit = assumed_exit(row, site)?;
    let confirmed =
        Confirmed { edge_id: edge(&exit.edge_id), clock: clock.clone(), by: "assumed".to_owned() };
    Some((&exit.event, Body::ExitConfirmed(confirmed)))
}
