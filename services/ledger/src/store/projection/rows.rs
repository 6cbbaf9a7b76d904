//! Stored rows in full, to compare with.

use std::collections::HashMap;

use parking::history::ConflictRow;
use sqlx::{PgConnection, Row};
use wire::hash::{Hash32, PlateTag};

use super::Columns;
use crate::store::StoreError;

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
