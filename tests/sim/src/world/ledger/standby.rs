//! A second ledger on the same disk: it waits for the lock, and takes over when the first one's session ends. The first one may
//! not know yet, with a transaction on its way.

use super::LOCK_MS;
use crate::sometimes::Rare;
use crate::world::{Moment, Service, Step, World};

impl World {
    /// The second process looks whether the lock is free.
    pub(in crate::world) fn on_standby(&mut self, node: usize, until: i64) -> Step {
        let n = &self.nodes[node];
        if !n.on || n.gone || self.healed {
            return Ok(());
        }
        if self.hold(node, || Moment::Standby { node, until }) {
            return Ok(());
        }
        if self.now < until && self.nodes[node].ledger.is_some() {
            self.saw(Rare::StandbyWaited);
            self.at(LOCK_MS, Moment::Standby { node, until });
            return Ok(());
        }
        self.say(|| format!("node {node}: the second ledger takes over"));
        self.saw(Rare::StandbyTookOver);
        self.trouble(node, self.now + 2 * LOCK_MS);
        // The session's end decides what its transaction became: whole or not at all, before the lock is free.
        let round = self.nodes[node].ledger.as_mut().and_then(|l| l.round.take());
        if let Some(round) = round {
            let reached = self.chance.fault.per_mille(500)
                && !self.nodes[node].is_full(self.now)
                && self.commit(node, &round.done.writes, &round.told)?.is_ok();
            self.saw(if reached { Rare::UnknownButDurable } else { Rare::UnknownAndLost });
            self.nodes[node].old = Some(round);
            let after = self.chance.fault.between(1, 2_000);
            self.at(after, Moment::OldWriter { node });
        }
        let n = &mut self.nodes[node];
        n.ledger = None;
        n.lives[Service::Ledger as usize] += 1;
        self.start_ledger(node)
    }

    /// The first writer hears that its session ended: nobody it keeps waiting gets an answer from it.
    pub(in crate::world) fn on_old_writer(&mut self, node: usize) {
        if let Some(round) = self.nodes[node].old.take() {
            self.saw(Rare::OldWriterHeard);
            self.give_back(node, *round);
        }
    }
}
