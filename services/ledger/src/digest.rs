//! The digest of history and conflicts: SHA-256 over a digest of every day's rows. A change asks for the days it touched, not for
//! all that was ever stored.
//!
//! ```text
//! digest := SHA-256( day* )               history's days ascending, then conflicts' days
//! day    := table u8 (1 or 2) | day i64 | rows u64 | SHA-256( row hashes of the day, ascending )
//! ```
//! A row counts for the day (of 24 h since the epoch, UTC) of `sorted_at`, or of `detected_at`. Both follow from the events, so
//! the same set of events gives the same digest everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row};
use wire::hash::Hash32;

use crate::store::StoreError;

const DAY_MS: i64 = 86_400_000;
/// Everything is computed again after this long: what changed a row without the writer is seen then.
const ALL_AGAIN: Duration = Duration::from_secs(3600);

/// A table, by its number in the digest.
const HISTORY: i32 = 1;
const CONFLICTS: i32 = 2;

/// Days of which rows changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Days {
    all: bool,
    days: BTreeSet<(i32, i64)>,
}

impl Days {
    /// Every day there is.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Rows of history at these times changed, ms.
    pub fn history(&mut self, at: impl IntoIterator<Item = i64>) {
        self.days.extend(at.into_iter().map(|ms| (HISTORY, ms.div_euclid(DAY_MS))));
    }

    /// Rows of conflicts at these times changed, ms.
    pub fn conflicts(&mut self, at: impl IntoIterator<Item = i64>) {
        self.days.extend(at.into_iter().map(|ms| (CONFLICTS, ms.div_euclid(DAY_MS))));
    }

    /// True when nothing changed.
    pub fn is_empty(&self) -> bool {
        !self.all && self.days.is_empty()
    }

    fn add(&mut self, more: Self) {
        self.all |= more.all;
        self.days.extend(more.days);
    }
}

/// The digest, and what was counted on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// In hex.
    pub digest: String,
    /// Rows of history.
    pub history_rows: u64,
    /// Rows of conflicts.
    pub conflict_rows: u64,
}

/// A day's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    rows: u64,
    hash: Hash32,
}

#[derive(Debug, Default)]
struct Kept {
    days: BTreeMap<(i32, i64), Day>,
    digest: Digest,
    /// When everything was computed last.
    whole: Option<Instant>,
}

impl Kept {
    fn digest(&self) -> Digest {
        let mut bytes = Vec::with_capacity(self.days.len() * 49);
        let mut out = Digest::default();
        for ((table, day), d) in &self.days {
            bytes.push(*table as u8);
            bytes.extend_from_slice(&day.to_be_bytes());
            bytes.extend_from_slice(&d.rows.to_be_bytes());
            bytes.extend_from_slice(d.hash.as_bytes());
            *(if *table == HISTORY { &mut out.history_rows } else { &mut out.conflict_rows }) += d.rows;
        }
        out.digest = Hash32::of(&[&bytes]).to_string();
        out
    }
}

/// The days computed so far, and those to compute again. Cheap to clone: the writer notes, whoever is asked computes.
#[derive(Debug, Clone)]
pub struct Digests {
    changed: Arc<Mutex<Days>>,
    kept: Arc<tokio::sync::Mutex<Kept>>,
}

impl Default for Digests {
    fn default() -> Self {
        Self { changed: Arc::new(Mutex::new(Days::all())), kept: Arc::default() }
    }
}

impl Digests {
    /// Rows of these days changed; after the commit.
    pub fn changed(&self, days: Days) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).add(days);
    }

    /// The digest now. Computed once however many ask.
    pub async fn now(&self, conn: &mut PgConnection) -> Result<Digest, StoreError> {
        let mut kept = self.kept.lock().await;
        // Taken before the tables are read: a change in between only makes the next question compute again.
        let mut changed = std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner));
        changed.all |= kept.whole.is_none_or(|at| at.elapsed() >= ALL_AGAIN);
        if changed.is_empty() {
            return Ok(kept.digest.clone());
        }
        let read = if changed.all { every_day(conn).await } else { some_days(conn, &changed.days).await };
        let read = match read {
            Ok(read) => read,
            Err(e) => {
                self.changed(changed);
                return Err(e);
            }
        };
        if changed.all {
            kept.days.clear();
            kept.whole = Some(Instant::now());
        }
        for day in &changed.days {
            kept.days.remove(day);
        }
        kept.days.extend(read);
        kept.digest = kept.digest();
        Ok(kept.digest.clone())
    }
}

type Read = Vec<((i32, i64), Day)>;

/// Every day, in one statement and so of one moment.
async fn every_day(conn: &mut PgConnection) -> Result<Read, StoreError> {
    // Division in SQL cuts towards zero; days are counted downwards.
    let rows = sqlx::query(
        "select part, at / $1 - (at % $1 < 0)::int, sha256(string_agg(row_hash, ''::bytea order by row_hash)), count(*)
         from (select 1 as part, sorted_at as at, row_hash from history
               union all select 2, detected_at, row_hash from conflicts) r
         group by 1, 2",
    )
    .bind(DAY_MS)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// These days, in one statement. Days without rows are not in the answer.
async fn some_days(conn: &mut PgConnection, days: &BTreeSet<(i32, i64)>) -> Result<Read, StoreError> {
    let clamp = |ms: i128| ms.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let first = |day: i64| i128::from(day) * i128::from(DAY_MS);
    let rows = sqlx::query(
        "with d as (select * from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[]) as d(part, day, first, last))
         select d.part, d.day, sha256(string_agg(h.row_hash, ''::bytea order by h.row_hash)), count(*)
         from d join history h on h.sorted_at between d.first and d.last where d.part = 1 group by d.part, d.day
         union all
         select d.part, d.day, sha256(string_agg(c.row_hash, ''::bytea order by c.row_hash)), count(*)
         from d join conflicts c on c.detected_at between d.first and d.last where d.part = 2 group by d.part, d.day",
    )
    .bind(days.iter().map(|d| d.0).collect::<Vec<_>>())
    .bind(days.iter().map(|d| d.1).collect::<Vec<_>>())
    .bind(days.iter().map(|d| clamp(first(d.1))).collect::<Vec<_>>())
    .bind(days.iter().map(|d| clamp(first(d.1) + i128::from(DAY_MS) - 1)).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &sqlx::postgres::PgRow) -> Result<((i32, i64), Day), StoreError> {
    let hash = Hash32::from_slice(row.try_get(2)?).unwrap_or_default();
    let rows: i64 = row.try_get(3)?;
    Ok(((row.try_get(0)?, row.try_get(1)?), Day { rows: rows.unsigned_abs(), hash }))
}
