//! Loads the events that belong together: those that share a plate tag, and those that name one another.

use std::collections::{BTreeSet, HashMap};

use ::writer::Facts;
use parking::fact::Fact;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _, ValueRef as _};
use wire::event::Frame;
use wire::hash::PlateTag;
use wire::position::{Position, StreamId};

use super::{StoreError, events};

/// Numbers of streams: from the writer's memory, or looked up.
pub trait StreamNumbers {
    /// The number of a stream here; none when no event names it.
    fn number(&self, stream: &StreamId) -> Option<i32>;
}

impl StreamNumbers for HashMap<StreamId, i32> {
    fn number(&self, stream: &StreamId) -> Option<i32> {
        self.get(stream).copied()
    }
}

/// Reads the facts of column 0; rows without a frame are skipped.
pub(crate) fn facts(rows: &[PgRow]) -> Result<Vec<Fact>, StoreError> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get_raw(0)?.is_null() {
            continue;
        }
        match events::frame(row, 0) {
            // Poison is left out of every projection. It is decided anew by this release: it may know more kinds than the one
            // that stored the event.
            Ok(frame) => all.extend(::writer::fact(&frame)),
            // One damaged row must not stop the log; `ledger verify` names it.
            Err(StoreError::Damaged(e)) => tracing::error!(error = %e, "damaged event left out"),
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// Frames of the events with one of the tags `$1`, at one of the openings `$2`, `$3`, or naming one; of the latter two those with the
/// tag `$4` beside the opening are left out.
macro_rules! belonging {
    () => {
        concat!(
            "select frame from events where plate_tag = any($1::bytea[])
             union all
             select e.frame from unnest($2::int4[], $3::int8[], $4::bytea[]) as o(stream, seq, tag) ",
            $crate::store::events::events_at!("o"),
            "where e.plate_tag is distinct from o.tag
             union all
             select e.frame from unnest($2::int4[], $3::int8[], $4::bytea[]) as o(stream, seq, tag)
             join events e on e.opening_stream = o.stream and e.opening_seq = o.seq
             where e.plate_tag is distinct from o.tag"
        )
    };
}
pub(crate) use belonging;

/// What [`belonging`] is asked with.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) tags: Vec<[u8; 16]>,
    pub(crate) streams: Vec<i32>,
    pub(crate) seqs: Vec<i64>,
    pub(crate) loaded: Vec<Option<[u8; 16]>>,
}

impl Asked {
    /// Openings of streams without a number are nowhere.
    pub(crate) fn of(
        numbers: &impl StreamNumbers,
        tags: &BTreeSet<PlateTag>,
        openings: &[(Position, Option<PlateTag>)],
    ) -> Self {
        let mut asked = Self {
            tags: tags.iter().map(|t| t.0).collect(),
            streams: Vec::with_capacity(openings.len()),
            seqs: Vec::with_capacity(openings.len()),
            loaded: Vec::with_capacity(openings.len()),
        };
        for (p, tag) in openings {
            if let Some(n) = numbers.number(&p.stream) {
                asked.streams.push(n);
                asked.seqs.push(p.seq as i64);
                asked.loaded.push(tag.map(|t| t.0));
            }
        }
        asked
    }
}

/// Facts, from Postgres.
pub struct PgFacts<'a, N> {
    /// Where to read.
    pub conn: &'a mut PgConnection,
    /// Numbers of streams.
    pub numbers: &'a N,
}

impl<N: StreamNumbers + Sync> Facts for PgFacts<'_, N> {
    type Error = StoreError;

    async fn belonging(
        &mut self,
        tags: &BTreeSet<PlateTag>,
        openings: &[(Position, Option<PlateTag>)],
    ) -> Result<Vec<Fact>, StoreError> {
        let asked = Asked::of(self.numbers, tags, openings);
        let rows = sqlx::query(belonging!())
            .bind(asked.tags)
            .bind(asked.streams)
            .bind(asked.seqs)
            .bind(asked.loaded)
            .fetch_all(&mut *self.conn)
            .await?;
        facts(&rows)
    }
}

/// Every stored event that belongs with a tag, as frames; every branch.
pub async fn frames(conn: &mut PgConnection, tag: PlateTag) -> Result<Vec<Frame>, StoreError> {
    let numbers = super::streams::numbers(conn).await?;
    let facts = load(conn, &numbers, &BTreeSet::from([tag])).await?;
    let mut at: Vec<(i32, i64)> = facts
        .iter()
        .filter_map(|f| Some((numbers.number(&f.header.position.stream)?, f.header.position.seq as i64)))
        .collect();
    at.sort_unstable();
    at.dedup();
    let rows = sqlx::query(concat!(
        "select e.frame from unnest($1::int4[], $2::int8[]) as w(stream, seq) ",
        events::events_at!("w")
    ))
    .bind(at.iter().map(|p| p.0).collect::<Vec<_>>())
    .bind(at.iter().map(|p| p.1).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| events::frame(r, 0)).collect()
}

/// Every stored fact that belongs with these tags.
pub async fn load(
    conn: &mut PgConnection,
    numbers: &(impl StreamNumbers + Sync),
    tags: &BTreeSet<PlateTag>,
) -> Result<Vec<Fact>, StoreError> {
    ::writer::closure::load(&mut PgFacts { conn, numbers }, tags, Vec::new()).await
}
