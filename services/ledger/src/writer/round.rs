//! A round: what was queued becomes one transaction. Events that came in are taken first, then commands are decided, then
//! everything touched is projected and committed; answers and news follow the commit.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::decision::{late_basis, timeout};
use parking::fact::Fact;
use parking::history::EventRef;
use sqlx::{PgConnection, Row};
use tracing::Span;
use wire::bus::events::{ApplyReply, Carried};
use wire::bus::state::{Stored, StoredEvent};
use wire::bus::trace::TraceContext;
use wire::hash::{Hash32, PlateTag};
use wire::position::StreamId;

use super::accept::{self, Tally};
use super::append::append;
use super::commands::{self, Deciding, Outcome};
use super::commit::{Writes, commit};
use super::state::State;
use crate::outbox::{Out, Outbox};
use crate::queue::{Arrived, CommandJob};
use crate::shared::Shared;
use crate::store::peers::CameFrom;
use crate::store::{StoreError, closure};
use parking::world::{World, reference};

/// Passages ended by time-out in one round at most.
const DUE_PER_ROUND: i64 = 200;

/// What a round works off.
#[derive(Debug, Default)]
pub(super) struct Work<'a> {
    /// Commands, in order of receipt.
    pub(super) commands: &'a [CommandJob],
    /// Events: through whom they came, and they themselves.
    pub(super) applies: Vec<(&'a wire::id::CentralId, &'a [Arrived])>,
    /// End passages whose time is up.
    pub(super) sweep: bool,
}

/// What came of it, in the order of the work.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) replies: Vec<ApplyReply>,
    /// Rows of history or conflicts changed.
    pub(super) changed: bool,
    /// A policy came in: everything must be projected anew.
    pub(super) rebuild: bool,
}

/// What stands beside a new event until it is published.
struct News {
    event: EventRef,
    arrival: i64,
    stored: StoredEvent,
}

fn news(fact: &Fact, arrival: i64) -> News {
    let (edge_id, fee) = crate::event::lane_and_fee(fact);
    let stored = StoredEvent {
        arrival: arrival as u64,
        kind: fact.kind(),
        position: fact.header.position.clone(),
        occurred_at: fact.header.occurred_at,
        event_id: None,
        edge_id,
        fee,
    };
    News { event: reference(fact), arrival, stored }
}

