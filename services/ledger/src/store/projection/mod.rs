//! `history` and `conflicts`, kept by difference: rows whose hash did not change are left alone.

mod columns;
mod inside;
mod recent;
mod rows;
mod state;
pub(super) mod write;

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::decision::Site;
use parking::history::{ConflictKind, ConflictRow, Projection};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use wire::hash::{Hash32, PlateTag};

pub use self::columns::{Columns, credential, sync_status};
pub use self::inside::inside;
pub use self::recent::Recent;
pub use self::rows::{ConflictColumns, StoredRows, load_rows};
pub use self::state::{Kept, lagging, set_behind, set_version, state};
use super::{StoreError, text};
use crate::digest::Days;

/// What is stored of some vehicles, to compare with.
#[derive(Debug, Default)]
pub struct Stored {
    tags: HashSet<PlateTag>,
    history: HashMap<String, Was>,
    conflicts: HashMap<Hash32, Was>,
}

/// A stored row in short.
#[derive(Debug, Clone, Copy)]
struct Was {
    tag: PlateTag,
    hash: Hash32,
    /// Its time, ms: the day of the digest it counts for.
    at: i64,
}

/// The rows of the tags `$1` in short, as [`Stored::read`] takes them.
macro_rules! stored_rows {
    () => {
        "select event_id, null::bytea as id, plate_tag, row_hash, sorted_at as at from history where plate_tag = any($1::bytea[])
         union all select null, id, plate_tag, row_hash, detected_at from conflicts where plate_tag = any($1::bytea[])"
    };
}
pub(crate) use stored_rows;

/// Reads what is stored of these tags.
pub async fn load(conn: &mut PgConnection, tags: &BTreeSet<PlateTag>) -> Result<Stored, StoreError> {
    let mut out = Stored::default();
    out.complete(conn, tags).await?;
    Ok(out)
}

impl Stored {
    /// Takes in the rows of some tags; their columns begin at `i`. Rows of others stand there as nulls.
    pub(crate) fn read(
        &mut self,
        tags: &BTreeSet<PlateTag>,
        rows: &[PgRow],
        i: usize,
    ) -> Result<(), StoreError> {
        self.tags.extend(tags);
        for row in rows {
            let Some(tag) = row.try_get::<Option<&[u8]>, _>(i + 2)?.and_then(PlateTag::from_slice) else {
                continue;
            };
            let hash = Hash32::from_slice(row.try_get(i + 3)?).unwrap_or_default();
            let was = Was { tag, hash, at: row.try_get(i + 4)? };
            match row.try_get(i)? {
                Some(event_id) => self.history.insert(event_id, was),
                None => {
                    self.conflicts.insert(Hash32::from_slice(row.try_get(i + 1)?).unwrap_or_default(), was)
                }
            };
        }
        Ok(())
    }

    /// Reads those of these tags that are not here yet.
    pub async fn complete(
        &mut self,
        conn: &mut PgConnection,
        tags: &BTreeSet<PlateTag>,
    ) -> Result<(), StoreError> {
        let missing: BTreeSet<PlateTag> = tags.iter().filter(|t| !self.tags.contains(t)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query(stored_rows!())
            .bind(missing.iter().map(|t| t.0).collect::<Vec<_>>())
            .fetch_all(conn)
            .await?;
        self.read(&missing, &rows, 0)
    }

    /// Nothing stored is believed: every row is written again, and rows that no event asks for go.
    pub fn distrusted(mut self) -> Self {
        self.history.values_mut().chain(self.conflicts.values_mut()).for_each(|w| w.hash = Hash32::default());
        self
    }
}

/// What makes the tables hold exactly the projection's rows for its tags.
#[derive(Debug, Default)]
pub struct Changes {
    /// Rows of history to write: the round's own statement takes them ([`crate::store::round`]).
    pub history: Vec<Columns>,
    gone: Vec<String>,
    gone_conflicts: Vec<[u8; 32]>,
    conflicts: Vec<(Hash32, ConflictRow)>,
    /// The kinds of conflicts that were not there before.
    pub new_conflicts: Vec<ConflictKind>,
    /// The days of which rows change.
    pub days: Days,
    /// All rows of the projection's tags as they are then.
    after: HashMap<PlateTag, recent::Rows>,
}

impl Changes {
    /// Compares. `stored` holds at least the rows of the projection's tags; those of other vehicles are left alone.
    pub fn between(site: &Site<'_>, stored: &Stored, projection: &Projection) -> Self {
        let none = |tag: &PlateTag| (*tag, recent::Rows::default());
        let mut out = Self { after: projection.tags.iter().map(none).collect(), ..Self::default() };
        // An alias belongs to one row. Two vehicles can only share one when an origin wrote a tag that is not its plate's;
        // the first then stands, so that no event can stop the log.
        let mut names: HashSet<String> = HashSet::with_capacity(projection.rows.len());
        for row in &projection.rows {
            let name = text(&row.event_id);
            let hash = row.row_hash();
            let was = stored.history.get(&name);
            if !names.insert(name.clone()) {
                continue;
            }
            let mut at = was.map_or(0, |w| w.at);
            if was.is_none_or(|w| w.hash != hash) {
                let columns = Columns::of(site, row, hash);
                at = columns.sorted_at;
                out.days.history(was.map(|w| w.at).into_iter().chain([at]));
                out.history.push(columns);
            }
            if let Some(after) = out.after.get_mut(&row.plate_tag) {
                after.history.push((name, Was { tag: row.plate_tag, hash, at }));
            }
        }
        for (id, was) in &stored.history {
            if projection.tags.contains(&was.tag) && !names.contains(id) {
                out.days.history([was.at]);
                out.gone.push(id.clone());
            }
        }
        let mut ids: HashSet<Hash32> = HashSet::with_capacity(projection.conflicts.len());
        for c in &projection.conflicts {
            let (was, hash) = (stored.conflicts.get(&c.id), c.row_hash());
            if !ids.insert(c.id) {
                continue;
            }
            if let Some(after) = out.after.get_mut(&c.plate_tag) {
                after.conflicts.push((c.id, Was { tag: c.plate_tag, hash, at: c.detected_at }));
            }
            if was.is_none_or(|w| w.hash != hash) {
                out.days.conflicts(was.map(|w| w.at).into_iter().chain([c.detected_at]));
                out.new_conflicts.extend(was.is_none().then_some(c.kind));
                out.conflicts.push((hash, c.clone()));
            }
        }
        for (id, was) in &stored.conflicts {
            if projection.tags.contains(&was.tag) && !ids.contains(id) {
                out.days.conflicts([was.at]);
                out.gone_conflicts.push(id.0);
            }
        }
        out
    }

    /// True when more than [`Self::history`] is to be written.
    pub fn has_rare(&self) -> bool {
        !(self.gone.is_empty() && self.gone_conflicts.is_empty() && self.conflicts.is_empty())
    }

    /// They were committed at `now`, ms.
    pub fn committed(&mut self, recent: &mut Recent, now: i64) {
        recent.committed(std::mem::take(&mut self.after), now);
    }

    /// Writes all but [`Self::history`].
    pub async fn save_rare(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        write::gone(conn, &self.gone, &self.gone_conflicts).await?;
        write::conflicts(conn, &self.conflicts).await
    }
}
