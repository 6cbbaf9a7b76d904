//! The ledger process in its world: queues, transactions that take time, answers after the commit.
//!
//! - here: start, load, rebuild, what waits; [`round`]: a round in memory; [`commit`]: its transaction, and what is told after it
//! - [`lost`]: crashes, a database that is gone, a full disk; [`standby`]: a second process that waits for the lock

mod commit;
mod lost;
mod round;
mod standby;

use std::collections::BTreeSet;

use ::writer::{Bounds, Page, State, Turn, rebuild};
use replication::clock::Witness;
use replication::positions::{Positions, StreamPositions};
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyLane, ApplyReply};
use wire::hash::PlateTag;
use wire::id::Incarnation;
use wire::position::StreamId;

use super::event::Bus;
use super::{Moment, Node, Service, Step, Tick, World};
use crate::check::Violation;
use crate::ledger::{ApplyJob, CommandJob, Ledger, Reads, at_once};
use crate::sometimes::Rare;

/// How often passages are looked through for time-outs.
const SWEEP_MS: i64 = 1_000;
/// How long the writer needs to get the lock again.
const LOCK_MS: i64 = 100;
/// Commands that may wait for a ledger without a database.
const WAITING: usize = 8;

impl World {
    /// Bounds of the writer's queue in this world.
    pub(super) fn ledger_bounds(&self) -> Bounds {
        let b = self.plan.bounds;
        Bounds { commands: b.commands, live: b.applies, backlog: b.backlog, at_once: b.at_once }
    }

    pub(super) fn start_ledger(&mut self, node: usize) -> Step {
        let life = self.nodes[node].life(Service::Ledger);
        self.nodes[node].ledger = Some(Ledger::new(self.ledger_bounds(), None));
        self.at(LOCK_MS, Moment::LoadState { node, life });
        let spread = self.chance.net.below(SWEEP_MS as u64) as i64;
        self.at(spread, Moment::Tick { node, life, tick: Tick::Sweep });
        Ok(())
    }

    /// The writer has the lock: loads everything, rebuilds where the tables are of another release.
    pub(super) fn on_load(&mut self, node: usize, life: u64) -> Step {
        if !self.nodes[node].lives(Service::Ledger, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::LoadState { node, life }) {
            return Ok(());
        }
        if self.nodes[node].ledger.as_ref().is_none_or(|l| l.state.is_some()) {
            // It was lost twice and has been loaded already.
            return Ok(());
        }
        if !self.nodes[node].has_database(self.now) {
            self.at(LOCK_MS, Moment::LoadState { node, life });
            return Ok(());
        }
        let now = self.now;
        let n = &mut self.nodes[node];
        let rebuild = n.store.version != n.release.projection() || n.store.stale;
        if rebuild && n.is_full(now) {
            // Nothing can be written: again later.
            self.at(LOCK_MS, Moment::LoadState { node, life });
            return Ok(());
        }
        if rebuild {
            let release = n.release;
            n.store.reread(|f| release.read(f).ok());
        }
        let clock = n.clock.shows(now);
        let epoch = format!("{node}-{life}");
        let mut state = at_once(State::load(&mut Reads(&n.store), &n.central, epoch, &n.edges, clock));
        state.clock = kept_witness(n, &state.positions);
        let waiting = n.ledger.as_ref().is_some_and(|l| l.queue.commands() > 0);
        let resumed = state.clock.is_watching();
        let rows_left = !state.later.is_empty();
        if let Some(l) = &mut n.ledger {
            l.clock_saved = state.clock.changes();
            l.state = Some(state);
        }
        if resumed {
            self.saw(Rare::ClockWatchResumed);
        }
        if rows_left {
            self.saw(Rare::RowsResumed);
        }
        if waiting {
            self.saw(Rare::IncarnationUnderLoad);
        }
        if rebuild {
            if self.nodes[node].store.version == 0 && !self.nodes[node].store.is_empty() {
                self.saw(Rare::Upgraded);
            }
            self.rebuild(node)?;
        }
        self.check_reload(node)?;
        self.bus(node, Service::Sync, Bus::LedgerAnew);
        self.poll_ledger(node)
    }

    /// Projects everything anew, step by step.
    fn rebuild(&mut self, node: usize) -> Step {
        let n = &mut self.nodes[node];
        let Some(state) = n.ledger.as_mut().and_then(|l| l.state.as_mut()) else { return Ok(()) };
        let clock = n.clock.shows(self.now);
        let mut after = None;
        while let Some((last, writes)) = at_once(rebuild(&mut Reads(&n.store), state, after, clock)) {
            n.store.commit(&writes, &n.central).map_err(|e| Violation::new("rebuild", e.to_string()))?;
            after = Some(last);
        }
        n.store.version = n.release.projection();
        n.store.stale = false;
        Ok(())
    }

