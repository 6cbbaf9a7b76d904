//! Makes the projection anew from the events: after an upgrade of its version, and when a policy changed.

use std::collections::BTreeSet;

use parking::history::PROJECTION_VERSION;
use sqlx::{PgConnection, Row};
use wire::hash::PlateTag;

use super::commit::{Writes, commit};
use super::state::State;
use crate::shared::Shared;
use crate::store::{StoreError, closure, projection};
use parking::world::World;

/// Plates of one transaction.
const TAGS: i64 = 500;

/// Rebuilds where the tables are of another version or marked stale.
pub(super) async fn if_needed(
    conn: &mut PgConnection,
    state: &mut State,
    shared: &Shared,
) -> Result<(), StoreError> {
    let (version, stale) = projection::version(conn).await?;
    if version == PROJECTION_VERSION && !stale {
        return Ok(());
    }
    all(conn, state, shared).await
}

/// Rebuilds everything, some plates at a time; begun again from the start when it was broken off.
pub(super) async fn all(
    conn: &mut PgConnection,
    state: &mut State,
    shared: &Shared,
) -> Result<(), StoreError> {
    let mut after: Option<PlateTag> = None;
    loop {
        let tags = next_tags(conn, after).await?;
        let Some(last) = tags.last().copied() else { break };
        let mut world = World::new(state.policies.clone());
        for f in closure::load(conn, &*state, tags, Vec::new()).await? {
            world.add(f, true);
        }
        let mut writes = Writes { projection: world.finish(), ..Writes::default() };
        writes.log.arrival = state.committed().arrival;
        let policies = state.policies.clone();
        commit(conn, state, &shared.site(&policies), &writes).await?;
        after = Some(last);
    }
    projection::set_version(conn, PROJECTION_VERSION, false).await
}

/// The next plates in order of tag, of events and of rows.
pub(crate) async fn next_tags(
    conn: &mut PgConnection,
    after: Option<PlateTag>,
) -> Result<BTreeSet<PlateTag>, StoreError> {
    let rows = sqlx::query(
        "(select distinct plate_tag from events where plate_tag > $1 order by plate_tag limit $2)
         union (select distinct plate_tag from history where plate_tag > $1 order by plate_tag limit $2)
         union (select distinct plate_tag from conflicts where plate_tag > $1 order by plate_tag limit $2)
         order by plate_tag limit $2",
    )
    .bind(after.as_ref().map_or(&[][..], |t| t.as_bytes()))
    .bind(TAGS)
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)).collect())
}
