//! Appends a decided event to this central's own stream.

use std::collections::BTreeSet;

use parking::decision::Draft;
use parking::fact::Fact;
use wire::event::Frame;

use super::accept::LogChanges;
use super::state::State;
use crate::store::closure::StreamNumbers;
use crate::store::events::NewEvent;

/// Why a draft could not become an event: its body is too large.
#[derive(Debug, thiserror::Error)]
#[error("event cannot be written: {0}")]
pub(super) struct NotWritten(String);

/// Writes the frame at the head, in memory; the round's commit makes it last.
pub(super) fn append(
    state: &mut State,
    changes: &mut LogChanges,
    draft: Draft,
    now: i64,
) -> Result<(Frame, Fact), NotWritten> {
    let body = draft.body.encode().map_err(|e| NotWritten(e.to_string()))?;
    let head = state.own_head();
    let header =
        head.next(draft.body.kind(), draft.occurred_at, draft.command_id, draft.opening, draft.plate_tag);
    let frame = Frame::write(header, &rand::random(), &body).map_err(|e| NotWritten(e.to_string()))?;
    let fact = crate::event::fact(&frame).map_err(NotWritten)?;
    head.advance(&frame).map_err(|e| NotWritten(e.to_string()))?;
    let h = frame.header();
    let mut new_streams = BTreeSet::new();
    let stream = state.number_or_new(&h.position.stream, &mut new_streams);
    let opening =
        h.opening.as_ref().map(|o| (state.number_or_new(&o.stream, &mut new_streams), o.seq as i64));
    debug_assert!(state.number(&h.position.stream).is_some());
    state.positions.insert(&h.position, frame.hash());
    changes.arrival += 1;
    changes.streams.append(&mut new_streams);
    changes.streams.insert(h.position.stream.clone());
    changes.new.push(NewEvent {
        frame: frame.clone(),
        stream,
        branch: 0,
        opening,
        arrival: changes.arrival,
        received_at: now,
        poison: None,
    });
    Ok((frame, fact))
}