    pub(super) fn sweep_tick(&mut self, node: usize, life: u64) -> Step {
        self.at(SWEEP_MS, Moment::Tick { node, life, tick: Tick::Sweep });
        let n = &mut self.nodes[node];
        let watching =
            n.ledger.as_ref().and_then(|l| l.state.as_ref()).is_some_and(|s| s.clock.is_watching());
        // A round that finds nothing due does nothing: it is left out.
        if !watching && n.store.rows.due(n.clock.shows(self.now), 1).is_empty() {
            return Ok(());
        }
        if let Some(l) = &mut n.ledger {
            l.queue.sweep();
        }
        self.poll_ledger(node)
    }

    pub(super) fn take_command(&mut self, node: usize, job: CommandJob) -> Step {
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        // While it has no database a few may wait: they meet the next incarnation.
        let fits = l.state.is_some() || l.queue.commands() < WAITING;
        let principal = job.envelope.principal.clone();
        let queued = if fits { l.queue.command(&principal, job) } else { Err(job) };
        if let Err(job) = queued {
            self.saw(Rare::LedgerQueueFull);
            self.answer(&job, CommandReply::Unavailable("the queue is full".to_owned()));
            return Ok(());
        }
        self.poll_ledger(node)
    }

    pub(super) fn take_apply(&mut self, node: usize, job: ApplyJob, lane: ApplyLane) -> Step {
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        let queued = if l.state.is_some() { l.queue.apply(lane, job.events.len(), job) } else { Err(job) };
        if let Err(job) = queued {
            self.saw(Rare::LedgerQueueFull);
            self.refuse(node, &job, "the ledger cannot take events now");
            return Ok(());
        }
        self.poll_ledger(node)
    }

    fn answer(&mut self, job: &CommandJob, reply: CommandReply) {
        let after = self.plan.net.least_ms.min(5);
        self.at(after, Moment::Answered { attempt: job.attempt, reply: Box::new(reply) });
    }

    fn refuse(&mut self, node: usize, job: &ApplyJob, why: &str) {
        let reply = ApplyReply { error: Some(why.to_owned()), ..ApplyReply::default() };
        self.bus(node, job.by, Bus::Applied { request: job.request, reply });
    }

    /// Begins a round, if there is something to do and none is under way.
    pub(super) fn poll_ledger(&mut self, node: usize) -> Step {
        if self.nodes[node].paused_to > self.now {
            return Ok(());
        }
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        if l.round.is_some() {
            return Ok(());
        }
        let Some(state) = &l.state else { return Ok(()) };
        let waited = l.queue.commands();
        let todo = match l.queue.next_turn(state.later.waiting()) {
            None => return self.begin_anew(node),
            Some(Turn::Front { commands, live, sweep }) => Todo { commands, live, sweep, ..Todo::default() },
            Some(Turn::Back(page)) => Todo { page: Some(page), ..Todo::default() },
            Some(Turn::Later) => Todo { later: true, anew: state.later.step(), ..Todo::default() },
        };
        if todo.later {
            self.saw(Rare::RowsLater);
        }
        self.check_turn(node, waited, todo.later || todo.page.is_some())?;
        self.begin(node, todo)
    }

    /// A rule changed: rows are made anew some vehicles at a time, when lanes leave time for it.
    fn begin_anew(&mut self, node: usize) -> Step {
        let n = &mut self.nodes[node];
        let Some(after) = n.ledger.as_ref().and_then(|l| l.anew) else { return Ok(()) };
        let anew = n.store.tags_after(after);
        if anew.is_empty() {
            n.store.stale = false;
            if let Some(l) = &mut n.ledger {
                l.anew = None;
            }
            return Ok(());
        }
        self.begin(node, Todo { anew, ..Todo::default() })
    }
}

/// What a round takes.
#[derive(Debug, Default)]
struct Todo {
    commands: Vec<CommandJob>,
    live: Vec<ApplyJob>,
    page: Option<Page<ApplyJob>>,
    sweep: bool,
    /// Vehicles whose rows are made anew: a rule changed, or (`later`) their events were stored without.
    anew: BTreeSet<PlateTag>,
    later: bool,
}

/// The witness of the machine's clock goes on where the last ledger here stopped, as far as it was stored.
fn kept_witness(n: &Node, positions: &Positions) -> Witness {
    let head = |incarnation: Incarnation| {
        let stream = StreamId { central: n.central.clone(), incarnation };
        positions.get(&stream).map_or(0, StreamPositions::head)
    };
    match n.store.witness.as_ref().and_then(|t| serde_json::from_str::<Witness>(t).ok()) {
        Some(kept) => kept.resume(&n.boot, head),
        None => Witness::new(&n.boot),
    }
}
