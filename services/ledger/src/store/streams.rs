//! Streams and what is held of them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, SeqRange, StreamHoldings, StreamId};

use super::StoreError;
use super::parameters::{Places, Values};

/// A `forks` entry as JSON.
#[derive(Serialize, Deserialize)]
struct ForkRow(u64, Vec<Hash32>);

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("streams.{what}"))
}

/// `select id, central, incarnation, head, head_hash, gaps::text, forks::text` as a row.
fn read(row: &PgRow) -> Result<(i32, StreamHoldings), StoreError> {
    let central: String = row.try_get(1)?;
    let incarnation: Uuid = row.try_get(2)?;
    let head_hash: Vec<u8> = row.try_get(4)?;
    let forks: Vec<ForkRow> =
        serde_json::from_str(row.try_get::<&str, _>(6)?).map_err(|_| damaged("forks"))?;
    let stream = StreamId {
        central: CentralId::new(&central).map_err(|_| damaged("central"))?,
        incarnation: Incarnation(incarnation.as_u128()),
    };
    Ok((
        row.try_get(0)?,
        StreamHoldings {
            stream,
            head: row.try_get::<i64, _>(3)? as u64,
            head_hash: Hash32::from_slice(&head_hash).unwrap_or_default(),
            gaps: serde_json::from_str(row.try_get::<&str, _>(5)?).map_err(|_| damaged("gaps"))?,
            forks: forks.into_iter().map(|ForkRow(seq, hashes)| (seq, hashes)).collect(),
        },
    ))
}

