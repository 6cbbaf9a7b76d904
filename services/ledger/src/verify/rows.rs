//! History and conflicts, rebuilt from the events and compared with the tables.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::decision::Site;
use sqlx::PgConnection;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;

use super::Report;
use crate::store::{StoreError, closure, projection, streams, text};
use crate::writer::next_tags;
use parking::world::World;

/// Names of all rows rebuilt: an alias belongs to one row, wherever its plate was looked at.
#[derive(Default)]
struct Seen {
    history: HashMap<String, Hash32>,
    conflicts: HashSet<Hash32>,
}

pub(super) async fn check(
    conn: &mut PgConnection,
    central: &CentralId,
    operator_key: &[u8],
    report: &mut Report,
) -> Result<(), StoreError> {
    let numbers = streams::numbers(conn).await?;
    let policies = crate::query::policies(conn).await?;
    let site =
        Site { central, operator_key, clock_offset_ms: 0, tariffs: &[], policies: &policies, staff: None };
    let mut seen = Seen::default();
    let mut after = None;
    loop {
        let tags = next_tags(conn, after).await?;
        let Some(last) = tags.last().copied() else { break };
        after = Some(last);
        let mut world = World::new(policies.clone());
        for f in closure::load(conn, &numbers, &tags).await? {
            world.add(f, true);
        }
        let built = world.finish();
        let mut all: BTreeSet<PlateTag> = built.tags.clone();
        all.extend(&tags);
        let all: Vec<PlateTag> = all.into_iter().collect();
        compare(conn, &site, &all, &built, &mut seen, report).await?;
    }
    report.history = seen.history.len() as u64;
    report.conflicts = seen.conflicts.len() as u64;
    Ok(())
}

async fn compare(
    conn: &mut PgConnection,
    site: &Site<'_>,
    tags: &[PlateTag],
    built: &parking::history::Projection,
    seen: &mut Seen,
    report: &mut Report,
) -> Result<(), StoreError> {
    let stored = projection::load_rows(conn, tags).await?;
    let mut names = HashSet::new();
    for row in &built.rows {
        let name = text(&row.event_id);
        let hash = row.row_hash();
        match seen.history.insert(name.clone(), hash) {
            Some(before) if before != hash => continue,
            _ => {}
        }
        let wanted = projection::Columns::of(site, row, hash);
        match stored.history.get(&name) {
            None => report.differs("history row missing", || row.opening.position.to_string()),
            Some(found) if *found != wanted => {
                report.differs("history row differs", || row.opening.position.to_string());
            }
            Some(_) => {}
        }
        names.insert(name);
    }
    for name in stored.history.keys().filter(|n| !names.contains(*n) && !seen.history.contains_key(*n)) {
        // The alias ends with the plate; its central and time say enough.
        let shown = name.rsplit_once('_').map_or("?", |(front, _)| front).to_owned();
        report.differs("history row too many", || shown);
    }
    for c in &built.conflicts {
        seen.conflicts.insert(c.id);
        match stored.conflicts.get(&c.id) {
            None => report.differs("conflict row missing", || c.id.to_string()),
            Some((hash, body)) if *hash != c.row_hash() || body != c => {
                report.differs("conflict row differs", || c.id.to_string());
            }
            Some(_) => {}
        }
    }
    for id in stored.conflicts.keys().filter(|id| !seen.conflicts.contains(id)) {
        report.differs("conflict row too many", || id.to_string());
    }
    Ok(())
}
