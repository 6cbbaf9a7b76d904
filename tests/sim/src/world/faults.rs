//! Faults, and their end.

use ::writer::{NewEvent, Writes};
use wire::bus::events::ApplyLane;
use wire::event::{Body, Frame, Kind, PolicyRule, PolicySet, StaffFact};
use wire::hash::PlateTag;

use super::{Moment, Node, Service, Step, World};
use crate::ledger::{ApplyJob, Ledger, Release};
use crate::plan::FaultKind;
use crate::sometimes::Rare;
use crate::store::Store;

/// What an origin of another release, or a damaged one, may write.
#[derive(Debug, Clone, Copy)]
enum Strange {
    Unknown,
    Newer,
    Poison,
    Policy,
}

const ALL: [Service; 3] = [Service::Ledger, Service::Mesh, Service::Sync];

impl World {
    pub(super) fn on_fault(&mut self, i: usize) -> Step {
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
            FaultKind::Pause { node, for_ms } => self.nodes[node].paused_to = self.now + for_ms,
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
            FaultKind::ClockStep { node, by_ms } => self.nodes[node].clock.off_ms += by_ms,
            FaultKind::Drift { node, ppm } => {
                let now = self.now;
                let c = &mut self.nodes[node].clock;
                c.off_ms = c.shows(now) - super::BEGIN - now;
                (c.ppm, c.since) = (ppm, now);
            }
            FaultKind::UnknownKind { node } => self.write_strange(node, Strange::Unknown)?,
            FaultKind::NewerVersion { node } => self.write_strange(node, Strange::Newer)?,
            FaultKind::Poison { node } => self.write_strange(node, Strange::Poison)?,
            FaultKind::SetPolicy { node } => self.write_strange(node, Strange::Policy)?,
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
            | FaultKind::Poison { node }
            | FaultKind::SetPolicy { node } => {
                let l = self.nodes[node].ledger.as_ref();
                l.is_some_and(|l| l.state.is_some() && l.round.is_none()) && !self.nodes[node].release.old
            }
            FaultKind::Erase { node } => !self.nodes[node].store.is_empty(),
            _ => true,
        }
    }

    pub(super) fn on_undo(&mut self, fault: usize, node: usize) -> Step {
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

    /// All power is gone at once; links just fall silent.
    pub(super) fn power_off(&mut self, node: usize) -> Step {
        if !self.nodes[node].on {
            return Ok(());
        }
        for service in ALL {
            self.kill(node, service)?;
        }
        self.nodes[node].on = false;
        Ok(())
    }

    pub(super) fn power_on(&mut self, node: usize) {
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
    fn replace_disk(&mut self, node: usize, disk: Store, restored: bool) {
        self.registry.copied(&disk);
        let old = std::mem::replace(&mut self.nodes[node].store, disk);
        if self.registry.destroyed(&old) {
            self.saw(Rare::LostWithDisk);
        }
        self.nodes[node].to_heal = Some(restored);
        self.nodes[node].disk_changed_at = Some(self.now);
    }

    fn restore(&mut self, fault: usize, node: usize, running: bool) -> Step {
        let Some((at, disk)) = self.nodes[node].snapshot.clone() else { return Ok(()) };
        self.say(|| format!("node {node}: disk of {at} ms put back"));
        if running {
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
    fn copy_machine(&mut self, fault: usize, node: usize, with_memory: bool, for_ms: i64) -> Step {
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
                self.at(10, Moment::Tick { node: slot, life: 1, tick: super::Tick::Sweep });
            }
            None => self.at(5, Moment::Start { node: slot, service: Service::Ledger }),
        }
        self.at(for_ms, Moment::Undo { fault, node: slot });
        Ok(())
    }

    /// A copy is taken out of service, once it holds nothing alone (an operator looks), or at the end of its time.
    pub(super) fn destroy(&mut self, node: usize) -> Step {
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

    pub(super) fn change_release(&mut self, node: usize, old: bool) -> Step {
        self.nodes[node].release = Release { old };
        if self.nodes[node].on {
            self.kill(node, Service::Ledger)?;
            self.at(200, Moment::Start { node, service: Service::Ledger });
        }
        Ok(())
    }

    pub(super) fn reconfigure(&mut self, node: usize) -> Step {
        self.configure_mesh(node)?;
        self.configure_sync(node)
    }

    /// An event that no code of this release writes, appended by the central's own writer between two rounds.
    fn write_strange(&mut self, node: usize, what: Strange) -> Step {
        let now = self.now;
        let salt = self.chance.id.wide().to_be_bytes();
        let fresh = self.chance.id.wide();
        let n = &mut self.nodes[node];
        let release = n.release;
        if !n.has_database(now) || release.old {
            return Ok(());
        }
        let occurred_at = n.clock.shows(now);
        let Some(l) = n.ledger.as_mut().filter(|l| l.round.is_none()) else { return Ok(()) };
        let Some(state) = &mut l.state else { return Ok(()) };
        let head = state.writer.head(|| wire::id::Incarnation(fresh)).clone();
        let tag = Some(PlateTag::of(super::OPERATOR_KEY, "29A00000"));
        let (kind, tag, body): (Kind, Option<PlateTag>, Vec<u8>) = match what {
            Strange::Unknown => (Kind::Unknown(4_000), tag, b"{\"later\":true}".to_vec()),
            Strange::Newer => (Kind::EntryPending, tag, b"{\"later\":true}".to_vec()),
            Strange::Poison => (Kind::EntryPending, tag, b"{\"plate\":".to_vec()),
            Strange::Policy => {
                let rule = PolicyRule { duplicate_window_ms: 1_000 * (fresh % 3) as i64 + 500 };
                let staff = StaffFact { id: "staff-1".to_owned(), reason: "because".to_owned() };
                let set = PolicySet {
                    version: 1,
                    rule,
                    valid_from: if fresh & 1 == 0 { super::BEGIN } else { occurred_at },
                    staff,
                };
                (Kind::PolicySet, None, Body::PolicySet(set).encode().unwrap_or_default())
            }
        };
        let header = head.next(kind, occurred_at, None, None, tag);
        let Ok(mut frame) = Frame::write(header, &salt, &body) else { return Ok(()) };
        if matches!(what, Strange::Newer) {
            let mut bytes = frame.bytes().to_vec();
            bytes[0] = 2;
            let Ok(newer) = Frame::parse(bytes.into()) else { return Ok(()) };
            frame = newer;
        }
        let fact = release.read(&frame);
        if state.writer.head(|| wire::id::Incarnation(fresh)).advance(&frame).is_err() {
            return Ok(());
        }
        state.positions.insert(&frame.header().position, frame.hash());
        let arrival = state.writer.committed().arrival + 1;
        if let (Strange::Policy, Ok(f)) = (what, &fact) {
            state.add_policy((**f).clone());
        }
        let stream = frame.header().position.stream.clone();
        let tx = Writes {
            from: *state.writer.committed(),
            to: state.writer.next(arrival),
            streams: vec![state.holdings(&stream)],
            new: vec![NewEvent { frame, fact, branch: 0, arrival }],
            stale: matches!(what, Strange::Policy),
            now: occurred_at,
            ..Writes::default()
        };
        self.write_own(node, tx)
    }

    /// Some body of this central's must go, at every central.
    fn erase_some(&mut self, node: usize) -> Step {
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

    pub(super) fn on_echo(&mut self, echo: usize) -> Step {
        let Some(frame) = self.echoes.get(echo).cloned() else { return Ok(()) };
        for n in 0..self.nodes.len() {
            if self.chance.fault.per_mille(300) {
                self.apply_frame(n, &frame);
            }
        }
        Ok(())
    }

    /// A frame reaches a ledger by some way.
    pub(super) fn apply_frame(&mut self, node: usize, frame: &Frame) {
        let release = self.nodes[node].release;
        let events = vec![release.arrived(frame.clone())];
        let from = self.nodes[node].central.clone();
        let job = ApplyJob { by: Service::Mesh, request: u64::MAX, from, events, refused: 0 };
        self.bus(node, Service::Ledger, super::Bus::Apply(Box::new(job), ApplyLane::Live));
    }
}
