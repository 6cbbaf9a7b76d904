//! History and conflicts, rebuilt from the events and compared with the tables.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::decision::Site;
use parking::reference::Reference;
use sqlx::PgConnection;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;

use super::Report;
use crate::store::{StoreError, closure, projection, streams, text};
use crate::writer::{TAGS, next_tags};
use parking::world::World;

/// Names of all rows rebuilt: an alias belongs to one row, wherever its plate was looked at.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    history: HashMap<String, Hash32>,
    conflicts: HashSet<Hash32>,
}

/// A row that is not what the events say.
#[derive(Debug, Clone)]
pub(crate) struct RowFault {
    /// What is wrong, as reports say it.
    pub(crate) kind: &'static str,
    /// The row: an opening's position, a conflict's id. No plates.
    pub(crate) place: String,
    /// The row of history, by alias. Never shown.
    pub(crate) history: Option<String>,
    /// The row of conflicts.
    pub(crate) conflict: Option<Hash32>,
}

pub(super) async fn check(
    conn: &mut PgConnection,
    central: &CentralId,
    operator_key: &[u8],
    report: &mut Report,
) -> Result<(), StoreError> {
    let policies = crate::query::policies(conn).await?;
    let reference = Reference::default();
    let rights = parking::rights::Rights::default();
    let site = Site {
        central,
        operator_key,
        clock_offset_ms: 0,
        reference: &reference,
        policies: &policies,
        rights,
    };
    let mut seen = Seen::default();
    if let Some(arrival) = projection::state(conn).await?.behind {
        report.waiting = projection::lagging(conn, arrival).await?.len() as u64;
        return Ok(());
    }
    let mut after = None;
    loop {
        let tags = next_tags(conn, after, TAGS).await?;
        let Some(last) = tags.last().copied() else { break };
        after = Some(last);
        for f in of_tags(conn, &site, &tags, &mut seen).await?.faults {
            report.differs(f.kind, || f.place);
        }
    }
    report.history = seen.history.len() as u64;
    report.conflicts = seen.conflicts.len() as u64;
    Ok(())
}

/// What came of some vehicles.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    /// Every vehicle looked at: those asked for, and those that belong with them.
    pub(crate) tags: Vec<PlateTag>,
    /// What is wrong.
    pub(crate) faults: Vec<RowFault>,
}

/// Projects all that belongs to these vehicles and compares it with the tables, column by column.
pub(crate) async fn of_tags(
    conn: &mut PgConnection,
    site: &Site<'_>,
    tags: &BTreeSet<PlateTag>,
    seen: &mut Seen,
) -> Result<Compared, StoreError> {
    let numbers = streams::numbers(conn).await?;
    let mut world = World::new(site.policies.clone());
    for f in closure::load(conn, &numbers, tags).await? {
        world.add(f, true);
    }
    let built = world.finish();
    let mut all: BTreeSet<PlateTag> = built.tags.clone();
    all.extend(tags);
    let tags: Vec<PlateTag> = all.into_iter().collect();
    let faults = compare(conn, site, &tags, &built, seen).await?;
    Ok(Compared { tags, faults })
}

async fn compare(
    conn: &mut PgConnection,
    site: &Site<'_>,
    tags: &[PlateTag],
    built: &parking::history::Projection,
    seen: &mut Seen,
) -> Result<Vec<RowFault>, StoreError> {
    let stored = projection::load_rows(conn, tags).await?;
    let mut faults = Vec::new();
    let mut names = HashSet::new();
    for row in &built.rows {
        let name = text(&row.event_id);
        let hash = row.row_hash();
        match seen.history.insert(name.clone(), hash) {
            Some(before) if before != hash => continue,
            _ => {}
        }
        let wanted = projection::Columns::of(site, row, hash);
        let kind = match stored.history.get(&name) {
            None => Some("history row missing"),
            Some(found) if found.as_ref() != Some(&wanted) => Some("history row differs"),
            Some(_) => None,
        };
        faults.extend(kind.map(|kind| RowFault {
            kind,
            place: row.opening.position.to_string(),
            history: Some(name.clone()),
            conflict: None,
        }));
        names.insert(name);
    }
    for name in stored.history.keys().filter(|n| !names.contains(*n) && !seen.history.contains_key(*n)) {
        // The alias ends with the plate; its central and time say enough.
        let place = name.rsplit_once('_').map_or("?", |(front, _)| front).to_owned();
        let kind = "history row too many";
        faults.push(RowFault { kind, place, history: Some(name.clone()), conflict: None });
    }
    let conflict =
        |kind, id: Hash32| RowFault { kind, place: id.to_string(), history: None, conflict: Some(id) };
    for c in &built.conflicts {
        seen.conflicts.insert(c.id);
        match stored.conflicts.get(&c.id) {
            None => faults.push(conflict("conflict row missing", c.id)),
            Some(found) if !found.is(c) => faults.push(conflict("conflict row differs", c.id)),
            Some(_) => {}
        }
    }
    for id in stored.conflicts.keys().filter(|id| !seen.conflicts.contains(id)) {
        faults.push(conflict("conflict row too many", *id));
    }
    Ok(faults)
}
