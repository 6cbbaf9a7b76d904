//! The drawers of `events`: one partition per month, made when it is first needed.

use std::collections::BTreeSet;

use replication::keeping::Month;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;
use super::events;

/// Months that have a drawer. Thrown away with everything else in memory after a round that did not commit.
#[derive(Debug, Clone, Default)]
pub struct Months(BTreeSet<Month>);

/// The months that have a drawer.
pub async fn load(conn: &mut PgConnection) -> Result<Months, StoreError> {
    let rows = sqlx::query(
        "select substring(c.relname from '^events_m([0-9]+)$')::int4 from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'events'::regclass",
    )
    .fetch_all(conn)
    .await?;
    let mut all = BTreeSet::new();
    for r in rows {
        all.extend(r.try_get::<Option<Month>, _>(0)?);
    }
    Ok(Months(all))
}

/// Makes the drawers these events need, inside the round's transaction. `received_at`: now, ms.
pub async fn ensure(
    conn: &mut PgConnection,
    known: &mut Months,
    new: &[events::Row<'_>],
    received_at: i64,
) -> Result<(), StoreError> {
    for month in new.iter().map(|e| e.month(received_at)) {
        if known.0.contains(&month) {
            continue;
        }
        // Made beside and then attached: that waits for no reader and lets none wait, as `partition of` would.
        sqlx::query(AssertSqlSafe(format!("create table events_m{month} (like events including all)")))
            .execute(&mut *conn)
            .await?;
        sqlx::query(AssertSqlSafe(format!(
            "alter table events attach partition events_m{month} for values in ({month})"
        )))
        .execute(&mut *conn)
        .await?;
        tracing::info!(month = replication::keeping::month_name(month), "new month");
        known.0.insert(month);
    }
    Ok(())
}
