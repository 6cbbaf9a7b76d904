//! Crashes, and a database that is gone.

use wire::bus::command::CommandReply;

use super::LOCK_MS;
use crate::check::Violation;
use crate::ledger::Round;
use crate::sometimes::Rare;
use crate::world::{Moment, Service, Step, World};

impl World {
    /// Counts down to a planned kill at an effect. True when the ledger has just died.
    pub(super) fn effect(&mut self, node: usize, what: &str) -> Result<bool, Violation> {
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
    pub(in crate::world) fn unknown_outcome(&mut self, node: usize, alive: bool) -> Step {
        let Some(round) = self.nodes[node].ledger.as_mut().and_then(|l| l.round.take()) else {
            return Ok(());
        };
        if self.chance.fault.per_mille(500) {
            if !self.nodes[node].is_full(self.now)
                && self.commit(node, &round.done.writes, &round.told)?.is_ok()
            {
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
    pub(super) fn give_back(&mut self, node: usize, round: Round) {
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
    pub(in crate::world) fn lose_database(&mut self, node: usize) -> Step {
        self.unknown_outcome(node, true)?;
        let life = self.nodes[node].life(Service::Ledger);
        let until = self.now.max(self.nodes[node].no_database_to).max(self.nodes[node].disk_full_to);
        self.trouble(node, until + 2 * LOCK_MS);
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
