//! Repairs of the audit, in rounds of their own: what is found is noted with the row as it was, and put right in the same
//! transaction. Nothing is thrown away that is not kept in `audit_findings`.
//!
//! - [`job`]: what is asked; [`cure`]: how each is put right; [`row`]: a row of `events`; [`map`]: the map of a stream

mod cure;
mod job;
mod map;
mod row;

use std::collections::BTreeSet;

use parking::world::World;
use sqlx::{Connection, PgConnection};
use wire::hash::PlateTag;
use wire::position::{StreamHoldings, StreamId};

use super::memory::Memory;
use crate::shared::Shared;
use crate::store::closure::{self, StreamNumbers};
use crate::store::projection::Changes;
use crate::store::round::{self, Lines};
use crate::store::{StoreError, findings, months, projection};
use cure::cure;
pub use job::{Cure, Done, RepairJob, Step};

/// What came of a job.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    pub(super) done: Vec<Done>,
    /// Rows of history or conflicts changed.
    pub(super) changed: bool,
    /// Streams whose holdings changed.
    pub(super) holdings: Vec<StreamHoldings>,
    /// Rules in memory may be others now: everything must be loaded anew.
    pub(super) reload: bool,
}

/// What the cures of one job touched.
#[derive(Default)]
struct Touched {
    tags: BTreeSet<PlateTag>,
    streams: BTreeSet<StreamId>,
    /// Numbers of streams whose events may be filed under other months now.
    months: BTreeSet<i32>,
    arrival: i64,
    reload: bool,
}

/// Does a job in one transaction. After an error nothing in memory may be trusted.
pub(super) async fn work(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
    steps: &[Step],
    closed: &[(i64, String)],
) -> Result<Repaired, StoreError> {
    let now = kit::clock::now_ms();
    let from = *memory.state.writer.committed();
    let mut tx = conn.begin().await?;
    let mut touched = Touched { arrival: from.arrival, ..Touched::default() };
    let mut out = Repaired::default();
    let mut cured: Vec<(usize, String)> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let id = findings::note(&mut tx, &step.finding, now).await?;
        out.done.push(Done { id, repaired: false });
        // A cure that does not work leaves the finding open, and must not end the writer.
        let mut point = tx.begin().await?;
        let drawers = memory.months.clone();
        match cure(&mut point, memory, &step.cure, &mut touched).await {
            Ok(by) => {
                point.commit().await?;
                cured.extend(by.map(|by| (i, by)));
            }
            Err(StoreError::Sql(e)) if e.as_database_error().is_none() => return Err(StoreError::Sql(e)),
            Err(e) => {
                point.rollback().await?;
                memory.months = drawers;
                tracing::error!(what = step.finding.what, place = %step.finding.place, error = %e, "not repaired");
            }
        }
    }
    let mut changed_streams = Vec::new();
    for s in &touched.streams {
        if let Some(n) = memory.numbers.number(s) {
            changed_streams.push((n, memory.state.holdings(s)));
        }
    }
    for number in &touched.months {
        months::recount(&mut tx, *number).await?;
    }
    let changes = project(&mut tx, memory, shared, &touched.tags).await?;
    out.changed = !changes.days.is_empty();
    for (i, by) in cured {
        if let Some(d) = out.done.get_mut(i) {
            findings::repaired(&mut tx, d.id, &by, now).await?;
            d.repaired = true;
        }
    }
    for (id, by) in closed {
        findings::repaired(&mut tx, *id, by, now).await?;
    }
    if touched.reload {
        projection::set_version(&mut tx, parking::history::PROJECTION_VERSION, true).await?;
    }
    let next = memory.state.writer.next(touched.arrival);
    let lines =
        Lines { streams: &changed_streams, history: &changes.history, ..Lines::only_head(&from, &next) };
    round::write(&mut tx, &lines).await?;
    tx.commit().await?;
    memory.state.writer.moved_to(next);
    out.holdings = changed_streams.into_iter().map(|(_, h)| h).collect();
    out.reload = touched.reload;
    Ok(out)
}

/// Makes the rows of these vehicles again, whatever is stored of them; those of history are still to be written.
async fn project(
    tx: &mut PgConnection,
    memory: &Memory,
    shared: &Shared,
    tags: &BTreeSet<PlateTag>,
) -> Result<Changes, StoreError> {
    if tags.is_empty() {
        return Ok(Changes::default());
    }
    let mut world = World::new(memory.state.policies.clone());
    for f in closure::load(tx, &memory.numbers, tags).await? {
        world.add(f, true);
    }
    let mut projection = world.finish();
    projection.tags.extend(tags);
    let stored = projection::load(tx, &projection.tags).await?.distrusted();
    let policies = memory.state.policies.clone();
    let changes = Changes::between(&shared.site(&policies, &shared.reference()), &stored, &projection);
    changes.save_rare(tx).await?;
    Ok(changes)
}
