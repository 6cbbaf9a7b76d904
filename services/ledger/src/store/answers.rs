//! `idempotency`: first answers, in the same transaction as their event.

use ::writer::Answer;
use sqlx::{PgConnection, Row};
use wire::hash::{CommandId, PlateTag};

use super::StoreError;
use super::round::{Places, Values};

/// Answers are kept this long; older ones are rebuilt from the events.
pub const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// The answers of some commands.
pub async fn load(conn: &mut PgConnection, ids: &[CommandId], now: i64) -> Result<Vec<Answer>, StoreError> {
    let rows = sqlx::query(
        "select command_id, principal, path, edge_id, plate_tag, status, body, created_at from idempotency
         where command_id = any($1::bytea[]) and created_at > $2",
    )
    .bind(ids.iter().map(|c| c.0).collect::<Vec<_>>())
    .bind(now - KEPT_MS)
    .fetch_all(conn)
    .await?;
    let mut out = Vec::with_capacity(rows.len());
    for r in rows {
        let Some(command) = CommandId::from_slice(r.try_get(0)?) else { continue };
        let tag: Option<Vec<u8>> = r.try_get(4)?;
        out.push(Answer {
            command,
            principal: r.try_get(1)?,
            path: r.try_get(2)?,
            edge_id: r.try_get(3)?,
            plate_tag: tag.as_deref().and_then(PlateTag::from_slice),
            status: r.try_get::<i32, _>(5)? as u16,
            body: r.try_get(6)?,
            created_at: r.try_get(7)?,
        });
    }
    Ok(out)
}

/// Keeps answers. An older one of the same command (past its seven days) gives way.
pub(super) fn save_sql(p: &mut Places) -> String {
    format!(
        "insert into idempotency (command_id, principal, path, edge_id, plate_tag, status, body, created_at)
         select * from unnest({}) as n where exists (select from advanced)
         on conflict (command_id) do update
         set principal = excluded.principal, path = excluded.path, edge_id = excluded.edge_id,
             plate_tag = excluded.plate_tag, status = excluded.status, body = excluded.body,
             created_at = excluded.created_at",
        p.arrays(&["bytea", "text", "text", "text", "bytea", "int4", "text", "int8"])
    )
}

pub(super) fn save_values(v: &mut Values, answers: &[Answer]) -> Result<(), StoreError> {
    let clean = |s: &String| super::text(s);
    v.add(answers.iter().map(|a| a.command.0).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| clean(&a.principal)).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| clean(&a.path)).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| a.edge_id.as_ref().map(clean)).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| a.plate_tag.map(|t| t.0)).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| i32::from(a.status)).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| a.body.clone()).collect::<Vec<_>>())?;
    v.add(answers.iter().map(|a| a.created_at).collect::<Vec<_>>())
}

/// Drops answers past their seven days, some at a time.
pub async fn purge(conn: &mut PgConnection, now: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "delete from idempotency where command_id in
           (select command_id from idempotency where created_at <= $1 order by created_at limit 1000)",
    )
    .bind(now - KEPT_MS)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
