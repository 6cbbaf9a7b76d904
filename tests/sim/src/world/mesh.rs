//! The mesh process: the production state machine, with virtual sockets, bus and timer around it.

use std::collections::BTreeMap;

use bytes::Bytes;
use replication::mesh::{Found, Identity, Limits, LinkId, Mesh as Machine, Note, Now, Output};
use wire::bus::events::{ApplyLane, ApplyReply, Carried, FromPeer, ToPeer};
use wire::config::PeerCentral;
use wire::event::Frame;
use wire::hash::{Hash32, PlateTag};
use wire::id::CentralId;
use wire::mesh::Message;
use wire::position::Position;

use super::event::{Bus, Read};
use super::{Moment, Service, Step, Tick, World};
use crate::check::Violation;
use crate::ledger::CommandJob;
use crate::sometimes::Rare;
use crate::store::Store;

/// How long the peers are asked for a vehicle.
const LOOKUP_MS: u64 = 200;
/// And how many events of it an answer brings.
const LOOKUP_EVENTS: usize = 500;
/// How long the ledger may take to read or to apply.
const READ_MS: i64 = 300;
const APPLY_MS: i64 = 2_000;

/// A command that waits for what the peers know of a vehicle.
#[derive(Debug)]
struct Asked {
    command: Box<CommandJob>,
    at: i64,
    /// Peers with a link when they were asked.
    linked: usize,
    /// Of that vehicle: what each central with a link held on all its disks.
    held: Vec<Held>,
}

/// Events of a vehicle, by position and hash.
type Held = Vec<(Position, Hash32)>;

/// A mesh's memory.
#[derive(Debug)]
pub struct Mesh {
    /// The production state machine.
    pub machine: Machine,
    /// Where its links are.
    pub ends: BTreeMap<LinkId, (usize, usize)>,
    /// Commands that wait for what the peers know.
    questions: BTreeMap<u64, Asked>,
    /// The life of the ledger it was last told of.
    ledger_life: u64,
    tick_at: i64,
}

impl World {
    pub(super) fn mesh(&mut self, node: usize) -> Option<&mut Mesh> {
        self.nodes[node].mesh.as_mut()
    }

    pub(super) fn moment(&self, node: usize) -> Now {
        Now { us: self.now as u64 * 1000, clock_ms: self.nodes[node].clock.shows(self.now) }
    }

    /// Gives the state machine an input and does what it wants done.
    pub(super) fn drive(&mut self, node: usize, input: impl FnOnce(&mut Machine, Now)) -> Step {
        let now = self.moment(node);
        let Some(m) = self.mesh(node) else { return Ok(()) };
        input(&mut m.machine, now);
        let outputs = m.machine.take_outputs();
        self.perform(node, outputs)
    }

    pub(super) fn perform(&mut self, node: usize, outputs: Vec<Output>) -> Step {
        for output in outputs {
            self.act_for_mesh(node, output)?;
        }
        Ok(())
    }

    pub(super) fn start_mesh(&mut self, node: usize) -> Step {
        let process = format!("{:032x}", self.chance.id.wide());
        let seed = self.chance.id.bits();
        let b = self.plan.bounds;
        let limits = Limits {
            // Production says it every second; this often keeps the others from thinking the mesh silent.
            publish_ms: 3_000,
            control: b.control,
            live: b.live,
            pages: b.pages,
            inbox: b.live * 2,
            ..Limits::default()
        };
        let (now, me) = (self.moment(node), self.nodes[node].central.clone());
        self.nodes[node].mesh = Some(Mesh {
            machine: Machine::new(now, me, process, limits, seed),
            ends: BTreeMap::new(),
            questions: BTreeMap::new(),
            ledger_life: 0,
            tick_at: i64::MAX,
        });
        self.configure_mesh(node)
    }

    /// Takes the configuration: new peers are dialled, links of removed and disabled ones end.
    pub(super) fn configure_mesh(&mut self, node: usize) -> Step {
        let peer = |(id, on): (&CentralId, &bool)| PeerCentral {
            id: id.clone(),
            ip: String::new(),
            p2p_port: 1,
            disabled: !on,
        };
        let peers: Vec<PeerCentral> = self.nodes[node].peers.iter().map(peer).collect();
        self.drive(node, |mesh, now| mesh.configure(now, &peers))
    }

    /// The timer of the state machine.
    fn schedule_mesh(&mut self, node: usize) {
        let now = self.now;
        let life = self.nodes[node].life(Service::Mesh);
        let Some(m) = self.mesh(node) else { return };
        let due = i64::try_from(m.machine.next_tick().div_ceil(1000)).unwrap_or(i64::MAX).max(now);
        // One tick under way at a time: an earlier one replaces a later one.
        if due < m.tick_at {
            m.tick_at = due;
            self.at(due - now, Moment::Tick { node, life, tick: Tick::Mesh });
        }
    }

