//! A vehicle that a person let out by a manual vend bound to its session: when the loop tells that it passed, its stay ends and is
//! charged, as if the person had decided at the lane.

use wire::bus::command::LaneFacts;
use wire::event::{Basis, Body, Exited, LaneMode, LaneOrder, LaneOutcome, NO_RATE_TABLE, PlateFacts};

use super::answer::{Answer, ClosedAnswer};
use super::fee::{self, Price, Terms};
use super::gate;
use super::prepare::close_id;
use super::ruling::{Draft, Record, Ruling};
use super::state::{Prepared, Site, State};
use crate::history::HistoryRow;
use crate::lane_book::LaneCommand;

/// The vend that let a session out here: the last one for it that the lane did, or may have done.
fn vend<'a>(state: &State<'a>, edge: &str, row: &HistoryRow) -> Option<&'a LaneCommand> {
    let of_row = |c: &&LaneCommand| c.event_id.as_deref().is_some_and(|id| row.answers_to(id));
    let done = |c: &&LaneCommand| {
        let fate = state.lanes.fate(c.id);
        fate.sent_at.is_some() && !matches!(fate.ended, Some((_, LaneOutcome::Failed | LaneOutcome::Expired)))
    };
    let vends = state.lanes.commands().filter(|c| c.order == LaneOrder::Open && c.edge_id == edge);
    vends.filter(of_row).filter(done).max_by_key(|c| (c.issued_at, c.id))
}

/// The exit of an open session that an exit lane's loop tells of; none where nobody let it out there by hand.
pub(super) fn exit(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    lane: &LaneFacts,
    row: &HistoryRow,
) -> Option<Ruling> {
    let vend = vend(state, &lane.edge_id, row).filter(|_| row.is_open())?;
    let at = prepared.stamp.occurred_at;
    let mode = state.lanes.mode(&lane.edge_id);
    let price = if mode == LaneMode::Emergency {
        Some(Price::default())
    } else {
        fee::of_session(row, site, &gate::cover_of(row, site, &state.projection.rows), at, Terms::default())
    };
    let mut flags: Vec<String> = prepared.stamp.flags.iter().map(|f| (*f).to_owned()).collect();
    flags.extend(prepared.envelope.degraded.iter().map(|d| d.as_str().to_owned()));
    if mode.is_open() {
        flags.push(mode.as_str().to_owned());
    }
    if price.is_none() {
        flags.push(NO_RATE_TABLE.to_owned());
    }
    let price = price.unwrap_or_default();
    flags.extend(price.flags.iter().map(|f| (*f).to_owned()));
    flags.sort_unstable();
    flags.dedup();
    let display = row.plate.clone().unwrap_or_default();
    let body = Body::Exit(Box::new(Exited {
        // No camera read it here: the session tells whose it is.
        plate: PlateFacts {
            raw: display.clone(),
            key: row.plate_key.clone().unwrap_or_default(),
            display,
            ..PlateFacts::default()
        },
        edge_id: lane.edge_id.clone(),
        lot_id: lane.lot_id.clone(),
        vehicle_class: row.vehicle_class.clone(),
        clock: prepared.stamp.clock.clone(),
        basis: row.entry_time.map(|entry_time| Basis { event_id: row.event_id.clone(), entry_time }),
        fee: price.fee,
        currency: "VND".to_owned(),
        rate_table: price.rate_table,
        lines: price.lines,
        rights: price.rights,
        // The loop told already that it passed.
        assumed: true,
        staff: Some(vend.staff.clone()),
        flags,
        ..Exited::default()
    }));
    let named = close_id(prepared.envelope, &lane.edge_id, lane.direction, &row.event_id, true);
    let draft = Draft {
        occurred_at: at,
        command_id: Some(prepared.command_id.unwrap_or(named)),
        opening: Some(row.opening.position.clone()),
        plate_tag: Some(row.plate_tag),
        body,
    };
    let answer = ClosedAnswer { kind: "EXIT_CONFIRMED", row: Some(row.clone()), guessed: false };
    Some(Ruling::Record(Box::new(Record { draft, answer: Answer::Closed(Box::new(answer)) })))
}
