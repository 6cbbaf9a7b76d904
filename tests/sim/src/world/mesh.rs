//! The mesh process: dials, HELLO, beats, live events, sync's messages, plate questions.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use replication::clock::{Sample, SkewFilter, own_offset_ms};
use replication::link::{
    Backoff, Drop, Expected, Queue, Tick as BeatTick, Verdict, check_hello, clones, primaries, spares,
};
use wire::bus::events::{ApplyLane, Carried, FromPeer};
use wire::bus::state::MeshState;
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;
use wire::mesh::{
    Heartbeat, Hello, HoldingOfYou, Message, PROTOCOL_MAX, PROTOCOL_MIN, PlateAnswer, PlateQuestion,
    Positions,
};

use super::event::{Bus, Read};
use super::link::{End, Link, Phase, Way};
use super::{Moment, Service, Step, Tick, World};
use crate::check::Violation;
use crate::ledger::{ApplyJob, CommandJob};
use crate::sometimes::Rare;

/// HELLO takes no longer.
const HANDSHAKE_MS: i64 = 5_000;
/// A dial that nobody answers.
const DIAL_MS: i64 = 2_000;
/// Interval of heartbeats (`HEARTBEAT_INTERVAL`).
const BEAT_MS: i64 = 30_000;
/// Interval of looks at links.
const LOOK_MS: i64 = 1_000;
/// How long the peers are asked for a vehicle.
const LOOKUP_MS: i64 = 200;
/// How long the ledger may take to apply.
const APPLY_MS: i64 = 5_000;
/// Live events of one apply at most.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 512 * 1024;

/// A configured peer.
#[derive(Debug)]
struct Peer {
    /// Ends of links that are up.
    links: Vec<(usize, usize)>,
    primaries: Vec<(usize, usize)>,
    backoff: Backoff,
    linked_since: i64,
    inbox: Queue<Carried>,
    applying: Option<u64>,
    skew: SkewFilter,
    dialling: bool,
}

/// A question to the peers.
#[derive(Debug)]
struct Question {
    command: Box<CommandJob>,
    open: usize,
    applying: Vec<u64>,
}

/// A mesh's memory.
#[derive(Debug)]
pub struct Mesh {
    process: String,
    next_link: u64,
    next_request: u64,
    peers: BTreeMap<CentralId, Peer>,
    questions: BTreeMap<u64, Question>,
    /// Links and ids of peers' questions whose answer the ledger is reading.
    answering: BTreeMap<u64, (usize, usize, u64)>,
    told: Vec<CentralId>,
    looks: u64,
}

impl World {
    pub(super) fn mesh(&mut self, node: usize) -> Option<&mut Mesh> {
        self.nodes[node].mesh.as_mut()
    }

    pub(super) fn start_mesh(&mut self, node: usize) -> Step {
        let process = format!("{:032x}", self.chance.id.wide());
        let first = self.chance.id.bits() >> 1;
        self.nodes[node].mesh = Some(Mesh {
            process,
            next_link: 1,
            next_request: first,
            peers: BTreeMap::new(),
            questions: BTreeMap::new(),
            answering: BTreeMap::new(),
            told: Vec::new(),
            looks: 0,
        });
        let life = self.nodes[node].life(Service::Mesh);
        self.configure_mesh(node)?;
        let spread = self.chance.net.below(1000) as i64;
        self.at(BEAT_MS + spread, Moment::Tick { node, life, tick: Tick::Beat });
        self.at(spread, Moment::Tick { node, life, tick: Tick::Look });
        Ok(())
    }

