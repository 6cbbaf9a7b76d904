//! One transaction: everything a round writes, or nothing.

use std::time::Instant;

use ::writer::{Behind, Writes};
use parking::decision::Site;
use sqlx::{Connection, PgConnection};

use super::memory::Memory;
use crate::digest::Days;
use crate::store::closure::StreamNumbers;
use crate::store::{StoreError, answers, events, head, months, peers, projection, streams};

/// Commits a round. Answers the days of which rows of history or conflicts changed. After an error nothing in memory may be trusted.
pub(super) async fn commit(
    conn: &mut PgConnection,
    memory: &mut Memory,
    site: &Site<'_>,
    writes: &Writes,
) -> Result<Days, StoreError> {
    if writes.is_empty() {
        return Ok(Days::default());
    }
    let tags: Vec<_> = writes.projection.tags.iter().copied().collect();
    let stored = projection::load(conn, &tags).await?;
    let numbers = &mut memory.numbers;
    let (rows, mut named) = numbers.rows(&writes.new);
    let mut changed = Vec::with_capacity(writes.streams.len() + named.len());
    for h in &writes.streams {
        if let Some(n) = numbers.number(&h.stream) {
            named.remove(&n);
            changed.push((n, h.clone()));
        }
    }
    // Streams known only as the place of an opening that has not come yet.
    changed.extend(named.iter().map(|(n, s)| (*n, memory.state.holdings(s))));
    let mut erased = Vec::with_capacity(writes.erased.len());
    for e in &writes.erased {
        if let Some(n) = numbers.number(&e.frame.header().position.stream) {
            erased.push((n, e.branch as i16, e.frame.clone()));
        }
    }
    let wanted = rows.iter().map(|r| r.month(writes.now)).collect();
    let began = Instant::now();
    let mut tx = conn.begin().await?;
    head::advance(&writes.from, &writes.to, &mut tx).await?;
    streams::save(&mut tx, &changed).await?;
    months::ensure(&mut tx, &mut memory.months, wanted).await?;
    events::insert(&mut tx, &rows, writes.now).await?;
    events::erase(&mut tx, &erased).await?;
    let days = projection::save(&mut tx, site, &stored, &writes.projection).await?;
    match writes.behind {
        Behind::Unchanged => {}
        Behind::After(arrival) => projection::set_behind(&mut tx, Some(arrival)).await?,
        Behind::Nothing => projection::set_behind(&mut tx, None).await?,
    }
    if writes.stale {
        projection::set_version(&mut tx, parking::history::PROJECTION_VERSION, true).await?;
    }
    answers::save(&mut tx, &writes.answers).await?;
    memory.clock.save(&mut tx, &memory.state).await?;
    peers::note(&mut tx, &writes.came).await?;
    tx.commit().await?;
    memory.commit_seconds.record(began.elapsed().as_secs_f64(), &[]);
    memory.clock.saved(&memory.state);
    Ok(days)
}