/// Every stream, with its number here.
pub async fn load_all(conn: &mut PgConnection) -> Result<Vec<(i32, StreamHoldings)>, StoreError> {
    let rows = sqlx::query(
        "select id, central, incarnation, head, head_hash, gaps::text, forks::text from streams order by id",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// Every stream, with its number here; rows that cannot be read are named as such.
pub async fn load_each(
    conn: &mut PgConnection,
) -> Result<Vec<(i32, Result<StreamHoldings, StoreError>)>, StoreError> {
    let rows = sqlx::query(
        "select id, central, incarnation, head, head_hash, gaps::text, forks::text from streams order by id",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| Ok((r.try_get(0)?, read(r).map(|(_, h)| h)))).collect()
}

/// The number of every stream.
pub async fn numbers(conn: &mut PgConnection) -> Result<HashMap<StreamId, i32>, StoreError> {
    Ok(load_all(conn).await?.into_iter().map(|(id, h)| (h.stream, id)).collect())
}

/// Openings that stored events name and that are not held: above a stream's head, or in a gap.
pub async fn awaited(conn: &mut PgConnection) -> Result<HashSet<Position>, StoreError> {
    let rows = sqlx::query(
        "select s.central, s.incarnation, o.seq from streams s cross join lateral (
             select e.opening_seq as seq from events e where e.opening_stream = s.id and e.opening_seq > s.head
             union
             select e.opening_seq from jsonb_array_elements(s.gaps) g
             join events e on e.opening_stream = s.id and e.opening_seq between (g->>0)::int8 and (g->>1)::int8) o",
    )
    .fetch_all(conn)
    .await?;
    let position = |r: &PgRow| {
        let (central, incarnation): (&str, Uuid) = (r.try_get(0)?, r.try_get(1)?);
        let stream = StreamId {
            central: CentralId::new(central).map_err(|_| damaged("central"))?,
            incarnation: Incarnation(incarnation.as_u128()),
        };
        Ok(Position { stream, seq: r.try_get::<i64, _>(2)? as u64 })
    };
    rows.iter().map(position).collect()
}

/// A page of the position map in (central, incarnation) order.
pub async fn page(
    conn: &mut PgConnection,
    after: Option<&StreamId>,
    limit: u32,
) -> Result<(Vec<StreamHoldings>, bool), StoreError> {
    let limit = limit.clamp(1, 1000) as usize;
    let rows = sqlx::query(
        "select id, central, incarnation, head, head_hash, gaps::text, forks::text from streams
         where head > 0 and ($1::text is null or (central, incarnation) > ($1, $2))
         order by central, incarnation limit $3",
    )
    .bind(after.map(|s| s.central.as_str()))
    .bind(after.map(|s| Uuid::from_u128(s.incarnation.0)))
    .bind(limit as i64 + 1)
    .fetch_all(conn)
    .await?;
    let more = rows.len() > limit;
    let page = rows.iter().take(limit).map(|r| read(r).map(|(_, h)| h)).collect::<Result<_, _>>()?;
    Ok((page, more))
}

/// Of each stream the positions from its first to its last event of a stretch of time (`from ≤ occurred_at < to`), in (central,
/// incarnation) order, and whether more follow. Looks at every event: for files made by hand, not for traffic.
pub async fn window(
    conn: &mut PgConnection,
    (from, to): (i64, i64),
    after: Option<&StreamId>,
    limit: u32,
) -> Result<(Vec<SeqRange>, bool), StoreError> {
    let limit = limit.clamp(1, 5000) as usize;
    let rows = sqlx::query(
        "select s.central, s.incarnation, r.first, r.last
         from (select stream, min(seq) as first, max(seq) as last from events
               where occurred_at >= $1 and occurred_at < $2 group by stream) r
         join streams s on s.id = r.stream
         where $3::text is null or (s.central, s.incarnation) > ($3, $4)
         order by s.central, s.incarnation limit $5",
    )
    .bind(from)
    .bind(to)
    .bind(after.map(|s| s.central.as_str()))
    .bind(after.map(|s| Uuid::from_u128(s.incarnation.0)))
    .bind(limit as i64 + 1)
    .fetch_all(conn)
    .await?;
    let more = rows.len() > limit;
    let mut out = Vec::with_capacity(rows.len().min(limit));
    for row in rows.iter().take(limit) {
        let (central, incarnation): (String, Uuid) = (row.try_get(0)?, row.try_get(1)?);
        let stream = StreamId {
            central: CentralId::new(&central).map_err(|_| damaged("central"))?,
            incarnation: Incarnation(incarnation.as_u128()),
        };
        let (first, last): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        out.push(SeqRange { stream, from: first as u64, to: last as u64 });
    }
    Ok((out, more))
}

/// The numbers of some streams.
pub async fn ids(conn: &mut PgConnection, wanted: &[StreamId]) -> Result<HashMap<StreamId, i32>, StoreError> {
    let centrals: Vec<&str> = wanted.iter().map(|s| s.central.as_str()).collect();
    let incarnations: Vec<Uuid> = wanted.iter().map(|s| Uuid::from_u128(s.incarnation.0)).collect();
    let rows = sqlx::query(
        "select w.n, s.id from unnest($1::text[], $2::uuid[]) with ordinality as w(central, incarnation, n)
         join streams s on s.central = w.central and s.incarnation = w.incarnation",
    )
    .bind(&centrals)
    .bind(&incarnations)
    .fetch_all(conn)
    .await?;
    let mut out = HashMap::new();
    for row in rows {
        let n: i64 = row.try_get(0)?;
        if let Some(stream) = wanted.get((n - 1) as usize) {
            out.insert(stream.clone(), row.try_get(1)?);
        }
    }
    Ok(out)
}

/// Writes streams, new or changed.
pub(super) fn save_sql(p: &mut Places) -> String {
    format!(
        "insert into streams (id, central, incarnation, head, head_hash, gaps, forks)
         select id, central, incarnation, head, head_hash, gaps::jsonb, forks::jsonb
         from {}
         where exists (select from advanced)
         on conflict (id) do update
         set head = excluded.head, head_hash = excluded.head_hash, gaps = excluded.gaps, forks = excluded.forks",
        p.rows(&[
            ("id", "int4"),
            ("central", "text"),
            ("incarnation", "uuid"),
            ("head", "int8"),
            ("head_hash", "bytea"),
            ("gaps", "text"),
            ("forks", "text"),
        ])
    )
}

pub(super) fn save_values(v: &mut Values, changed: &[(i32, StreamHoldings)]) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| StoreError::Damaged(e.to_string());
    let mut gaps = Vec::with_capacity(changed.len());
    let mut forks = Vec::with_capacity(changed.len());
    for (_, h) in changed {
        gaps.push(serde_json::to_string(&h.gaps).map_err(json)?);
        let rows: Vec<ForkRow> = h.forks.iter().map(|(seq, hashes)| ForkRow(*seq, hashes.clone())).collect();
        forks.push(serde_json::to_string(&rows).map_err(json)?);
    }
    let hash = |h: &StreamHoldings| if h.head == 0 { Vec::new() } else { h.head_hash.as_bytes().to_vec() };
    v.column(changed.iter().map(|(id, _)| *id))?;
    v.column(changed.iter().map(|(_, h)| h.stream.central.as_str()))?;
    v.column(changed.iter().map(|(_, h)| Uuid::from_u128(h.stream.incarnation.0)))?;
    v.column(changed.iter().map(|(_, h)| h.head as i64))?;
    v.column(changed.iter().map(|(_, h)| hash(h)))?;
    v.column(gaps)?;
    v.column(forks)
}
