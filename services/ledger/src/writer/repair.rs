//! Repairs of the audit, in rounds of their own: what is found is noted with the row as it was, and put right in the same
//! transaction. Nothing is thrown away that is not kept in `audit_findings`.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parking::world::World;
use replication::keeping::{Month, NO_MONTH, month_of};
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::oneshot;
use uuid::Uuid;
use wire::event::{Frame, Kind};
use wire::hash::{Hash32, PlateTag};
use wire::position::{StreamHoldings, StreamId};

use super::memory::Memory;
use crate::shared::Shared;
use crate::store::closure::{self, StreamNumbers};
use crate::store::findings::{self, Finding};
use crate::store::{StoreError, head, months, projection, streams};

/// Work of the audit for the writer.
#[derive(Debug)]
pub struct RepairJob {
    /// What was found, with what to do about it. One transaction.
    pub steps: Vec<Step>,
    /// Findings that are no more, with what repaired them.
    pub closed: Vec<(i64, String)>,
    /// Told after the commit: the number of each step's finding, and whether it was repaired.
    pub done: oneshot::Sender<Vec<Done>>,
}

/// One finding and its cure.
#[derive(Debug, Clone)]
pub struct Step {
    /// What was found.
    pub finding: Finding,
    /// What to do.
    pub cure: Cure,
}

