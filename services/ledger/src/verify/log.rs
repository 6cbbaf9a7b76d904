//! Events and positions: every frame's bytes, every link, the position map.

use std::collections::BTreeSet;

use replication::keeping::{Month, NO_MONTH, month_of};
use replication::positions::{Positions, StreamPositions};
use sqlx::{PgConnection, Row};
use wire::event::Frame;
use wire::hash::Hash32;
use wire::position::StreamId;

use super::Report;
use crate::store::months::OfStream;
use crate::store::{StoreError, events, head, months, streams};

/// Events read at once.
const STEP: i64 = 2000;

/// What was read of the position before.
#[derive(Default)]
struct Before {
    seq: u64,
    hashes: Vec<Hash32>,
}

/// The months a stream's positions are looked up in must be those its events are filed under. What the release before filed under
/// month 0 it did not count; month 0 is looked at always.
fn compare_months(id: &StreamId, stored: &OfStream, read: &OfStream, report: &mut Report) {
    for month in read.keys().chain(stored.keys()).filter(|m| **m != NO_MONTH).collect::<BTreeSet<_>>() {
        let (s, r) = (stored.get(month), read.get(month));
        if s != r {
            report.differs("stream months", || {
                format!("{id}, month {month}: {s:?} in stream_months, {r:?} in events")
            });
        }
    }
}

pub(super) async fn check(conn: &mut PgConnection, report: &mut Report) -> Result<(), StoreError> {
    let head = head::load(conn).await?;
    let filed = months::filed(conn).await?;
    let mut highest = 0i64;
    let mut head_found = head.incarnation.is_none();
    for (number, told) in streams::load_all(conn).await? {
        report.streams += 1;
        let id = told.stream.clone();
        let mut counted = OfStream::new();
        let (read, newest) = stream(conn, number, &id, &mut counted, report).await?;
        compare_months(&id, filed.get(&number).unwrap_or(&OfStream::new()), &counted, report);
        highest = highest.max(newest);
        let (_, stored) = StreamPositions::from_holdings(told);
        compare(&id, &stored, &read, report);
        if head.incarnation == Some(id.incarnation) {
            head_found |= read.head() == head.seq && read.head_hash() == head.hash;
        }
    }
    if !head_found {
        report.differs("writer head", || format!("seq {} is not the end of its stream", head.seq));
    }
    if highest > head.arrival {
        report.differs("arrival", || format!("event {highest} stands above the head's {}", head.arrival));
    }
    Ok(())
}

/// Reads one stream; answers its positions as the events say, and the newest arrival.
async fn stream(
    conn: &mut PgConnection,
    number: i32,
    id: &StreamId,
    months: &mut OfStream,
    report: &mut Report,
) -> Result<(StreamPositions, i64), StoreError> {
    let mut all = Positions::new();
    let (mut at, mut newest) = ((0i64, -1i16, 0i32), 0i64);
    let (mut before, mut here) = (Before::default(), Before::default());
    loop {
        let rows = sqlx::query(
            "select seq, branch, hash, frame, arrival, poison, month, received_at from events
             where stream = $1 and (seq, branch, month) > ($2, $3, $4) order by stream, seq, branch, month limit $5",
        )
        .bind(number)
        .bind(at.0)
        .bind(at.1)
        .bind(at.2)
        .bind(STEP)
        .fetch_all(&mut *conn)
        .await?;
        for row in &rows {
            let (month, received_at) = (row.try_get::<Month, _>(6)?, row.try_get::<i64, _>(7)?);
            let last = std::mem::replace(&mut at, (row.try_get(0)?, row.try_get(1)?, month));
            if (at.0, at.1) == (last.0, last.1) {
                report.differs("position twice", || format!("{id}/{}, branch {}", at.0, at.1));
            }
            months.entry(month).or_default().add(at.0);
            newest = newest.max(row.try_get(4)?);
            report.events += 1;
            report.poison += u64::from(row.try_get::<Option<&str>, _>(5)?.is_some());
            let hash = Hash32::from_slice(row.try_get(2)?).unwrap_or_default();
            let seq = at.0 as u64;
            if seq != here.seq {
                before = std::mem::replace(&mut here, Before { seq, hashes: Vec::new() });
            } else if at.1 == 1 {
                report.forks += 1;
            }
            here.hashes.push(hash);
            match events::frame(row, 3) {
                Ok(frame) => {
                    let wanted = month_of(frame.header().occurred_at, received_at);
                    if month != wanted && month != NO_MONTH {
                        report
                            .differs("month", || format!("{id}/{seq}: is filed under {month}, not {wanted}"));
                    }
                    event(&mut all, id, (seq, hash), &frame, &before, report);
                }
                Err(e) => {
                    report.differs("event bytes", || format!("{id}/{seq}: {e}"));
                    all.entry(id).insert(seq, hash);
                }
            }
            if here.hashes.len() > 1 {
                all.entry(id).mark_forked(seq, here.hashes.iter().copied());
            }
        }
        if (rows.len() as i64) < STEP {
            return Ok((all.get(id).cloned().unwrap_or_default(), newest));
        }
    }
}

fn event(
    all: &mut Positions,
    id: &StreamId,
    (seq, hash): (u64, Hash32),
    frame: &Frame,
    before: &Before,
    report: &mut Report,
) {
    let h = frame.header();
    if frame.hash() != hash {
        report.differs("event hash", || format!("{id}/{seq}: the bytes have another hash than the row"));
    }
    if h.position.stream != *id || h.position.seq != seq {
        report.differs("event position", || format!("{id}/{seq}: the bytes say {}", h.position));
    }
    all.entry(id).insert(seq, hash);
    if before.seq + 1 == seq && before.seq > 0 && !before.hashes.contains(&h.prev_hash) {
        // A branch of the position before is missing: listed as forked until it comes. Anything else is damage.
        all.entry(id).mark_forked(before.seq, before.hashes.iter().copied());
    }
}

fn compare(id: &StreamId, stored: &StreamPositions, read: &StreamPositions, report: &mut Report) {
    if stored.head() != read.head() || stored.head_hash() != read.head_hash() {
        report.differs("stream head", || {
            format!("{id}: {} in streams, {} in events", stored.head(), read.head())
        });
    }
    if stored.gaps() != read.gaps() {
        report.differs("stream gaps", || {
            format!("{id}: {:?} in streams, {:?} in events", stored.gaps(), read.gaps())
        });
    }
    let keys = |s: &StreamPositions| s.forks().keys().copied().collect::<BTreeSet<u64>>();
    if stored.forks() != read.forks() {
        report.differs("chain", || {
            format!(
                "{id}: forks or broken links at {:?} in events, {:?} in streams",
                keys(read),
                keys(stored)
            )
        });
    }
}