    /// Takes the configuration: new peers are dialled, links of removed and disabled ones end.
    pub(super) fn configure_mesh(&mut self, node: usize) -> Step {
        let life = self.nodes[node].life(Service::Mesh);
        let wanted: Vec<CentralId> =
            self.nodes[node].peers.iter().filter(|(_, on)| **on).map(|(id, _)| id.clone()).collect();
        let live = self.plan.bounds.live;
        let Some(mesh) = self.mesh(node) else { return Ok(()) };
        let gone: Vec<CentralId> = mesh.peers.keys().filter(|id| !wanted.contains(id)).cloned().collect();
        let mut cut = Vec::new();
        for id in gone {
            if let Some(p) = mesh.peers.remove(&id) {
                cut.extend(p.links);
            }
        }
        let mut new = Vec::new();
        for id in wanted {
            if !mesh.peers.contains_key(&id) {
                let peer = Peer {
                    links: Vec::new(),
                    primaries: Vec::new(),
                    backoff: Backoff::default(),
                    linked_since: 0,
                    inbox: Queue::new("inbox", live * 2, 4 * 1024 * 1024, Drop::Oldest),
                    applying: None,
                    skew: SkewFilter::default(),
                    dialling: true,
                };
                mesh.peers.insert(id.clone(), peer);
                new.push(id);
            }
        }
        for (link, end) in cut {
            self.close(link, end, "the peer was removed or disabled")?;
        }
        for peer in new {
            let after = self.chance.net.below(20) as i64;
            self.at(after, Moment::Dial { node, life, peer });
        }
        Ok(())
    }

