//! `history` and `conflicts`, written as a difference: rows whose hash did not change are left alone.

mod columns;
mod inside;
mod rows;
mod state;
mod write;

use std::collections::{HashMap, HashSet};

use parking::decision::Site;
use parking::history::{ConflictRow, Projection};
use sqlx::{PgConnection, Row};
use wire::hash::{Hash32, PlateTag};

pub use self::columns::{Columns, credential, sync_status};
pub use self::inside::inside;
pub use self::rows::{ConflictColumns, StoredRows, load_rows};
pub use self::state::{Kept, lagging, set_behind, set_version, state};
use super::{StoreError, text};
use crate::digest::Days;

/// What is stored of some vehicles, to compare with.
#[derive(Debug, Default)]
pub struct Stored {
    history: HashMap<String, Was>,
    conflicts: HashMap<Hash32, Was>,
}

/// A stored row in short.
#[derive(Debug, Clone, Copy)]
struct Was {
    hash: Hash32,
    /// Its time, ms: the day of the digest it counts for.
    at: i64,
}

/// Reads what is stored of these tags.
pub async fn load(conn: &mut PgConnection, tags: &[PlateTag]) -> Result<Stored, StoreError> {
    let mut out = Stored::default();
    let rows = sqlx::query(
        "select event_id, null::bytea, row_hash, sorted_at from history where plate_tag = any($1::bytea[])
         union all select null, id, row_hash, detected_at from conflicts where plate_tag = any($1::bytea[])",
    )
    .bind(tags.iter().map(|t| t.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let hash = Hash32::from_slice(row.try_get(2)?).unwrap_or_default();
        let was = Was { hash, at: row.try_get(3)? };
        match row.try_get(0)? {
            Some(event_id) => out.history.insert(event_id, was),
            None => out.conflicts.insert(Hash32::from_slice(row.try_get(1)?).unwrap_or_default(), was),
        };
    }
    Ok(out)
}

impl Stored {
    /// Nothing stored is believed: every row is written again, and rows that no event asks for go.
    pub fn distrusted(mut self) -> Self {
        self.history.values_mut().chain(self.conflicts.values_mut()).for_each(|w| w.hash = Hash32::default());
        self
    }
}

/// Makes the tables hold exactly the projection's rows for its tags. Answers the days of which rows changed.
pub async fn save(
    conn: &mut PgConnection,
    site: &Site<'_>,
    stored: &Stored,
    projection: &Projection,
) -> Result<Days, StoreError> {
    let mut days = Days::default();
    // An alias belongs to one row. Two vehicles can only share one when an origin wrote a tag that is not its plate's;
    // the first then stands, so that no event can stop the log.
    let mut names: HashSet<String> = HashSet::with_capacity(projection.rows.len());
    let mut write: Vec<Columns> = Vec::new();
    for row in &projection.rows {
        let name = text(&row.event_id);
        let hash = row.row_hash();
        let was = stored.history.get(&name);
        if names.insert(name) && was.is_none_or(|w| w.hash != hash) {
            let columns = Columns::of(site, row, hash);
            days.history(was.map(|w| w.at).into_iter().chain([columns.sorted_at]));
            write.push(columns);
        }
    }
    let gone = stored.history.iter().filter(|(id, _)| !names.contains(*id));
    let gone: Vec<&str> = gone.inspect(|(_, w)| days.history([w.at])).map(|(id, _)| id.as_str()).collect();
    let ids: HashSet<Hash32> = projection.conflicts.iter().map(|c| c.id).collect();
    let gone_conflicts = stored.conflicts.iter().filter(|(id, _)| !ids.contains(id));
    let gone_conflicts: Vec<[u8; 32]> =
        gone_conflicts.inspect(|(_, w)| days.conflicts([w.at])).map(|(id, _)| id.0).collect();
    write::gone(conn, &gone, &gone_conflicts).await?;
    write::history(conn, &write).await?;
    let mut written: HashSet<Hash32> = HashSet::new();
    let mut conflicts: Vec<(&ConflictRow, Hash32)> = Vec::new();
    for c in &projection.conflicts {
        let (was, hash) = (stored.conflicts.get(&c.id), c.row_hash());
        if was.is_none_or(|w| w.hash != hash) && written.insert(c.id) {
            days.conflicts(was.map(|w| w.at).into_iter().chain([c.detected_at]));
            conflicts.push((c, hash));
        }
    }
    write::conflicts(conn, &conflicts).await?;
    Ok(days)
}
