//! The writer's head: what it committed last.

use replication::log::WriterHead;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::hash::Hash32;
use wire::id::Incarnation;

use super::StoreError;
use super::parameters::{Places, Values};

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

/// Moves from one head to the next; no row when the stored head is another one.
pub(super) fn advance_sql(p: &mut Places) -> String {
    format!(
        "update writer_head set incarnation = {}, seq = {}, hash = {}, arrival = {}
         where only_row and incarnation is not distinct from {} and seq = {} and hash = {} and arrival = {} returning 1",
        p.next(), p.next(), p.next(), p.next(), p.next(), p.next(), p.next(), p.next()
    )
}

pub(super) fn advance_values(v: &mut Values, from: &WriterHead, to: &WriterHead) -> Result<(), StoreError> {
    for head in [to, from] {
        v.add(incarnation(head))?;
        v.add(head.seq as i64)?;
        v.add(hash_bytes(head).to_vec())?;
        v.add(head.arrival)?;
    }
    Ok(())
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
