//! The ledger process in its world: queues, transactions that take time, answers after the commit.

use std::collections::BTreeSet;

use ::writer::{
    Asked, Bounds, Brought, Here, Notice, Outcome, Page, State, Turn, Work, Writes, rebuild, run,
};
use parking::decision::PinCheck;
use replication::clock::{Reading, Witness};
use replication::positions::{Positions, StreamPositions};
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyLane, ApplyReply, Carried};
use wire::event::Frame;
use wire::hash::CommandId;
use wire::id::Incarnation;
use wire::position::StreamId;

use super::event::Bus;
use super::{Moment, Node, OPERATOR_KEY, Service, Step, Tick, World};
use crate::check::Violation;
use crate::ledger::{ApplyJob, CommandJob, Ledger, Reads, Round, at_once};
use crate::sometimes::Rare;
use crate::store::Refused;

/// How often passages are looked through for time-outs.
const SWEEP_MS: i64 = 1_000;
/// How long the writer needs to get the lock again.
const LOCK_MS: i64 = 100;
/// Commands that may wait for a ledger without a database.
const WAITING: usize = 8;
/// The map is counted anew from the events at every so many commits.
const RECOUNT_EVERY: u64 = 16;

/// What a round takes.
#[derive(Default)]
struct Taken {
    commands: Vec<CommandJob>,
    live: Vec<ApplyJob>,
    page: Option<Page<ApplyJob>>,
    sweep: bool,
    /// The next step of making rows.
    rows: bool,
}

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
        let queued = if fits { l.queue.command(job) } else { Err(job) };
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

    /// An answer leaves the ledger: from here on what it says must stay true.
    fn acknowledge(
        &mut self,
        node: usize,
        job: &CommandJob,
        reply: CommandReply,
        of: Option<CommandId>,
    ) -> Step {
        if let (CommandReply::Answer { .. }, Some(command)) = (&reply, of) {
            self.registry.acknowledged(node, command, &self.nodes[node].store)?;
        }
        self.answer(job, reply);
        Ok(())
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
        if l.round.is_some() || l.state.is_none() {
            return Ok(());
        }
        let Some(state) = &l.state else { return Ok(()) };
        let mut turn = Taken::default();
        match l.queue.next_turn(state.later.waiting()) {
            None => return Ok(()),
            Some(Turn::Front { commands, live, sweep }) => turn = Taken { commands, live, sweep, ..turn },
            Some(Turn::Back(page)) => turn.page = Some(page),
            Some(Turn::Later) => turn.rows = true,
        }
        if turn.rows {
            self.saw(Rare::RowsLater);
        }
        self.begin(node, turn)
    }

    fn begin(&mut self, node: usize, Taken { commands, live, mut page, sweep, rows }: Taken) -> Step {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(l) = &mut n.ledger else { return Ok(()) };
        let Some(state) = &mut l.state else { return Ok(()) };
        let now_ms = n.clock.shows(now);
        let reading = Reading { wall_ms: now_ms, steady_ms: now };
        let covers = state.clock.observe(reading, l.measure);
        let here = Here {
            central: &n.central,
            operator_key: OPERATOR_KEY,
            clock_offset_ms: state.clock.offset_ms(),
            covers: &covers,
            reference: &self.reference,
            lots: &[],
            view: &n.view,
            lanes: &n.edges,
            catching_up: l.catching_up,
            now: now_ms,
            read: n.release.reader(),
        };
        let asked = |j| -> Asked<'_> {
            let j: &CommandJob = j;
            Asked { envelope: &j.envelope, peers_asked: j.peers_asked, pin: PinCheck::NotChecked }
        };
        let applies = match &page {
            Some(p) => vec![Brought { from: &p.job.from, events: &p.job.events[p.chunk()] }],
            None => live.iter().map(|j| Brought { from: &j.from, events: &j.events }).collect(),
        };
        let work = Work {
            commands: commands.iter().map(asked).collect(),
            applies,
            sweep,
            anew: if rows { state.later.step() } else { BTreeSet::new() },
            bulk: page.as_ref().is_some_and(|p| p.bulk),
        };
        let mut done = at_once(run(&mut Reads(&n.store), state, &here, &mut self.chance.id, &work));
        if let Some(p) = &mut page {
            p.took(std::mem::take(&mut done.replies));
        }
        let round = Round { done, commands, live, page };
        self.note_round(node, &round)?;
        let nothing = round.done.writes.is_empty();
        let took = if nothing { 0 } else { self.chance.net.between(1, self.plan.commit_ms) };
        let life = self.nodes[node].life(Service::Ledger);
        if let Some(l) = &mut self.nodes[node].ledger {
            l.round = Some(Box::new(round));
        }
        if self.effect(node, "before the commit")? {
            self.saw(Rare::CrashBeforeCommit);
            return Ok(());
        }
        if nothing {
            self.on_committed(node, life)
        } else {
            self.at(took, Moment::Committed { node, life });
            Ok(())
        }
    }

    fn note_round(&mut self, node: usize, round: &Round) -> Step {
        for notice in &round.done.notices {
            match notice {
                Notice::NewIncarnation(_) => self.say(|| format!("node {node}: new incarnation")),
                Notice::WrittenElsewhere(_) => self.saw(Rare::CloneGaveWay),
                Notice::TimedOut(_) => self.saw(Rare::TimedOut),
                Notice::AnsweredFromElsewhere(_) => self.saw(Rare::ReplayedElsewhere),
                Notice::LateBasis(_) => self.saw(Rare::LateBasis),
                Notice::ClockOffset(_) => self.saw(Rare::ClockOffset),
                Notice::FullAfterErased(_) => self.saw(Rare::FullAfterErased),
                Notice::ProjectionFailed(_) => {
                    return Err(Violation::new("no panic", format!("node {node}: a projection panicked")));
                }
                Notice::NotRecorded(what, why) => {
                    let what = format!("node {node}: {what} could not be recorded: {why}");
                    return Err(Violation::new("what is due is recorded", what));
                }
                // Seen in the stored map, at every commit.
                Notice::Fork(_) | Notice::BrokenLink(_) | Notice::LaneCommandOver(_) => {}
            }
        }
        for (job, outcome) in round.commands.iter().zip(&round.done.outcomes) {
            if let Outcome::Reply(CommandReply::Unavailable(why), _) = outcome
                && why.contains("deadline")
            {
                self.trace
                    .say(self.now, self.steps, || format!("node {node}: attempt {} too late", job.attempt));
                self.rare.saw(Rare::DeadlinePassed);
            }
        }
        Ok(())
    }

    /// The transaction is through: commit, answer, tell.
    pub(super) fn on_committed(&mut self, node: usize, life: u64) -> Step {
        if !self.nodes[node].lives(Service::Ledger, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::Committed { node, life }) {
            return Ok(());
        }
        let now = self.now;
        let n = &mut self.nodes[node];
        if n.ledger.as_ref().is_none_or(|l| l.round.is_none()) {
            return Ok(());
        }
        if !n.has_database(now) {
            return self.lose_database(node);
        }
        let Some(l) = &mut n.ledger else { return Ok(()) };
        let Some(round) = l.round.take() else { return Ok(()) };
        if let Err(refused) = self.commit(node, &round.done.writes)? {
            self.say(|| format!("node {node}: commit refused: {refused}"));
            if let Refused::Unique(what) = refused {
                return Err(Violation::new("nothing is stored twice", format!("node {node}: {what}")));
            }
            self.saw(Rare::HeadMoved);
            self.give_back(node, *round);
            return self.lose_database(node);
        }
        self.finish(node, *round)
    }

    /// Applies a transaction to the disk, with every check that belongs to it.
    fn commit(&mut self, node: usize, tx: &Writes) -> Result<Result<(), Refused>, Violation> {
        let n = &mut self.nodes[node];
        if let Err(refused) = n.store.commit(tx, &n.central) {
            return Ok(Err(refused));
        }
        save_witness(n, tx);
        n.commits += 1;
        let recount = n.commits.is_multiple_of(RECOUNT_EVERY);
        for e in &tx.new {
            self.registry.stored(node, &e.frame)?;
        }
        for e in &tx.erased {
            self.registry.erased(&e.frame)?;
        }
        self.note_stored(node, tx);
        if !tx.new.is_empty() || !tx.erased.is_empty() {
            self.say(|| {
                let of = |f: &Frame| {
                    format!(
                        "{} {}#{}",
                        f.header().kind,
                        f.header().position.stream.central,
                        f.header().position.seq
                    )
                };
                let new: Vec<String> = tx.new.iter().map(|e| of(&e.frame)).collect();
                format!("node {node}: commits {} events: {}", new.len(), new.join(", "))
            });
        }
        for h in &tx.streams {
            self.check_stream(node, &h.stream, recount)?;
        }
        Ok(Ok(()))
    }

    /// After the commit: memory moves on, answers go out, the others are told.
    fn finish(&mut self, node: usize, round: Round) -> Step {
        let n = &mut self.nodes[node];
        if let Some(state) = n.ledger.as_mut().and_then(|l| l.state.as_mut()) {
            state.committed(&round.done.writes, &n.edges);
        }
        if round.done.writes.stale {
            self.saw(Rare::PolicyApplied);
            self.rebuild(node)?;
        }
        if self.effect(node, "before the answers")? {
            self.saw(Rare::CrashBeforeAnswer);
            return Ok(());
        }
        let done = round.done;
        for (job, outcome) in round.commands.into_iter().zip(done.outcomes) {
            match outcome {
                Outcome::Reply(reply, of) => self.acknowledge(node, &job, reply, of)?,
                Outcome::AskPeers(tag) => {
                    self.saw(Rare::PeersAsked);
                    self.bus(node, Service::Mesh, Bus::Lookup(tag, Box::new(job)));
                }
            }
            if self.effect(node, "between answers")? {
                return Ok(());
            }
        }
        for (job, mut reply) in round.live.into_iter().zip(done.replies) {
            reply.refused = job.refused;
            self.bus(node, job.by, Bus::Applied { request: job.request, reply });
        }
        if let Some(mut page) = round.page {
            if !page.is_done() {
                if let Some(l) = &mut self.nodes[node].ledger {
                    l.queue.put_back(page);
                }
            } else {
                page.reply.refused = page.job.refused;
                self.bus(node, page.job.by, Bus::Applied { request: page.job.request, reply: page.reply });
            }
        }
        if self.effect(node, "before the news")? {
            return Ok(());
        }
        let committed_at = done.writes.now;
        let carried = |f: Frame| Carried { trace: None, committed_at, frame: f.bytes().to_vec() };
        let own: Vec<Carried> = done.own.into_iter().map(|o| carried(o.frame)).collect();
        if !own.is_empty() {
            self.bus(node, Service::Mesh, Bus::Committed(own));
        }
        if let Some(stored) = done.news {
            self.bus(node, Service::Sync, Bus::Stored(stored.holdings));
        }
        self.poll_ledger(node)
    }

    /// Commits something written outside a round, and tells of it.
    pub(super) fn write_own(&mut self, node: usize, tx: Writes) -> Step {
        if self.commit(node, &tx)?.is_err() {
            self.saw(Rare::HeadMoved);
            return self.lose_database(node);
        }
        if let Some(state) = self.nodes[node].ledger.as_mut().and_then(|l| l.state.as_mut()) {
            state.writer.moved_to(tx.to);
        }
        if tx.stale {
            self.saw(Rare::PolicyApplied);
            self.rebuild(node)?;
        }
        let carried = |e: &::writer::NewEvent| Carried {
            trace: None,
            committed_at: tx.now,
            frame: e.frame.bytes().to_vec(),
        };
        let own = tx.new.iter().map(carried).collect();
        self.bus(node, Service::Mesh, Bus::Committed(own));
        self.bus(node, Service::Sync, Bus::Stored(tx.streams));
        Ok(())
    }

    /// Counts down to a planned kill at an effect. True when the ledger has just died.
    fn effect(&mut self, node: usize, what: &str) -> Result<bool, Violation> {
        let Some((left, down_ms)) = self.nodes[node].kill_at else { return Ok(false) };
        if left > 0 {
            self.nodes[node].kill_at = Some((left - 1, down_ms));
            return Ok(false);
        }
        self.nodes[node].kill_at = None;
        self.say(|| format!("node {node}: dies {what}"));
        self.kill(node, Service::Ledger)?;
        self.at(down_ms, Moment::Start { node, service: Service::Ledger });
        Ok(true)
    }

    /// What became of the transaction in flight, nobody will be told: chance decides, whole or not at all.
    pub(super) fn unknown_outcome(&mut self, node: usize, alive: bool) -> Step {
        let Some(round) = self.nodes[node].ledger.as_mut().and_then(|l| l.round.take()) else {
            return Ok(());
        };
        if self.chance.fault.per_mille(500) {
            if self.commit(node, &round.done.writes)?.is_ok() {
                self.saw(Rare::UnknownButDurable);
            }
        } else {
            self.saw(Rare::UnknownAndLost);
        }
        if alive {
            self.give_back(node, *round);
        }
        Ok(())
    }

    /// Answers everything of a round that nobody knows the outcome of.
    fn give_back(&mut self, node: usize, round: Round) {
        for job in round.commands {
            self.answer(&job, CommandReply::Unavailable("the ledger lost its database".to_owned()));
        }
        for job in round.live {
            self.refuse(node, &job, "the ledger lost its database");
        }
        if let Some(page) = round.page {
            self.refuse(node, &page.job, "the ledger lost its database");
        }
    }

    /// The connection is gone: everything waiting is refused, and the writer begins again.
    pub(super) fn lose_database(&mut self, node: usize) -> Step {
        self.unknown_outcome(node, true)?;
        let life = self.nodes[node].life(Service::Ledger);
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        l.state = None;
        let (commands, applies) = l.queue.drain();
        for job in commands {
            self.answer(&job, CommandReply::Unavailable("the ledger has no database".to_owned()));
        }
        for job in applies {
            self.refuse(node, &job, "the ledger has no database");
        }
        self.at(LOCK_MS, Moment::LoadState { node, life });
        Ok(())
    }
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

/// Within the transaction of a round that writes something.
fn save_witness(n: &mut Node, tx: &Writes) {
    let Some(l) = &mut n.ledger else { return };
    let Some(state) = &l.state else { return };
    if tx.is_empty() || l.clock_saved == state.clock.changes() {
        return;
    }
    n.store.witness = serde_json::to_string(&state.clock).ok();
    l.clock_saved = state.clock.changes();
}
