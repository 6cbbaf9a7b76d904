//! A round: what was queued becomes one transaction. Events that came in are taken first, then commands are decided, then
//! everything touched is projected; answers and news follow the commit.

use std::collections::{BTreeSet, HashSet};

use parking::decision::{Draft, Site, late_basis, timeout};
use parking::fact::Fact;
use parking::view::View;
use wire::bus::events::{ApplyReply, Carried};
use wire::event::{Frame, Kind};
use wire::hash::{Hash32, PlateTag};
use wire::id::{CentralId, Incarnation};

use super::decide::{self, Deciding};
use super::take::{self, LogChanges, Tally};
use super::{Arrived, CommandJob, Release, Round, State};
use crate::chance::Chance;
use crate::store::{Event, Store, Tx};
use parking::world::World;

/// Passages ended by time-out in one round at most.
const DUE_PER_ROUND: usize = 200;

/// What a round works off, and what it knows.
#[derive(Debug)]
pub struct Work<'a> {
    /// This central.
    pub central: &'a CentralId,
    /// What holds for every decision.
    pub site: Site<'a>,
    /// How rows are shown.
    pub view: &'a View,
    /// Edges of this central's own lanes.
    pub edges: &'a HashSet<String>,
    /// What this release can read.
    pub release: Release,
    /// This central's clock, ms.
    pub now: i64,
    /// Sync says that events are missing.
    pub catching_up: bool,
    /// Commands, in order of receipt.
    pub commands: &'a [CommandJob],
    /// Events.
    pub applies: Vec<&'a [Arrived]>,
    /// End passages whose time is up.
    pub sweep: bool,
}

/// Works off one round in memory. What it returns is to be committed; after a refusal the state must be loaded anew.
pub fn run(
    store: &Store,
    state: &mut State,
    chance: &mut Chance,
    work: &Work<'_>,
) -> (Round, Vec<ApplyReply>) {
    let mut changes = LogChanges { arrival: state.writer.committed().arrival, ..LogChanges::default() };
    let tallies = take::take(store, state, &mut changes, &work.applies);
    let facts = facts_of(work, &changes, state);
    let mut tags: BTreeSet<PlateTag> = facts.iter().filter_map(Fact::tag).collect();
    let touched: HashSet<Hash32> = facts.iter().map(|f| f.hash).collect();

    let cases = decide::prepare(store, work, chance, &mut tags);
    let due = if work.sweep { store.rows.due(work.now, DUE_PER_ROUND) } else { BTreeSet::new() };
    tags.extend(&due);

    let mut world = World::new(state.policies.clone());
    for f in store.closure(&tags, facts) {
        let t = touched.contains(&f.hash);
        world.add(f, t);
    }
    let near = cases.near(store, work, &mut world);
    if !near.is_empty() {
        for f in store.closure(&near, Vec::new()) {
            world.add(f, false);
        }
    }

    let own_from = changes.new.len();
    let had_stream = state.writer.has_stream();
    let mut answers = Vec::new();
    let mut round = Deciding {
        state,
        changes: &mut changes,
        world: &mut world,
        chance,
        work,
        keep: &mut answers,
        differences: 0,
        elsewhere: 0,
    };
    let outcomes = cases.decide(&mut round, &near);
    let ended = end_due(&mut round, &due);
    charge_differences(&mut round);
    let (differences, elsewhere) = (round.differences, round.elsewhere);

    let projection = world.finish();
    let own = changes.new[own_from..]
        .iter()
        .map(|e| Carried { trace: None, committed_at: work.now, frame: e.frame.bytes().to_vec() })
        .collect();
    let opened = !had_stream && changes.new.len() > own_from;
    let holdings: Vec<_> = changes.streams.iter().map(|s| state.holdings(s)).collect();
    let tx = Tx {
        from: *state.writer.committed(),
        to: state.writer.next(changes.arrival),
        new: changes.new,
        erased: changes.erased,
        streams: holdings.iter().filter(|h| h.head > 0).cloned().collect(),
        projection,
        answers,
        stale: changes.policy,
    };
    let replies = tallies.iter().map(|t| reply(state, t)).collect();
    let round = Round {
        tx,
        commands: work.commands.iter().cloned().zip(outcomes).collect(),
        own,
        holdings,
        rebuild: changes.policy,
        ended,
        differences,
        elsewhere,
        opened,
        gave_way: changes.gave_way,
        failed: world.failed(),
        full_after_erased: changes.full_after_erased,
        ..Round::default()
    };
    (round, replies)
}

