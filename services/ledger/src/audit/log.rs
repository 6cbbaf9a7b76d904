//! Reads stretches of the log for the audit: prints of chunks first, the rows themselves only where a print changed.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use replication::audit::{Checked, Fault, Row, Seen, Stretch, check, map_print};
use replication::keeping::{Month, NO_MONTH, month_of};
use replication::positions::StreamPositions;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use wire::audit::CHUNK;
use wire::event::Frame;
use wire::hash::Hash32;
use wire::position::{Position, StreamId};

use crate::store::months::{self, OfStream};
use crate::store::{StoreError, head, streams};

/// The streams as one snapshot has them.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// By number: the stream and what is held of it, or why the row cannot be read.
    pub(super) rows: BTreeMap<i32, Result<(StreamId, StreamPositions), String>>,
    numbers: HashMap<StreamId, i32>,
    months: HashMap<i32, OfStream>,
    arrival: i64,
}

impl Map {
    pub(super) async fn read(conn: &mut PgConnection) -> Result<Self, StoreError> {
        let mut map = Self {
            arrival: head::load(conn).await?.arrival,
            months: months::filed(conn).await?,
            ..Self::default()
        };
        for (number, row) in streams::load_each(conn).await? {
            if let Ok(h) = &row {
                map.numbers.insert(h.stream.clone(), number);
            }
            map.rows.insert(number, row.map(StreamPositions::from_holdings).map_err(|e| e.to_string()));
        }
        Ok(map)
    }

    /// What is listed of a stream's months.
    pub(super) fn months(&self, number: i32) -> Option<&OfStream> {
        self.months.get(&number)
    }

    /// A print of what the map and the list of months say about a chunk: while it and the rows are the same, the chunk need not be
    /// read again.
    pub(super) fn print(&self, number: i32, held: &StreamPositions, chunk: u64) -> u64 {
        let (from, to) = ((chunk * CHUNK + 1) as i64, ((chunk + 1) * CHUNK) as i64);
        let mut h = DefaultHasher::new();
        map_print(held, chunk).hash(&mut h);
        for (month, f) in self.months(number).into_iter().flatten() {
            if f.first <= to && f.last >= from {
                (month, f.first.max(from), f.last.min(to)).hash(&mut h);
            }
        }
        h.finish()
    }
}

/// Numbers of streams that have events.
pub(super) async fn numbers_with_events(conn: &mut PgConnection) -> Result<BTreeSet<i32>, StoreError> {
    let rows: Vec<i32> = sqlx::query_scalar(
        "with recursive n as (
           select min(stream) as stream from events
           union all select (select min(stream) from events e where e.stream > n.stream) from n where n.stream is not null)
         select stream from n where stream is not null",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The highest seq a row of this stream has; 0 without rows.
pub(super) async fn last_row(conn: &mut PgConnection, number: i32) -> Result<u64, StoreError> {
    let last: Option<i64> = sqlx::query_scalar("select max(seq) from events where stream = $1")
        .bind(number)
        .fetch_one(conn)
        .await?;
    Ok(last.unwrap_or(0).max(0) as u64)
}

/// A print of the rows of each chunk from `first` to `last`, made by Postgres: no row leaves it.
pub(super) async fn prints(
    conn: &mut PgConnection,
    number: i32,
    first: u64,
    last: u64,
) -> Result<BTreeMap<u64, i64>, StoreError> {
    let rows = sqlx::query(
        "select (seq - 1) / $4, bit_xor(hash_record_extended(e, 0)), count(*) from events e
         where stream = $1 and seq > $2 and seq <= $3 group by 1",
    )
    .bind(number)
    .bind((first * CHUNK) as i64)
    .bind(((last + 1) * CHUNK) as i64)
    .bind(CHUNK as i64)
    .fetch_all(conn)
    .await?;
    let mut out = BTreeMap::new();
    for r in rows {
        let (chunk, print, count): (i64, i64, i64) = (r.try_get(0)?, r.try_get(1)?, r.try_get(2)?);
        out.insert(chunk.max(0) as u64, print.wrapping_add(count.wrapping_mul(0x5851_f42d_4c95_7f2d)) | 1);
    }
    Ok(out)
}

/// The rows of one stream from `from` to `to`.
pub(super) async fn rows(
    conn: &mut PgConnection,
    map: &Map,
    number: i32,
    (from, to): (u64, u64),
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(
        "select seq, branch, hash, frame, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id, arrival, poison, month,
                received_at
         from events where stream = $1 and seq between $2 and $3 order by seq, branch",
    )
    .bind(number)
    .bind(from.min(i64::MAX as u64) as i64)
    .bind(to.min(i64::MAX as u64) as i64)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| row(map, number, r)).collect()
}

