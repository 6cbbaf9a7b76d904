//! A vehicle at an entry: a session opens. Nobody is refused because of a plate.

use wire::event::{Body, EntryOpened, LaneMode};
use wire::http::{DecisionKind, LaneDecision, SessionStatus};

use super::answer::{Answer, DecisionAnswer};
use super::facts;
use super::gate;
use super::lane::{Ask, just};
use super::ruling::{Draft, Record, Ruling};
use crate::history::HistoryRow;

pub(super) fn decide(ask: &Ask<'_>) -> Ruling {
    if ask.staff.is_none()
        && let Some(first) = repeated(ask)
    {
        return just(duplicate(ask, first));
    }
    let late = ask.prepared.stamp.late;
    if ask.mode() == LaneMode::Closed && ask.staff.is_none() && !late {
        return just(ask.answer(LaneDecision::Deny, LANE_CLOSED));
    }
    let gate = gate::at_entry(ask);
    if let Some(stop) = gate.stop
        && ask.staff.is_none()
        && !ask.nobody_to_ask()
    {
        let candidates = stop.inside.into_iter().cloned().collect();
        return just(DecisionAnswer { candidates, ..ask.answer(stop.decision, stop.reason) });
    }
    let answer = DecisionAnswer {
        barrier: ask.opening(),
        kind: DecisionKind::Entry,
        recorded: true,
        ..ask.answer(LaneDecision::Open, reason(late, ask.staff.is_some()))
    };
    Ruling::Record(Box::new(Record {
        draft: draft(ask, &gate.flags),
        answer: Answer::Decision(Box::new(answer)),
    }))
}

/// Reason at a lane that is closed.
pub(super) const LANE_CLOSED: &str = "lane_closed";

/// Why an entry opened.
pub(super) const fn reason(late: bool, staff: bool) -> &'static str {
    match (late, staff) {
        (true, _) => "late_delivery",
        (_, true) => "staff",
        _ => "ok",
    }
}

/// The session this is the same passage as: a burst of this lane's cameras, or the session of the plate within the duplicate window.
/// It was open when the plate was read; when the ledger hears of it, the car may have backed out, or be away.
fn repeated<'a>(ask: &Ask<'a>) -> Option<&'a HistoryRow> {
    let projection = ask.state.projection;
    let (_, rule) = ask.site.policies.at(ask.at());
    let same = |row: &&HistoryRow| {
        let since = ask.at().saturating_sub(row.entry_time.unwrap_or(i64::MIN)).saturating_abs();
        let stood = row.plate_tag == ask.tag && !row.no_entry && row.stood_at(ask.at());
        stood && since <= rule.duplicate_window_ms
    };
    let session = projection.rows.iter().filter(same).max_by_key(|row| (row.is_open(), row.entry_time));
    if session.is_some() {
        return session;
    }
    ask.state.at_lane.iter().find(|row| {
        let entered = row.edge_id.as_deref() == Some(&ask.lane.edge_id) && row.stood_at(ask.at());
        let since = ask.at().saturating_sub(row.entry_time.unwrap_or(i64::MIN));
        entered && ask.is_burst(row, since, row.status == SessionStatus::Pending)
    })
}

fn duplicate(ask: &Ask<'_>, first: &HistoryRow) -> DecisionAnswer {
    let here = first.edge_id.as_deref() == Some(&ask.lane.edge_id);
    // A car that waits before this lane's own barrier gets it opened again; one that has passed does not.
    let waits = here && first.status == SessionStatus::Pending;
    let (decision, reason) = match (waits, here) {
        (true, _) => (LaneDecision::Open, "duplicate"),
        (_, true) => (LaneDecision::Deny, "duplicate"),
        _ => (LaneDecision::AskStaff, "already_inside"),
    };
    DecisionAnswer {
        barrier: if waits { ask.opening() } else { ask.resting() },
        kind: DecisionKind::Duplicate,
        recorded: decision != LaneDecision::AskStaff,
        row: Some(first.clone()),
        ..ask.answer(decision, reason)
    }
}

fn draft(ask: &Ask<'_>, told: &[&str]) -> Draft {
    let mut flags = ask.flags();
    flags.extend(told.iter().map(|f| (*f).to_owned()));
    let body = EntryOpened {
        plate: facts::plate(ask.read, ask.key),
        edge_id: ask.lane.edge_id.clone(),
        lot_id: ask.lane.lot_id.clone(),
        vehicle_class: ask.class(),
        clock: ask.prepared.stamp.clock.clone(),
        assumed: ask.lane.assumed,
        credential: ask.seen.credential.clone(),
        image_ref: ask.seen.image_ref.clone(),
        confidence_pm: ask.seen.confidence_pm,
        staff: ask.staff.as_ref().map(|s| s.fact.clone()),
        flags,
    };
    Draft {
        occurred_at: ask.at(),
        command_id: ask.prepared.command_id,
        opening: None,
        plate_tag: Some(ask.tag),
        body: Body::EntryPending(Box::new(body)),
    }
}
