//! Links: two ends, an ordered way between them that may fail in any way, and the queues in front of it.

use bytes::Bytes;
use replication::link::{Beats, Drop, LinkFacts, Liveness, Queue};
use wire::bus::events::Carried;
use wire::id::CentralId;
use wire::mesh::Message;

use super::{Moment, Step, World};
use crate::check::Violation;
use crate::plan::Bounds;
use crate::sometimes::Rare;

/// One `EVENTS` message holds so many bytes of events at most.
const MAX_EVENTS_BYTES: usize = 200 * 1024;
const MAX_EVENTS: usize = 1024;

/// How far an end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// HELLO has not passed yet.
    Greeting,
    /// Up.
    Up,
    /// Everything queued still goes out, then it closes.
    Draining,
    /// Closed.
    Closed,
}

/// One end.
#[derive(Debug)]
pub struct End {
    /// Whose.
    pub node: usize,
    /// The life of its mesh.
    pub life: u64,
    /// How far it has come.
    pub phase: Phase,
    /// True when this side dialled.
    pub dialled: bool,
    /// The peer; known from the start where dialled, else from HELLO.
    pub peer: Option<CentralId>,
    /// The peer's process.
    pub process: String,
    /// True when the central with the lower id dialled.
    pub by_lower: bool,
    /// Its number in its mesh.
    pub number: u64,
    /// Beats.
    pub beats: Beats,
    /// Silence.
    pub liveness: Liveness,
    /// When it passed HELLO, ms.
    pub up_at: i64,
    /// When something was last heard, ms.
    pub heard_at: i64,
    writing: bool,
    last_at: i64,
    beats_out: Queue<Bytes>,
    control: Queue<Bytes>,
    live: Queue<std::rc::Rc<Carried>>,
    backlog: Queue<Bytes>,
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// Who dialled is end 0.
    pub ends: [End; 2],
}

impl End {
    pub(super) fn new(
        node: usize,
        life: u64,
        dialled: bool,
        peer: Option<CentralId>,
        bounds: &Bounds,
        now: i64,
    ) -> Self {
        Self {
            node,
            life,
            phase: Phase::Greeting,
            dialled,
            peer,
            process: String::new(),
            by_lower: false,
            number: 0,
            beats: Beats::default(),
            liveness: Liveness::default(),
            up_at: now,
            heard_at: now,
            writing: false,
            last_at: 0,
            beats_out: Queue::new("beats", 32, 16 * 1024, Drop::Oldest),
            control: Queue::new("control", bounds.control, 4 * 1024 * 1024, Drop::Oldest),
            live: Queue::new("live", bounds.live, 2 * 1024 * 1024, Drop::Oldest),
            backlog: Queue::new("backlog", bounds.pages, 4 * 1024 * 1024, Drop::Newest),
        }
    }

    /// What the rules about several links need.
    pub(super) fn facts(&self) -> LinkFacts {
        LinkFacts {
            id: self.number,
            by_lower: self.by_lower,
            process: self.process.clone(),
            proven: self.beats.proven(),
            up_at: self.up_at as u64,
            heard_at: self.heard_at as u64,
        }
    }

    /// Monotonic µs since the link came up.
    pub(super) fn age_us(&self, now: i64) -> u64 {
        ((now - self.up_at).max(0) * 1000) as u64
    }

    fn pop(&mut self) -> Option<Bytes> {
        if let Some(m) = self.beats_out.pop().or_else(|| self.control.pop()) {
            return Some(m);
        }
        let events = self.live.pop_many(MAX_EVENTS, MAX_EVENTS_BYTES);
        if !events.is_empty() {
            let events = events.iter().map(|e| Carried::clone(e)).collect();
            return Message::Events(events).encode().ok().map(Bytes::from);
        }
        self.backlog.pop()
    }

    fn clear(&mut self) {
        self.beats_out.clear();
        self.control.clear();
        self.live.clear();
        self.backlog.clear();
    }

    /// Messages waiting in each queue.
    pub(super) fn waiting(&self) -> [usize; 4] {
        [self.beats_out.len(), self.control.len(), self.live.len(), self.backlog.len()]
    }
}

/// In front of which messages a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Before everything.
    Beat,
    /// Behind beats; pages behind everything.
    Message,
}

