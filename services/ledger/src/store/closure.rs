//! Loads the events that belong together: those that share a plate tag, and those that name one another.

use std::collections::{BTreeSet, HashMap};

use parking::fact::Fact;
use parking::history::Closure;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use wire::event::Frame;
use wire::hash::PlateTag;
use wire::position::{Position, StreamId};

use super::{StoreError, events};

/// Numbers of streams: from the writer's memory, or looked up.
pub trait StreamNumbers {
    /// The number of a stream here; none when no event names it.
    fn number(&self, stream: &StreamId) -> Option<i32>;
}

impl StreamNumbers for HashMap<StreamId, i32> {
    fn number(&self, stream: &StreamId) -> Option<i32> {
        self.get(stream).copied()
    }
}

fn fact(row: &PgRow, into: &mut Vec<Fact>) -> Result<(), StoreError> {
    match events::frame(row, 0) {
        // Poison is left out of every projection. It is decided anew by this release: it may know more kinds than the one
        // that stored the event.
        Ok(frame) => into.extend(crate::event::fact(&frame)),
        // One damaged row must not stop the log; `ledger verify` names it.
        Err(StoreError::Damaged(e)) => tracing::error!(error = %e, "damaged event left out"),
        Err(e) => return Err(e),
    }
    Ok(())
}

async fn of_tags(
    conn: &mut PgConnection,
    tags: &BTreeSet<PlateTag>,
    into: &mut Vec<Fact>,
) -> Result<(), StoreError> {
    if tags.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query("select frame from events where plate_tag = any($1::bytea[])")
        .bind(tags.iter().map(|t| t.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    rows.iter().try_for_each(|r| fact(r, into))
}

/// Loads the events at these positions and those that name one of them, except the ones with the tag already loaded.
async fn of_openings(
    conn: &mut PgConnection,
    numbers: &impl StreamNumbers,
    openings: &BTreeSet<Position>,
    loaded: &HashMap<&Position, PlateTag>,
    into: &mut Vec<Fact>,
) -> Result<(), StoreError> {
    let known: Vec<(i32, i64, Option<[u8; 16]>)> = openings
        .iter()
        .filter_map(|p| Some((numbers.number(&p.stream)?, p.seq as i64, loaded.get(p).map(|t| t.0))))
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "with o as (select * from unnest($1::int4[], $2::int8[], $3::bytea[]) as o(stream, seq, tag))
         select e.frame from o join events e on e.stream = o.stream and e.seq = o.seq
         where e.plate_tag is distinct from o.tag
         union all
         select e.frame from o join events e on e.opening_stream = o.stream and e.opening_seq = o.seq
         where e.plate_tag is distinct from o.tag",
    )
    .bind(known.iter().map(|k| k.0).collect::<Vec<_>>())
    .bind(known.iter().map(|k| k.1).collect::<Vec<_>>())
    .bind(known.iter().map(|k| k.2).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter().try_for_each(|r| fact(r, into))
}

/// Every stored event that belongs with a tag, as frames; every branch.
pub async fn frames(conn: &mut PgConnection, tag: PlateTag) -> Result<Vec<Frame>, StoreError> {
    let numbers = super::streams::numbers(conn).await?;
    let facts = load(conn, &numbers, BTreeSet::from([tag]), Vec::new()).await?;
    let mut at: Vec<(i32, i64)> = facts
        .iter()
        .filter_map(|f| Some((numbers.number(&f.header.position.stream)?, f.header.position.seq as i64)))
        .collect();
    at.sort_unstable();
    at.dedup();
    let rows = sqlx::query(
        "select e.frame from unnest($1::int4[], $2::int8[]) as w(stream, seq)
         join events e on e.stream = w.stream and e.seq = w.seq",
    )
    .bind(at.iter().map(|p| p.0).collect::<Vec<_>>())
    .bind(at.iter().map(|p| p.1).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| events::frame(r, 0)).collect()
}

/// Every stored fact that belongs with these tags and with the facts in hand (which are in the answer too). Facts may be in it
/// more than once: the projection does not mind.
pub async fn load(
    conn: &mut PgConnection,
    numbers: &impl StreamNumbers,
    tags: BTreeSet<PlateTag>,
    in_hand: Vec<Fact>,
) -> Result<Vec<Fact>, StoreError> {
    let mut closure = Closure::with_tags(tags.iter().copied());
    let mut facts = in_hand;
    of_tags(conn, &tags, &mut facts).await?;
    loop {
        let needs = closure.missing(&facts);
        if needs.is_empty() {
            return Ok(facts);
        }
        let mut more = Vec::new();
        of_tags(conn, &needs.tags, &mut more).await?;
        if !needs.openings.is_empty() {
            let mut loaded: HashMap<&Position, PlateTag> = HashMap::new();
            for f in &facts {
                if let Some(tag) = f.tag() {
                    for p in f.is_passage().then_some(&f.header.position).into_iter().chain(&f.header.opening)
                    {
                        loaded.entry(p).or_insert(tag);
                    }
                }
            }
            of_openings(conn, numbers, &needs.openings, &loaded, &mut more).await?;
        }
        facts.append(&mut more);
    }
}