/// Works off one round. After an error nothing was committed, or nobody knows; the state must be loaded anew.
pub(super) async fn run(
    conn: &mut PgConnection,
    state: &mut State,
    shared: &Shared,
    outbox: &Outbox,
    lanes_here: &HashSet<String>,
    work: &Work<'_>,
) -> Result<Done, StoreError> {
    let now = kit::clock::now_ms();
    let mut writes = Writes::default();
    writes.log.arrival = state.committed().arrival;
    let mut news_of: Vec<News> = Vec::new();
    let mut traces: HashMap<Hash32, Option<TraceContext>> = HashMap::new();

    // 1. Events that came in.
    let slices: Vec<&[Arrived]> = work.applies.iter().map(|a| a.1).collect();
    let spans = apply_spans(work);
    let tallies = accept::take(conn, state, &mut writes.log, &slices, now).await?;
    let facts = facts_of(work, &writes, state, &mut news_of);
    let mut tags: BTreeSet<PlateTag> = facts.iter().filter_map(Fact::tag).collect();
    let touched: HashSet<Hash32> = facts.iter().map(|f| f.hash).collect();

    let policies = state.policies.clone();

    // 2. What commands and time-outs ask for.
    let cases = commands::prepare(conn, shared, &policies, work.commands, now, &mut tags).await?;
    let due = if work.sweep { due(conn, now).await? } else { BTreeSet::new() };
    tags.extend(&due);

    // 3. The vehicles, in memory.
    let mut world = World::new(policies.clone());
    for f in closure::load(conn, state, tags, facts).await? {
        let t = touched.contains(&f.hash);
        world.add(f, t);
    }
    let near = cases.near(conn, shared, &mut world).await?;
    if !near.is_empty() {
        for f in closure::load(conn, state, near.clone(), Vec::new()).await? {
            world.add(f, false);
        }
    }

    // 4. Decide.
    let view = shared.view();
    let before = writes.log.new.len();
    let mut round = Deciding {
        state,
        changes: &mut writes.log,
        world: &mut world,
        shared,
        view: &view,
        policies: &policies,
        lanes_here,
        now,
        traces: &mut traces,
        keep: &mut writes.answers,
    };
    let outcomes = cases.decide(&mut round, &near, work.commands);
    end_due(&mut round, &due);
    charge_differences(&mut round);

    // 5. Project and commit.
    writes.projection = world.finish();
    if world.failed() > 0 {
        tracing::error!(vehicles = world.failed(), "projection failed, vehicles left out");
    }
    for e in writes.log.new.iter().skip(before) {
        if let Ok(f) = crate::event::fact(&e.frame) {
            news_of.push(news(&f, e.arrival));
        }
    }
    writes.came = came_from(work, &tallies);
    let commit_spans: Vec<Span> = outcomes
        .iter()
        .zip(work.commands)
        .filter(|(o, _)| matches!(o, Outcome::Reply(wire::bus::command::CommandReply::Answer { .. })))
        .map(|(_, job)| tracing::info_span!(parent: &job.span, "db.commit", otel.kind = "internal", central = %shared.central))
        .collect();
    let changed = commit(conn, state, &shared.site(&policies), &writes).await?;
    drop(commit_spans);
    drop(spans);
    state.lanes.note(&writes.projection.rows, lanes_here, now);

    // 6. Tell.
    publish(outbox, state, &writes, before, traces, news_of, now);
    let replies = tallies.iter().map(|t| reply(state, t)).collect();
    Ok(Done { outcomes, replies, changed, rebuild: writes.log.policy })
}

/// One span per live event that carries a trace; it covers the commit.
fn apply_spans(work: &Work<'_>) -> Vec<Span> {
    if !kit::trace::enabled() {
        return Vec::new();
    }
    work.applies
        .iter()
        .flat_map(|(_, events)| events.iter())
        .filter(|e| e.trace.is_some())
        .map(|e| {
            let h = e.frame.header();
            let span = tracing::info_span!(
                "ledger.event.apply",
                otel.kind = "consumer",
                kind = h.kind.name(),
                position = %h.position,
            );
            kit::trace::set_parent(&span, e.trace);
            span
        })
        .collect()
}

/// The facts of what is newly stored or erased, and their news.
fn facts_of(work: &Work<'_>, writes: &Writes, state: &mut State, news_of: &mut Vec<News>) -> Vec<Fact> {
    let arrivals: HashMap<Hash32, i64> = writes.log.new.iter().map(|e| (e.frame.hash(), e.arrival)).collect();
    let erased: HashSet<Hash32> = writes.log.erased.iter().map(|(_, _, f)| f.hash()).collect();
    let mut taken = HashSet::with_capacity(arrivals.len());
    let mut facts = Vec::with_capacity(arrivals.len());
    for e in work.applies.iter().flat_map(|(_, events)| events.iter()) {
        let hash = e.frame.hash();
        let arrival = arrivals.get(&hash);
        if (arrival.is_none() && !(erased.contains(&hash) && e.frame.is_erased())) || !taken.insert(hash) {
            continue;
        }
        let Ok(fact) = &e.fact else { continue };
        if let Some(a) = arrival {
            news_of.push(news(fact, *a));
        }
        if fact.kind() == wire::event::Kind::PolicySet && !fact.foreign {
            state.add_policy(fact.clone());
        }
        facts.push(fact.clone());
    }
    facts
}

