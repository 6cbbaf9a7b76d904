//! One transaction: everything a round writes, or nothing.

use std::collections::BTreeSet;
use std::time::Instant;

use ::writer::{Behind, Writes};
use parking::decision::Site;
use replication::keeping::Month;
use sqlx::{Connection, PgConnection};

use super::memory::Memory;
use crate::digest::Days;
use crate::store::closure::StreamNumbers;
use crate::store::projection::{self, Changes, Stored};
use crate::store::round::{self, Lines};
use crate::store::{StoreError, copied, events, months};

/// Commits a round. `stored`: the rows it read. Answers the days of which rows of history or conflicts changed. After an error nothing
/// in memory may be trusted.
pub(super) async fn commit(
    conn: &mut PgConnection,
    memory: &mut Memory,
    site: &Site<'_>,
    writes: &Writes,
    mut stored: Stored,
) -> Result<Days, StoreError> {
    let came = memory.peers.due(&writes.came, writes.now);
    if writes.is_empty() && came.is_empty() {
        return Ok(Days::default());
    }
    memory.rows.fill(&writes.projection.tags, &mut stored);
    stored.complete(conn, &writes.projection.tags).await?;
    let mut changes = Changes::between(site, &stored, &writes.projection);
    let numbers = &mut memory.numbers;
    let (rows, mut named) = numbers.rows(&writes.new);
    let mut streams = Vec::with_capacity(writes.streams.len() + named.len());
    for h in &writes.streams {
        if let Some(n) = numbers.number(&h.stream) {
            named.remove(&n);
            streams.push((n, h.clone()));
        }
    }
    // Streams known only as the place of an opening that has not come yet.
    streams.extend(named.iter().map(|(n, s)| (*n, memory.state.holdings(s))));
    let many = rows.len() >= copied::MANY;
    let lines = Lines {
        from: &writes.from,
        to: &writes.to,
        streams: &streams,
        events: if many { &[] } else { &rows },
        received_at: writes.now,
        history: &changes.history,
        answers: &writes.answers,
        came: &came,
    };
    let wanted: BTreeSet<Month> = rows.iter().map(|r| r.month(writes.now)).collect();
    let began = Instant::now();
    if !many && is_common(memory, writes, &wanted, &changes) {
        // One statement is a transaction of its own.
        round::write(conn, &lines).await?;
    } else {
        let mut tx = conn.begin().await?;
        months::ensure(&mut tx, &mut memory.months, wanted).await?;
        changes.save_rare(&mut tx).await?;
        round::write(&mut tx, &lines).await?;
        if many {
            copied::insert(&mut tx, &rows, writes.now).await?;
        }
        rest(&mut tx, memory, writes).await?;
        tx.commit().await?;
    }
    memory.metrics.committed(began.elapsed().as_secs_f64());
    memory.metrics.conflicts(&changes.new_conflicts);
    memory.clock.saved(&memory.state);
    changes.committed(&mut memory.rows, writes.now);
    Ok(changes.days)
}

/// True when the round's own statement writes all of it.
fn is_common(memory: &Memory, writes: &Writes, wanted: &BTreeSet<Month>, changes: &Changes) -> bool {
    writes.erased.is_empty()
        && matches!(writes.behind, Behind::Unchanged)
        && !writes.stale
        && !changes.has_rare()
        && memory.months.have(wanted)
        && memory.clock.is_saved(&memory.state)
}

/// What few rounds write beside it.
async fn rest(conn: &mut PgConnection, memory: &Memory, writes: &Writes) -> Result<(), StoreError> {
    let mut erased = Vec::with_capacity(writes.erased.len());
    for e in &writes.erased {
        if let Some(n) = memory.numbers.number(&e.frame.header().position.stream) {
            erased.push((n, e.branch as i16, e.frame.clone()));
        }
    }
    events::erase(conn, &erased).await?;
    match writes.behind {
        Behind::Unchanged => {}
        Behind::After(arrival) => projection::set_behind(conn, Some(arrival)).await?,
        Behind::Nothing => projection::set_behind(conn, None).await?,
    }
    if writes.stale {
        projection::set_version(conn, parking::history::PROJECTION_VERSION, true).await?;
    }
    memory.clock.save(conn, &memory.state).await
}
