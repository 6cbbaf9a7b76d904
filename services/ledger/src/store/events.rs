//! Events: inserted once, read by position, plate, opening, command or arrival.

use ::writer::NewEvent;
use bytes::Bytes;
use parking::fact::Fact;
use replication::keeping::{Month, month_of};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use wire::event::Frame;
use wire::hash::{CommandId, Hash32};

use super::parameters::{Places, Values, names};
use super::{StoreError, months};

/// Every event that says how others are judged, in order of arrival. 20 is `POLICY_SET`, 21 `CLOCK_OFFSET`, written out so that
/// their small index serves.
pub const POLICIES: &str =
    "select frame from events where kind in (20, 21) and poison is null order by arrival";

/// Every event of the register, in order of arrival, written out so that their small index serves.
const REGISTER: &str =
    "select frame from events where kind in (50, 51, 52, 53, 54) and poison is null order by arrival";

/// The facts of the register.
pub async fn register(conn: &mut PgConnection) -> Result<Vec<Fact>, StoreError> {
    let rows = sqlx::query(REGISTER).fetch_all(conn).await?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in rows {
        facts.extend(::writer::fact(&frame(&row, 0)?));
    }
    Ok(facts)
}

/// Every event that sets the mode of a lane (43), and what else happened about lanes since a moment, ms. The kinds are written out so
/// that their small index serves.
pub async fn of_lanes(conn: &mut PgConnection, since: i64) -> Result<Vec<Fact>, StoreError> {
    let rows = sqlx::query(
        "select frame from events
         where kind between 40 and 49 and poison is null and (kind = 43 or occurred_at > $1) order by arrival",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in rows {
        facts.extend(::writer::fact(&frame(&row, 0)?));
    }
    Ok(facts)
}

/// Joins the events at the positions of `$w` (with `stream` and `seq`), looking only into the months that hold some of the stream
/// there, and into month 0. (`offset 0` keeps the planner from looking into all of them.)
macro_rules! events_at {
    ($w:literal) => {
        concat!(
            "cross join lateral (select 0 as month union all select m.month from stream_months m where m.month <> 0 and m.stream = ",
            $w,
            ".stream and ",
            $w,
            ".seq between m.first_seq and m.last_seq) m
             cross join lateral (select * from events e where e.month = m.month and e.stream = ",
            $w,
            ".stream and e.seq = ",
            $w,
            ".seq offset 0) e "
        )
    };
}
pub(crate) use events_at;

/// Every range an operator closed, newest first. 22 is `LOST_RANGE`.
pub const LOST_RANGES: &str =
    "select frame from events where kind = 22 and poison is null order by arrival desc limit 1000";

/// An event to store, with the numbers its streams have here.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The event.
    pub event: &'a NewEvent,
    /// Its stream's number.
    pub stream: i32,
    /// Stream number and seq of the opening it names.
    pub opening: Option<(i32, i64)>,
}

impl Row<'_> {
    /// The month it is filed under. `received_at`: ms.
    pub fn month(&self, received_at: i64) -> Month {
        month_of(self.event.frame.header().occurred_at, received_at)
    }
}

/// The columns of an event with their types, in the order of its values here and where many are copied.
pub(super) const COLUMNS: [(&str, &str); 15] = [
    ("stream", "int4"),
    ("seq", "int8"),
    ("month", "int4"),
    ("branch", "int2"),
    ("hash", "bytea"),
    ("kind", "int4"),
    ("occurred_at", "int8"),
    ("plate_tag", "bytea"),
    ("opening_stream", "int4"),
    ("opening_seq", "int8"),
    ("command_id", "bytea"),
    ("arrival", "int8"),
    ("received_at", "int8"),
    ("frame", "bytea"),
    ("poison", "text"),
];
/// Of these, what says where an event is filed.
const FILED: usize = 3;

/// Counts events under their months, and inserts them: the same parameters serve both.
pub(super) fn insert_sql(p: &mut Places) -> (String, String) {
    let places: Vec<String> = COLUMNS.iter().map(|_| p.next()).collect();
    let months = format!(
        "insert into stream_months as m (stream, month, first_seq, last_seq, events)
         select stream, month, min(seq), max(seq), count(*) from {}
         where exists (select from advanced) group by stream, month {}",
        p.rows_at(&places[..FILED], &COLUMNS[..FILED]),
        months::MORE
    );
    let events = format!(
        "insert into events ({names}) select {names} from {rows} where exists (select from advanced)",
        names = names(&COLUMNS),
        rows = p.rows_at(&places, &COLUMNS)
    );
    (months, events)
}

