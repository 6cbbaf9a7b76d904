//! One transaction: everything a round writes, or nothing.

use parking::decision::Site;
use parking::history::Projection;
use sqlx::{Connection, PgConnection};

use super::accept::LogChanges;
use super::state::State;
use crate::store::answers::{self, Answer};
use crate::store::closure::StreamNumbers;
use crate::store::peers::{self, CameFrom};
use crate::store::{StoreError, events, head, projection, streams};

/// What a round writes.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) log: LogChanges,
    pub(super) projection: Projection,
    pub(super) answers: Vec<Answer>,
    pub(super) came: Vec<CameFrom>,
}

impl Writes {
    fn is_empty(&self) -> bool {
        self.log.new.is_empty()
            && self.log.erased.is_empty()
            && self.log.streams.is_empty()
            && self.projection.tags.is_empty()
            && self.answers.is_empty()
    }
}

/// Commits a round. True when rows of history or conflicts changed. After an error nothing in memory may be trusted.
pub(super) async fn commit(
    conn: &mut PgConnection,
    state: &mut State,
    site: &Site<'_>,
    writes: &Writes,
) -> Result<bool, StoreError> {
    if writes.is_empty() {
        return Ok(false);
    }
    let tags: Vec<_> = writes.projection.tags.iter().copied().collect();
    let stored = projection::load(conn, &tags).await?;
    let next = state.writer.next(writes.log.arrival);
    let mut changed_streams = Vec::with_capacity(writes.log.streams.len());
    for s in &writes.log.streams {
        if let Some(n) = state.number(s) {
            changed_streams.push((n, state.holdings(s)));
        }
    }
    let new: Vec<_> = writes.log.new.iter().collect();
    let mut tx = conn.begin().await?;
    head::advance(state.committed(), &next, &mut tx).await?;
    streams::save(&mut tx, &changed_streams).await?;
    events::insert(&mut tx, &new).await?;
    events::erase(&mut tx, &writes.log.erased).await?;
    let changed = projection::save(&mut tx, site, &stored, &writes.projection).await?;
    if writes.log.policy {
        projection::set_version(&mut tx, parking::history::PROJECTION_VERSION, true).await?;
    }
    answers::save(&mut tx, &writes.answers).await?;
    peers::note(&mut tx, &writes.came).await?;
    tx.commit().await?;
    state.writer.moved_to(next);
    Ok(changed != projection::Changed::default())
}
