//! Makes the projection anew from the events: after an upgrade of its version, and when a policy changed.

use parking::world::World;
use wire::hash::PlateTag;

use crate::closure;
use crate::log::Log;
use crate::state::State;
use crate::writes::Writes;

/// The next step after the vehicles up to `after`: what to write, and the vehicle to go on after. None at the end. Begun again
/// from the start when it was broken off.
///
/// # Errors
/// A read failed.
pub async fn rebuild<L: Log>(
    log: &mut L,
    state: &State,
    after: Option<PlateTag>,
    now: i64,
) -> Result<Option<(PlateTag, Writes)>, L::Error> {
    let tags = log.tags_after(after).await?;
    let Some(last) = tags.last().copied() else { return Ok(None) };
    let mut world = World::new(state.policies.clone());
    for f in closure::load(log, &tags, Vec::new()).await? {
        world.add(f, true);
    }
    let committed = *state.writer.committed();
    let mut projection = world.finish();
    // Rows of a vehicle without events go, too.
    projection.tags.extend(&tags);
    Ok(Some((last, Writes { from: committed, to: committed, projection, now, ..Writes::default() })))
}
