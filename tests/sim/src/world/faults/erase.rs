//! Bodies that must go, everywhere.

use wire::bus::events::ApplyLane;
use wire::event::Frame;

use crate::ledger::ApplyJob;
use crate::world::{Bus, Moment, Service, Step, World};

impl World {
    /// Some body of this central's must go, at every central.
    pub(super) fn erase_some(&mut self, node: usize) -> Step {
        let full: Vec<Frame> = self.nodes[node]
            .store
            .events()
            .iter()
            .filter(|e| !e.frame.is_erased() && e.fact.as_ref().is_some_and(|f| f.is_passage()))
            .map(|e| e.frame.clone())
            .collect();
        if full.is_empty() {
            return Ok(());
        }
        let frame = full[self.chance.fault.index(full.len())].clone();
        self.registry.must_go(frame.hash());
        self.erasures.push(frame.erased());
        for n in 0..self.nodes.len() {
            // Each central hears of it in its own time, some only when all is well again; and the full form may come once more,
            // from where nobody has heard of it.
            if self.chance.fault.per_mille(700) {
                self.apply_frame(n, &frame.erased());
            }
        }
        self.echoes.push(frame);
        let last = self.echoes.len() - 1;
        self.at(2_000, Moment::Echo(last));
        Ok(())
    }

    pub(in crate::world) fn on_echo(&mut self, echo: usize) -> Step {
        let Some(frame) = self.echoes.get(echo).cloned() else { return Ok(()) };
        for n in 0..self.nodes.len() {
            if self.chance.fault.per_mille(300) {
                self.apply_frame(n, &frame);
            }
        }
        Ok(())
    }

    /// A frame reaches a ledger by some way.
    pub(in crate::world) fn apply_frame(&mut self, node: usize, frame: &Frame) {
        let release = self.nodes[node].release;
        let events = vec![release.arrived(frame.clone())];
        let from = self.nodes[node].central.clone();
        let job = ApplyJob { by: Service::Mesh, request: u64::MAX, from, events, refused: 0 };
        self.bus(node, Service::Ledger, Bus::Apply(Box::new(job), ApplyLane::Live));
    }
}
