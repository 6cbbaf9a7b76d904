//! The transaction of a round, and what is told after it.

use std::collections::HashSet;

use ::writer::{Arrived, Outcome, Writes};
use wire::bus::command::CommandReply;
use wire::bus::events::{Carried, ToPeer};
use wire::event::Frame;
use wire::hash::{CommandId, Hash32};
use wire::mesh::Message;

use crate::check::{First, Violation};
use crate::ledger::{ApplyJob, CommandJob, Round};
use crate::sometimes::Rare;
use crate::store::Refused;
use crate::world::{Bus, Moment, Node, Service, Step, World};

/// The map is counted anew from the events, and memory compared with the store, at every so many commits.
const RECOUNT_EVERY: u64 = 16;

impl World {
    /// The transaction is through: commit, answer, tell.
    pub(in crate::world) fn on_committed(&mut self, node: usize, life: u64) -> Step {
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
        let full = n.is_full(now);
        let Some(l) = &mut n.ledger else { return Ok(()) };
        let Some(round) = l.round.take() else { return Ok(()) };
        if full && !round.done.writes.is_empty() {
            self.say(|| format!("node {node}: no space left on the disk"));
            self.saw(Rare::DiskFull);
            self.give_back(node, *round);
            return self.lose_database(node);
        }
        if let Err(refused) = self.commit(node, &round.done.writes, &round.told)? {
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
    pub(super) fn commit(
        &mut self,
        node: usize,
        tx: &Writes,
        told: &[(CommandId, First)],
    ) -> Result<Result<(), Refused>, Violation> {
        let n = &mut self.nodes[node];
        let before = n.store.rows.clone_of(&tx.projection);
        if let Err(refused) = n.store.commit(tx, &n.central) {
            return Ok(Err(refused));
        }
        n.store.told.note(told);
        save_witness(n, tx);
        n.commits += 1;
        let recount = n.commits.is_multiple_of(RECOUNT_EVERY);
        for e in &tx.new {
            self.registry.stored(node, &e.frame)?;
            if let Some(t) = &mut self.tally {
                t.stored(self.now, e.frame.hash(), self.healed);
            }
        }
        for e in &tx.erased {
            self.registry.erased(&e.frame)?;
        }
        self.note_stored(node, tx);
        if !tx.new.is_empty() || !tx.erased.is_empty() {
            self.stored_at = self.now;
            self.say(|| {
                let new: Vec<String> = tx.new.iter().map(|e| short(&e.frame)).collect();
                format!("node {node}: commits {} events: {}", new.len(), new.join(", "))
            });
        }
        self.check_rows(node, tx, &before, recount)?;
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
        if let Some(l) = n.ledger.as_mut() {
            if let Some(last) = round.anew {
                l.anew = Some(Some(last));
            }
            if round.done.writes.stale {
                // From the first vehicle on.
                l.anew = Some(None);
                self.rare.saw(Rare::PolicyApplied);
            }
        }
        if self.nodes[node].commits.is_multiple_of(RECOUNT_EVERY) {
            self.check_memory(node)?;
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
        let relayed = self.to_relay(node, &round.live, &done.writes)?;
        for (job, mut reply) in round.live.into_iter().zip(done.replies) {
            reply.refused = job.refused;
            self.check_holdings(node, &reply.holdings)?;
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
        for to in relayed {
            self.bus(node, Service::Mesh, Bus::ToPeer(to));
        }
        if let Some(stored) = done.news {
            self.check_holdings(node, &stored.holdings)?;
            self.bus(node, Service::Sync, Bus::Stored(stored.holdings));
        }
        self.poll_ledger(node)
    }

    /// What is new here and came live, for the peers it did not come from: only where shapes that relay are compared.
    fn to_relay(&self, node: usize, live: &[ApplyJob], writes: &Writes) -> Result<Vec<ToPeer>, Violation> {
        if !self.tally.as_ref().is_some_and(|t| t.relays) {
            return Ok(Vec::new());
        }
        let new: HashSet<Hash32> = writes.new.iter().map(|e| e.frame.hash()).collect();
        let mut out = Vec::new();
        for job in live {
            let events = job.events.iter().filter(|a| new.contains(&a.frame.hash()));
            let carried = |a: &Arrived| Carried {
                trace: None,
                committed_at: writes.now,
                frame: a.frame.bytes().to_vec(),
            };
            let events: Vec<Carried> = events.map(carried).collect();
            if events.is_empty() {
                continue;
            }
            let message = Message::pack_events(&super::super::mesh::encode(&Message::Events(events))?);
            for peer in self.nodes[node].peers.keys().filter(|p| **p != job.from) {
                out.push(ToPeer { to: Some(peer.clone()), message: message.to_vec() });
            }
        }
        Ok(out)
    }

    /// An answer leaves the ledger: from here on what it says must stay true.
    pub(super) fn acknowledge(
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

    /// Commits something written outside a round, and tells of it.
    pub(in crate::world) fn write_own(&mut self, node: usize, tx: Writes) -> Step {
        if self.commit(node, &tx, &[])?.is_err() {
            self.saw(Rare::HeadMoved);
            return self.lose_database(node);
        }
        let n = &mut self.nodes[node];
        if let Some(state) = n.ledger.as_mut().and_then(|l| l.state.as_mut()) {
            state.committed(&tx, &n.edges);
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
}

fn short(f: &Frame) -> String {
    let h = f.header();
    format!("{} {}#{}", h.kind, h.position.stream.central, h.position.seq)
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
