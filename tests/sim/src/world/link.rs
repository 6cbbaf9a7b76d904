//! Links: two ends, and an ordered way between them that may fail in any way. What waits in front of it is the state machine's.

use bytes::Bytes;
use replication::mesh::LinkId;
use wire::mesh::Message;

use super::mesh::bounded;
use super::{Moment, Service, Step, World};
use crate::check::Violation;

/// Every so many steps a message that was read is written again and compared.
const REENCODE_EVERY: u64 = 4;

/// One end.
#[derive(Debug)]
pub struct End {
    /// Whose.
    pub node: usize,
    /// The life of its mesh.
    pub life: u64,
    /// Its number in its mesh.
    pub id: LinkId,
    /// False once it is closed.
    pub open: bool,
    writing: bool,
    pub(super) last_at: i64,
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// Who dialled is end 0.
    pub ends: [End; 2],
}

impl End {
    pub(super) fn new(node: usize, life: u64, id: LinkId) -> Self {
        Self { node, life, id, open: true, writing: false, last_at: 0 }
    }
}

impl World {
    /// Sends what is next, while the socket is free.
    pub(super) fn pump(&mut self, link: usize, end: usize) -> Step {
        loop {
            let e = &self.links[link].ends[end];
            let (node, life, id) = (e.node, e.life, e.id);
            if e.writing || !e.open || !self.nodes[node].lives(Service::Mesh, life) {
                return Ok(());
            }
            self.check_bounds(node, id)?;
            let Some(next) = self.mesh(node).and_then(|m| m.machine.next(id)) else { return Ok(()) };
            let bytes = match next.encode() {
                Ok(Ok(bytes)) => bounded(bytes)?,
                Ok(Err(reason)) => {
                    let bye = super::mesh::encode(&Message::Bye(reason.clone()))?;
                    self.travel(link, end, bye);
                    return self.hang_up(link, end, &reason);
                }
                Err(e) => return Err(Violation::new("wire", e.to_string())),
            };
            let slow = if self.is_slow(link) { 40 } else { 1 };
            let took = bytes.len() as u64 * slow / self.plan.net.rate.max(1);
            self.travel(link, end, bytes);
            if took > 0 {
                self.links[link].ends[end].writing = true;
                self.at(took as i64, Moment::Written { link, end });
                return Ok(());
            }
        }
    }

    /// The way of a message from one end to the other.
    fn travel(&mut self, link: usize, from: usize, bytes: Bytes) {
        let (a, b) = (self.links[link].ends[from].node, self.links[link].ends[1 - from].node);
        if self.is_blocked(a, b) || !self.links[link].ends[1 - from].open {
            return;
        }
        if let Some(t) = &mut self.tally
            && !self.healed
        {
            t.sent(self.now, bytes.len());
        }
        let net = if self.healed { crate::plan::Net::CALM } else { self.plan.net };
        let c = &mut self.chance.net;
        if c.per_mille(net.drop) {
            return;
        }
        let slow = self.slow.contains_key(&a) || self.slow.contains_key(&b);
        let mut way = net.least_ms + c.below(net.spread_ms as u64 + 1) as i64;
        if c.per_mille(net.held_up) {
            way += c.between(1_000, 8_000);
        }
        if slow {
            way = way * 20 + 200;
        }
        let end = 1 - from;
        if c.per_mille(net.twice) {
            let again = way + c.below(2_000) as i64;
            self.at(again, Moment::Net { link, end, bytes: bytes.clone() });
        }
        let c = &mut self.chance.net;
        let e = &mut self.links[link].ends[from];
        let mut at = self.now + way;
        if !c.per_mille(net.reorder) {
            at = at.max(e.last_at);
            e.last_at = at;
        }
        let after = at - self.now;
        self.at(after, Moment::Net { link, end, bytes });
    }

