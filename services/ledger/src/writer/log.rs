//! What a round reads, from Postgres, on the writer's own connection.

use std::collections::{BTreeSet, HashMap, HashSet};

use ::writer::{Answer, Facts, Log};
use parking::fact::Fact;
use parking::rights::Counts;
use replication::log::{Held, HeldEvent, WriterHead};
use replication::positions::Positions;
use sqlx::{PgConnection, Row};
use wire::event::{Credential, Kind};
use wire::hash::{CommandId, PlateTag};
use wire::position::Position;

use super::numbers::Numbers;
use crate::store::closure::{Asked, StreamNumbers, belonging, facts};
use crate::store::projection::Stored;
use crate::store::{StoreError, answers, events, head, projection, streams, text};

/// Plates of one step of a rebuild.
pub(crate) const TAGS: usize = 500;

/// See the module.
pub(super) struct PgLog<'a> {
    /// The writer's connection.
    pub(super) conn: &'a mut PgConnection,
    /// Numbers of streams.
    pub(super) numbers: &'a Numbers,
    /// The rows of the vehicles read so far: the commit compares with them.
    pub(super) rows: Stored,
}

impl<'a> PgLog<'a> {
    /// Nothing is read yet.
    pub(super) fn new(conn: &'a mut PgConnection, numbers: &'a Numbers) -> Self {
        Self { conn, numbers, rows: Stored::default() }
    }
}

impl Facts for PgLog<'_> {
    type Error = StoreError;

    async fn belonging(
        &mut self,
        tags: &BTreeSet<PlateTag>,
        openings: &[(Position, Option<PlateTag>)],
    ) -> Result<Vec<Fact>, StoreError> {
        let asked = Asked::of(self.numbers, tags, openings);
        // The rows stored of the vehicles come with their events: one read where a round would make two.
        let rows = sqlx::query(concat!(
            "select frame, null::text, null::bytea, null::bytea, null::bytea, null::int8 from (",
            belonging!(),
            ") facts union all select null, event_id, id, plate_tag, row_hash, at from (",
            projection::stored_rows!(),
            ") rows"
        ))
        .bind(asked.tags)
        .bind(asked.streams)
        .bind(asked.seqs)
        .bind(asked.loaded)
        .fetch_all(&mut *self.conn)
        .await?;
        self.rows.read(tags, &rows, 1)?;
        facts(&rows)
    }
}

