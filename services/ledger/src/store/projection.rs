//! `history` and `conflicts`, written as a difference: rows whose hash did not change are left alone.

use std::collections::{HashMap, HashSet};

use parking::decision::{Site, timeout};
use parking::history::{ConflictRow, HistoryRow, Projection};
use sqlx::postgres::PgRow;
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

impl Stored {
    /// Nothing stored is believed: every row is written again, and rows that no event asks for go.
    pub fn distrusted(mut self) -> Self {
        self.history.values_mut().chain(self.conflicts.values_mut()).for_each(|h| *h = Hash32::default());
        self
    }
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
    let mut write: Vec<Columns> = Vec::new();
    for row in &projection.rows {
        let name = text(&row.event_id);
        let hash = row.row_hash();
        if names.insert(name.clone()) && stored.history.get(&name) != Some(&hash) {
            write.push(Columns::of(site, row, hash));
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
    write_history(conn, &write).await?;
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

/// A row of history as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    event_id: String,
    plate_tag: [u8; 16],
    source_central: String,
    edge_id: Option<String>,
    sync_status: String,
    lot_id: Option<String>,
    plate: Option<String>,
    plate_key: Option<String>,
    vehicle_class: String,
    status: String,
    entry_time: Option<i64>,
    confirmed_time: Option<i64>,
    exit_time: Option<i64>,
    exit_central: Option<String>,
    exit_edge: Option<String>,
    duration_s: Option<i64>,
    fee: Option<i64>,
    currency: String,
    rate_table: Option<String>,
    rate_table_version: Option<i64>,
    flags: Vec<String>,
    sorted_at: i64,
    due_at: Option<i64>,
    credential: Option<String>,
    row_hash: [u8; 32],
}

impl Columns {
    /// The columns of a row.
    pub fn of(site: &Site<'_>, r: &HistoryRow, hash: Hash32) -> Self {
        let opt = |s: &Option<String>| s.as_deref().map(text);
        Self {
            event_id: text(&r.event_id),
            plate_tag: r.plate_tag.0,
            source_central: r.source_central.to_string(),
            edge_id: opt(&r.edge_id),
            sync_status: sync_status(site.central, &r.source_central).to_owned(),
            lot_id: opt(&r.lot_id),
            plate: opt(&r.plate),
            plate_key: opt(&r.plate_key),
            vehicle_class: text(&r.vehicle_class),
            status: r.status.as_str().to_owned(),
            entry_time: r.entry_time,
            confirmed_time: r.confirmed_time,
            exit_time: r.exit_time,
            exit_central: r.exit_central.as_ref().map(ToString::to_string),
            exit_edge: opt(&r.exit_edge),
            duration_s: r.duration_s,
            fee: r.fee,
            currency: text(&r.currency),
            rate_table: r.rate_table.as_ref().map(|t| text(&t.id)),
            rate_table_version: r.rate_table.as_ref().map(|t| t.version),
            flags: r.flags.iter().map(|f| text(&f.replace(',', ";"))).collect(),
            sorted_at: r.entry_time.or(r.exit_time).unwrap_or(r.received_at),
            due_at: timeout::due_at(r, site),
            credential: r.credential.as_ref().map(credential),
            row_hash: hash.0,
        }
    }

    fn read(r: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            event_id: r.try_get("event_id")?,
            plate_tag: r.try_get("plate_tag")?,
            source_central: r.try_get("source_central")?,
            edge_id: r.try_get("edge_id")?,
            sync_status: r.try_get("sync_status")?,
            lot_id: r.try_get("lot_id")?,
            plate: r.try_get("plate")?,
            plate_key: r.try_get("plate_key")?,
            vehicle_class: r.try_get("vehicle_class")?,
            status: r.try_get("status")?,
            entry_time: r.try_get("entry_time")?,
            confirmed_time: r.try_get("confirmed_time")?,
            exit_time: r.try_get("exit_time")?,
            exit_central: r.try_get("exit_central")?,
            exit_edge: r.try_get("exit_edge")?,
            duration_s: r.try_get("duration_s")?,
            fee: r.try_get("fee")?,
            currency: r.try_get("currency")?,
            rate_table: r.try_get("rate_table")?,
            rate_table_version: r.try_get("rate_table_version")?,
            flags: r.try_get("flags")?,
            sorted_at: r.try_get("sorted_at")?,
            due_at: r.try_get("due_at")?,
            credential: r.try_get("credential")?,
            row_hash: r.try_get("row_hash")?,
        })
    }
}

/// A row of conflicts as its columns hold it.
#[derive(Debug, Clone)]
pub struct ConflictColumns {
    plate_tag: Vec<u8>,
    kind: String,
    detected_at: i64,
    body: Option<ConflictRow>,
    row_hash: Vec<u8>,
}

impl ConflictColumns {
    /// True when every column says what the row says.
    pub fn is(&self, c: &ConflictRow) -> bool {
        self.body.as_ref() == Some(c)
            && self.row_hash == c.row_hash().0
            && self.plate_tag == c.plate_tag.0
            && self.kind == c.kind.as_str()
            && self.detected_at == c.detected_at
    }
}

/// Stored rows in full, to compare with.
#[derive(Debug, Default)]
pub struct StoredRows {
    /// By alias; none for a row that cannot be what was written.
    pub history: HashMap<String, Option<Columns>>,
    /// By id.
    pub conflicts: HashMap<Hash32, ConflictColumns>,
}

/// Reads the rows of these tags.
pub async fn load_rows(conn: &mut PgConnection, tags: &[PlateTag]) -> Result<StoredRows, StoreError> {
    let mut out = StoredRows::default();
    let tags: Vec<[u8; 16]> = tags.iter().map(|t| t.0).collect();
    let rows = sqlx::query("select * from history where plate_tag = any($1::bytea[])").bind(&tags);
    for row in rows.fetch_all(&mut *conn).await? {
        out.history.insert(row.try_get("event_id")?, Columns::read(&row).ok());
    }
    let rows = sqlx::query(
        "select id, plate_tag, kind, detected_at, body, row_hash from conflicts where plate_tag = any($1::bytea[])",
    )
    .bind(&tags);
    for row in rows.fetch_all(conn).await? {
        let columns = ConflictColumns {
            plate_tag: row.try_get(1)?,
            kind: row.try_get(2)?,
            detected_at: row.try_get(3)?,
            body: serde_json::from_str(row.try_get(4)?).ok(),
            row_hash: row.try_get(5)?,
        };
        // An id that is none is nobody's: it counts as one row too many.
        let id: &[u8] = row.try_get(0)?;
        let id = Hash32::from_slice(id).unwrap_or_else(|| Hash32::of(&[id]));
        out.conflicts.insert(id, columns);
    }
    Ok(out)
}

async fn write_history(conn: &mut PgConnection, rows: &[Columns]) -> Result<(), StoreError> {
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
