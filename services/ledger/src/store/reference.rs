//! `reference_documents`.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use wire::bus::reference::HeldHere;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::reference::{DocumentId, DocumentKind, Held, parts_of};

use super::StoreError;

/// A document, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is, and where it comes from.
    pub here: HeldHere,
    /// Canonical JSON, packed.
    pub body: Vec<u8>,
    /// How many items it has.
    pub items: u32,
    /// The peer it came from; none where it came from the external API.
    pub came_from: Option<CentralId>,
    /// When it was stored here, ms since the epoch.
    pub stored_at: i64,
}

const COLUMNS: &str = "kind, version, hash, etag, fetched_at, fetched_by, octet_length(body)";

fn here(r: &PgRow) -> Result<HeldHere, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("reference_documents.{what}"));
    let kind: DocumentKind = r.try_get::<&str, _>(0)?.parse().map_err(|_| damaged("kind"))?;
    let hash = Hash32::from_slice(r.try_get(2)?).ok_or_else(|| damaged("hash"))?;
    let id = DocumentId { kind, version: r.try_get(1)?, hash };
    let bytes: i32 = r.try_get(6)?;
    let fetched_by = CentralId::new(r.try_get::<&str, _>(5)?).map_err(|_| damaged("fetched_by"))?;
    let held = Held {
        id,
        parts: parts_of(usize::try_from(bytes).unwrap_or_default()),
        fetched_at: r.try_get(4)?,
        fetched_by,
    };
    Ok(HeldHere { held, etag: r.try_get(3)? })
}

/// What is held, newest version of each kind first.
pub async fn held(conn: &mut PgConnection) -> Result<Vec<HeldHere>, StoreError> {
    let query = format!("select {COLUMNS} from reference_documents order by kind, version desc");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(conn).await?;
    rows.iter().map(here).collect()
}

fn document(r: &PgRow) -> Result<Document, StoreError> {
    Ok(Document {
        here: here(r)?,
        body: r.try_get(7)?,
        items: u32::try_from(r.try_get::<i32, _>(8)?).unwrap_or_default(),
        came_from: r.try_get::<Option<&str>, _>(9)?.and_then(|c| CentralId::new(c).ok()),
        stored_at: r.try_get(10)?,
    })
}

/// The documents of a kind, newest first.
pub async fn of_kind(conn: &mut PgConnection, kind: DocumentKind) -> Result<Vec<Document>, StoreError> {
    let query = format!(
        "select {COLUMNS}, body, items, came_from, stored_at from reference_documents where kind = $1 order by version desc"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(kind.as_str()).fetch_all(conn).await?;
    rows.iter().map(document).collect()
}

/// The packed bytes of a document.
pub async fn body(conn: &mut PgConnection, id: &DocumentId) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(sqlx::query_scalar(
        "select body from reference_documents where kind = $1 and version = $2 and hash = $3",
    )
    .bind(id.kind.as_str())
    .bind(id.version)
    .bind(id.hash.0)
    .fetch_optional(conn)
    .await?)
}

/// Stores a document. Of two of the same version the one with the higher hash stays, at every central; versions beyond those kept
/// go. False where it was not better than what is there.
pub async fn store(conn: &mut PgConnection, d: &Document) -> Result<bool, StoreError> {
    let held = &d.here.held;
    let done = sqlx::query(
        "insert into reference_documents
             (kind, version, hash, body, items, etag, fetched_at, fetched_by, came_from, stored_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (kind, version) do update set
             hash = excluded.hash, body = excluded.body, items = excluded.items, etag = excluded.etag,
             fetched_at = excluded.fetched_at, fetched_by = excluded.fetched_by, came_from = excluded.came_from,
             stored_at = excluded.stored_at
         where excluded.hash > reference_documents.hash",
    )
    .bind(held.id.kind.as_str())
    .bind(held.id.version)
    .bind(held.id.hash.0)
    .bind(&d.body)
    .bind(i32::try_from(d.items).unwrap_or(i32::MAX))
    .bind(d.here.etag.as_deref())
    .bind(held.fetched_at)
    .bind(held.fetched_by.as_str())
    .bind(d.came_from.as_ref().map(CentralId::as_str))
    .bind(d.stored_at)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "delete from reference_documents where kind = $1 and version <
             (select min(version) from (select version from reference_documents where kind = $1
                                        order by version desc limit $2) kept)",
    )
    .bind(held.id.kind.as_str())
    .bind(i64::try_from(held.id.kind.kept()).unwrap_or(i64::MAX))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The newest document of a kind, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// What it is.
    pub here: HeldHere,
    /// The peer it came from.
    pub came_from: Option<String>,
}

/// The newest document of a kind.
pub async fn newest(conn: &mut PgConnection, kind: DocumentKind) -> Result<Option<Newest>, StoreError> {
    let query = format!(
        "select {COLUMNS}, came_from from reference_documents where kind = $1 order by version desc limit 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(kind.as_str()).fetch_optional(conn).await?;
    row.map(|r| Ok(Newest { here: here(&r)?, came_from: r.try_get(7)? })).transpose()
}

/// The newest document of each kind there is one of.
pub async fn newest_ids(conn: &mut PgConnection) -> Result<Vec<DocumentId>, StoreError> {
    let mut ids: Vec<DocumentId> = held(conn).await?.into_iter().map(|h| h.held.id).collect();
    ids.dedup_by_key(|id| id.kind);
    Ok(ids)
}
