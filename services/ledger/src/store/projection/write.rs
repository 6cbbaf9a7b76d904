//! Rows written: of history as part of the round's statement, the rarer ones by their own.

use parking::history::ConflictRow;
use sqlx::PgConnection;
use wire::hash::Hash32;

use super::Columns;
use crate::store::StoreError;
use crate::store::parameters::{Places, Values, names};

/// Deletes rows: of history by alias, of conflicts by id.
pub(super) async fn gone(
    conn: &mut PgConnection,
    history: &[String],
    conflicts: &[[u8; 32]],
) -> Result<(), StoreError> {
    if !history.is_empty() {
        sqlx::query("delete from history where event_id = any($1::text[])")
            .bind(history)
            .execute(&mut *conn)
            .await?;
    }
    if !conflicts.is_empty() {
        sqlx::query("delete from conflicts where id = any($1::bytea[])")
            .bind(conflicts)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Columns of history but for `flags`, with their types, in the order of [`save_values`].
const COLUMNS: [(&str, &str); 25] = [
    ("event_id", "text"),
    ("plate_tag", "bytea"),
    ("source_central", "text"),
    ("edge_id", "text"),
    ("sync_status", "text"),
    ("lot_id", "text"),
    ("plate", "text"),
    ("plate_key", "text"),
    ("vehicle_class", "text"),
    ("status", "text"),
    ("entry_time", "int8"),
    ("confirmed_time", "int8"),
    ("exit_time", "int8"),
    ("exit_central", "text"),
    ("exit_edge", "text"),
    ("duration_s", "int8"),
    ("fee", "int8"),
    ("currency", "text"),
    ("rate_table", "text"),
    ("rate_table_version", "int8"),
    ("flags", "text"),
    ("sorted_at", "int8"),
    ("due_at", "int8"),
    ("credential", "text"),
    ("row_hash", "bytea"),
];

/// Writes rows of history.
pub(in crate::store) fn save_sql(p: &mut Places) -> String {
    let names = names(&COLUMNS);
    // Flags travel as one string per row: Postgres has no arrays of arrays of different lengths.
    let read = COLUMNS
        .map(|(name, _)| if name == "flags" { "string_to_array(flags, ',')" } else { name })
        .join(", ");
    let updates: Vec<String> =
        COLUMNS[1..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    format!(
        "insert into history ({names}) select {read} from {} where exists (select from advanced)
         on conflict (event_id) do update set {}",
        p.rows(&COLUMNS),
        updates.join(", ")
    )
}

pub(in crate::store) fn save_values(v: &mut Values, rows: &[Columns]) -> Result<(), StoreError> {
    macro_rules! columns {
        ($($name:ident $(.$borrowed:ident)?),*) => {
            $(v.column(rows.iter().map(|r| r.$name$(.$borrowed())?))?;)*
        };
    }
    columns!(
        event_id.as_str,
        plate_tag,
        source_central.as_str,
        edge_id.as_deref,
        sync_status.as_str,
        lot_id.as_deref
    );
    columns!(
        plate.as_deref,
        plate_key.as_deref,
        vehicle_class.as_str,
        status.as_str,
        entry_time,
        confirmed_time
    );
    columns!(exit_time, exit_central.as_deref, exit_edge.as_deref, duration_s, fee, currency.as_str);
    columns!(rate_table.as_deref, rate_table_version);
    v.column(rows.iter().map(|r| r.flags.join(",")))?;
    columns!(sorted_at, due_at, credential.as_deref, row_hash);
    Ok(())
}

/// Writes rows of conflicts.
pub(super) async fn conflicts(
    conn: &mut PgConnection,
    rows: &[(Hash32, ConflictRow)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut bodies = Vec::with_capacity(rows.len());
    for (_, c) in rows {
        bodies.push(serde_json::to_string(c).map_err(|e| StoreError::Damaged(e.to_string()))?);
    }
    sqlx::query(
        "insert into conflicts (id, plate_tag, kind, detected_at, body, row_hash)
         select * from unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[], $5::text[], $6::bytea[])
         on conflict (id) do update set plate_tag = excluded.plate_tag, kind = excluded.kind,
             detected_at = excluded.detected_at, body = excluded.body, row_hash = excluded.row_hash",
    )
    .bind(rows.iter().map(|(_, c)| c.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, c)| c.plate_tag.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, c)| c.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, c)| c.detected_at).collect::<Vec<_>>())
    .bind(bodies)
    .bind(rows.iter().map(|(h, _)| h.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
