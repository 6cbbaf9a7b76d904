//! `history` and `conflicts`, written as a difference: rows whose hash did not change are left alone.

use std::collections::{HashMap, HashSet};

use parking::decision::{Site, timeout};
use parking::history::{ConflictRow, HistoryRow, Projection};
use sqlx::{PgConnection, Row};
use wire::event::Credential;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;

use super::{StoreError, text};

/// What a round changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Rows of history written.
    pub history: usize,
    /// Rows of conflicts written.
    pub conflicts: usize,
    /// Rows deleted.
    pub deleted: usize,
}

/// Hashes of the stored rows of some plates, to compare with.
#[derive(Debug, Default)]
pub struct Stored {
    history: HashMap<String, Hash32>,
    conflicts: HashMap<Hash32, Hash32>,
}

/// Reads the hashes of the rows of these tags.
pub async fn load(conn: &mut PgConnection, tags: &[PlateTag]) -> Result<Stored, StoreError> {
    let mut out = Stored::default();
    let tags: Vec<[u8; 16]> = tags.iter().map(|t| t.0).collect();
    for row in sqlx::query("select event_id, row_hash from history where plate_tag = any($1::bytea[])")
        .bind(&tags)
        .fetch_all(&mut *conn)
        .await?
    {
        out.history.insert(row.try_get(0)?, Hash32::from_slice(row.try_get(1)?).unwrap_or_default());
    }
    for row in sqlx::query("select id, row_hash from conflicts where plate_tag = any($1::bytea[])")
        .bind(&tags)
        .fetch_all(conn)
        .await?
    {
        let id = Hash32::from_slice(row.try_get(0)?).unwrap_or_default();
        out.conflicts.insert(id, Hash32::from_slice(row.try_get(1)?).unwrap_or_default());
    }
    Ok(out)
}

/// Makes the tables hold exactly the projection's rows for its tags.
pub async fn save(
    conn: &mut PgConnection,
    site: &Site<'_>,
    stored: &Stored,
    projection: &Projection,
) -> Result<Changed, StoreError> {
    // An alias belongs to one row. Two vehicles can only share one when an origin wrote a tag that is not its plate's;
    // the first then stands, so that no event can stop the log.
    let mut names: HashSet<String> = HashSet::with_capacity(projection.rows.len());
    let mut write: Vec<(String, Hash32, &HistoryRow)> = Vec::new();
    for row in &projection.rows {
        let name = text(&row.event_id);
        let hash = row.row_hash();
        if names.insert(name.clone()) && stored.history.get(&name) != Some(&hash) {
            write.push((name, hash, row));
        }
    }
    let gone: Vec<&str> =
        stored.history.keys().filter(|id| !names.contains(*id)).map(String::as_str).collect();
    let ids: HashSet<Hash32> = projection.conflicts.iter().map(|c| c.id).collect();
    let gone_conflicts: Vec<[u8; 32]> =
        stored.conflicts.keys().filter(|id| !ids.contains(id)).map(|id| id.0).collect();
    if !gone.is_empty() {
        sqlx::query("delete from history where event_id = any($1::text[])")
            .bind(&gone)
            .execute(&mut *conn)
            .await?;
    }
    if !gone_conflicts.is_empty() {
        sqlx::query("delete from conflicts where id = any($1::bytea[])")
            .bind(&gone_conflicts)
            .execute(&mut *conn)
            .await?;
    }
    write_history(conn, site, &write).await?;
    let mut written: HashSet<Hash32> = HashSet::new();
    let conflicts: Vec<(&ConflictRow, Hash32)> = projection
        .conflicts
        .iter()
        .map(|c| (c, c.row_hash()))
        .filter(|(c, h)| stored.conflicts.get(&c.id) != Some(h) && written.insert(c.id))
        .collect();
    write_conflicts(conn, &conflicts).await?;
    Ok(Changed {
        history: write.len(),
        conflicts: conflicts.len(),
        deleted: gone.len() + gone_conflicts.len(),
    })
}

async fn write_history(
    conn: &mut PgConnection,
    site: &Site<'_>,
    rows: &[(String, Hash32, &HistoryRow)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($f:expr) => {{
            let f: fn(&HistoryRow) -> _ = $f;
            rows.iter().map(|(_, _, r)| f(r)).collect::<Vec<_>>()
        }};
    }
    fn opt(s: Option<&String>) -> Option<String> {
        s.map(|s| text(s))
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
             $17::int8[], $18::text[], $19::text[], $20::int8[], $21::text[], $22::int8[], $23::int8[], $24::text[], $25::bytea[])
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
    .bind(rows.iter().map(|(id, _, _)| id.as_str()).collect::<Vec<_>>())
    .bind(column!(|r| r.plate_tag.0))
    .bind(rows.iter().map(|(_, _, r)| r.source_central.as_str()).collect::<Vec<_>>())
    .bind(column!(|r| opt(r.edge_id.as_ref())))
    .bind(rows.iter().map(|(_, _, r)| sync_status(site.central, &r.source_central)).collect::<Vec<_>>())
    .bind(column!(|r| opt(r.lot_id.as_ref())))
    .bind(column!(|r| opt(r.plate.as_ref())))
    .bind(column!(|r| opt(r.plate_key.as_ref())))
    .bind(column!(|r| text(&r.vehicle_class)))
    .bind(column!(|r| r.status.as_str()))
    .bind(column!(|r| r.entry_time))
    .bind(column!(|r| r.confirmed_time))
    .bind(column!(|r| r.exit_time))
    .bind(rows.iter().map(|(_, _, r)| r.exit_central.as_ref().map(CentralId::as_str)).collect::<Vec<_>>())
    .bind(column!(|r| opt(r.exit_edge.as_ref())))
    .bind(column!(|r| r.duration_s))
    .bind(column!(|r| r.fee))
    .bind(column!(|r| text(&r.currency)))
    .bind(column!(|r| opt(r.rate_table.as_ref().map(|t| &t.id))))
    .bind(column!(|r| r.rate_table.as_ref().map(|t| t.version)))
    .bind(column!(|r| text(&r.flags.join(","))))
    .bind(column!(|r| r.entry_time.or(r.exit_time).unwrap_or(r.received_at)))
    .bind(rows.iter().map(|(_, _, r)| timeout::due_at(r, site)).collect::<Vec<_>>())
    .bind(column!(|r| r.credential.as_ref().map(credential)))
    .bind(rows.iter().map(|(_, h, _)| h.0).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// A card, QR code, e-tag or pass as the column holds it.
pub fn credential(c: &Credential) -> String {
    text(&format!("{}:{}", c.kind, c.id))
}

/// `LOCAL` when this central is the origin.
pub fn sync_status(this: &CentralId, source: &CentralId) -> &'static str {
    if this == source { "LOCAL" } else { "SYNCED" }
}

async fn write_conflicts(conn: &mut PgConnection, rows: &[(&ConflictRow, Hash32)]) -> Result<(), StoreError> {
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

/// The version the tables were made by, and whether a rebuild was asked for.
pub async fn version(conn: &mut PgConnection) -> Result<(u32, bool), StoreError> {
    let row = sqlx::query("select version, stale from projection_state").fetch_one(conn).await?;
    Ok((row.try_get::<i32, _>(0)? as u32, row.try_get(1)?))
}

/// Notes that the tables are of this version and complete, or that they must be rebuilt.
pub async fn set_version(conn: &mut PgConnection, version: u32, stale: bool) -> Result<(), StoreError> {
    sqlx::query("update projection_state set version = $1, stale = $2")
        .bind(version as i32)
        .bind(stale)
        .execute(conn)
        .await?;
    Ok(())
}
