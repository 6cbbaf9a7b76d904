//! The ledger process in its world: queues, transactions that take time, answers after the commit.

use parking::decision::Site;
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyLane, ApplyReply};
use wire::event::Frame;
use wire::hash::CommandId;

use super::event::Bus;
use super::{Moment, OPERATOR_KEY, Service, Step, Tick, World};
use crate::check::Violation;
use crate::ledger::{ApplyJob, CommandJob, Ledger, Outcome, Page, Round, State, Work, run};
use crate::sometimes::Rare;
use crate::store::{Refused, Tx};

/// Commands of one round at most.
const COMMANDS: usize = 64;
/// Live events of one round at most (a message more or less).
const LIVE_EVENTS: usize = 512;
/// Events of a catch-up page stored in one transaction.
const BACKLOG_EVENTS: usize = 1000;
/// How often passages are looked through for time-outs.
const SWEEP_MS: i64 = 1_000;
/// How long the writer needs to get the lock again.
const LOCK_MS: i64 = 100;
/// The map is counted anew from the events at every so many commits.
const RECOUNT_EVERY: u64 = 16;

impl World {
    pub(super) fn start_ledger(&mut self, node: usize) -> Step {
        let life = self.nodes[node].life(Service::Ledger);
        self.nodes[node].ledger = Some(Ledger::default());
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
            n.store.reread(|f| release.read(f));
        }
        let clock = n.clock.shows(now);
        let state = State::load(&n.store, &n.central, &n.edges, clock);
        let waiting = n.ledger.as_ref().is_some_and(|l| !l.commands.is_empty());
        if let Some(l) = &mut n.ledger {
            l.state = Some(state);
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

    /// Projects everything anew, in one go (production: some plates at a time).
    fn rebuild(&mut self, node: usize) -> Step {
        let n = &mut self.nodes[node];
        let Some(state) = n.ledger.as_mut().and_then(|l| l.state.as_mut()) else { return Ok(()) };
        let facts = n.store.closure(&n.store.tags(), Vec::new());
        let projection = parking::history::project(&facts, &state.policies);
        let tx = Tx {
            from: *state.writer.committed(),
            to: *state.writer.committed(),
            projection,
            ..Tx::default()
        };
        n.store.commit(&tx, &n.central).map_err(|e| Violation::new("rebuild", e.to_string()))?;
        n.store.version = n.release.projection();
        n.store.stale = false;
        Ok(())
    }

    pub(super) fn sweep_tick(&mut self, node: usize, life: u64) -> Step {
        self.at(SWEEP_MS, Moment::Tick { node, life, tick: Tick::Sweep });
        let n = &mut self.nodes[node];
        // A round that finds nothing due does nothing: it is left out.
        if n.store.rows.due(n.clock.shows(self.now), 1).is_empty() {
            return Ok(());
        }
        if let Some(l) = &mut n.ledger {
            l.sweep = true;
        }
        self.poll_ledger(node)
    }

    pub(super) fn take_command(&mut self, node: usize, job: CommandJob) -> Step {
        let most = self.plan.bounds.commands;
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        if l.commands.len() >= most || l.state.is_none() && l.commands.len() >= most.min(8) {
            self.saw(Rare::LedgerQueueFull);
            self.answer(&job, CommandReply::Unavailable("the queue is full".to_owned()));
            return Ok(());
        }
        l.commands.push_back(job);
        self.poll_ledger(node)
    }

    pub(super) fn take_apply(&mut self, node: usize, job: ApplyJob, lane: ApplyLane) -> Step {
        let bounds = self.plan.bounds;
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        let (queue, most) = match lane {
            ApplyLane::Live => (&mut l.live, bounds.applies),
            ApplyLane::Backlog => (&mut l.backlog, bounds.backlog),
        };
        if queue.len() >= most || l.state.is_none() {
            self.saw(Rare::LedgerQueueFull);
            self.refuse(node, &job, "the ledger cannot take events now");
            return Ok(());
        }
        queue.push_back(job);
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
        let front = !l.commands.is_empty() || !l.live.is_empty() || l.sweep;
        if l.page.is_none() {
            l.page = l.backlog.pop_front().map(|job| Page { job, at: 0, reply: ApplyReply::default() });
        }
        let back = l.page.is_some() && (l.turn || !front);
        if !front && !back {
            return Ok(());
        }
        l.turn = !back;
        if back { self.begin_back(node) } else { self.begin_front(node) }
    }

    fn begin_front(&mut self, node: usize) -> Step {
        let Some(l) = &mut self.nodes[node].ledger else { return Ok(()) };
        let n = l.commands.len().min(COMMANDS);
        let commands: Vec<CommandJob> = l.commands.drain(..n).collect();
        let mut live = Vec::new();
        let mut events = 0;
        while events < LIVE_EVENTS {
            let Some(job) = l.live.pop_front() else { break };
            events += job.events.len();
            live.push(job);
        }
        let sweep = std::mem::take(&mut l.sweep);
        self.begin(node, commands, live, None, sweep)
    }

    fn begin_back(&mut self, node: usize) -> Step {
        let Some(page) = self.nodes[node].ledger.as_mut().and_then(|l| l.page.take()) else { return Ok(()) };
        self.begin(node, Vec::new(), Vec::new(), Some(page), false)
    }

    fn begin(
        &mut self,
        node: usize,
        commands: Vec<CommandJob>,
        live: Vec<ApplyJob>,
        page: Option<Page>,
        sweep: bool,
    ) -> Step {
        let now = self.now;
        let n = &mut self.nodes[node];
        let clock = n.clock.shows(now);
        let Some(l) = &mut n.ledger else { return Ok(()) };
        let Some(state) = &mut l.state else { return Ok(()) };
        let end = page.as_ref().map_or(0, |p| (p.at + BACKLOG_EVENTS).min(p.job.events.len()));
        let applies = match &page {
            Some(p) => vec![&p.job.events[p.at..end]],
            None => live.iter().map(|j| &j.events[..]).collect(),
        };
        let policies = state.policies.clone();
        let work = Work {
            central: &n.central,
            site: Site {
                central: &n.central,
                operator_key: OPERATOR_KEY,
                clock_offset_ms: l.offset_ms,
                tariffs: &self.tariffs,
                policies: &policies,
                staff: None,
            },
            view: &n.view,
            edges: &n.edges,
            release: n.release,
            now: clock,
            catching_up: l.catching_up,
            commands: &commands,
            applies,
            sweep,
        };
        let (mut round, replies) = run(&n.store, state, &mut self.chance.id, &work);
        match page {
            Some(mut p) => {
                for r in replies {
                    add(&mut p.reply, r);
                }
                p.at = end;
                round.page = Some(p);
            }
            None => round.live = live.into_iter().zip(replies).collect(),
        }
        if round.failed > 0 {
            return Err(Violation::new("no panic", format!("node {node}: a projection panicked")));
        }
        self.note_round(node, &round);
        let nothing = round.tx.new.is_empty()
            && round.tx.erased.is_empty()
            && round.tx.streams.is_empty()
            && round.tx.projection.tags.is_empty()
            && round.tx.answers.is_empty();
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

    fn note_round(&mut self, node: usize, round: &Round) {
        if round.opened {
            self.say(|| format!("node {node}: new incarnation"));
        }
        if round.gave_way {
            self.saw(Rare::CloneGaveWay);
        }
        if round.ended > 0 {
            self.saw(Rare::TimedOut);
        }
        if round.elsewhere > 0 {
            self.saw(Rare::ReplayedElsewhere);
        }
        if round.differences > 0 {
            self.saw(Rare::LateBasis);
        }
        if round.full_after_erased > 0 {
            self.saw(Rare::FullAfterErased);
        }
        for (job, outcome) in &round.commands {
            if let Outcome::Reply(CommandReply::Unavailable(why), _) = outcome
                && why.contains("deadline")
            {
                self.trace
                    .say(self.now, self.steps, || format!("node {node}: attempt {} too late", job.attempt));
                self.rare.saw(Rare::DeadlinePassed);
            }
        }
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
        if let Err(refused) = self.commit(node, &round.tx)? {
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
    fn commit(&mut self, node: usize, tx: &Tx) -> Result<Result<(), Refused>, Violation> {
        let n = &mut self.nodes[node];
        if let Err(refused) = n.store.commit(tx, &n.central) {
            return Ok(Err(refused));
        }
        n.commits += 1;
        let recount = n.commits.is_multiple_of(RECOUNT_EVERY);
        for e in &tx.new {
            self.registry.stored(node, &e.frame)?;
        }
        for (frame, _) in &tx.erased {
            self.registry.erased(frame)?;
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
        let now = self.now;
        let n = &mut self.nodes[node];
        let clock = n.clock.shows(now);
        if let Some(state) = n.ledger.as_mut().and_then(|l| l.state.as_mut()) {
            state.writer.moved_to(round.tx.to);
            state.lanes.note(&round.tx.projection.rows, &n.edges, clock);
        }
        if round.rebuild {
            self.saw(Rare::PolicyApplied);
            self.rebuild(node)?;
        }
        if self.effect(node, "before the answers")? {
            self.saw(Rare::CrashBeforeAnswer);
            return Ok(());
        }
        for (job, outcome) in round.commands {
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
        for (job, mut reply) in round.live {
            reply.refused = job.refused;
            self.bus(node, job.by, Bus::Applied { request: job.request, reply });
        }
        if let Some(mut page) = round.page {
            if page.at < page.job.events.len() {
                if let Some(l) = &mut self.nodes[node].ledger {
                    l.page = Some(page);
                }
            } else {
                page.reply.refused = page.job.refused;
                self.bus(node, page.job.by, Bus::Applied { request: page.job.request, reply: page.reply });
            }
        }
        if self.effect(node, "before the news")? {
            return Ok(());
        }
        if !round.own.is_empty() {
            self.bus(node, Service::Mesh, Bus::Committed(round.own));
        }
        if !round.holdings.is_empty() {
            self.bus(node, Service::Sync, Bus::Stored(round.holdings));
        }
        self.poll_ledger(node)
    }

    /// Commits something written outside a round, and tells of it.
    pub(super) fn write_own(&mut self, node: usize, tx: Tx) -> Step {
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
        let clock = self.nodes[node].clock.shows(self.now);
        let carried = |e: &crate::store::Event| wire::bus::events::Carried {
            trace: None,
            committed_at: clock,
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
            if self.commit(node, &round.tx)?.is_ok() {
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
        for (job, _) in round.commands {
            self.answer(&job, CommandReply::Unavailable("the ledger lost its database".to_owned()));
        }
        for (job, _) in round.live {
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
        let commands: Vec<CommandJob> = l.commands.drain(..).collect();
        let applies: Vec<ApplyJob> =
            l.live.drain(..).chain(l.backlog.drain(..)).chain(l.page.take().map(|p| p.job)).collect();
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

fn add(all: &mut ApplyReply, r: ApplyReply) {
    all.stored += r.stored;
    all.known += r.known;
    all.poison += r.poison;
    all.forks += r.forks;
    for h in r.holdings {
        all.holdings.retain(|x| x.stream != h.stream);
        all.holdings.push(h);
    }
}
