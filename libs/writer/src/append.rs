//! Appends a decided event to this central's own stream.

use std::sync::Arc;

use parking::decision::Draft;
use parking::fact::Fact;
use wire::event::Frame;
use wire::id::Incarnation;

use crate::here::{Here, Random};
use crate::notice::Notice;
use crate::state::State;
use crate::writes::{LogChanges, NewEvent};

/// Why a draft could not become an event: its body is too large.
#[derive(Debug, thiserror::Error)]
#[error("event cannot be written: {0}")]
pub(crate) struct NotWritten(String);

/// Writes the frame at the head, in memory; the round's commit makes it last. `command` is the place in the work of the command
/// behind it.
pub(crate) fn append(
    state: &mut State,
    changes: &mut LogChanges,
    notices: &mut Vec<Notice>,
    random: &mut impl Random,
    here: &Here<'_>,
    draft: Draft,
    command: Option<usize>,
) -> Result<Arc<Fact>, NotWritten> {
    let body = draft.body.encode().map_err(|e| NotWritten(e.to_string()))?;
    let salt = random.wide().to_be_bytes();
    let opens = !state.writer.has_stream();
    let head = state.writer.head(|| Incarnation(random.wide()));
    let header =
        head.next(draft.body.kind(), draft.occurred_at, draft.command_id, draft.opening, draft.plate_tag);
    let frame = Frame::write(header, &salt, &body).map_err(|e| NotWritten(e.to_string()))?;
    let fact = Arc::new((here.read)(&frame).map_err(NotWritten)?);
    head.advance(&frame).map_err(|e| NotWritten(e.to_string()))?;
    let position = &frame.header().position;
    if opens {
        notices.push(Notice::NewIncarnation(position.stream.incarnation));
    }
    state.positions.insert(position, frame.hash());
    state.clock.stamped(position.stream.incarnation, position.seq);
    changes.arrival += 1;
    changes.streams.insert(position.stream.clone());
    changes.own.push(command);
    changes.new.push(NewEvent { frame, fact: Ok(fact.clone()), branch: 0, arrival: changes.arrival });
    state.book.note(&fact);
    if fact.kind().is_rule() && !fact.foreign {
        changes.policy = true;
        state.add_policy((*fact).clone());
    }
    if fact.kind().is_register() && !fact.foreign {
        state.add_to_register((*fact).clone());
    }
    Ok(fact)
}
