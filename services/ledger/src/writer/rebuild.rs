//! Makes the projection anew from the events: after an upgrade of its version, and when a policy changed.

use std::collections::BTreeSet;

use parking::history::PROJECTION_VERSION;
use sqlx::PgConnection;
use wire::hash::PlateTag;

use super::commit::commit;
use super::log::{PgLog, TAGS, next_tags};
use super::memory::Memory;
use crate::shared::Shared;
use crate::store::{StoreError, projection};

/// Rebuilds where the tables are of another version or marked stale.
pub(super) async fn if_needed(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
) -> Result<(), StoreError> {
    let kept = projection::state(conn).await?;
    if kept.version == PROJECTION_VERSION && !kept.stale {
        return Ok(());
    }
    all(conn, memory, shared).await
}

/// Vehicles of one round that projects anew between others: bounds how long a command waits behind one.
const ANEW_TAGS: usize = 200;

/// A rule changed while lanes are at work: rows are made anew some vehicles at a time, between the rounds that lanes wait for. Until
/// it is through, the tables are marked stale, so that a process that ends before begins again.
#[derive(Debug, Default)]
pub(super) struct Anew {
    after: Option<PlateTag>,
    tags: Vec<PlateTag>,
}

impl Anew {
    /// The next vehicles; none when all were.
    pub(super) async fn next(&mut self, conn: &mut PgConnection) -> Result<BTreeSet<PlateTag>, StoreError> {
        if self.tags.is_empty() {
            self.tags = next_tags(conn, self.after, TAGS).await?.into_iter().rev().collect();
            self.after = self.tags.first().copied().or(self.after);
        }
        let rest = self.tags.len().saturating_sub(ANEW_TAGS);
        Ok(self.tags.drain(rest..).collect())
    }
}

/// Rebuilds everything, some plates at a time; begun again from the start when it was broken off.
pub(super) async fn all(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let mut log = PgLog::new(conn, &memory.numbers);
        let now = kit::clock::now_ms();
        let Some((last, writes)) = ::writer::rebuild(&mut log, &memory.state, after, now).await? else {
            break;
        };
        let stored = log.rows;
        let policies = memory.state.policies.clone();
        commit(conn, memory, &shared.site(&policies, &shared.reference()), &writes, stored).await?;
        after = Some(last);
    }
    projection::set_version(conn, PROJECTION_VERSION, false).await
}