    pub(super) fn mesh_tick(&mut self, node: usize) -> Step {
        let now = self.now;
        let n = &mut self.nodes[node];
        let (life, slot, projection) = (n.life(Service::Ledger), n.slot, n.release.projection());
        let writer = n.ledger.as_ref().is_some_and(|l| l.state.is_some());
        let Some(m) = &mut n.mesh else { return Ok(()) };
        if m.tick_at > now {
            return Ok(());
        }
        m.tick_at = i64::MAX;
        let news = writer && std::mem::replace(&mut m.ledger_life, life) != life;
        self.drive(node, |mesh, now| {
            if news {
                let process = format!("ledger-{slot}-{life}");
                mesh.ledger_is(now, &Identity { process, writer, projection_version: projection });
            }
            mesh.tick(now);
        })?;
        self.schedule_mesh(node);
        Ok(())
    }

    fn act_for_mesh(&mut self, node: usize, output: Output) -> Step {
        match output {
            Output::Wake(link) => {
                let at = self.mesh(node).and_then(|m| m.ends.get(&link).copied());
                at.map_or(Ok(()), |(link, end)| self.pump(link, end))
            }
            // What still comes is left by the state machine itself.
            Output::Close(_) => Ok(()),
            Output::Dial { dial, peer } => self.dial(node, dial, &peer.id),
            Output::ReadHello { link, peer } => {
                let facts = self.hello_facts(node, &peer);
                self.drive(node, |mesh, now| mesh.hello_ready(now, link, facts))
            }
            Output::ReadDigest => {
                let n = &self.nodes[node];
                let digest = n.has_database(self.now).then(|| n.store.streams.digest());
                self.drive(node, |mesh, now| mesh.digest_read(now, digest))
            }
            Output::Apply { request, peer, events } => {
                let frames = events.into_iter().map(|c| Bytes::from(c.frame)).collect();
                self.apply(node, Service::Mesh, request, &peer, frames, ApplyLane::Live, APPLY_MS)
            }
            Output::ApplyPage { request, peer, page } => {
                let frames = wire::page::unpack(&page).map_err(|e| Violation::new("wire", e.to_string()))?;
                if frames.is_empty() {
                    return self.mesh_applied(node, request, ApplyReply::default());
                }
                self.saw(Rare::PeersHelped);
                let frames = frames.into_iter().map(|f| f.bytes().clone()).collect();
                self.apply(node, Service::Mesh, request, &peer, frames, ApplyLane::Live, APPLY_MS)
            }
            Output::ReadPlate { request, tag, .. } => {
                self.ask(node, Service::Mesh, request, Read::Plate(tag), READ_MS);
                Ok(())
            }
            Output::Found { question, found } => self.question_ended(node, question, &found),
            Output::ToSync { from, message } => {
                self.bus(node, Service::Sync, Bus::FromPeer(FromPeer { from, message: message.to_vec() }));
                Ok(())
            }
            Output::Publish => {
                let Some(state) = self.mesh(node).map(|m| m.machine.state()) else { return Ok(()) };
                self.bus(node, Service::Ledger, Bus::MeshState(state.clone()));
                self.bus(node, Service::Sync, Bus::MeshState(state));
                Ok(())
            }
            Output::Timer => {
                self.schedule_mesh(node);
                Ok(())
            }
            Output::Note(note) => {
                self.note_of_mesh(node, &note);
                Ok(())
            }
        }
    }

    fn note_of_mesh(&mut self, node: usize, note: &Note) {
        match note {
            Note::Spare { .. } => self.saw(Rare::SpareClosed),
            Note::Silent { .. } => self.saw(Rare::DeadBySilence),
            Note::NoLink { refused: true, .. } | Note::Incoming { .. } => self.saw(Rare::Refused),
            Note::Clone { .. } => self.saw(Rare::CloneNoticed),
            Note::Dropped { .. } => self.saw(Rare::QueueDropped),
            Note::Linked { peer, .. } => self.say(|| format!("node {node}: linked with {peer}")),
            Note::Unlinked { peer, reason, .. } => {
                self.say(|| format!("node {node}: no link with {peer} any more: {reason}"));
            }
            _ => {}
        }
    }

    /// An apply of the mesh came to its end.
    pub(super) fn mesh_applied(&mut self, node: usize, request: u64, mut reply: ApplyReply) -> Step {
        let outcome = match reply.error.take() {
            Some(why) => Err(why),
            None => Ok(reply),
        };
        self.drive(node, |mesh, _| mesh.applied(request, &outcome))
    }

    /// The ledger wants the peers asked for a vehicle.
    pub(super) fn look_up(&mut self, node: usize, tag: PlateTag, command: Box<CommandJob>) -> Step {
        let (now, at) = (self.moment(node), self.now);
        let Some(m) = self.mesh(node) else { return Ok(()) };
        let linked = m.machine.linked();
        let question = m.machine.ask_peers(now, tag, LOOKUP_MS);
        let connected = m.machine.state().connected;
        let outputs = m.machine.take_outputs();
        let held = connected.iter().map(|c| self.held_of(c, tag)).collect();
        if let Some(m) = self.mesh(node) {
            m.questions.insert(question, Asked { command, at, linked, held });
        }
        self.perform(node, outputs)
    }

