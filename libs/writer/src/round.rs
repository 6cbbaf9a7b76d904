//! A round: what was queued becomes one transaction. Events that came in are taken first, then commands are decided, then
//! everything touched is projected; answers and news follow the commit.

use std::collections::BTreeSet;

use foldhash::HashSet;
use parking::fact::Fact;
use parking::world::World;
use wire::bus::events::ApplyReply;
use wire::bus::state::Stored;
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::position::Position;

use crate::cases::Cases;
use crate::decide::Deciding;
use crate::due::DUE_PER_ROUND;
use crate::here::{Here, Random};
use crate::log::Log;
use crate::notice::Notice;
use crate::state::State;
use crate::work::{Outcome, Work};
use crate::writes::{LogChanges, Writes};
use crate::{closure, news, recent, take};

/// An event this central appended, for its peers.
#[derive(Debug, Clone)]
pub struct Own {
    /// Its bytes.
    pub frame: Frame,
    /// The command behind it, by its place in the work.
    pub command: Option<usize>,
}

/// A round worked off in memory. Nothing but `notices` may be told before `writes` is committed.
#[derive(Debug, Default)]
pub struct Round {
    /// What its transaction writes.
    pub writes: Writes,
    /// What came of the commands, in their order.
    pub outcomes: Vec<Outcome>,
    /// What became of the events, apply by apply.
    pub replies: Vec<ApplyReply>,
    /// Own events, for the peers.
    pub own: Vec<Own>,
    /// Everything stored, for whoever listens.
    pub news: Option<Stored>,
    /// What happened.
    pub notices: Vec<Notice>,
}

/// Works off one round in memory. The state runs ahead of the store until [`State::committed`]: when the commit fails, or nobody
/// knows what became of it, the state must be loaded anew.
///
/// # Errors
/// A read failed; the state must be loaded anew.
pub async fn run<L: Log>(
    log: &mut L,
    state: &mut State,
    here: &Here<'_>,
    random: &mut impl Random,
    work: &Work<'_>,
) -> Result<Round, L::Error> {
    let committed = *state.writer.committed();
    let mut changes = LogChanges { arrival: committed.arrival, ..LogChanges::default() };
    let mut notices = Vec::new();

    // 1. Events that came in.
    let tallies = take::take(log, state, &mut changes, &mut notices, &work.applies).await?;
    let came = take::facts(state, &mut changes);
    // An erased form has no arrival of its own that would tell, after a restart, that its vehicle waits.
    let (facts, later): (Vec<Fact>, BTreeSet<PlateTag>) = match work.bulk && changes.erased.is_empty() {
        true => (Vec::new(), came.iter().filter_map(|f| f.tag()).collect()),
        false => (came.iter().map(|f| (**f).clone()).collect(), BTreeSet::new()),
    };
    let mut tags: BTreeSet<PlateTag> = facts.iter().filter_map(Fact::tag).collect();
    let touched: HashSet<Hash32> = facts.iter().map(|f| f.hash).collect();
    let policies = state.policies.clone();

    // 2. What commands and time-outs ask for.
    let register = state.register.clone();
    let mut cases = Cases::read(&work.commands, here, &policies, &register, random);
    cases.load(log, here.now, &facts, &state.lanes, &mut tags).await?;
    let due = if work.sweep { log.due(here.now, DUE_PER_ROUND).await? } else { BTreeSet::new() };
    tags.extend(&due);
    tags.extend(&work.anew);

    // 3. The vehicles, in memory.
    let mut world = World::new(policies.clone());
    let fresh: HashSet<Position> =
        changes.new.iter().filter(|e| e.branch == 0).map(|e| e.frame.header().position.clone()).collect();
    let loaded = if work.anew.is_empty() {
        recent::load(log, &mut state.recent, here.now, &fresh, &tags, facts).await?
    } else {
        // Many vehicles, each once: nothing to keep.
        let loaded = closure::load(log, &tags, facts).await?;
        state.later.stepped(work.anew.len(), loaded.len());
        loaded
    };
    for f in loaded {
        let t = touched.contains(&f.hash) || f.tag().is_some_and(|t| work.anew.contains(&t));
        world.add(f, t);
    }
    let near = cases.near(log, &mut state.inside, here, &mut world).await?;
    for f in closure::load(log, &near, Vec::new()).await? {
        world.add(f, false);
    }

    let sharers = cases.sharers(here, (&policies, &register), &near, &mut world);
    for f in closure::load(log, &sharers, Vec::new()).await? {
        world.add(f, false);
    }

    let inside = cases.inside(log, &register).await?;

    // 4. Decide.
    let own_from = changes.new.len();
    let mut answers = Vec::new();
    let mut deciding = Deciding {
        state,
        changes: &mut changes,
        notices: &mut notices,
        world: &mut world,
        random,
        here,
        policies: &policies,
        register: &register,
        inside,
        keep: &mut answers,
    };
    let outcomes = cases.decide(&mut deciding, &near);
    deciding.end_due(&due);
    if work.sweep {
        deciding.end_lane_commands();
    }
    let sharers = deciding.late_sharers();
    for f in closure::load(log, &sharers, Vec::new()).await? {
        deciding.world.add(f, false);
    }
    deciding.charge_differences();
    deciding.tell_of_clock();

    // 5. Project.
    let mut projection = world.finish();
    // Rows of a vehicle without events go, too.
    projection.tags.extend(&work.anew);
    if world.failed() > 0 {
        notices.push(Notice::ProjectionFailed(world.failed()));
    }
    let own = changes.new[own_from..].iter().zip(&changes.own);
    let own = own.map(|(e, command)| Own { frame: e.frame.clone(), command: *command }).collect();
    let behind = state.later.behind(&projection.tags, &later, committed.arrival);
    let writes = Writes {
        from: committed,
        to: state.writer.next(changes.arrival),
        new: changes.new,
        erased: changes.erased,
        streams: changes.streams.iter().map(|s| state.holdings(s)).collect(),
        projection,
        later,
        behind,
        answers,
        came: take::came_from(&work.applies, &tallies),
        stale: changes.policy,
        now: here.now,
    };
    let replies = tallies.iter().map(|t| t.reply(state)).collect();
    let news = news::of(state, &writes);
    Ok(Round { writes, outcomes, replies, own, news, notices })
}