impl Log for PgLog<'_> {
    async fn head(&mut self) -> Result<WriterHead, StoreError> {
        head::load(self.conn).await
    }

    async fn streams(&mut self) -> Result<Positions, StoreError> {
        let mut all = Positions::new();
        for (_, h) in streams::load_all(self.conn).await? {
            all.set(h);
        }
        Ok(all)
    }

    async fn policies(&mut self) -> Result<Vec<Fact>, StoreError> {
        let rows = sqlx::query(events::POLICIES).fetch_all(&mut *self.conn).await?;
        let mut facts = Vec::with_capacity(rows.len());
        for row in rows {
            facts.extend(::writer::fact(&events::frame(&row, 0)?));
        }
        Ok(facts)
    }

    async fn register(&mut self) -> Result<Vec<Fact>, StoreError> {
        events::register(self.conn).await
    }

    async fn inside(&mut self) -> Result<Counts, StoreError> {
        projection::inside(self.conn).await
    }

    async fn lane_events(&mut self, since: i64) -> Result<Vec<Fact>, StoreError> {
        events::of_lanes(self.conn, since).await
    }

    async fn lately(&mut self, arrival: i64, since: i64) -> Result<BTreeSet<PlateTag>, StoreError> {
        let rows = sqlx::query(
            "select plate_tag from history where due_at is not null
             union
             select plate_tag from events where arrival > $1 and kind in ($2, $3) and plate_tag is not null and received_at > $4",
        )
        .bind(arrival)
        .bind(i32::from(Kind::EntryPending.code()))
        .bind(i32::from(Kind::Exit.code()))
        .bind(since)
        .fetch_all(&mut *self.conn)
        .await?;
        rows.iter().map(|r| Ok(PlateTag::from_slice(r.try_get(0)?))).filter_map(Result::transpose).collect()
    }

    async fn behind(&mut self) -> Result<Option<i64>, StoreError> {
        Ok(projection::state(self.conn).await?.behind)
    }

    async fn tags_since(&mut self, arrival: i64) -> Result<BTreeSet<PlateTag>, StoreError> {
        projection::lagging(self.conn, arrival).await
    }

    async fn tags_after(&mut self, after: Option<PlateTag>) -> Result<BTreeSet<PlateTag>, StoreError> {
        next_tags(self.conn, after, TAGS).await
    }

    async fn held_at(&mut self, at: &[Position]) -> Result<Vec<(Position, HeldEvent)>, StoreError> {
        let mut look = Vec::with_capacity(at.len());
        let mut streams = HashMap::new();
        for p in at {
            if let Some(n) = self.numbers.number(&p.stream) {
                look.push((n, p.seq as i64));
                streams.insert(n, &p.stream);
            }
        }
        let rows = events::held_at(self.conn, &look).await?;
        let held = rows.into_iter().filter_map(|row| {
            let stream = (*streams.get(&row.stream)?).clone();
            let held = Held { hash: row.hash, branch: row.branch as u16, erased: row.erased };
            Some((Position { stream, seq: row.seq as u64 }, HeldEvent { held, prev_hash: row.prev_hash }))
        });
        Ok(held.collect())
    }

    async fn awaited(&mut self) -> Result<HashSet<Position>, StoreError> {
        streams::awaited(self.conn).await
    }

    async fn answered(
        &mut self,
        answers: &[CommandId],
        facts: &[CommandId],
        now: i64,
    ) -> Result<(Vec<Answer>, Vec<Fact>), StoreError> {
        answers::load(self.conn, answers, facts, now).await
    }

    async fn by_card(&mut self, cards: &[&Credential]) -> Result<Vec<Option<PlateTag>>, StoreError> {
        let names: Vec<String> = cards.iter().map(|c| projection::credential(c)).collect();
        let found = tags_of(
            self.conn,
            &names,
            "select distinct on (credential) credential, plate_tag from history
             where credential = any($1::text[]) and status in ('PENDING', 'INSIDE')
             order by credential, sorted_at desc",
        )
        .await?;
        Ok(names.iter().map(|n| found.get(n).copied()).collect())
    }

    async fn by_name(&mut self, names: &[&str]) -> Result<Vec<Option<PlateTag>>, StoreError> {
        let names: Vec<String> = names.iter().map(|n| text(n)).collect();
        let sql = "select event_id, plate_tag from history where event_id = any($1::text[])";
        let found = tags_of(self.conn, &names, sql).await?;
        Ok(names.iter().map(|n| found.get(n).copied()).collect())
    }

    async fn open_plates(&mut self) -> Result<Vec<String>, StoreError> {
        let sql =
            "select plate_key from history where status in ('PENDING', 'INSIDE') and plate_key is not null";
        Ok(sqlx::query_scalar(sql).fetch_all(&mut *self.conn).await?)
    }

    async fn due(&mut self, now: i64, limit: usize) -> Result<BTreeSet<PlateTag>, StoreError> {
        let rows = sqlx::query("select plate_tag from history where due_at <= $1 order by due_at limit $2")
            .bind(now)
            .bind(limit as i64)
            .fetch_all(&mut *self.conn)
            .await?;
        rows.iter().map(|r| Ok(PlateTag::from_slice(r.try_get(0)?))).filter_map(Result::transpose).collect()
    }
}

/// Plate tags by some name: `sql` answers (name, tag) for the names in `$1`.
async fn tags_of(
    conn: &mut PgConnection,
    names: &[String],
    sql: &'static str,
) -> Result<HashMap<String, PlateTag>, StoreError> {
    let mut out = HashMap::new();
    for row in sqlx::query(sql).bind(names).fetch_all(conn).await? {
        if let Some(tag) = PlateTag::from_slice(row.try_get(1)?) {
            out.insert(row.try_get(0)?, tag);
        }
    }
    Ok(out)
}

/// The next plates in order of tag, of events and of rows, at most so many.
pub(crate) async fn next_tags(
    conn: &mut PgConnection,
    after: Option<PlateTag>,
    limit: usize,
) -> Result<BTreeSet<PlateTag>, StoreError> {
    let rows = sqlx::query(
        "(select distinct plate_tag from events where plate_tag > $1 order by plate_tag limit $2)
         union (select distinct plate_tag from history where plate_tag > $1 order by plate_tag limit $2)
         union (select distinct plate_tag from conflicts where plate_tag > $1 order by plate_tag limit $2)
         order by plate_tag limit $2",
    )
    .bind(after.as_ref().map_or(&[][..], |t| t.as_bytes()))
    .bind(limit as i64)
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)).collect())
}
