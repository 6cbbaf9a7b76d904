//! Faults, and their end.

mod disks;
mod erase;
mod strange;

use super::node::Node;
use super::{Moment, Service, Step, World};
use crate::ledger::Release;
use crate::plan::FaultKind;
use crate::store::Store;
use strange::Strange;

/// A clock off by more counts as wrong, ms.
const WRONG_CLOCK_MS: i64 = 2_000;

impl World {
    pub(in crate::world) fn on_fault(&mut self, i: usize) -> Step {
        let Some(fault) = self.plan.faults.get(i).copied() else { return Ok(()) };
        self.say(|| format!("FAULT {:?}", fault.kind));
        if self.takes_hold(&fault.kind) {
            self.happened.insert(fault.kind.name());
        }
        let undo = |w: &mut Self, after: i64, node: usize| w.at(after, Moment::Undo { fault: i, node });
        match fault.kind {
            FaultKind::Partition { for_ms, .. } => {
                self.cut(i, 1);
                undo(self, for_ms, 0);
            }
            FaultKind::OneWay { from, to, for_ms } => {
                *self.blocked.entry((from, to)).or_default() += 1;
                undo(self, for_ms, 0);
            }
            FaultKind::HalfOpen { a, b } => {
                for (link, end) in self.live_ends(a) {
                    if self.links[link].ends[1 - end].node == b {
                        self.vanish(link, end, false)?;
                    }
                }
            }
            FaultKind::Slow { node, for_ms } => {
                *self.slow.entry(node).or_default() += 1;
                undo(self, for_ms, node);
            }
            FaultKind::Kill { node, service, down_ms } => {
                if self.nodes[node].on {
                    self.kill(node, service)?;
                    self.at(down_ms, Moment::Start { node, service });
                }
            }
            FaultKind::KillAtEffect { node, nth, down_ms } => self.nodes[node].kill_at = Some((nth, down_ms)),
            FaultKind::PowerCut { node, down_ms } => {
                self.power_off(node)?;
                undo(self, down_ms, node);
            }
            FaultKind::Pause { node, for_ms } => {
                self.nodes[node].paused_to = self.now + for_ms;
                self.trouble(node, self.now + for_ms + 1_000);
            }
            FaultKind::LoseDatabase { node, down_ms } => {
                self.nodes[node].no_database_to = self.now + down_ms;
                self.lose_database(node)?;
            }
            FaultKind::Backup { node } => {
                let n = &mut self.nodes[node];
                n.snapshot = Some((self.now, n.store.clone()));
            }
            FaultKind::Restore { node, running } => self.restore(i, node, running)?,
            FaultKind::Wipe { node } => {
                self.power_off(node)?;
                self.replace_disk(node, Store::default(), false);
                undo(self, 500, node);
            }
            FaultKind::Clone { node, with_memory, for_ms } => {
                self.copy_machine(i, node, with_memory, for_ms)?
            }
            FaultKind::ClockStep { node, by_ms } => {
                self.nodes[node].clock.off_ms += by_ms;
                let now = self.now;
                let is_wrong = |n: &&Node| (n.clock.shows(now) - super::BEGIN - now).abs() > WRONG_CLOCK_MS;
                self.clocks_disagreed |= self.nodes.iter().filter(is_wrong).count() > 1;
                // What waits for an answer was stamped with the other clock.
                self.trouble(node, self.now + 1_000);
            }
            FaultKind::DiskFull { node, for_ms } => {
                self.nodes[node].disk_full_to = self.now + for_ms;
                self.trouble(node, self.now + for_ms + 1_000);
            }
            FaultKind::SlowDisk { node, for_ms } => self.nodes[node].slow_disk_to = self.now + for_ms,
            FaultKind::Standby { node, after_ms } => {
                let until = self.now + after_ms;
                self.at(0, Moment::Standby { node, until });
            }
            FaultKind::Drift { node, ppm } => {
                let now = self.now;
                let c = &mut self.nodes[node].clock;
                c.off_ms = c.shows(now) - super::BEGIN - now;
                (c.ppm, c.since) = (ppm, now);
            }
            FaultKind::UnknownKind { node } => self.write_strange(node, Strange::Unknown)?,
            FaultKind::NewerVersion { node } => self.write_strange(node, Strange::Newer)?,
            FaultKind::Poison { node } => self.write_strange(node, Strange::Poison)?,
            FaultKind::SetPolicy { node } => self.sets_rule(node),
            FaultKind::OldRelease { node, for_ms } => {
                self.change_release(node, true)?;
                undo(self, for_ms, node);
            }
            FaultKind::RemovePeer { node, peer, for_ms } => {
                let id = super::node::central(peer);
                self.nodes[node].peers.remove(&id);
                self.reconfigure(node)?;
                undo(self, for_ms, node);
            }
            FaultKind::DisablePeer { node, peer, for_ms } => {
                let id = super::node::central(peer);
                self.nodes[node].peers.insert(id, false);
                self.reconfigure(node)?;
                undo(self, for_ms, node);
            }
            FaultKind::Erase { node } => self.erase_some(node)?,
            FaultKind::StaffAct { node } => self.staff_acts(node),
        }
        Ok(())
    }