/// The facts of what is newly stored or erased.
fn facts_of(work: &Work<'_>, changes: &LogChanges, state: &mut State) -> Vec<Fact> {
    let new: HashSet<Hash32> = changes.new.iter().map(|e| e.frame.hash()).collect();
    let erased: HashSet<Hash32> = changes.erased.iter().map(|(f, _)| f.hash()).collect();
    let mut taken = HashSet::with_capacity(new.len());
    let mut facts = Vec::with_capacity(new.len());
    for e in work.applies.iter().flat_map(|events| events.iter()) {
        let hash = e.frame.hash();
        let taken_in = new.contains(&hash) || erased.contains(&hash) && e.frame.is_erased();
        if !taken_in || !taken.insert(hash) {
            continue;
        }
        let Some(fact) = &e.fact else { continue };
        if fact.kind() == Kind::PolicySet && !fact.foreign {
            state.add_policy((**fact).clone());
        }
        facts.push((**fact).clone());
    }
    facts
}

/// Appends what time-outs ask for.
fn end_due(round: &mut Deciding<'_, '_>, due: &BTreeSet<PlateTag>) -> usize {
    if due.is_empty() {
        return 0;
    }
    let due: Vec<PlateTag> = due.iter().copied().collect();
    round.world.prepare(&due);
    let drafts = {
        let all = round.world.view(&due);
        timeout::sweep(&all.rows, &round.work.site, round.work.now)
    };
    let mut ended = 0;
    for draft in drafts {
        if let Some((_, fact)) = append(round.state, round.changes, round.chance, round.work, draft) {
            round.world.add(fact, true);
            ended += 1;
        }
    }
    ended
}

/// Appends the differences that later-known entries would have made to charges of this central.
fn charge_differences(round: &mut Deciding<'_, '_>) {
    for (row, facts) in round.world.late_charges(round.work.central) {
        let Some(draft) = late_basis::difference(&row, &facts, &round.work.site, round.work.now) else {
            continue;
        };
        if let Some((_, fact)) = append(round.state, round.changes, round.chance, round.work, draft) {
            round.world.add(fact, true);
            round.differences += 1;
        }
    }
}

/// Writes a decided event at the head, in memory; the round's commit makes it last. None when it is too large.
pub(super) fn append(
    state: &mut State,
    changes: &mut LogChanges,
    chance: &mut Chance,
    work: &Work<'_>,
    draft: Draft,
) -> Option<(Frame, Fact)> {
    let body = draft.body.encode().ok()?;
    let salt = chance.wide().to_be_bytes();
    let head = state.writer.head(|| Incarnation(chance.wide()));
    let header =
        head.next(draft.body.kind(), draft.occurred_at, draft.command_id, draft.opening, draft.plate_tag);
    let frame = Frame::write(header, &salt, &body).ok()?;
    put(state, changes, work, frame)
}

/// Puts a frame that follows the head into the round.
pub(super) fn put(
    state: &mut State,
    changes: &mut LogChanges,
    work: &Work<'_>,
    frame: Frame,
) -> Option<(Frame, Fact)> {
    let fact = work.release.read(&frame)?;
    state.writer.head(|| Incarnation(0)).advance(&frame).ok()?;
    let position = &frame.header().position;
    state.positions.insert(position, frame.hash());
    changes.arrival += 1;
    changes.streams.insert(position.stream.clone());
    changes.new.push(Event {
        frame: frame.clone(),
        fact: Some(fact.clone()),
        branch: 0,
        arrival: changes.arrival,
    });
    Some((frame, (*fact).clone()))
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