    pub(super) fn on_net(&mut self, link: usize, end: usize, bytes: &Bytes) -> Step {
        let e = &self.links[link].ends[end];
        let (node, life, id) = (e.node, e.life, e.id);
        if !e.open || !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::Net { link, end, bytes: bytes.clone() }) {
            return Ok(());
        }
        let message = Message::decode(bytes)
            .map_err(|e| Violation::new("wire", format!("a message cannot be read back: {e}")))?;
        if self.steps.is_multiple_of(REENCODE_EVERY) {
            let again = super::mesh::encode(&message)?;
            if again != *bytes && Message::pack_events(&again) != *bytes {
                let what =
                    format!("{message:?} was read from {} bytes and is {} again", bytes.len(), again.len());
                return Err(Violation::new("what is read is what was written", what));
            }
        }
        self.drive(node, |mesh, now| mesh.received(now, id, message, bytes))
    }

    pub(super) fn on_written(&mut self, link: usize, end: usize) -> Step {
        self.links[link].ends[end].writing = false;
        self.pump(link, end)
    }

    /// An end closes after its last words; the other is told, if the network lets it.
    fn hang_up(&mut self, link: usize, end: usize, why: &str) -> Step {
        let e = &mut self.links[link].ends[end];
        e.open = false;
        let (a, b) = (e.node, self.links[link].ends[1 - end].node);
        if !self.is_blocked(a, b) {
            let least = self.plan.net.least_ms;
            self.at(least, Moment::Reset { link, end: 1 - end });
        }
        self.say(|| format!("link {link} {a}-{b}: end of {a} closes: {why}"));
        self.lost(link, end, why)
    }

    /// The kernel says that the other end is gone.
    pub(super) fn on_reset(&mut self, link: usize, end: usize) -> Step {
        if !std::mem::replace(&mut self.links[link].ends[end].open, false) {
            return Ok(());
        }
        self.lost(link, end, "the other end is gone")
    }

    /// An end vanishes without a word: the other one believes in the link until silence, or the kernel, tells.
    pub(super) fn vanish(&mut self, link: usize, end: usize, told: bool) -> Step {
        if !std::mem::replace(&mut self.links[link].ends[end].open, false) {
            return Ok(());
        }
        if told {
            let least = self.plan.net.least_ms;
            self.at(least, Moment::Reset { link, end: 1 - end });
        }
        self.lost(link, end, "the connection ended")
    }

    /// The mesh of an end hears that its socket is gone.
    fn lost(&mut self, link: usize, end: usize, why: &str) -> Step {
        let e = &self.links[link].ends[end];
        let (node, life, id) = (e.node, e.life, e.id);
        if !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        if let Some(m) = self.mesh(node) {
            m.ends.remove(&id);
        }
        self.drive(node, |mesh, now| mesh.ended(now, id, why))
    }

    /// Ends of this node on links that are not closed.
    pub(super) fn live_ends(&self, node: usize) -> Vec<(usize, usize)> {
        let of =
            |(i, l): (usize, &Link)| l.ends.iter().position(|e| e.node == node && e.open).map(|e| (i, e));
        self.links.iter().enumerate().filter_map(of).collect()
    }

    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.get(&(from, to)).is_some_and(|n| *n > 0)
    }

    fn is_slow(&self, link: usize) -> bool {
        self.links[link].ends.iter().any(|e| self.slow.contains_key(&e.node))
    }

    fn check_bounds(&self, node: usize, id: LinkId) -> Step {
        let Some(waiting) = self.nodes[node].mesh.as_ref().and_then(|m| m.machine.waiting(id)) else {
            return Ok(());
        };
        let b = &self.plan.bounds;
        let most = [32, b.control, b.live, b.pages];
        if waiting.counts.iter().zip(most).any(|(n, most)| *n > most) {
            return Err(Violation::new(
                "bounded queues",
                format!("{id:?} of node {node}: {:?} waiting, at most {most:?}", waiting.counts),
            ));
        }
        Ok(())
    }
}