    /// False where a fault finds nothing to break: it is not counted as one.
    fn takes_hold(&self, kind: &FaultKind) -> bool {
        match *kind {
            FaultKind::Backup { .. } | FaultKind::StaffAct { .. } => false,
            FaultKind::Restore { node, .. } => self.nodes[node].snapshot.is_some(),
            FaultKind::HalfOpen { a, b } => {
                self.live_ends(a).into_iter().any(|(link, end)| self.links[link].ends[1 - end].node == b)
            }
            FaultKind::Kill { node, .. }
            | FaultKind::PowerCut { node, .. }
            | FaultKind::Clone { node, .. } => self.nodes[node].on,
            FaultKind::UnknownKind { node }
            | FaultKind::NewerVersion { node }
            | FaultKind::Poison { node } => {
                let l = self.nodes[node].ledger.as_ref();
                l.is_some_and(|l| l.state.is_some() && l.round.is_none()) && !self.nodes[node].release.old
            }
            FaultKind::Erase { node } => !self.nodes[node].store.is_empty(),
            _ => true,
        }
    }

    pub(in crate::world) fn on_undo(&mut self, fault: usize, node: usize) -> Step {
        let Some(fault_kind) = self.plan.faults.get(fault).map(|f| f.kind) else { return Ok(()) };
        if self.healed && !matches!(fault_kind, FaultKind::Clone { .. }) {
            return Ok(());
        }
        self.say(|| format!("over: {}", fault_kind.name()));
        match fault_kind {
            FaultKind::Partition { .. } => self.cut(fault, -1),
            FaultKind::OneWay { from, to, .. } => self.unblock(from, to),
            FaultKind::Slow { .. } => self.speed_up(node),
            FaultKind::PowerCut { .. } | FaultKind::Wipe { .. } | FaultKind::Restore { .. } => {
                self.power_on(node)
            }
            FaultKind::OldRelease { .. } => self.change_release(node, false)?,
            FaultKind::RemovePeer { peer, .. } | FaultKind::DisablePeer { peer, .. } => {
                let id = super::node::central(peer);
                self.nodes[node].peers.insert(id, true);
                self.reconfigure(node)?;
            }
            FaultKind::Clone { .. } => self.destroy(node)?,
            _ => {}
        }
        Ok(())
    }

    fn cut(&mut self, fault: usize, by: i32) {
        let Some(FaultKind::Partition { side, .. }) = self.plan.faults.get(fault).map(|f| f.kind) else {
            return;
        };
        let there = |n: usize| side >> (n % 64) & 1;
        for a in 0..self.plan.nodes {
            for b in 0..self.plan.nodes {
                if there(a) != there(b) {
                    let n = self.blocked.entry((a, b)).or_default();
                    *n = n.saturating_add_signed(by);
                }
            }
        }
    }

    fn unblock(&mut self, from: usize, to: usize) {
        if let Some(n) = self.blocked.get_mut(&(from, to)) {
            *n = n.saturating_sub(1);
        }
    }

    fn speed_up(&mut self, node: usize) {
        if let Some(n) = self.slow.get_mut(&node) {
            *n -= 1;
            if *n == 0 {
                self.slow.remove(&node);
            }
        }
    }

    pub(in crate::world) fn change_release(&mut self, node: usize, old: bool) -> Step {
        self.nodes[node].release = Release { old };
        if self.nodes[node].on {
            self.kill(node, Service::Ledger)?;
            self.at(200, Moment::Start { node, service: Service::Ledger });
        }
        Ok(())
    }

    pub(in crate::world) fn reconfigure(&mut self, node: usize) -> Step {
        self.configure_mesh(node)?;
        self.configure_sync(node)
    }
}