    /// What a central holds of a vehicle, on every machine that goes by its name.
    fn held_of(&self, central: &CentralId, tag: PlateTag) -> Held {
        let mut stores = self.nodes.iter().filter(|n| n.central == *central && !n.gone).map(|n| &n.store);
        let Some(first) = stores.next() else { return Vec::new() };
        let others: Vec<&Store> = stores.collect();
        let frames = first.plate(tag, LOOKUP_EVENTS);
        let all = frames.iter().map(|f| (f.header().position.clone(), f.hash()));
        all.filter(|(at, hash)| others.iter().all(|s| s.event(at, *hash).is_some())).collect()
    }

    /// All answered, or the time is up: the command is decided again.
    fn question_ended(&mut self, node: usize, question: u64, found: &Found) -> Step {
        let Some(Asked { mut command, at, linked, held }) =
            self.mesh(node).and_then(|m| m.questions.remove(&question))
        else {
            return Ok(());
        };
        let wrong = |what: String| Violation::new("who is asked for a vehicle answers", what);
        if found.asked < linked {
            return Err(wrong(format!("node {node} asked {} peers, {linked} have a link", found.asked)));
        }
        let store = &self.nodes[node].store;
        let lacks = held.iter().flatten().find(|(at, hash)| store.event(at, *hash).is_none());
        // Within the time all that came is stored, unless the ledger could not take it.
        let roomy = self.plan.bounds.applies > 100 && self.nodes[node].trouble_to < at;
        if found.answered >= found.asked
            && self.now - at < LOOKUP_MS as i64
            && roomy
            && let Some((at, _)) = lacks
        {
            return Err(wrong(format!("all peers answered node {node}, and it lacks {at} of the vehicle")));
        }
        command.peers_asked = true;
        self.bus(node, Service::Ledger, Bus::Command(command));
        Ok(())
    }

    /// The ledger has read what a peer asked for.
    pub(super) fn plate_read(&mut self, node: usize, request: u64, frames: &[Frame]) -> Step {
        let (page, _) = wire::page::pack(frames).map_err(|e| Violation::new("wire", e.to_string()))?;
        self.drive(node, |mesh, now| mesh.plate_read(now, request, Some(page)))
    }

    /// A request of the mesh was not answered in time.
    pub(super) fn mesh_timeout(&mut self, node: usize, request: u64) -> Step {
        self.drive(node, |mesh, now| {
            mesh.plate_read(now, request, None);
            mesh.applied(request, &Err("the ledger did not answer in time".to_owned()));
        })
    }

    /// Own events to all peers, right after their commit.
    pub(super) fn send_committed(&mut self, node: usize, events: Vec<Carried>) -> Step {
        let (now, bound) = (self.moment(node), self.plan.bounds.live);
        let Some(m) = self.mesh(node) else { return Ok(()) };
        m.machine.committed(now, events.clone());
        let outputs = m.machine.take_outputs();
        for output in &outputs {
            let Output::Wake(link) = output else { continue };
            let waiting = m.machine.waiting(*link);
            let queued = waiting.as_ref().map_or(0, |w| w.counts[2]);
            if queued < events.len().min(bound) {
                let what = format!("{queued} of {} wait on {link:?}", events.len());
                return Err(Violation::new("what is committed together leaves together", what));
            }
            let newest = waiting.and_then(|w| w.newest);
            if newest.as_ref() != events.last() {
                return Err(Violation::new("a full queue keeps the newest", format!("{link:?}")));
            }
        }
        self.perform(node, outputs)
    }

    /// Sends what sync wants sent.
    pub(super) fn send_for_sync(&mut self, node: usize, m: ToPeer) -> Step {
        let message = Bytes::from(m.message);
        self.drive(node, |mesh, now| mesh.send(now, m.to.as_ref(), &message))
    }

    /// How many peers have a link.
    pub(super) fn linked(&self, node: usize) -> usize {
        self.nodes[node].mesh.as_ref().map_or(0, |m| m.machine.linked())
    }
}

/// The bytes of a message. Errors: a value that cannot be encoded at all is a bug.
pub(super) fn encode(message: &Message) -> Result<Bytes, Violation> {
    let bytes = message.encode().map_err(|e| Violation::new("wire", e.to_string()))?;
    bounded(bytes.into())
}

/// No message is larger than a frame.
pub(super) fn bounded(bytes: Bytes) -> Result<Bytes, Violation> {
    if bytes.len() > wire::mesh::MAX_FRAME_BYTES {
        let what = format!("a message of type {:?} has {} bytes", bytes.first(), bytes.len());
        return Err(Violation::new("bounded messages", what));
    }
    Ok(bytes)
}
