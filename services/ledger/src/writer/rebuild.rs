//! Makes the projection anew from the events: after an upgrade of its version, and when a policy changed.

use parking::history::PROJECTION_VERSION;
use sqlx::PgConnection;

use super::commit::commit;
use super::log::PgLog;
use super::memory::Memory;
use crate::shared::Shared;
use crate::store::{StoreError, projection};

/// Rebuilds where the tables are of another version or marked stale.
pub(super) async fn if_needed(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
) -> Result<(), StoreError> {
    let (version, stale) = projection::version(conn).await?;
    if version == PROJECTION_VERSION && !stale {
        return Ok(());
    }
    all(conn, memory, shared).await
}

/// Rebuilds everything, some plates at a time; begun again from the start when it was broken off.
pub(super) async fn all(
    conn: &mut PgConnection,
    memory: &mut Memory,
    shared: &Shared,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let mut log = PgLog { conn, numbers: &memory.numbers };
        let now = kit::clock::now_ms();
        let Some((last, writes)) = ::writer::rebuild(&mut log, &memory.state, after, now).await? else {
            break;
        };
        let policies = memory.state.policies.clone();
        commit(conn, memory, &shared.site(&policies), &writes).await?;
        after = Some(last);
    }
    projection::set_version(conn, PROJECTION_VERSION, false).await
}
