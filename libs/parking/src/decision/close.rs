//! The barrier closed: the vehicle passed, or backed out.

use wire::bus::command::LaneFacts;
use wire::event::{BackedOut, Body, Confirmed, Kind};
use wire::http::{Direction, Problem, SessionStatus};
use wire::position::Position;

use super::answer::{Answer, ClosedAnswer};
use super::prepare::close_id;
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use super::state::{Prepared, Site, State};
use super::{unopened, vended};
use crate::history::{ExitRow, HistoryRow};

/// The kind of an answer that this event stands behind.
pub(super) const fn kind_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::EntryConfirmed => Some("CONFIRMED"),
        Kind::EntryAbandoned => Some("ABANDONED"),
        // An exit itself where the loop told of a vehicle let out by hand.
        Kind::ExitConfirmed | Kind::Exit => Some("EXIT_CONFIRMED"),
        Kind::ExitAbandoned => Some("EXIT_ABANDONED"),
        _ => None,
    }
}

pub(super) fn decide(
    prepared: &Prepared<'_>,
    site: &Site<'_>,
    state: &State<'_>,
    lane: &LaneFacts,
    event_id: Option<&str>,
    passed: bool,
) -> Result<Ruling, Box<Problem>> {
    let other = match lane.direction {
        Direction::Entry => Direction::Exit,
        Direction::Exit => Direction::Entry,
    };
    let edge = lane.edge_id.as_str();
    let (row, direction) = match event_id {
        Some(id) => {
            let row = named(state, id).ok_or_else(|| problems::unknown_session(id))?;
            // On a lane that goes both ways the session tells which way it went.
            let there = opened_here(row, edge, other) && !opened_here(row, edge, lane.direction);
            (row, if there { other } else { lane.direction })
        }
        None => {
            let pending = oldest_pending(state, edge, lane.direction)
                .map(|row| (row, lane.direction))
                .or_else(|| oldest_pending(state, edge, other).map(|row| (row, other)));
            match pending {
                Some(found) => found,
                None => return Ok(unopened::passage(prepared, state, lane, passed)),
            }
        }
    };
    if direction == Direction::Exit
        && passed
        && !opened_here(row, edge, direction)
        && let Some(let_out) = vended::exit(prepared, site, state, lane, state.projection.session_of(row))
    {
        return Ok(let_out);
    }
    let close = Close { prepared, state, lane, direction, passed, row };
    match direction {
        Direction::Exit => close.exit(),
        Direction::Entry => close.entry(),
    }
}

/// Whether this lane opened the session's entry, or one of its exits.
fn opened_here(row: &HistoryRow, edge: &str, direction: Direction) -> bool {
    match direction {
        Direction::Entry => row.edge_id.as_deref() == Some(edge),
        Direction::Exit => exit_of(row, edge).is_some(),
    }
}

pub(super) fn named<'a>(state: &State<'a>, event_id: &str) -> Option<&'a HistoryRow> {
    let at_lane = || state.at_lane.iter().find(|r| r.answers_to(event_id));
    state.projection.row_named(event_id).or_else(at_lane)
}

/// The lane's oldest passage that nothing has been said about.
fn oldest_pending<'a>(state: &State<'a>, edge: &str, direction: Direction) -> Option<&'a HistoryRow> {
    let pending = state.at_lane.iter().filter_map(|row| {
        let since = match direction {
            Direction::Entry => {
                let mine = row.edge_id.as_deref() == Some(edge);
                (mine && row.status == SessionStatus::Pending).then_some(row.entry_time)?
            }
            Direction::Exit => exit_of(row, edge).filter(|e| waits(row, e)).map(|e| e.time),
        };
        since.map(|s| (s, row))
    });
    pending.min_by_key(|(since, row)| (*since, row.opening.clone())).map(|(_, row)| row)
}

/// The last exit this lane let a session out by.
fn exit_of<'a>(row: &'a HistoryRow, edge: &str) -> Option<&'a ExitRow> {
    row.exits.iter().rev().find(|e| e.edge_id.as_deref() == Some(edge))
}

