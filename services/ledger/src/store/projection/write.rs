//! Rows written, one statement per table.

use parking::history::ConflictRow;
use sqlx::PgConnection;
use wire::hash::Hash32;

use super::Columns;
use crate::store::StoreError;

/// Deletes rows: of history by alias, of conflicts by id.
pub(super) async fn gone(
    conn: &mut PgConnection,
    history: &[&str],
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

/// Writes rows of history.
pub(super) async fn history(conn: &mut PgConnection, rows: &[Columns]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($($name:ident).+) => {
            rows.iter().map(|r| r.$($name).+.clone()).collect::<Vec<_>>()
        };
    }
    // Flags travel as one string per row: Postgres has no arrays of arrays of different lengths.
    sqlx::query(
        "insert into history (event_id, plate_tag, source_central, edge_id, sync_status, lot_id, plate, plate_key,
             vehicle_class, status, entry_time, confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency,
             rate_table, rate_table_version, flags, sorted_at, due_at, credential, row_hash)
         select event_id, plate_tag, source_central, edge_id, sync_status, lot_id, plate, plate_key,
             vehicle_class, status, entry_time, confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency,
             rate_table, rate_table_version, string_to_array(flags, ','), sorted_at, due_at, credential, row_hash
         from unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
             $9::text[], $10::text[], $11::int8[], $12::int8[], $13::int8[], $14::text[], $15::text[], $16::int8[],
             $17::int8[], $18::text[], $19::text[], $20::int8[], $21::text[], $22::int8[], $23::int8[], $24::text[],
             $25::bytea[])
           as n(event_id, plate_tag, source_central, edge_id, sync_status, lot_id, plate, plate_key,
             vehicle_class, status, entry_time, confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency,
             rate_table, rate_table_version, flags, sorted_at, due_at, credential, row_hash)
         on conflict (event_id) do update set
             plate_tag = excluded.plate_tag, source_central = excluded.source_central, edge_id = excluded.edge_id,
             sync_status = excluded.sync_status, lot_id = excluded.lot_id, plate = excluded.plate,
             plate_key = excluded.plate_key, vehicle_class = excluded.vehicle_class, status = excluded.status,
             entry_time = excluded.entry_time, confirmed_time = excluded.confirmed_time, exit_time = excluded.exit_time,
             exit_central = excluded.exit_central, exit_edge = excluded.exit_edge, duration_s = excluded.duration_s,
             fee = excluded.fee, currency = excluded.currency, rate_table = excluded.rate_table,
             rate_table_version = excluded.rate_table_version, flags = excluded.flags, sorted_at = excluded.sorted_at,
             due_at = excluded.due_at, credential = excluded.credential, row_hash = excluded.row_hash",
    )
    .bind(column!(event_id))
    .bind(column!(plate_tag))
    .bind(column!(source_central))
    .bind(column!(edge_id))
    .bind(column!(sync_status))
    .bind(column!(lot_id))
    .bind(column!(plate))
    .bind(column!(plate_key))
    .bind(column!(vehicle_class))
    .bind(column!(status))
    .bind(column!(entry_time))
    .bind(column!(confirmed_time))
    .bind(column!(exit_time))
    .bind(column!(exit_central))
    .bind(column!(exit_edge))
    .bind(column!(duration_s))
    .bind(column!(fee))
    .bind(column!(currency))
    .bind(column!(rate_table))
    .bind(column!(rate_table_version))
    .bind(rows.iter().map(|r| r.flags.join(",")).collect::<Vec<_>>())
    .bind(column!(sorted_at))
    .bind(column!(due_at))
    .bind(column!(credential))
    .bind(column!(row_hash))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes rows of conflicts.
pub(super) async fn conflicts(
    conn: &mut PgConnection,
    rows: &[(&ConflictRow, Hash32)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut bodies = Vec::with_capacity(rows.len());
    for (c, _) in rows {
        bodies.push(serde_json::to_string(c).map_err(|e| StoreError::Damaged(e.to_string()))?);
    }
    sqlx::query(
        "insert into conflicts (id, plate_tag, kind, detected_at, body, row_hash)
         select * from unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[], $5::text[], $6::bytea[])
         on conflict (id) do update set plate_tag = excluded.plate_tag, kind = excluded.kind,
             detected_at = excluded.detected_at, body = excluded.body, row_hash = excluded.row_hash",
    )
    .bind(rows.iter().map(|(c, _)| c.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(c, _)| c.plate_tag.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(c, _)| c.kind.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(c, _)| c.detected_at).collect::<Vec<_>>())
    .bind(bodies)
    .bind(rows.iter().map(|(_, h)| h.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
