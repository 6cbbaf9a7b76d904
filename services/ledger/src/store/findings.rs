//! `audit_findings`: what was not as it was written, and the row as it was found.

use sqlx::{PgConnection, Row};
use wire::hash::{Hash32, PlateTag};
use wire::position::Position;

use super::StoreError;

/// A finding to note.
#[derive(Debug, Clone)]
pub struct Finding {
    /// `event_bytes`, …: what people and rules know it by.
    pub what: &'static str,
    /// Where; no plates.
    pub place: String,
    /// What exactly; no plates.
    pub detail: String,
    /// The event, where it is about one.
    pub at: Option<Position>,
    /// The vehicle whose rows depend on it, where it is known.
    pub tag: Option<PlateTag>,
    /// The row to keep as it is now.
    pub evidence: Evidence,
}

/// A row that is kept as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// There is no row.
    None,
    /// A row of `events`.
    Event {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// Every row of `events` at one place.
    Rows {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// A row of `streams`.
    Stream(i32),
    /// The rows of a stream in `stream_months`.
    Months(i32),
    /// A row of `history`.
    History(String),
    /// A row of `conflicts`.
    Conflict(Hash32),
}

/// Notes a finding, with its evidence, unless the same one stands already; answers its number.
pub async fn note(conn: &mut PgConnection, f: &Finding, now: i64) -> Result<i64, StoreError> {
    let evidence: Option<String> = match &f.evidence {
        Evidence::None => None,
        Evidence::Event { stream, seq, branch } => sqlx::query_scalar(
            "select to_jsonb(e)::text from events e where stream = $1 and seq = $2 and branch = $3 limit 1",
        )
        .bind(stream)
        .bind(seq)
        .bind(branch)
        .fetch_optional(&mut *conn)
        .await?,
        Evidence::Rows { stream, seq, branch } => sqlx::query_scalar(
            "select jsonb_agg(to_jsonb(e))::text from events e where stream = $1 and seq = $2 and branch = $3",
        )
        .bind(stream)
        .bind(seq)
        .bind(branch)
        .fetch_one(&mut *conn)
        .await?,
        Evidence::Stream(id) => {
            sqlx::query_scalar("select to_jsonb(s)::text from streams s where id = $1")
                .bind(id)
                .fetch_optional(&mut *conn)
                .await?
        }
        Evidence::Months(stream) => {
            sqlx::query_scalar("select jsonb_agg(to_jsonb(m))::text from stream_months m where stream = $1")
                .bind(stream)
                .fetch_one(&mut *conn)
                .await?
        }
        Evidence::History(name) => {
            sqlx::query_scalar("select to_jsonb(h)::text from history h where event_id = $1")
                .bind(name)
                .fetch_optional(&mut *conn)
                .await?
        }
        Evidence::Conflict(id) => {
            sqlx::query_scalar("select to_jsonb(c)::text from conflicts c where id = $1")
                .bind(id.0)
                .fetch_optional(&mut *conn)
                .await?
        }
    };
    let id: Option<i64> = sqlx::query_scalar(
        "insert into audit_findings (found_at, what, place, detail, stream, seq, plate_tag, evidence)
         values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)
         on conflict (what, place) where state = 'open' do nothing returning id",
    )
    .bind(now)
    .bind(f.what)
    .bind(&f.place)
    .bind(&f.detail)
    .bind(f.at.as_ref().map(|p| p.stream.to_string()))
    .bind(f.at.as_ref().map(|p| p.seq as i64))
    .bind(f.tag.map(|t| t.0))
    .bind(evidence)
    .fetch_optional(&mut *conn)
    .await?;
    match id {
        Some(id) => Ok(id),
        None => Ok(sqlx::query_scalar(
            "select id from audit_findings where what = $1 and place = $2 and state = 'open'",
        )
        .bind(f.what)
        .bind(&f.place)
        .fetch_one(conn)
        .await?),
    }
}

/// A finding is repaired.
pub async fn repaired(conn: &mut PgConnection, id: i64, by: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update audit_findings set state = 'repaired', repaired_at = $2, repaired_by = $3 where id = $1 and state = 'open'",
    )
    .bind(id)
    .bind(now)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(())
}

/// A finding that stands, as it was noted.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its number.
    pub id: i64,
    /// When, ms.
    pub found_at: i64,
    /// What.
    pub what: String,
    /// Where.
    pub place: String,
    /// What exactly.
    pub detail: String,
    /// `central/incarnation` and seq.
    pub at: Option<(String, i64)>,
    /// The vehicle.
    pub tag: Option<PlateTag>,
    /// The row as it was found is kept.
    pub evidence: bool,
    /// `open` or `repaired`.
    pub state: String,
    /// When, ms.
    pub repaired_at: Option<i64>,
    /// From what.
    pub repaired_by: Option<String>,
}

/// Findings, open ones first, then the newest; at most `limit`.
pub async fn load(conn: &mut PgConnection, only_open: bool, limit: i64) -> Result<Vec<Noted>, StoreError> {
    let rows = sqlx::query(
        "select id, found_at, what, place, detail, stream, seq, plate_tag, evidence is not null, state, repaired_at, repaired_by
         from audit_findings where state = 'open' or not $1 order by state, id desc limit $2",
    )
    .bind(only_open)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            let (stream, seq): (Option<String>, Option<i64>) = (r.try_get(5)?, r.try_get(6)?);
            let tag: Option<Vec<u8>> = r.try_get(7)?;
            Ok(Noted {
                id: r.try_get(0)?,
                found_at: r.try_get(1)?,
                what: r.try_get(2)?,
                place: r.try_get(3)?,
                detail: r.try_get(4)?,
                at: stream.zip(seq),
                tag: tag.as_deref().and_then(PlateTag::from_slice),
                evidence: r.try_get(8)?,
                state: r.try_get(9)?,
                repaired_at: r.try_get(10)?,
                repaired_by: r.try_get(11)?,
            })
        })
        .collect()
}

/// How many stand.
pub async fn open(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("select count(*) from audit_findings where state = 'open'").fetch_one(conn).await?)
}
