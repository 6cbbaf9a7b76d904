//! `idempotency`: first answers, in the same transaction as their event.

use ::writer::Answer;
use parking::fact::Fact;
use sqlx::{PgConnection, Row};
use wire::hash::{CommandId, PlateTag};

use super::StoreError;
use super::parameters::{Places, Values, names};

/// Answers are kept this long; older ones are rebuilt from the events.
pub const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// Looks up answers and events of commands. (`+ 0` keeps the planner from going through the answers by their age: it does not know how
/// few commands are asked for.)
pub const LOAD: &str =
    "select null::bytea, command_id, principal, path, edge_id, plate_tag, status, body, created_at from idempotency
         where command_id = any($1::bytea[]) and created_at + 0 > $2
         union all
         select frame, null, null, null, null, null, null, null, null from (
             select frame from events where command_id = any($3::bytea[]) and poison is null order by occurred_at, arrival) f";

/// The answers of some commands, and the facts of some.
pub async fn load(
    conn: &mut PgConnection,
    answers: &[CommandId],
    facts: &[CommandId],
    now: i64,
) -> Result<(Vec<Answer>, Vec<Fact>), StoreError> {
    let rows = sqlx::query(LOAD)
        .bind(answers.iter().map(|c| c.0).collect::<Vec<_>>())
        .bind(now - KEPT_MS)
        .bind(facts.iter().map(|c| c.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    let mut kept = Vec::with_capacity(rows.len());
    for r in &rows {
        let Some(command) = r.try_get::<Option<&[u8]>, _>(1)?.and_then(CommandId::from_slice) else {
            continue;
        };
        kept.push(Answer {
            command,
            principal: r.try_get(2)?,
            path: r.try_get(3)?,
            edge_id: r.try_get(4)?,
            plate_tag: r.try_get::<Option<&[u8]>, _>(5)?.and_then(PlateTag::from_slice),
            status: r.try_get::<i32, _>(6)? as u16,
            body: r.try_get(7)?,
            created_at: r.try_get(8)?,
        });
    }
    Ok((kept, super::closure::facts(&rows)?))
}

/// Columns of an answer, with their types, in the order of [`save_values`].
const COLUMNS: [(&str, &str); 8] = [
    ("command_id", "bytea"),
    ("principal", "text"),
    ("path", "text"),
    ("edge_id", "text"),
    ("plate_tag", "bytea"),
    ("status", "int4"),
    ("body", "text"),
    ("created_at", "int8"),
];

/// Keeps answers. An older one of the same command (past its seven days) gives way.
pub(super) fn save_sql(p: &mut Places) -> String {
    format!(
        "insert into idempotency ({names}) select {names} from {rows} where exists (select from advanced)
         on conflict (command_id) do update
         set principal = excluded.principal, path = excluded.path, edge_id = excluded.edge_id,
             plate_tag = excluded.plate_tag, status = excluded.status, body = excluded.body,
             created_at = excluded.created_at",
        names = names(&COLUMNS),
        rows = p.rows(&COLUMNS)
    )
}

pub(super) fn save_values(v: &mut Values, answers: &[Answer]) -> Result<(), StoreError> {
    let clean = |s: &String| super::text(s);
    v.column(answers.iter().map(|a| a.command.0))?;
    v.column(answers.iter().map(|a| clean(&a.principal)))?;
    v.column(answers.iter().map(|a| clean(&a.path)))?;
    v.column(answers.iter().map(|a| a.edge_id.as_ref().map(clean)))?;
    v.column(answers.iter().map(|a| a.plate_tag.map(|t| t.0)))?;
    v.column(answers.iter().map(|a| i32::from(a.status)))?;
    v.column(answers.iter().map(|a| a.body.as_str()))?;
    v.column(answers.iter().map(|a| a.created_at))
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