/// Let out, and neither confirmed nor reversed; an exit that another took the place of waits no more.
fn waits(row: &HistoryRow, exit: &ExitRow) -> bool {
    exit.confirmed_time.is_none() && !exit.abandoned && row.exit.as_ref() == Some(&exit.event)
}

struct Close<'a> {
    prepared: &'a Prepared<'a>,
    state: &'a State<'a>,
    lane: &'a LaneFacts,
    /// The way the session went, where the lane goes both ways.
    direction: Direction,
    passed: bool,
    row: &'a HistoryRow,
}

impl Close<'_> {
    fn entry(&self) -> Result<Ruling, Box<Problem>> {
        if self.row.no_entry || self.row.edge_id.as_deref().is_some_and(|e| e != self.lane.edge_id) {
            return Err(Box::new(problems::not_this_lane(&self.lane.edge_id)));
        }
        let told = match (self.row.confirmed_time, &self.row.abandoned_by) {
            (Some(_), _) => Some(true),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        };
        let body = if self.passed {
            Body::EntryConfirmed(self.confirmed())
        } else {
            Body::EntryAbandoned(self.backed_out())
        };
        Ok(self.rule(told, body, self.row.opening.position.clone()))
    }

    fn exit(&self) -> Result<Ruling, Box<Problem>> {
        let Some(exit) = exit_of(self.row, &self.lane.edge_id) else {
            return Err(Box::new(problems::not_this_lane(&self.lane.edge_id)));
        };
        let told = if exit.confirmed_time.is_some() { Some(true) } else { exit.abandoned.then_some(false) };
        let body = if self.passed {
            Body::ExitConfirmed(self.confirmed())
        } else {
            Body::ExitAbandoned(self.backed_out())
        };
        // An exit's loop names the exit itself: a session may be let out more than once.
        Ok(self.rule(told, body, exit.event.position.clone()))
    }

    /// Confirmed beats abandoned: what was confirmed stays so, what was abandoned may still be confirmed.
    fn rule(&self, told: Option<bool>, body: Body, about: Position) -> Ruling {
        let answer = |kind| {
            let row = Some(self.state.projection.session_of(self.row).clone());
            let guessed = self.direction != self.lane.direction;
            Answer::Closed(Box::new(ClosedAnswer { kind, row, guessed }))
        };
        let exit = matches!(body.kind(), Kind::ExitConfirmed | Kind::ExitAbandoned);
        if let Some(told) = told
            && (told || !self.passed)
        {
            let kind = match (exit, told) {
                (false, true) => Kind::EntryConfirmed,
                (false, false) => Kind::EntryAbandoned,
                (true, true) => Kind::ExitConfirmed,
                (true, false) => Kind::ExitAbandoned,
            };
            return Ruling::Answer(Box::new(answer(kind_of(kind).unwrap_or_default())));
        }
        let id = close_id(
            self.prepared.envelope,
            &self.lane.edge_id,
            self.direction,
            &self.row.event_id,
            self.passed,
        );
        // The id read from the request names the lane's way; the event's names the session's.
        let by_request = self.prepared.command_id.filter(|_| self.direction == self.lane.direction);
        let draft = Draft {
            occurred_at: self.prepared.stamp.occurred_at,
            command_id: Some(by_request.unwrap_or(id)),
            opening: Some(about),
            plate_tag: Some(self.row.plate_tag),
            body,
        };
        let answer = answer(kind_of(draft.body.kind()).unwrap_or_default());
        Ruling::Record(Box::new(Record { draft, answer }))
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed {
            edge_id: self.lane.edge_id.clone(),
            clock: self.prepared.stamp.clock.clone(),
            by: "loop".to_owned(),
        }
    }

    fn backed_out(&self) -> BackedOut {
        BackedOut {
            edge_id: self.lane.edge_id.clone(),
            clock: self.prepared.stamp.clock.clone(),
            by: "reversed".to_owned(),
        }
    }
}
