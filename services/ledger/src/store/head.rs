//! The writer's head: what it committed last.

use replication::log::WriterHead;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::hash::Hash32;
use wire::id::Incarnation;

use super::StoreError;

fn incarnation(head: &WriterHead) -> Option<Uuid> {
    head.incarnation.map(|i| Uuid::from_u128(i.0))
}

fn hash_bytes(head: &WriterHead) -> &[u8] {
    if head.incarnation.is_some() { head.hash.as_bytes() } else { &[] }
}

/// Reads it.
pub async fn load(conn: &mut PgConnection) -> Result<WriterHead, StoreError> {
    let row = sqlx::query("select incarnation, seq, hash, arrival from writer_head").fetch_one(conn).await?;
    let hash: Vec<u8> = row.try_get(2)?;
    Ok(WriterHead {
        incarnation: row.try_get::<Option<Uuid>, _>(0)?.map(|u| Incarnation(u.as_u128())),
        seq: row.try_get::<i64, _>(1)? as u64,
        hash: Hash32::from_slice(&hash).unwrap_or_default(),
        arrival: row.try_get(3)?,
    })
}

/// Moves from one head to the next, inside the round's transaction. Errors: [`StoreError::HeadMoved`] when the stored head is not
/// `from`.
pub async fn advance(
    from: &WriterHead,
    next: &WriterHead,
    conn: &mut PgConnection,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update writer_head set incarnation = $1, seq = $2, hash = $3, arrival = $4
         where only_row and incarnation is not distinct from $5 and seq = $6 and hash = $7 and arrival = $8",
    )
    .bind(incarnation(next))
    .bind(next.seq as i64)
    .bind(hash_bytes(next))
    .bind(next.arrival)
    .bind(incarnation(from))
    .bind(from.seq as i64)
    .bind(hash_bytes(from))
    .bind(from.arrival)
    .execute(conn)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::HeadMoved) }
}

/// Records that the lock was taken: a new stretch of arrival numbers begins.
pub async fn open_epoch(
    conn: &mut PgConnection,
    epoch: Uuid,
    after_arrival: i64,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("insert into log_epochs (epoch, first_arrival, started_at) values ($1, $2, $3)")
        .bind(epoch)
        .bind(after_arrival + 1)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}
