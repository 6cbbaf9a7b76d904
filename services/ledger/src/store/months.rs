//! The drawers of `events`: one partition per month, made when it is first needed, and `stream_months`, which says where to look.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use replication::keeping::{Month, NO_MONTH};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::StoreError;

/// Months that have a drawer. Thrown away with everything else in memory after a round that did not commit.
#[derive(Debug, Clone, Default)]
pub struct Months(BTreeSet<Month>);

/// What is filed of a stream under one month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filed {
    /// Lowest seq.
    pub first: i64,
    /// Highest seq.
    pub last: i64,
    /// Rows, every branch.
    pub events: i64,
}

impl Filed {
    /// One more row.
    pub fn add(&mut self, seq: i64) {
        self.first = if self.events == 0 { seq } else { self.first.min(seq) };
        self.last = if self.events == 0 { seq } else { self.last.max(seq) };
        self.events += 1;
    }

    /// True when a look for this position looks here.
    pub fn covers(&self, seq: i64) -> bool {
        (self.first..=self.last).contains(&seq)
    }
}

/// A stream's months.
pub type OfStream = BTreeMap<Month, Filed>;

impl Months {
    /// True when each of these has a drawer.
    pub fn have(&self, months: &BTreeSet<Month>) -> bool {
        months.is_subset(&self.0)
    }
}

/// The months that have a drawer.
pub async fn load(conn: &mut PgConnection) -> Result<Months, StoreError> {
    let rows = sqlx::query(
        "select substring(c.relname from '^events_m([0-9]+)$')::int4 from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'events'::regclass",
    )
    .fetch_all(conn)
    .await?;
    let mut all = BTreeSet::new();
    for r in rows {
        all.extend(r.try_get::<Option<Month>, _>(0)?);
    }
    Ok(Months(all))
}

/// What a sample of a month is taken for, how large, and how often: as migration 18 has it for the months of its day. (`including all` leaves it out.)
const STATISTICS: &str = "set (autovacuum_analyze_scale_factor = 0.3), \
    alter column stream set statistics 20, alter column seq set statistics 20, alter column branch set statistics 0, \
    alter column hash set statistics 0, alter column kind set statistics 20, alter column occurred_at set statistics 20, \
    alter column plate_tag set statistics 20, alter column opening_stream set statistics 20, \
    alter column opening_seq set statistics 20, alter column command_id set statistics 20, \
    alter column arrival set statistics 20, alter column received_at set statistics 20, \
    alter column frame set statistics 0, alter column poison set statistics 20, alter column month set statistics 20";

/// Makes the drawers of these months where there are none, inside the round's transaction.
pub async fn ensure(
    conn: &mut PgConnection,
    known: &mut Months,
    months: BTreeSet<Month>,
) -> Result<(), StoreError> {
    for month in months {
        if known.0.contains(&month) {
            continue;
        }
        // Made beside and then attached: that waits for no reader and lets none wait, as `partition of` would.
        sqlx::query(AssertSqlSafe(format!("create table events_m{month} (like events including all)")))
            .execute(&mut *conn)
            .await?;
        sqlx::query(AssertSqlSafe(format!("alter table events_m{month} {STATISTICS}")))
            .execute(&mut *conn)
            .await?;
        sqlx::query(AssertSqlSafe(format!(
            "alter table events attach partition events_m{month} for values in ({month})"
        )))
        .execute(&mut *conn)
        .await?;
        tracing::info!(month = replication::keeping::month_name(month), "new month");
        known.0.insert(month);
    }
    Ok(())
}

/// `stream_months`, by stream number.
pub async fn filed(conn: &mut PgConnection) -> Result<HashMap<i32, OfStream>, StoreError> {
    let rows = sqlx::query("select stream, month, first_seq, last_seq, events from stream_months")
        .fetch_all(conn)
        .await?;
    let mut out: HashMap<i32, OfStream> = HashMap::new();
    for r in rows {
        let filed = Filed { first: r.try_get(2)?, last: r.try_get(3)?, events: r.try_get(4)? };
        out.entry(r.try_get(0)?).or_default().insert(r.try_get(1)?, filed);
    }
    Ok(out)
}

/// What is really filed of a stream: counts its rows.
pub async fn counted(conn: &mut PgConnection, stream: i32) -> Result<OfStream, StoreError> {
    let rows = sqlx::query(
        "select month, min(seq), max(seq), count(*) from events where stream = $1 group by month",
    )
    .bind(stream)
    .fetch_all(conn)
    .await?;
    let mut out = OfStream::new();
    for r in rows {
        let filed = Filed { first: r.try_get(1)?, last: r.try_get(2)?, events: r.try_get(3)? };
        out.insert(r.try_get(0)?, filed);
    }
    Ok(out)
}

/// How more events are added to what is filed already (`m`).
pub(super) const MORE: &str = "on conflict (stream, month) do update
     set first_seq = least(m.first_seq, excluded.first_seq), last_seq = greatest(m.last_seq, excluded.last_seq),
         events = m.events + excluded.events";

/// Files more events of streams, by stream number and month.
pub(super) async fn add(
    conn: &mut PgConnection,
    more: &BTreeMap<(i32, Month), Filed>,
) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(format!(
        "insert into stream_months as m (stream, month, first_seq, last_seq, events)
         select * from unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::int8[]) {MORE}"
    )))
    .bind(more.keys().map(|k| k.0).collect::<Vec<_>>())
    .bind(more.keys().map(|k| k.1).collect::<Vec<_>>())
    .bind(more.values().map(|f| f.first).collect::<Vec<_>>())
    .bind(more.values().map(|f| f.last).collect::<Vec<_>>())
    .bind(more.values().map(|f| f.events).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a stream's rows of `stream_months` again from its events.
pub async fn recount(conn: &mut PgConnection, stream: i32) -> Result<(), StoreError> {
    let counted = counted(conn, stream).await?;
    sqlx::query("delete from stream_months where stream = $1 and month <> all($2::int4[])")
        .bind(stream)
        .bind(counted.keys().copied().collect::<Vec<_>>())
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into stream_months (stream, month, first_seq, last_seq, events)
         select $1, * from unnest($2::int4[], $3::int8[], $4::int8[], $5::int8[])
         on conflict (stream, month) do update
         set first_seq = excluded.first_seq, last_seq = excluded.last_seq, events = excluded.events",
    )
    .bind(stream)
    .bind(counted.keys().copied().collect::<Vec<_>>())
    .bind(counted.values().map(|f| f.first).collect::<Vec<_>>())
    .bind(counted.values().map(|f| f.last).collect::<Vec<_>>())
    .bind(counted.values().map(|f| f.events).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// True when looks for a position of this month find it. Month 0 is looked at always.
pub fn is_found(months: Option<&OfStream>, month: Month, seq: i64) -> bool {
    month == NO_MONTH || months.and_then(|m| m.get(&month)).is_some_and(|f| f.covers(seq))
}