impl World {
    /// Hands an encoded message to an end.
    pub(super) fn hand(&mut self, link: usize, end: usize, bytes: Bytes, way: Way) -> Step {
        let now = self.now;
        let e = &mut self.links[link].ends[end];
        if matches!(e.phase, Phase::Closed | Phase::Draining) {
            return Ok(());
        }
        if way == Way::Beat {
            e.beats_out.push(bytes.len(), bytes);
        } else {
            let age = (now - e.up_at).max(0) as u64;
            e.liveness.sent(age);
            if Message::is_sync_response(&bytes) {
                e.backlog.push(bytes.len(), bytes);
            } else {
                e.control.push(bytes.len(), bytes);
            }
        }
        self.pump(link, end)
    }

    /// Hands live events to an end.
    pub(super) fn hand_live(&mut self, link: usize, end: usize, events: &[std::rc::Rc<Carried>]) -> Step {
        let now = self.now;
        let e = &mut self.links[link].ends[end];
        if e.phase != Phase::Up {
            return Ok(());
        }
        let age = (now - e.up_at).max(0) as u64;
        e.liveness.sent(age);
        for c in events {
            e.live.push(c.frame.len() + 48, c.clone());
        }
        let newest = events.last().zip(e.live.newest());
        if newest.is_some_and(|(sent, queued)| !std::rc::Rc::ptr_eq(sent, queued)) || e.live.is_empty() {
            return Err(Violation::new("a full queue keeps the newest", format!("link {link}")));
        }
        self.pump(link, end)
    }

    /// Sends what is next, if the socket is free.
    fn pump(&mut self, link: usize, end: usize) -> Step {
        self.check_bounds(link, end)?;
        let e = &mut self.links[link].ends[end];
        if e.writing || e.phase == Phase::Closed {
            return Ok(());
        }
        loop {
            let e = &mut self.links[link].ends[end];
            let Some(bytes) = e.pop() else {
                if e.phase == Phase::Draining {
                    return self.close(link, end, "spare link");
                }
                return Ok(());
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
        if self.is_blocked(a, b) || self.links[link].ends[1 - from].phase == Phase::Closed {
            return;
        }
        let net = if self.healed { super::rest::CALM } else { self.plan.net };
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

    pub(super) fn on_written(&mut self, link: usize, end: usize) -> Step {
        self.links[link].ends[end].writing = false;
        self.pump(link, end)
    }

    /// An end closes; the other is told, if the network lets it.
    pub(super) fn close(&mut self, link: usize, end: usize, why: &str) -> Step {
        let e = &mut self.links[link].ends[end];
        if e.phase == Phase::Closed {
            return Ok(());
        }
        let was = e.phase;
        e.phase = Phase::Closed;
        e.clear();
        let (a, b) = (e.node, self.links[link].ends[1 - end].node);
        if !self.is_blocked(a, b) {
            let least = self.plan.net.least_ms;
            self.at(least, Moment::Reset { link, end: 1 - end });
        }
        self.say(|| format!("link {link} {a}-{b}: end of {a} closes: {why}"));
        self.link_ended(link, end, was)
    }

    /// The kernel, or a last word, says that the other end is gone.
    pub(super) fn on_reset(&mut self, link: usize, end: usize) -> Step {
        self.close(link, end, "the other end is gone")
    }

    /// The other end vanishes without a word: this one believes in the link until silence tells.
    pub(super) fn vanish(&mut self, link: usize, end: usize, told: bool) -> Step {
        let e = &mut self.links[link].ends[end];
        if e.phase == Phase::Closed {
            return Ok(());
        }
        let was = e.phase;
        e.phase = Phase::Closed;
        e.clear();
        if told {
            let least = self.plan.net.least_ms;
            self.at(least, Moment::Reset { link, end: 1 - end });
        }
        self.link_ended(link, end, was)
    }

    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.get(&(from, to)).is_some_and(|n| *n > 0)
    }

    fn is_slow(&self, link: usize) -> bool {
        self.links[link].ends.iter().any(|e| self.slow.contains_key(&e.node))
    }

    fn check_bounds(&mut self, link: usize, end: usize) -> Step {
        let e = &mut self.links[link].ends[end];
        let b = &self.plan.bounds;
        let most = [32, b.control, b.live, b.pages];
        let waiting = e.waiting();
        if waiting.iter().zip(most).any(|(n, most)| *n > most) {
            return Err(Violation::new(
                "bounded queues",
                format!("link {link}: {waiting:?} waiting, at most {most:?}"),
            ));
        }
        let dropped: Vec<_> = [
            e.beats_out.take_dropped(),
            e.control.take_dropped(),
            e.live.take_dropped(),
            e.backlog.take_dropped(),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !dropped.is_empty() {
            self.saw(Rare::QueueDropped);
        }
        Ok(())
    }
}
