//! A row of `events`: its bytes, its columns, its place.

use std::collections::BTreeSet;

use bytes::Bytes;
use replication::keeping::{Month, NO_MONTH, month_of};
use sqlx::{PgConnection, Row};
use wire::event::{Frame, Kind};
use wire::hash::PlateTag;

use super::map::{make_map, number_of};
use super::{Memory, Touched};
use crate::store::{StoreError, months};

/// Stream number, seq and branch.
type At = (i32, i64, i16);

/// The event as a row's bytes say it, and the vehicle as its column says it.
pub(super) async fn stored(
    tx: &mut PgConnection,
    (stream, seq, branch): At,
) -> Result<(Frame, Option<PlateTag>), StoreError> {
    let row =
        sqlx::query("select frame, plate_tag from events where stream = $1 and seq = $2 and branch = $3")
            .bind(stream)
            .bind(seq)
            .bind(branch)
            .fetch_optional(tx)
            .await?
            .ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    let bytes: Vec<u8> = row.try_get(0)?;
    let tag: Option<&[u8]> = row.try_get(1)?;
    let frame = Frame::parse(Bytes::from(bytes)).map_err(|e| StoreError::Damaged(e.to_string()))?;
    Ok((frame, tag.and_then(PlateTag::from_slice)))
}

/// Writes a row's bytes, and every column from them.
pub(super) async fn put(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    frame: &Frame,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let h = frame.header();
    let opening = h.opening.as_ref().map(|o| (number_of(memory, &o.stream, touched), o.seq as i64));
    let next_arrival = touched.arrival + 1;
    let month = file(tx, memory, (stream, seq, branch), h.occurred_at, touched).await?;
    let given: Option<i64> = sqlx::query_scalar(
        "update events set hash = $4, kind = $5, occurred_at = $6, plate_tag = $7, opening_stream = $8, opening_seq = $9,
             command_id = $10, poison = $11, frame = $12, month = $14,
             arrival = case when arrival between 1 and $13 - 1 then arrival else $13 end
         where stream = $1 and seq = $2 and branch = $3 returning arrival",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .bind(frame.hash().0)
    .bind(i32::from(h.kind.code()))
    .bind(h.occurred_at)
    .bind(h.plate_tag.map(|t| t.0))
    .bind(opening.map(|o| o.0))
    .bind(opening.map(|o| o.1))
    .bind(h.command_id.map(|c| c.0))
    .bind(::writer::fact(frame).err())
    .bind(&frame.bytes()[..])
    .bind(next_arrival)
    .bind(month)
    .fetch_optional(tx)
    .await?;
    let given = given.ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    touched.arrival = touched.arrival.max(given);
    touched.tags.extend(h.plate_tag);
    touched.reload |= is_in_memory(h.kind);
    Ok(())
}

/// The month a row belongs under by the stamp of its event, with a drawer for it.
async fn file(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    occurred_at: i64,
    touched: &mut Touched,
) -> Result<Month, StoreError> {
    let row = sqlx::query(
        "select received_at, month, exists (select 1 from stream_months m
             where m.stream = e.stream and m.month = e.month and e.seq between m.first_seq and m.last_seq)
         from events e where stream = $1 and seq = $2 and branch = $3",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    let (received_at, is, listed): (i64, Month, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let month = if is == NO_MONTH { is } else { month_of(occurred_at, received_at) };
    months::ensure(tx, &mut memory.months, BTreeSet::from([month])).await?;
    if month != is || (month != NO_MONTH && !listed) {
        touched.months.insert(stream);
    }
    Ok(month)
}

/// Kinds the writer keeps in memory, over vehicles and lanes: what is there was made with the damaged one.
fn is_in_memory(kind: Kind) -> bool {
    kind.is_rule() || kind.is_register() || kind.is_of_lane()
}

/// Leaves one row in a place: nothing but the writer keeps a position unique over all months.
pub(super) async fn part(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "select month, received_at, frame, plate_tag from events where stream = $1 and seq = $2 and branch = $3 order by month",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .fetch_all(&mut *tx)
    .await?;
    let mut there = Vec::with_capacity(rows.len());
    for r in &rows {
        let (month, received_at): (Month, i64) = (r.try_get(0)?, r.try_get(1)?);
        let bytes: Vec<u8> = r.try_get(2)?;
        touched.tags.extend(r.try_get::<Option<&[u8]>, _>(3)?.and_then(PlateTag::from_slice));
        let frame = Frame::parse(Bytes::from(bytes.clone())).ok();
        let at_home = frame.is_some_and(|f| month_of(f.header().occurred_at, received_at) == month);
        there.push((!at_home, month, bytes));
    }
    // The one that lies where its stamp says stays, where there is one.
    there.sort();
    let Some(((_, _, stays), others)) = there.split_first() else { return Ok(()) };
    for (_, month, bytes) in others {
        let sql = if bytes == stays {
            "delete from events where stream = $1 and seq = $2 and branch = $3 and month = $4"
        } else {
            "update events set branch = (select max(branch) + 1 from events where stream = $1 and seq = $2)
             where stream = $1 and seq = $2 and branch = $3 and month = $4"
        };
        sqlx::query(sql).bind(stream).bind(seq).bind(branch).bind(month).execute(&mut *tx).await?;
    }
    touched.months.insert(stream);
    if let Some(s) = memory.numbers.stream_of(stream) {
        touched.streams.insert(s.clone());
        make_map(tx, memory, stream, &s).await?;
    }
    Ok(())
}

/// Brings a row to the position its bytes say.
pub(super) async fn move_home(
    tx: &mut PgConnection,
    memory: &mut Memory,
    at: At,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let (frame, tag) = stored(tx, at).await?;
    touched.tags.extend(tag);
    let home = &frame.header().position;
    let number = number_of(memory, &home.stream, touched);
    let seq = home.seq as i64;
    let branches: Vec<(i16, Vec<u8>)> =
        sqlx::query("select branch, hash from events where stream = $1 and seq = $2")
            .bind(number)
            .bind(seq)
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()?;
    if branches.iter().any(|(_, h)| h[..] == frame.hash().0) {
        // The same event is at home already; this copy is kept in the finding.
        sqlx::query("delete from events where stream = $1 and seq = $2 and branch = $3")
            .bind(at.0)
            .bind(at.1)
            .bind(at.2)
            .execute(&mut *tx)
            .await?;
    } else {
        let branch = branches.iter().map(|(b, _)| b + 1).max().unwrap_or(0);
        sqlx::query(
            "update events set stream = $4, seq = $5, branch = $6 where stream = $1 and seq = $2 and branch = $3",
        )
        .bind(at.0)
        .bind(at.1)
        .bind(at.2)
        .bind(number)
        .bind(seq)
        .bind(branch)
        .execute(&mut *tx)
        .await?;
        put(tx, memory, (number, seq, branch), &frame, touched).await?;
    }
    let left = memory.numbers.stream_of(at.0);
    touched.months.extend([at.0, number]);
    for (n, s) in left.into_iter().map(|s| (at.0, s)).chain([(number, home.stream.clone())]) {
        touched.streams.insert(s.clone());
        make_map(tx, memory, n, &s).await?;
    }
    Ok(())
}
