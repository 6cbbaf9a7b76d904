//! Connections between two meshes, and what their HELLO says.

use replication::mesh::{HelloFacts, Opened};
use wire::id::CentralId;
use wire::mesh::HoldingOfYou;

use super::link::{End, Link};
use super::{Moment, Service, Step, World};

/// A dial that nobody answers is given up.
const DIAL_MS: i64 = 500;

impl World {
    /// Connects to a process of the peer, if one can be reached.
    pub(super) fn dial(&mut self, node: usize, dial: u64, peer: &CentralId) -> Step {
        let life = self.nodes[node].life(Service::Mesh);
        let there: Vec<usize> = self
            .nodes
            .iter()
            .filter(|n| {
                n.central == *peer && n.slot != node && n.on && n.mesh.is_some() && n.paused_to <= self.now
            })
            .map(|n| n.slot)
            .filter(|to| !self.is_blocked(node, *to) && !self.is_blocked(*to, node))
            .collect();
        if there.is_empty() {
            self.at(DIAL_MS, Moment::DialFailed { node, life, dial });
            return Ok(());
        }
        let to = there[self.chance.net.index(there.len())];
        let there_life = self.nodes[to].life(Service::Mesh);
        let opened = |w: &Self, dial, other: usize| Opened {
            dial,
            certified: Some(w.nodes[other].central.clone()),
            address: format!("node {other}"),
            test: false,
        };
        let (out, back) = (opened(self, Some(dial), to), opened(self, None, node));
        let (now, now_there) = (self.moment(node), self.moment(to));
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let Some(id) = m.machine.opened(now, out) else { return Ok(()) };
        let outputs = m.machine.take_outputs();
        let link = self.links.len();
        let Some(m) = self.mesh(node) else { return Ok(()) };
        m.ends.insert(id, (link, 0));
        let Some(t) = self.mesh(to) else { return Ok(()) };
        let Some(there_id) = t.machine.opened(now_there, back) else { return Ok(()) };
        t.ends.insert(there_id, (link, 1));
        self.links.push(Link { ends: [End::new(node, life, id), End::new(to, there_life, there_id)] });
        self.perform(node, outputs)
    }

    pub(super) fn on_dial_failed(&mut self, node: usize, life: u64, dial: u64) -> Step {
        if !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        self.drive(node, |mesh, now| mesh.dial_failed(now, dial, false, "nobody answers"))
    }

    pub(super) fn hello_facts(&self, node: usize, peer: &CentralId) -> HelloFacts {
        let n = &self.nodes[node];
        if !n.has_database(self.now) {
            return HelloFacts::default();
        }
        let theirs = n.store.streams.iter().filter(|(s, _)| s.central == *peer);
        let holding = theirs.map(|(s, p)| HoldingOfYou {
            incarnation: s.incarnation,
            head: p.head(),
            head_hash: p.head_hash(),
        });
        HelloFacts { holding_of_you: holding.collect() }
    }
}