/// Vehicles with a passage of this central's own that a time-out must end.
async fn due(conn: &mut PgConnection, now: i64) -> Result<BTreeSet<PlateTag>, StoreError> {
    let rows = sqlx::query("select plate_tag from history where due_at <= $1 order by due_at limit $2")
        .bind(now)
        .bind(DUE_PER_ROUND)
        .fetch_all(conn)
        .await?;
    Ok(rows.iter().filter_map(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)).collect())
}

/// Appends what time-outs ask for.
fn end_due(round: &mut Deciding<'_>, due: &BTreeSet<PlateTag>) {
    if due.is_empty() {
        return;
    }
    let due: Vec<PlateTag> = due.iter().copied().collect();
    round.world.prepare(&due);
    let drafts = {
        let all = round.world.view(&due);
        timeout::sweep(&all.rows, &round.shared.site(round.policies), round.now)
    };
    for draft in drafts {
        match append(round.state, round.changes, draft, round.now) {
            Ok((_, fact)) => round.world.add(fact, true),
            Err(e) => tracing::error!(error = %e, "time-out could not be recorded"),
        }
    }
}

/// Appends the differences that later-known entries would have made to charges of this central.
fn charge_differences(round: &mut Deciding<'_>) {
    let site = round.shared.site(round.policies);
    for (row, facts) in round.world.late_charges(&round.shared.central) {
        let Some(draft) = late_basis::difference(&row, &facts, &site, round.now) else { continue };
        match append(round.state, round.changes, draft, round.now) {
            Ok((_, fact)) => round.world.add(fact, true),
            Err(e) => tracing::error!(error = %e, "charge difference could not be recorded"),
        }
    }
}

fn came_from(work: &Work<'_>, tallies: &[Tally]) -> Vec<CameFrom> {
    let mut all: HashMap<&wire::id::CentralId, CameFrom> = HashMap::new();
    for ((peer, _), t) in work.applies.iter().zip(tallies) {
        if t.stored == 0 {
            continue;
        }
        let c = all.entry(peer).or_insert_with(|| CameFrom { peer: (*peer).clone(), newest: 0, stored: 0 });
        c.newest = c.newest.max(t.newest);
        c.stored += i64::from(t.stored);
    }
    all.into_values().collect()
}

fn publish(
    outbox: &Outbox,
    state: &State,
    writes: &Writes,
    own_from: usize,
    mut traces: HashMap<Hash32, Option<TraceContext>>,
    mut news_of: Vec<News>,
    now: i64,
) {
    let own: Vec<Carried> = writes
        .log
        .new
        .iter()
        .skip(own_from)
        .map(|e| Carried {
            trace: traces.remove(&e.frame.hash()).flatten(),
            committed_at: now,
            frame: e.frame.bytes().to_vec(),
        })
        .collect();
    if !own.is_empty() {
        outbox.send(Out::Committed(own));
    }
    if writes.log.new.is_empty() && writes.log.erased.is_empty() {
        return;
    }
    let mut names: HashMap<&EventRef, &str> = HashMap::new();
    for row in &writes.projection.rows {
        names.extend(row.events.iter().map(|e| (e, row.event_id.as_str())));
    }
    news_of.sort_by_key(|n| n.arrival);
    let events = news_of
        .into_iter()
        .map(|n| StoredEvent { event_id: names.get(&n.event).map(|s| (*s).to_owned()), ..n.stored })
        .collect();
    let after = writes.log.new.first().map_or(writes.log.arrival, |e| e.arrival - 1);
    let touched: BTreeSet<&StreamId> = writes.log.streams.iter().collect();
    let holdings = touched.into_iter().map(|s| state.holdings(s)).filter(|h| h.head > 0).collect();
    outbox.send(Out::Stored(Stored {
        epoch: state.epoch.clone(),
        after: after.unsigned_abs(),
        events,
        holdings,
    }));
}

fn reply(state: &State, t: &Tally) -> ApplyReply {
    ApplyReply {
        stored: t.stored,
        known: t.known,
        poison: t.poison,
        forks: t.forks,
        refused: 0,
        error: None,
        holdings: t.touched.iter().map(|s| state.holdings(s)).collect(),
    }
}