/// `received_at`: now, ms.
pub(super) fn insert_values(v: &mut Values, new: &[Row<'_>], received_at: i64) -> Result<(), StoreError> {
    macro_rules! column {
        ($f:expr) => {
            v.column(new.iter().map($f))?
        };
    }
    column!(|e| e.stream);
    column!(|e| e.event.frame.header().position.seq as i64);
    column!(|e| e.month(received_at));
    column!(|e| e.event.branch as i16);
    column!(|e| e.event.frame.hash().0);
    column!(|e| i32::from(e.event.frame.header().kind.code()));
    column!(|e| e.event.frame.header().occurred_at);
    column!(|e| e.event.frame.header().plate_tag.map(|t| t.0));
    column!(|e| e.opening.map(|o| o.0));
    column!(|e| e.opening.map(|o| o.1));
    column!(|e| e.event.frame.header().command_id.map(|c| c.0));
    column!(|e| e.event.arrival);
    column!(|_| received_at);
    column!(|e| &e.event.frame.bytes()[..]);
    column!(|e| e.event.fact.as_ref().err().map(String::as_str));
    Ok(())
}

/// Puts erased forms in place of full ones.
pub async fn erase(conn: &mut PgConnection, erased: &[(i32, i16, Frame)]) -> Result<(), StoreError> {
    if erased.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update events e set frame = n.frame, poison = null
         from unnest($1::int4[], $2::int8[], $3::int2[], $4::bytea[]) as n(stream, seq, branch, frame)
         where e.stream = n.stream and e.seq = n.seq and e.branch = n.branch",
    )
    .bind(erased.iter().map(|(s, _, _)| *s).collect::<Vec<_>>())
    .bind(erased.iter().map(|(_, _, f)| f.header().position.seq as i64).collect::<Vec<_>>())
    .bind(erased.iter().map(|(_, b, _)| *b).collect::<Vec<_>>())
    .bind(erased.iter().map(|(_, _, f)| &f.bytes()[..]).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// What acceptance and chain checks need of an event held.
#[derive(Debug, Clone, Copy)]
pub struct HeldRow {
    /// Stream number.
    pub stream: i32,
    /// Seq.
    pub seq: i64,
    /// Branch.
    pub branch: i16,
    /// Its hash.
    pub hash: Hash32,
    /// The hash of the event before it, as it names it.
    pub prev_hash: Hash32,
    /// True when its body is gone.
    pub erased: bool,
}

/// What is held at these positions.
pub async fn held_at(conn: &mut PgConnection, at: &[(i32, i64)]) -> Result<Vec<HeldRow>, StoreError> {
    if at.is_empty() {
        return Ok(Vec::new());
    }
    // Frame bytes: version, form, header length (2), prev_hash (32).
    let rows = sqlx::query(concat!(
        "select e.stream, e.seq, e.branch, e.hash, substring(e.frame from 5 for 32),
                case when length(e.frame) > 1 then get_byte(e.frame, 1) else 1 end
         from unnest($1::int4[], $2::int8[]) as w(stream, seq) ",
        events_at!("w")
    ))
    .bind(at.iter().map(|p| p.0).collect::<Vec<_>>())
    .bind(at.iter().map(|p| p.1).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            let (hash, prev): (&[u8], &[u8]) = (r.try_get(3)?, r.try_get(4)?);
            Ok(HeldRow {
                stream: r.try_get(0)?,
                seq: r.try_get(1)?,
                branch: r.try_get(2)?,
                // A damaged row is the audit's to repair; it must not stop the log meanwhile.
                hash: Hash32::from_slice(hash).unwrap_or_default(),
                prev_hash: Hash32::from_slice(prev).unwrap_or_default(),
                erased: r.try_get::<i32, _>(5)? == 0,
            })
        })
        .collect()
}

/// Reads the frame in column `i`.
pub fn frame(row: &PgRow, i: usize) -> Result<Frame, StoreError> {
    let bytes: Vec<u8> = row.try_get(i)?;
    Frame::parse(Bytes::from(bytes)).map_err(|e| StoreError::Damaged(format!("events.frame: {e}")))
}

/// The raw bytes in column `i`.
pub fn frame_bytes(row: &PgRow, i: usize) -> Result<Vec<u8>, StoreError> {
    Ok(row.try_get(i)?)
}

/// The events of some commands.
pub async fn of_commands(conn: &mut PgConnection, ids: &[CommandId]) -> Result<Vec<Frame>, StoreError> {
    let rows = sqlx::query(
        "select frame from events where command_id = any($1::bytea[]) and poison is null order by occurred_at, arrival",
    )
    .bind(ids.iter().map(|c| c.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| frame(r, 0)).collect()
}