/// What puts it right.
#[derive(Debug, Clone)]
pub enum Cure {
    /// Nothing yet: it is noted, and a holder is asked.
    Wait,
    /// The row's columns and hash are written again from its own bytes.
    OwnBytes {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// Proven bytes of another central take the place of the row's.
    Bytes {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
        /// The event.
        frame: Box<Frame>,
        /// Whose bytes these are, for people.
        by: String,
    },
    /// One row stays in its place: copies of it go (they are kept in the finding), other events become branches.
    Twice {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// The row goes to where its bytes belong.
    Move {
        /// Stream number.
        stream: i32,
        /// Seq.
        seq: i64,
        /// Branch.
        branch: i16,
    },
    /// The position map of a stream is made again from its events; what is missing is then caught up like any gap.
    Map {
        /// Stream number.
        number: i32,
        /// The stream.
        stream: StreamId,
        /// Positions whose rows are gone. They stand until they are back, unless the writer never held them: then it is the map
        /// that was edited.
        missing: Option<(u64, u64)>,
    },
    /// The event at the head is not the one the stored map names there.
    Head {
        /// The stream.
        stream: StreamId,
        /// Its head.
        seq: u64,
        /// The hash of the row there.
        row: Hash32,
        /// Who else holds that very event, for people; none while nobody was asked.
        confirmed: Option<String>,
    },
    /// A branch is missing here: catch-up asks for it.
    Suspect {
        /// The stream.
        stream: StreamId,
        /// The position.
        seq: u64,
        /// The hashes held.
        held: Vec<Hash32>,
    },
    /// The list of a stream's months is made again from its events.
    Months(i32),
    /// The rows of these vehicles are made again from their events.
    Rows(BTreeSet<PlateTag>),
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The finding's number.
    pub id: i64,
    /// It is repaired.
    pub repaired: bool,
}

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
    streams::save(&mut tx, &changed_streams).await?;
    for number in &touched.months {
        months::recount(&mut tx, *number).await?;
    }
    out.changed = project(&mut tx, memory, shared, &touched.tags).await?;
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
    head::advance(&from, &next, &mut tx).await?;
    tx.commit().await?;
    memory.state.writer.moved_to(next);
    out.holdings = changed_streams.into_iter().map(|(_, h)| h).collect();
    out.reload = touched.reload;
    Ok(out)
}

/// Makes the rows of these vehicles again, whatever is stored of them. True when something was written.
async fn project(
    tx: &mut PgConnection,
    memory: &Memory,
    shared: &Shared,
    tags: &BTreeSet<PlateTag>,
) -> Result<bool, StoreError> {
    if tags.is_empty() {
        return Ok(false);
    }
    let mut world = World::new(memory.state.policies.clone());
    for f in closure::load(tx, &memory.numbers, tags).await? {
        world.add(f, true);
    }
    let mut projection = world.finish();
    projection.tags.extend(tags);
    let all: Vec<PlateTag> = projection.tags.iter().copied().collect();
    let stored = projection::load(tx, &all).await?.distrusted();
    let policies = memory.state.policies.clone();
    let days =
        projection::save(tx, &shared.site(&policies, &shared.reference()), &stored, &projection).await?;
    Ok(!days.is_empty())
}

/// Does one cure; what repaired it, for people, or none while it waits for something.
async fn cure(
    tx: &mut PgConnection,
    memory: &mut Memory,
    cure: &Cure,
    touched: &mut Touched,
) -> Result<Option<String>, StoreError> {
    match cure {
        Cure::Wait => Ok(None),
        Cure::OwnBytes { stream, seq, branch } => {
            let (frame, tag) = stored(tx, (*stream, *seq, *branch)).await?;
            touched.tags.extend(tag);
            put(tx, memory, (*stream, *seq, *branch), &frame, touched).await?;
            Ok(Some("own bytes".to_owned()))
        }
        Cure::Bytes { stream, seq, branch, frame, by } => {
            if let Ok((_, tag)) = stored(tx, (*stream, *seq, *branch)).await {
                touched.tags.extend(tag);
            }
            put(tx, memory, (*stream, *seq, *branch), frame, touched).await?;
            Ok(Some(by.clone()))
        }
        Cure::Twice { stream, seq, branch } => {
            part(tx, memory, (*stream, *seq, *branch), touched).await?;
            Ok(Some("one row stays".to_owned()))
        }
        Cure::Move { stream, seq, branch } => {
            move_home(tx, memory, (*stream, *seq, *branch), touched).await?;
            Ok(Some("own bytes".to_owned()))
        }
        Cure::Map { number, stream, missing } => {
            if memory.numbers.number(stream).is_some_and(|n| n != *number) && !has_events(tx, *number).await?
            {
                // A second row for a stream whose events are listed elsewhere.
                sqlx::query("delete from streams where id = $1").bind(number).execute(tx).await?;
                return Ok(Some("events".to_owned()));
            }
            let held = memory.state.positions.get(stream);
            let lost = missing.is_some_and(|(a, b)| held.is_some_and(|h| h.holds(a) || h.holds(b)));
            touched.streams.insert(stream.clone());
            touched.months.insert(*number);
            make_map(tx, memory, *number, stream).await?;
            Ok((!lost).then(|| "events".to_owned()))
        }
        Cure::Head { stream, seq, row, confirmed } => {
            let known =
                memory.state.positions.get(stream).is_some_and(|h| h.head() == *seq && h.head_hash() == *row);
            if known {
                touched.streams.insert(stream.clone());
                return Ok(Some("the writer's map".to_owned()));
            }
            let Some(by) = confirmed else { return Ok(None) };
            let mut told = memory.state.holdings(stream);
            if told.head == *seq {
                told.head_hash = *row;
                memory.state.positions.set(told);
                touched.streams.insert(stream.clone());
            }
            Ok(Some(by.clone()))
        }
        Cure::Suspect { stream, seq, held } => {
            memory.state.positions.entry(stream).mark_forked(*seq, held.iter().copied());
            touched.streams.insert(stream.clone());
            Ok(Some("fork: both branches are kept".to_owned()))
        }
        Cure::Months(number) => {
            touched.months.insert(*number);
            Ok(Some("events".to_owned()))
        }
        Cure::Rows(tags) => {
            touched.tags.extend(tags);
            Ok(Some("events".to_owned()))
        }
    }
}

type At = (i32, i64, i16);

/// The number of a stream; a new one is given where it has none, and stored with the repair.
fn number_of(memory: &mut Memory, stream: &StreamId, touched: &mut Touched) -> i32 {
    let mut new = BTreeMap::new();
    let number = memory.numbers.or_new(stream, &mut new);
    touched.streams.extend(new.into_values());
    number
}

async fn has_events(tx: &mut PgConnection, number: i32) -> Result<bool, StoreError> {
    let any = sqlx::query_scalar("select exists (select 1 from events where stream = $1)");
    Ok(any.bind(number).fetch_one(tx).await?)
}

/// The event as a row's bytes say it, and the vehicle as its column says it.
async fn stored(
    tx: &mut PgConnection,
    (stream, seq, branch): At,
) -> Result<(Frame, Option<PlateTag>), StoreError> {
    let row =
        sqlx::query("select frame, plate_tag from events where stream = $1 and seq = $2 and branch = $3")
            .bind(stream)
            .bind(seq)
            .bind(branch)
            .fetch_optional(tx)
            .await?
            .ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    let bytes: Vec<u8> = row.try_get(0)?;
    let tag: Option<&[u8]> = row.try_get(1)?;
    let frame = Frame::parse(Bytes::from(bytes)).map_err(|e| StoreError::Damaged(e.to_string()))?;
    Ok((frame, tag.and_then(PlateTag::from_slice)))
}

/// Writes a row's bytes, and every column from them.
async fn put(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    frame: &Frame,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let h = frame.header();
    let opening = h.opening.as_ref().map(|o| (number_of(memory, &o.stream, touched), o.seq as i64));
    let next_arrival = touched.arrival + 1;
    let month = file(tx, memory, (stream, seq, branch), h.occurred_at, touched).await?;
    let given: Option<i64> = sqlx::query_scalar(
        "update events set hash = $4, kind = $5, occurred_at = $6, plate_tag = $7, opening_stream = $8, opening_seq = $9,
             command_id = $10, poison = $11, frame = $12, month = $14,
             arrival = case when arrival between 1 and $13 - 1 then arrival else $13 end
         where stream = $1 and seq = $2 and branch = $3 returning arrival",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .bind(frame.hash().0)
    .bind(i32::from(h.kind.code()))
    .bind(h.occurred_at)
    .bind(h.plate_tag.map(|t| t.0))
    .bind(opening.map(|o| o.0))
    .bind(opening.map(|o| o.1))
    .bind(h.command_id.map(|c| c.0))
    .bind(::writer::fact(frame).err())
    .bind(&frame.bytes()[..])
    .bind(next_arrival)
    .bind(month)
    .fetch_optional(tx)
    .await?;
    let given = given.ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    touched.arrival = touched.arrival.max(given);
    touched.tags.extend(h.plate_tag);
    touched.reload |= is_rule(h.kind);
    Ok(())
}

/// The month a row belongs under by the stamp of its event, with a drawer for it.
async fn file(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    occurred_at: i64,
    touched: &mut Touched,
) -> Result<Month, StoreError> {
    let row = sqlx::query(
        "select received_at, month, exists (select 1 from stream_months m
             where m.stream = e.stream and m.month = e.month and e.seq between m.first_seq and m.last_seq)
         from events e where stream = $1 and seq = $2 and branch = $3",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::Damaged("the row is gone".to_owned()))?;
    let (received_at, is, listed): (i64, Month, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let month = if is == NO_MONTH { is } else { month_of(occurred_at, received_at) };
    months::ensure(tx, &mut memory.months, BTreeSet::from([month])).await?;
    if month != is || (month != NO_MONTH && !listed) {
        touched.months.insert(stream);
    }
    Ok(month)
}

/// Kinds that rule over events of other vehicles: what is in memory was made with the damaged one.
fn is_rule(kind: Kind) -> bool {
    (20..30).contains(&kind.code())
}

/// Leaves one row in a place: nothing but the writer keeps a position unique over all months.
async fn part(
    tx: &mut PgConnection,
    memory: &mut Memory,
    (stream, seq, branch): At,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "select month, received_at, frame, plate_tag from events where stream = $1 and seq = $2 and branch = $3 order by month",
    )
    .bind(stream)
    .bind(seq)
    .bind(branch)
    .fetch_all(&mut *tx)
    .await?;
    let mut there = Vec::with_capacity(rows.len());
    for r in &rows {
        let (month, received_at): (Month, i64) = (r.try_get(0)?, r.try_get(1)?);
        let bytes: Vec<u8> = r.try_get(2)?;
        touched.tags.extend(r.try_get::<Option<&[u8]>, _>(3)?.and_then(PlateTag::from_slice));
        let frame = Frame::parse(Bytes::from(bytes.clone())).ok();
        let at_home = frame.is_some_and(|f| month_of(f.header().occurred_at, received_at) == month);
        there.push((!at_home, month, bytes));
    }
    // The one that lies where its stamp says stays, where there is one.
    there.sort();
    let Some(((_, _, stays), others)) = there.split_first() else { return Ok(()) };
    for (_, month, bytes) in others {
        let sql = if bytes == stays {
            "delete from events where stream = $1 and seq = $2 and branch = $3 and month = $4"
        } else {
            "update events set branch = (select max(branch) + 1 from events where stream = $1 and seq = $2)
             where stream = $1 and seq = $2 and branch = $3 and month = $4"
        };
        sqlx::query(sql).bind(stream).bind(seq).bind(branch).bind(month).execute(&mut *tx).await?;
    }
    touched.months.insert(stream);
    if let Some(s) = memory.numbers.stream_of(stream) {
        touched.streams.insert(s.clone());
        make_map(tx, memory, stream, &s).await?;
    }
    Ok(())
}

/// Brings a row to the position its bytes say.
async fn move_home(
    tx: &mut PgConnection,
    memory: &mut Memory,
    at: At,
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let (frame, tag) = stored(tx, at).await?;
    touched.tags.extend(tag);
    let home = &frame.header().position;
    let number = number_of(memory, &home.stream, touched);
    let seq = home.seq as i64;
    let branches: Vec<(i16, Vec<u8>)> =
        sqlx::query("select branch, hash from events where stream = $1 and seq = $2")
            .bind(number)
            .bind(seq)
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()?;
    if branches.iter().any(|(_, h)| h[..] == frame.hash().0) {
        // The same event is at home already; this copy is kept in the finding.
        sqlx::query("delete from events where stream = $1 and seq = $2 and branch = $3")
            .bind(at.0)
            .bind(at.1)
            .bind(at.2)
            .execute(&mut *tx)
            .await?;
    } else {
        let branch = branches.iter().map(|(b, _)| b + 1).max().unwrap_or(0);
        sqlx::query(
            "update events set stream = $4, seq = $5, branch = $6 where stream = $1 and seq = $2 and branch = $3",
        )
        .bind(at.0)
        .bind(at.1)
        .bind(at.2)
        .bind(number)
        .bind(seq)
        .bind(branch)
        .execute(&mut *tx)
        .await?;
        put(tx, memory, (number, seq, branch), &frame, touched).await?;
    }
    let left = memory.numbers.stream_of(at.0);
    touched.months.extend([at.0, number]);
    for (n, s) in left.into_iter().map(|s| (at.0, s)).chain([(number, home.stream.clone())]) {
        touched.streams.insert(s.clone());
        make_map(tx, memory, n, &s).await?;
    }
    Ok(())
}

/// Makes the map of a stream again from its rows, and its row in `streams`.
async fn make_map(
    tx: &mut PgConnection,
    memory: &mut Memory,
    number: i32,
    stream: &StreamId,
) -> Result<(), StoreError> {
    let islands = sqlx::query(
        "select min(seq), max(seq) from
           (select seq, seq - dense_rank() over (order by seq) as island from events where stream = $1 and seq > 0) as s
         group by island order by 1",
    )
    .bind(number)
    .fetch_all(&mut *tx)
    .await?;
    let (mut gaps, mut head) = (Vec::new(), 0u64);
    for r in islands {
        let (from, to): (i64, i64) = (r.try_get(0)?, r.try_get(1)?);
        if from as u64 > head + 1 {
            gaps.push((head + 1, from as u64 - 1));
        }
        head = to as u64;
    }
    let mut forks: Vec<(u64, Vec<Hash32>)> = Vec::new();
    let rows = sqlx::query(
        "select seq, hash from events where stream = $1 and (seq = $2 or seq in
           (select seq from events where stream = $1 and branch > 0)) order by seq, hash",
    )
    .bind(number)
    .bind(head as i64)
    .fetch_all(&mut *tx)
    .await?;
    let mut at_head = BTreeSet::new();
    for r in rows {
        let seq = r.try_get::<i64, _>(0)? as u64;
        let hash = Hash32::from_slice(r.try_get(1)?).unwrap_or_default();
        if seq == head {
            at_head.insert(hash);
        }
        match forks.last_mut() {
            Some((s, hashes)) if *s == seq => hashes.push(hash),
            _ => forks.push((seq, vec![hash])),
        }
    }
    forks.retain(|(_, hashes)| hashes.len() > 1);
    let known = memory.state.positions.get(stream);
    // What the writer knows of the head is a witness that the row there has to agree with, not the other way round.
    let kept = known.filter(|k| k.head() == head && head > 0).map(|k| k.head_hash());
    let head_hash = kept.filter(|h| *h != Hash32::default()).or_else(|| at_head.first().copied());
    // Positions where a branch is known to be missing stay marked.
    if let Some(k) = known {
        for (seq, hashes) in k.forks() {
            let listed = forks.iter().any(|(s, _)| s == seq);
            if hashes.len() == 1 && *seq <= head && !listed {
                forks.push((*seq, hashes.iter().copied().collect()));
            }
        }
        forks.sort_by_key(|(seq, _)| *seq);
    }
    memory.numbers.assign(number, stream);
    memory.state.positions.set(StreamHoldings {
        stream: stream.clone(),
        head,
        head_hash: head_hash.unwrap_or_default(),
        gaps,
        forks,
    });
    sqlx::query("delete from streams where central = $1 and incarnation = $2 and id <> $3")
        .bind(stream.central.as_str())
        .bind(Uuid::from_u128(stream.incarnation.0))
        .bind(number)
        .execute(&mut *tx)
        .await?;
    sqlx::query("update streams set central = $2, incarnation = $3 where id = $1")
        .bind(number)
        .bind(stream.central.as_str())
        .bind(Uuid::from_u128(stream.incarnation.0))
        .execute(&mut *tx)
        .await?;
    Ok(())
}