    /// Plans the next dial of a peer without a link.
    fn redial(&mut self, node: usize, peer: &CentralId, at_least: i64) {
        let jitter = self.chance.net.fraction();
        let life = self.nodes[node].life(Service::Mesh);
        let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer)) else { return };
        if p.dialling || !p.links.is_empty() {
            return;
        }
        p.dialling = true;
        let pause = i64::try_from(p.backoff.pause(jitter).as_millis()).unwrap_or(i64::MAX);
        self.at(pause.max(at_least), Moment::Dial { node, life, peer: peer.clone() });
    }

    pub(super) fn on_dial(&mut self, node: usize, life: u64, peer: &CentralId) -> Step {
        if !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer)) else { return Ok(()) };
        p.dialling = false;
        if !p.links.is_empty() {
            return Ok(());
        }
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
            if let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer)) {
                p.backoff.failed();
            }
            self.redial(node, peer, DIAL_MS / 4);
            return Ok(());
        }
        let to = there[self.chance.net.index(there.len())];
        let there_life = self.nodes[to].life(Service::Mesh);
        let (now, bounds) = (self.now, self.plan.bounds);
        let link = self.links.len();
        self.links.push(Link {
            ends: [
                End::new(node, life, true, Some(peer.clone()), &bounds, now),
                End::new(to, there_life, false, None, &bounds, now),
            ],
        });
        if let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer)) {
            p.dialling = true;
        }
        self.at(HANDSHAKE_MS, Moment::Handshake { link });
        let hello = self.hello(node, peer)?;
        self.hand(link, 0, hello, Way::Message)
    }

    fn hello(&mut self, node: usize, peer: &CentralId) -> Result<Bytes, Violation> {
        let n = &self.nodes[node];
        let holding_of_you = n
            .store
            .streams
            .iter()
            .filter(|(s, _)| s.central == *peer)
            .map(|(s, p)| HoldingOfYou {
                incarnation: s.incarnation,
                head: p.head(),
                head_hash: p.head_hash(),
            })
            .collect();
        let hello = Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            central: n.central.clone(),
            ledger_process: n.mesh.as_ref().map(|m| m.process.clone()).unwrap_or_default(),
            holding_of_you,
            positions_digest: n.store.streams.digest(),
            clock: n.clock.shows(self.now),
            wire_version: 1,
            projection_version: n.release.projection(),
        };
        encode(&Message::Hello(hello))
    }

    pub(super) fn on_handshake_limit(&mut self, link: usize) -> Step {
        for end in 0..2 {
            if self.links[link].ends[end].phase == Phase::Greeting {
                self.close(link, end, "HELLO took too long")?;
            }
        }
        Ok(())
    }

    /// What a closed end means to its mesh.
    pub(super) fn link_ended(&mut self, link: usize, end: usize, was: Phase) -> Step {
        let e = &self.links[link].ends[end];
        let (node, life, dialled, peer, up_at) = (e.node, e.life, e.dialled, e.peer.clone(), e.up_at);
        if !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        let Some(peer) = peer else { return Ok(()) };
        let lived = self.now - up_at;
        let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(&peer)) else { return Ok(()) };
        let before = p.links.len();
        p.links.retain(|l| *l != (link, end));
        if was == Phase::Greeting && dialled {
            p.dialling = false;
            p.backoff.failed();
        }
        if before > 0 && p.links.is_empty() {
            p.backoff.link_ended(Duration::from_millis(lived.max(0) as u64));
            p.dialling = false;
        }
        self.settle(node, &peer)?;
        self.redial(node, &peer, 0);
        self.tell_mesh(node);
        Ok(())
    }

    /// Closes spare links of a peer and chooses those to send on.
    fn settle(&mut self, node: usize, peer: &CentralId) -> Step {
        let Some(p) = self.nodes[node].mesh.as_ref().and_then(|m| m.peers.get(peer)) else { return Ok(()) };
        let ends = p.links.clone();
        let facts: Vec<_> = ends.iter().map(|(l, e)| self.links[*l].ends[*e].facts()).collect();
        let (spare, chosen, cloned) = (spares(&facts), primaries(&facts), clones(&facts));
        let number = |w: &Self, at: &(usize, usize)| w.links[at.0].ends[at.1].number;
        let keep: Vec<_> = ends.iter().copied().filter(|at| !spare.contains(&number(self, at))).collect();
        let primary = keep.iter().copied().filter(|at| chosen.contains(&number(self, at))).collect();
        if let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer)) {
            p.links = keep;
            p.primaries = primary;
        }
        if cloned {
            self.saw(Rare::CloneNoticed);
        }
        for (link, end) in ends
            .into_iter()
            .filter(|(l, e)| spare.contains(&self.links[*l].ends[*e].number))
            .collect::<Vec<_>>()
        {
            if self.links[link].ends[end].phase == Phase::Up {
                self.saw(Rare::SpareClosed);
                self.links[link].ends[end].phase = Phase::Draining;
                self.on_written(link, end)?;
            }
        }
        Ok(())
    }

    /// The ends to send on: of one peer, or of all.
    fn ends_to(&self, node: usize, to: Option<&CentralId>) -> Vec<(usize, usize)> {
        let Some(m) = &self.nodes[node].mesh else { return Vec::new() };
        match to {
            Some(id) => m.peers.get(id).map(|p| p.primaries.clone()).unwrap_or_default(),
            None => m.peers.values().flat_map(|p| p.primaries.iter().copied()).collect(),
        }
    }

    /// Tells the central how the mesh stands.
    fn tell_mesh(&mut self, node: usize) {
        let Some(m) = &mut self.nodes[node].mesh else { return };
        let connected: Vec<CentralId> =
            m.peers.iter().filter(|(_, p)| !p.links.is_empty()).map(|(id, _)| id.clone()).collect();
        m.told.clone_from(&connected);
        let skews: Vec<i64> =
            m.peers.values().filter(|p| !p.links.is_empty()).filter_map(|p| p.skew.skew_ms()).collect();
        let state =
            MeshState { configured: m.peers.len() as u32, connected, clock_offset_ms: own_offset_ms(&skews) };
        self.bus(node, Service::Ledger, Bus::MeshState(state.clone()));
        self.bus(node, Service::Sync, Bus::MeshState(state));
    }

    pub(super) fn on_net(&mut self, link: usize, end: usize, bytes: &Bytes) -> Step {
        let e = &self.links[link].ends[end];
        let (node, life) = (e.node, e.life);
        if e.phase == Phase::Closed || !self.nodes[node].lives(Service::Mesh, life) {
            return Ok(());
        }
        if self.hold(node, || Moment::Net { link, end, bytes: bytes.clone() }) {
            return Ok(());
        }
        let now = self.now;
        let e = &mut self.links[link].ends[end];
        e.heard_at = now;
        e.liveness.heard();
        let message = match Message::decode(bytes) {
            Ok(m) => m,
            Err(e) => return Err(Violation::new("wire", format!("a message cannot be read back: {e}"))),
        };
        match (message, e.phase) {
            (Message::Hello(hello), Phase::Greeting) => self.greeted(link, end, hello),
            (Message::Bye(_), _) => self.close(link, end, "the peer said bye"),
            // Whatever overtakes HELLO or comes twice is left.
            (_, Phase::Greeting) | (Message::Hello(_), _) => Ok(()),
            (m, _) => self.take(link, end, m, bytes),
        }
    }

    fn greeted(&mut self, link: usize, end: usize, hello: Hello) -> Step {
        let e = &self.links[link].ends[end];
        let (node, dialled) = (e.node, e.dialled);
        let me = self.nodes[node].central.clone();
        let other = self.links[link].ends[1 - end].node;
        let expected = Expected {
            me: me.clone(),
            certified: Some(self.nodes[other].central.clone()),
            dialled: if dialled { e.peer.clone() } else { None },
        };
        let peers = &self.nodes[node].peers;
        if let Err(refusal) = check_hello(&hello, &expected, |c| peers.get(c).copied()) {
            self.saw(Rare::Refused);
            let bye = encode(&Message::Bye(refusal.to_string()))?;
            self.hand(link, end, bye, Way::Beat)?;
            if let Some(peer) = self.links[link].ends[end].peer.clone()
                && let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(&peer))
            {
                p.backoff.refused();
            }
            return self.close(link, end, &refusal.to_string());
        }
        let peer = hello.central.clone();
        if !dialled {
            let mine = self.hello(node, &peer)?;
            self.hand(link, end, mine, Way::Message)?;
        }
        let now = self.now;
        let number = {
            let Some(m) = self.mesh(node) else { return Ok(()) };
            let n = m.next_link;
            m.next_link += 1;
            n
        };
        let e = &mut self.links[link].ends[end];
        if e.phase != Phase::Greeting {
            return Ok(());
        }
        e.phase = Phase::Up;
        e.peer = Some(peer.clone());
        e.process = hello.ledger_process;
        e.by_lower = dialled == (me < peer);
        e.number = number;
        e.up_at = now;
        e.heard_at = now;
        self.say(|| format!("link {link}: {me} up with {peer}"));
        if let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(&peer)) {
            if p.links.is_empty() {
                p.skew = SkewFilter::default();
                p.linked_since = now;
            }
            p.dialling = false;
            p.links.push((link, end));
        }
        self.settle(node, &peer)?;
        self.probe(link, end, true)?;
        self.tell_mesh(node);
        Ok(())
    }

    /// A beat out of turn.
    fn probe(&mut self, link: usize, end: usize, digest: bool) -> Step {
        let node = self.links[link].ends[end].node;
        let clock = self.nodes[node].clock.shows(self.now);
        let digest = digest.then(|| self.nodes[node].store.streams.digest());
        let now = self.now;
        let e = &mut self.links[link].ends[end];
        let age = e.age_us(now);
        let n = e.beats.extra(age, clock);
        self.beat(link, end, n, clock, None, digest)
    }

    fn beat(
        &mut self,
        link: usize,
        end: usize,
        n: u64,
        clock: i64,
        echo: Option<i64>,
        digest: Option<Hash32>,
    ) -> Step {
        let beat = encode(&Message::Heartbeat(Heartbeat { n, clock, echo, positions_digest: digest }))?;
        self.hand(link, end, beat, Way::Beat)
    }

    fn take(&mut self, link: usize, end: usize, message: Message, bytes: &Bytes) -> Step {
        let e = &self.links[link].ends[end];
        let node = e.node;
        let Some(peer) = e.peer.clone() else { return Ok(()) };
        match message {
            Message::Heartbeat(beat) => self.beat_came(link, end, &peer, &beat),
            Message::Events(events) => {
                let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(&peer)) else { return Ok(()) };
                for c in events {
                    p.inbox.push(c.frame.len() + 48, c);
                }
                if p.inbox.take_dropped().is_some() {
                    self.saw(Rare::QueueDropped);
                }
                self.serve_inbox(node, &peer)
            }
            Message::Positions(_) | Message::SyncRequest(_) | Message::SyncResponse(_) => {
                let from = FromPeer { from: peer, message: bytes.to_vec() };
                self.bus(node, Service::Sync, Bus::FromPeer(from));
                Ok(())
            }
            Message::PlateQuestion(q) => {
                let Some(m) = self.mesh(node) else { return Ok(()) };
                let request = m.next_request;
                m.next_request += 1;
                m.answering.insert(request, (link, end, q.id));
                self.ask(node, Service::Mesh, request, Read::Plate(q.tag), LOOKUP_MS * 2);
                Ok(())
            }
            Message::PlateAnswer(a) => self.plate_answered(node, &peer, &a),
            Message::Hello(_) | Message::Bye(_) => Ok(()),
        }
    }

    fn beat_came(&mut self, link: usize, end: usize, peer: &CentralId, beat: &Heartbeat) -> Step {
        let now = self.now;
        let node = self.links[link].ends[end].node;
        let clock = self.nodes[node].clock.shows(now);
        if beat.echo.is_some() {
            let e = &mut self.links[link].ends[end];
            let age = e.age_us(now);
            if let Some((sent_ms, rtt_ms)) = e.beats.echoed(beat.n, age)
                && let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(peer))
            {
                p.skew.add(Sample::of_echo(sent_ms, beat.clock, rtt_ms));
            }
        } else {
            self.links[link].ends[end].beats.heard();
            self.beat(link, end, beat.n, clock, Some(beat.clock), None)?;
            if let Some(digest) = beat.positions_digest
                && self.nodes[node].has_database(now)
                && self.nodes[node].store.streams.digest() != digest
            {
                let told = Positions {
                    whole: false,
                    more: false,
                    please_answer: false,
                    digest,
                    streams: Vec::new(),
                };
                let message = encode(&Message::Positions(told))?.to_vec();
                self.bus(node, Service::Sync, Bus::FromPeer(FromPeer { from: peer.clone(), message }));
            }
        }
        self.settle(node, peer)
    }

    /// Hands what gathered in a peer's inbox to the ledger, one request at a time.
    fn serve_inbox(&mut self, node: usize, peer: &CentralId) -> Step {
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let request = m.next_request;
        let Some(p) = m.peers.get_mut(peer) else { return Ok(()) };
        if p.applying.is_some() {
            return Ok(());
        }
        let events = p.inbox.pop_many(BATCH, BATCH_BYTES);
        if events.is_empty() {
            return Ok(());
        }
        p.applying = Some(request);
        m.next_request += 1;
        let frames = events.into_iter().map(|c| Bytes::from(c.frame)).collect();
        self.apply(node, Service::Mesh, request, peer, frames, ApplyLane::Live, APPLY_MS)
    }

    /// Asks the ledger to store events: it reads them, as production does on receipt.
    #[expect(clippy::too_many_arguments, reason = "one request of the bus")]
    pub(super) fn apply(
        &mut self,
        node: usize,
        by: Service,
        request: u64,
        from: &CentralId,
        frames: Vec<Bytes>,
        lane: ApplyLane,
        limit: i64,
    ) -> Step {
        let release = self.nodes[node].release;
        let mut events = Vec::with_capacity(frames.len());
        let mut refused = 0;
        for f in frames {
            match Frame::parse(f) {
                Ok(frame) => events.push(release.arrived(frame)),
                Err(_) => refused += 1,
            }
        }
        let job = ApplyJob { by, request, from: from.clone(), events, refused };
        self.bus(node, Service::Ledger, Bus::Apply(Box::new(job), lane));
        let life = self.nodes[node].life(by);
        self.at(limit, Moment::Timeout { node, service: by, life, request });
        Ok(())
    }

    /// An apply of the mesh came to its end, in whatever way.
    pub(super) fn mesh_applied(&mut self, node: usize, request: u64) -> Step {
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let waiting: Vec<CentralId> =
            m.peers.iter().filter(|(_, p)| p.applying == Some(request)).map(|(id, _)| id.clone()).collect();
        for id in waiting {
            if let Some(p) = self.mesh(node).and_then(|m| m.peers.get_mut(&id)) {
                p.applying = None;
            }
            self.serve_inbox(node, &id)?;
        }
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let mut done = None;
        for (id, q) in &mut m.questions {
            if q.applying.contains(&request) {
                q.applying.retain(|r| *r != request);
                if q.open == 0 && q.applying.is_empty() {
                    done = Some(*id);
                }
            }
        }
        if let Some(id) = done {
            self.question_ended(node, id);
        }
        Ok(())
    }

    /// The ledger wants the peers asked for a vehicle.
    pub(super) fn look_up(&mut self, node: usize, tag: PlateTag, command: Box<CommandJob>) -> Step {
        let ends = self.ends_to(node, None);
        let life = self.nodes[node].life(Service::Mesh);
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let id = m.next_request;
        m.next_request += 1;
        m.questions.insert(id, Question { command, open: ends.len(), applying: Vec::new() });
        if ends.is_empty() {
            self.question_ended(node, id);
            return Ok(());
        }
        let question = encode(&Message::PlateQuestion(PlateQuestion { id, tag }))?;
        for (link, end) in ends {
            self.hand(link, end, question.clone(), Way::Message)?;
        }
        self.at(LOOKUP_MS, Moment::Timeout { node, service: Service::Mesh, life, request: id });
        Ok(())
    }

    fn plate_answered(&mut self, node: usize, peer: &CentralId, a: &PlateAnswer) -> Step {
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let request = m.next_request;
        let Some(q) = m.questions.get_mut(&a.id) else { return Ok(()) };
        q.open = q.open.saturating_sub(1);
        let frames = wire::page::unpack(&a.page).map_err(|e| Violation::new("wire", e.to_string()))?;
        if frames.is_empty() {
            if q.open == 0 && q.applying.is_empty() {
                self.question_ended(node, a.id);
            }
            return Ok(());
        }
        q.applying.push(request);
        m.next_request += 1;
        self.saw(Rare::PeersHelped);
        let frames = frames.into_iter().map(|f| f.bytes().clone()).collect();
        self.apply(node, Service::Mesh, request, peer, frames, ApplyLane::Live, APPLY_MS)
    }

    /// All answered, or the time is up: the command is decided again.
    pub(super) fn question_ended(&mut self, node: usize, id: u64) {
        if let Some(q) = self.mesh(node).and_then(|m| m.questions.remove(&id)) {
            let mut command = q.command;
            command.peers_asked = true;
            self.bus(node, Service::Ledger, Bus::Command(command));
        }
    }

    /// The ledger has read what a peer asked for.
    pub(super) fn plate_read(&mut self, node: usize, request: u64, frames: &[Frame]) -> Step {
        let Some((link, end, id)) = self.mesh(node).and_then(|m| m.answering.remove(&request)) else {
            return Ok(());
        };
        let (page, _) = wire::page::pack(frames).map_err(|e| Violation::new("wire", e.to_string()))?;
        let answer = encode(&Message::PlateAnswer(PlateAnswer { id, page }))?;
        self.hand(link, end, answer, Way::Message)
    }

    /// A request of the mesh was not answered in time.
    pub(super) fn mesh_timeout(&mut self, node: usize, request: u64) -> Step {
        self.question_ended(node, request);
        if let Some(m) = self.mesh(node) {
            m.answering.remove(&request);
        }
        self.mesh_applied(node, request)
    }

    /// Own events to all peers, right after their commit.
    pub(super) fn send_committed(&mut self, node: usize, events: Vec<Carried>) -> Step {
        let events: Vec<Rc<Carried>> = events.into_iter().map(Rc::new).collect();
        for (link, end) in self.ends_to(node, None) {
            self.hand_live(link, end, &events)?;
        }
        Ok(())
    }

    /// Sends what sync wants sent.
    pub(super) fn send_for_sync(&mut self, node: usize, to: Option<&CentralId>, message: Vec<u8>) -> Step {
        let bytes = Bytes::from(message);
        for (link, end) in self.ends_to(node, to) {
            self.hand(link, end, bytes.clone(), Way::Message)?;
        }
        Ok(())
    }

    pub(super) fn beat_tick(&mut self, node: usize, life: u64) -> Step {
        self.at(BEAT_MS, Moment::Tick { node, life, tick: Tick::Beat });
        let digest = self.nodes[node].has_database(self.now).then(|| self.nodes[node].store.streams.digest());
        let clock = self.nodes[node].clock.shows(self.now);
        for (link, end) in self.all_ends(node) {
            let now = self.now;
            let e = &mut self.links[link].ends[end];
            let age = e.age_us(now);
            match e.beats.due(age, clock) {
                BeatTick::Send(n) => self.beat(link, end, n, clock, None, digest)?,
                BeatTick::Dead => {
                    self.saw(Rare::DeadBySilence);
                    self.close(link, end, "three heartbeats in a row were not answered")?;
                }
            }
        }
        Ok(())
    }

    fn all_ends(&self, node: usize) -> Vec<(usize, usize)> {
        let Some(m) = &self.nodes[node].mesh else { return Vec::new() };
        m.peers.values().flat_map(|p| p.links.iter().copied()).collect()
    }

    pub(super) fn look_tick(&mut self, node: usize, life: u64) -> Step {
        self.at(LOOK_MS, Moment::Tick { node, life, tick: Tick::Look });
        for (link, end) in self.all_ends(node) {
            let now = self.now;
            let e = &mut self.links[link].ends[end];
            let age = e.age_us(now) / 1000;
            match e.liveness.look(age) {
                Verdict::Fine => {}
                Verdict::Ask => self.probe(link, end, false)?,
                Verdict::Dead => {
                    self.saw(Rare::DeadBySilence);
                    self.close(link, end, "the peer does not answer")?;
                }
            }
        }
        // Production says it every second; every third look keeps the others from thinking the mesh silent.
        let due = self.mesh(node).is_some_and(|m| {
            m.looks += 1;
            m.looks.is_multiple_of(3)
        });
        if due {
            self.tell_mesh(node);
        }
        Ok(())
    }

    /// How many peers have a link.
    pub(super) fn linked(&self, node: usize) -> usize {
        self.nodes[node].mesh.as_ref().map_or(0, |m| m.peers.values().filter(|p| !p.links.is_empty()).count())
    }
}

/// The bytes of a message. Errors: a value that cannot be encoded at all is a bug.
pub(super) fn encode(message: &Message) -> Result<Bytes, Violation> {
    let bytes = message.encode().map_err(|e| Violation::new("wire", e.to_string()))?;
    if bytes.len() > wire::mesh::MAX_FRAME_BYTES {
        return Err(Violation::new(
            "bounded messages",
            format!("{} has {} bytes", message.name(), bytes.len()),
        ));
    }
    Ok(Bytes::from(bytes))
}