fn row(map: &Map, number: i32, r: &PgRow) -> Result<Row, StoreError> {
    let hash: &[u8] = r.try_get(2)?;
    let bytes: Vec<u8> = r.try_get(3)?;
    let frame = Frame::parse(Bytes::from(bytes)).map_err(|e| e.to_string());
    let columns = frame.as_ref().map_or_else(|_| Ok(Vec::new()), |f| columns(map, number, r, f))?;
    Ok(Row {
        seq: r.try_get::<i64, _>(0)?.max(0) as u64,
        branch: r.try_get::<i16, _>(1)?.max(0) as u16,
        hash: Hash32::from_slice(hash),
        frame,
        columns,
    })
}

/// Columns beside the bytes that do not say what the bytes say.
fn columns(map: &Map, number: i32, r: &PgRow, frame: &Frame) -> Result<Vec<&'static str>, StoreError> {
    let h = frame.header();
    let opening = h.opening.as_ref().map(|o| (map.numbers.get(&o.stream).copied(), o.seq as i64));
    let stored: (Option<i32>, Option<i64>) = (r.try_get(7)?, r.try_get(8)?);
    let arrival: i64 = r.try_get(10)?;
    let poison: Option<&str> = r.try_get(11)?;
    let tag: Option<&[u8]> = r.try_get(6)?;
    let command: Option<&[u8]> = r.try_get(9)?;
    let (seq, month, received_at): (i64, Month, i64) = (r.try_get(0)?, r.try_get(12)?, r.try_get(13)?);
    let as_written = [
        ("kind", r.try_get::<i32, _>(4)? == i32::from(h.kind.code())),
        ("occurred_at", r.try_get::<i64, _>(5)? == h.occurred_at),
        ("plate_tag", tag == h.plate_tag.as_ref().map(|t| t.as_bytes())),
        ("opening_stream", stored.0 == opening.and_then(|o| o.0)),
        ("opening_seq", stored.1 == opening.map(|o| o.1)),
        ("command_id", command == h.command_id.as_ref().map(|c| c.as_bytes())),
        ("arrival", (1..=map.arrival).contains(&arrival)),
        ("poison", poison == ::writer::fact(frame).err().as_deref()),
        // What the release before wrote lies under month 0.
        ("month", month == NO_MONTH || month == month_of(h.occurred_at, received_at)),
        ("stream_months", months::is_found(map.months(number), month, seq)),
    ];
    Ok(as_written.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect())
}

/// What came of some chunks of one stream.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Chunks read row by row, with what was seen.
    pub(super) seen: BTreeMap<u64, Seen>,
    /// What is wrong in them.
    pub(super) faults: Vec<Fault>,
}

/// Looks at some chunks of one stream; reads row by row those that are not as they were seen last. One snapshot.
pub(super) async fn look(
    conn: &mut PgConnection,
    map: &Map,
    number: i32,
    chunks: &BTreeSet<u64>,
    known: impl Fn(&StreamId, u64) -> Option<(i64, u64)>,
) -> Result<Looked, StoreError> {
    let mut out = Looked::default();
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return Ok(out) };
    let Some(Ok((id, held))) = map.rows.get(&number) else { return Ok(out) };
    let prints = prints(conn, number, *first, *last).await?;
    for chunk in chunks {
        let now = (prints.get(chunk).copied().unwrap_or(0), map.print(number, held, *chunk));
        if known(id, *chunk) == Some(now) {
            continue;
        }
        let (from, to) = (chunk * CHUNK + 1, (chunk + 1) * CHUNK);
        let rows = rows(conn, map, number, (from - 1, to + 1)).await?;
        let Checked { mut chunks, mut faults } = check(&Stretch { stream: id, from, to, rows: &rows, held });
        let mut seen = chunks.remove(chunk).unwrap_or_default();
        // What is wrong is looked at again every time, until it is right.
        (seen.rows, seen.map) = if faults.is_empty() { now } else { (0, 0) };
        out.seen.insert(*chunk, seen);
        out.faults.append(&mut faults);
    }
    Ok(out)
}

/// A position, as it is named.
pub(super) fn position(stream: &StreamId, seq: u64) -> Position {
    Position { stream: stream.clone(), seq }
}
