//! How each finding is put right.

use sqlx::PgConnection;

use super::map::{has_events, make_map};
use super::row::{move_home, part, put, stored};
use super::{Cure, Memory, Touched};
use crate::store::StoreError;
use crate::store::closure::StreamNumbers;

/// Does one cure; what repaired it, for people, or none while it waits for something.
pub(super) async fn cure(
    tx: &mut PgConnection,
    memory: &mut Memory,
    cure: &Cure,
    touched: &mut Touched,
) -> Result<Option<String>, StoreError> {
    match cure {
        Cure::Wait => Ok(None),
        Cure::OwnBytes { stream, seq, branch } => {
            let (frame, tag) = stored(tx, (*stream, *seq, *branch)).await?;
            touched.tags.extend(tag);
            put(tx, memory, (*stream, *seq, *branch), &frame, touched).await?;
            Ok(Some("own bytes".to_owned()))
        }
        Cure::Bytes { stream, seq, branch, frame, by } => {
            if let Ok((_, tag)) = stored(tx, (*stream, *seq, *branch)).await {
                touched.tags.extend(tag);
            }
            put(tx, memory, (*stream, *seq, *branch), frame, touched).await?;
            Ok(Some(by.clone()))
        }
        Cure::Twice { stream, seq, branch } => {
            part(tx, memory, (*stream, *seq, *branch), touched).await?;
            Ok(Some("one row stays".to_owned()))
        }
        Cure::Move { stream, seq, branch } => {
            move_home(tx, memory, (*stream, *seq, *branch), touched).await?;
            Ok(Some("own bytes".to_owned()))
        }
        Cure::Map { number, stream, missing } => {
            if memory.numbers.number(stream).is_some_and(|n| n != *number) && !has_events(tx, *number).await?
            {
                // A second row for a stream whose events are listed elsewhere.
                sqlx::query("delete from streams where id = $1").bind(number).execute(tx).await?;
                return Ok(Some("events".to_owned()));
            }
            let held = memory.state.positions.get(stream);
            let lost = missing.is_some_and(|(a, b)| held.is_some_and(|h| h.holds(a) || h.holds(b)));
            touched.streams.insert(stream.clone());
            touched.months.insert(*number);
            make_map(tx, memory, *number, stream).await?;
            Ok((!lost).then(|| "events".to_owned()))
        }
        Cure::Head { stream, seq, row, confirmed } => {
            let known =
                memory.state.positions.get(stream).is_some_and(|h| h.head() == *seq && h.head_hash() == *row);
            if known {
                touched.streams.insert(stream.clone());
                return Ok(Some("the writer's map".to_owned()));
            }
            let Some(by) = confirmed else { return Ok(None) };
            let mut told = memory.state.holdings(stream);
            if told.head == *seq {
                told.head_hash = *row;
                memory.state.positions.set(told);
                touched.streams.insert(stream.clone());
            }
            Ok(Some(by.clone()))
        }
        Cure::Suspect { stream, seq, held } => {
            memory.state.positions.entry(stream).mark_forked(*seq, held.iter().copied());
            touched.streams.insert(stream.clone());
            Ok(Some("fork: both branches are kept".to_owned()))
        }
        Cure::Months(number) => {
            touched.months.insert(*number);
            Ok(Some("events".to_owned()))
        }
        Cure::Rows(tags) => {
            touched.tags.extend(tags);
            Ok(Some("events".to_owned()))
        }
    }
}
