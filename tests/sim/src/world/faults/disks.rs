//! Machines and their disks: power, restores, wipes, copies.

use crate::ledger::Ledger;
use crate::sometimes::Rare;
use crate::store::Store;
use crate::world::{Moment, Node, Service, Step, Tick, World};

const ALL: [Service; 3] = [Service::Ledger, Service::Mesh, Service::Sync];

impl World {
    /// All power is gone at once; links just fall silent.
    pub(in crate::world) fn power_off(&mut self, node: usize) -> Step {
        if !self.nodes[node].on {
            return Ok(());
        }
        for service in ALL {
            self.kill(node, service)?;
        }
        self.nodes[node].on = false;
        self.nodes[node].old = None;
        Ok(())
    }

    pub(in crate::world) fn power_on(&mut self, node: usize) {
        if self.nodes[node].gone {
            return;
        }
        self.nodes[node].on = true;
        self.nodes[node].boot = format!("{node}-{}", self.now);
        for (i, service) in ALL.into_iter().enumerate() {
            self.at(i as i64 * 20, Moment::Start { node, service });
        }
    }

    /// Another disk takes the place of this one.
    pub(super) fn replace_disk(&mut self, node: usize, disk: Store, restored: bool) {
        self.registry.copied(&disk);
        let old = std::mem::replace(&mut self.nodes[node].store, disk);
        if self.registry.destroyed(&old) {
            self.saw(Rare::LostWithDisk);
        }
        self.nodes[node].to_heal = Some(restored);
        self.nodes[node].disk_changed_at = Some(self.now);
    }

    pub(super) fn restore(&mut self, fault: usize, node: usize, running: bool) -> Step {
        let Some((at, disk)) = self.nodes[node].snapshot.clone() else { return Ok(()) };
        self.say(|| format!("node {node}: disk of {at} ms put back"));
        if running {
            self.trouble(node, self.now + 5_000);
            // Postgres alone goes back, under the ledger's feet: its connection survives (as with a paused pooler).
            self.replace_disk(node, disk, true);
        } else {
            self.power_off(node)?;
            self.replace_disk(node, disk, true);
            self.at(800, Moment::Undo { fault, node });
        }
        Ok(())
    }

    /// A machine is copied, with or without what is in its memory; both run.
    pub(super) fn copy_machine(&mut self, fault: usize, node: usize, with_memory: bool, for_ms: i64) -> Step {
        if !self.nodes[node].on || self.nodes[node].gone {
            return Ok(());
        }
        let slot = self.nodes.len();
        let bounds = self.ledger_bounds();
        let original = &self.nodes[node];
        let mut copy = Node::new(slot, original.central.clone(), Default::default());
        copy.peers.clone_from(&original.peers);
        copy.store = original.store.clone();
        copy.clock = original.clock;
        copy.release = original.release;
        copy.edges.clone_from(&original.edges);
        copy.view.clone_from(&original.view);
        copy.lanes.clone_from(&original.lanes);
        copy.trouble_to = self.now + 1_000;
        let state = original.ledger.as_ref().filter(|l| l.round.is_none()).and_then(|l| l.state.clone());
        self.registry.copied(&copy.store);
        self.nodes.push(copy);
        for service in [Service::Mesh, Service::Sync] {
            self.at(5, Moment::Start { node: slot, service });
        }
        match state.filter(|_| with_memory) {
            Some(state) => {
                // Copied with its memory it does not know that it booted anew.
                self.nodes[slot].boot = self.nodes[node].boot.clone();
                self.nodes[slot].lives[Service::Ledger as usize] = 1;
                self.nodes[slot].ledger = Some(Ledger::new(bounds, Some(state)));
                self.at(10, Moment::Tick { node: slot, life: 1, tick: Tick::Sweep });
            }
            None => self.at(5, Moment::Start { node: slot, service: Service::Ledger }),
        }
        self.at(for_ms, Moment::Undo { fault, node: slot });
        Ok(())
    }

    /// A copy is taken out of service, once it holds nothing alone (an operator looks), or at the end of its time.
    pub(in crate::world) fn destroy(&mut self, node: usize) -> Step {
        if node < self.plan.nodes || self.nodes[node].gone {
            return Ok(());
        }
        self.power_off(node)?;
        self.nodes[node].gone = true;
        let old = std::mem::take(&mut self.nodes[node].store);
        if self.registry.destroyed(&old) {
            self.saw(Rare::LostWithDisk);
        }
        Ok(())
    }
}
