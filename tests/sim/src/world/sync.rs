//! The sync process: a shell around the production state machine.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use replication::catchup::{Answer, Catchup, Limits, Outcome, Output, Page, Ticket, Verdict, runs};
use wire::bus::events::{ApplyLane, ApplyReply, Fetched, FromPeer, ToPeer};
use wire::event::{Frame, Kind};
use wire::id::CentralId;
use wire::mesh::{Message, SyncRequest, SyncResponse};
use wire::position::{StreamHoldings, StreamId};

use super::event::{Bus, Read};
use super::mesh::encode;
use super::{Moment, Service, Step, Tick, World};
use crate::check::Violation;
use crate::sometimes::Rare;

/// Holdings are read again after so long.
const READ_MS: i64 = 10_000;
/// Reading is quick or the ledger is away.
const READ_LIMIT: i64 = 5_000;
/// A page may wait behind live traffic.
const APPLY_LIMIT: i64 = 20_000;
/// Without word from mesh for so long, no link is believed to be up.
const MESH_SILENT_MS: i64 = 5_000;
/// The state is published at least this often (production: every second).
const PUBLISH_MS: i64 = 3_000;
/// Pages of one answer.
const PAGES: u32 = 8;
/// Requests of one peer that wait.
const WAITING: usize = 2;

/// A reading of the own holdings.
#[derive(Debug)]
struct Reading {
    request: u64,
    got: Vec<StreamHoldings>,
}

/// An answer under way.
#[derive(Debug)]
struct Answering {
    peer: CentralId,
    answer: Answer,
    pages: u32,
}

/// Sync's memory.
#[derive(Debug)]
pub struct Sync {
    /// The production state machine.
    pub catchup: Catchup,
    next_request: u64,
    reading: Option<Reading>,
    read_at: i64,
    mesh_heard_at: Option<i64>,
    published_at: i64,
    answers: BTreeMap<u64, Answering>,
    waiting: BTreeMap<CentralId, VecDeque<SyncRequest>>,
    applying: BTreeMap<u64, Ticket>,
    /// Ranges asked for: who was asked last, for the report of rare paths.
    asked: BTreeMap<(StreamId, u64), (CentralId, i64)>,
    tick_at: i64,
}

/// Frames from the bytes of a read.
pub(super) fn parse(frames: Vec<impl AsRef<[u8]>>) -> Result<Vec<Frame>, Violation> {
    frames
        .into_iter()
        .map(|f| Frame::parse(Bytes::from(f.as_ref().to_vec())))
        .collect::<Result<_, _>>()
        .map_err(|e| Violation::new("wire", e.to_string()))
}

impl World {
    fn sync(&mut self, node: usize) -> Option<&mut Sync> {
        self.nodes[node].sync.as_mut()
    }

    pub(super) fn start_sync(&mut self, node: usize) -> Step {
        let (me, now) = (self.nodes[node].central.clone(), self.now);
        let first = self.chance.id.bits();
        let next_request = self.chance.id.bits() >> 1;
        let limits = Limits { request_events: 5000, ..Limits::default() };
        self.nodes[node].sync = Some(Sync {
            catchup: Catchup::new(me, limits, first),
            next_request,
            reading: None,
            read_at: 0,
            mesh_heard_at: None,
            published_at: now,
            answers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            applying: BTreeMap::new(),
            asked: BTreeMap::new(),
            tick_at: i64::MAX,
        });
        self.configure_sync(node)?;
        self.begin_reading(node);
        self.schedule_sync(node);
        Ok(())
    }

    pub(super) fn configure_sync(&mut self, node: usize) -> Step {
        let now = self.now;
        let peers: Vec<CentralId> =
            self.nodes[node].peers.iter().filter(|(_, on)| **on).map(|(id, _)| id.clone()).collect();
        if let Some(s) = self.sync(node) {
            s.catchup.configure(now, peers);
        }
        self.act(node)
    }

    fn schedule_sync(&mut self, node: usize) {
        let now = self.now;
        let life = self.nodes[node].life(Service::Sync);
        let Some(s) = self.sync(node) else { return };
        let next = s.catchup.next_tick(now).min(s.published_at + PUBLISH_MS).max(now + 1);
        // One tick under way at a time: an earlier one replaces a later one.
        if next < s.tick_at || s.tick_at <= now {
            s.tick_at = next;
            self.at(next - now, Moment::Tick { node, life, tick: Tick::Sync });
        }
    }

    pub(super) fn sync_tick(&mut self, node: usize) -> Step {
        let now = self.now;
        let Some(s) = self.sync(node) else { return Ok(()) };
        if s.tick_at > now {
            return Ok(());
        }
        if s.mesh_heard_at.is_some_and(|at| now - at >= MESH_SILENT_MS) {
            s.mesh_heard_at = None;
            s.catchup.linked(now, &Default::default());
        }
        s.catchup.tick(now);
        let read = s.reading.is_none() && now - s.read_at >= READ_MS;
        let publish = now - s.published_at >= PUBLISH_MS;
        if read {
            self.begin_reading(node);
        }
        self.act(node)?;
        if publish {
            self.publish(node);
        }
        self.schedule_sync(node);
        Ok(())
    }

    fn publish(&mut self, node: usize) {
        let now = self.now;
        let Some(s) = self.sync(node) else { return };
        s.published_at = now;
        if s.catchup.is_loaded() {
            let catching_up = s.catchup.catching_up(now);
            self.bus(node, Service::Ledger, Bus::SyncState(catching_up));
        }
    }

    fn begin_reading(&mut self, node: usize) {
        let now = self.now;
        let Some(s) = self.sync(node) else { return };
        if s.reading.is_some() {
            return;
        }
        let request = s.next_request;
        s.next_request += 1;
        s.reading = Some(Reading { request, got: Vec::new() });
        s.read_at = now;
        s.catchup.reading_began();
        self.ask(node, Service::Sync, request, Read::Holdings(None), READ_LIMIT);
    }

    /// Does what the state machine wants done.
    fn act(&mut self, node: usize) -> Step {
        let Some(s) = self.sync(node) else { return Ok(()) };
        for output in s.catchup.take_outputs() {
            match output {
                Output::Send { to, message } => {
                    self.check_told(node, &message)?;
                    self.note_request(node, to.as_ref(), &message);
                    let message = encode(&message)?.to_vec();
                    self.bus(node, Service::Mesh, Bus::ToPeer(ToPeer { to, message }));
                }
                Output::Reload => self.begin_reading(node),
                Output::Publish => self.publish(node),
                Output::Stalled(cause) => {
                    self.say(|| format!("node {node}: catch-up stalls: {cause}"));
                    self.saw(Rare::Stalled);
                }
                Output::Moving => {}
            }
        }
        Ok(())
    }

    fn note_request(&mut self, node: usize, to: Option<&CentralId>, message: &Message) {
        let (Message::SyncRequest(r), Some(to)) = (message, to) else { return };
        self.say(|| format!("node {node}: asks {to} for {} ranges", r.ranges.len()));
        let now = self.now;
        let Some(s) = self.sync(node) else { return };
        let (mut moved, mut expired) = (false, false);
        for range in &r.ranges {
            let before = s.asked.insert((range.stream.clone(), range.to), (to.clone(), now));
            moved |= before.as_ref().is_some_and(|b| b.0 != *to);
            expired |= before.is_some_and(|b| now - b.1 >= 5_000);
        }
        if expired {
            self.saw(Rare::LeaseExpired);
        }
        if moved {
            self.saw(Rare::LeaseMoved);
        }
    }

    pub(super) fn sync_told(&mut self, node: usize, message: Bus) -> Step {
        let now = self.now;
        let Some(s) = self.sync(node) else { return Ok(()) };
        match message {
            Bus::MeshState(state) => {
                s.mesh_heard_at = Some(now);
                s.catchup.linked(now, &state.connected.into_iter().collect());
            }
            Bus::Stored(holdings) => s.catchup.holdings_changed(now, holdings),
            Bus::FromPeer(from) => self.peer_told(node, &from)?,
            Bus::Applied { request, reply } => self.page_applied(node, request, reply),
            Bus::Fetched { request, fetched } => self.fetched(node, request, fetched)?,
            _ => {}
        }
        self.act(node)?;
        self.schedule_sync(node);
        Ok(())
    }

    fn peer_told(&mut self, node: usize, from: &FromPeer) -> Step {
        let now = self.now;
        let message = Message::decode(&from.message).map_err(|e| Violation::new("wire", e.to_string()))?;
        let Some(s) = self.sync(node) else { return Ok(()) };
        match message {
            Message::Positions(told) => s.catchup.positions_received(now, &from.from, told),
            Message::SyncRequest(request) => {
                let waiting = s.waiting.entry(from.from.clone()).or_default();
                if waiting.len() < WAITING {
                    waiting.push_back(request);
                }
                self.answer_next(node, &from.from)?;
            }
            Message::SyncResponse(response) => self.page_came(node, &from.from, response)?,
            _ => {}
        }
        Ok(())
    }

    /// Begins with the next request of a peer, one at a time.
    fn answer_next(&mut self, node: usize, peer: &CentralId) -> Step {
        let Some(s) = self.sync(node) else { return Ok(()) };
        if s.answers.values().any(|a| a.peer == *peer) {
            return Ok(());
        }
        let Some(request) = s.waiting.get_mut(peer).and_then(VecDeque::pop_front) else { return Ok(()) };
        let answering = Answering { peer: peer.clone(), answer: Answer::new(request, 5000, PAGES), pages: 0 };
        self.read_on(node, answering)
    }

    fn read_on(&mut self, node: usize, answering: Answering) -> Step {
        match answering.answer.next() {
            Some((ranges, events)) => {
                let read = Read::Ranges(ranges.to_vec(), events.min(4000));
                let Some(s) = self.sync(node) else { return Ok(()) };
                let request = s.next_request;
                s.next_request += 1;
                s.answers.insert(request, answering);
                self.ask(node, Service::Sync, request, read, READ_LIMIT);
                Ok(())
            }
            None => self.end_answer(node, answering, true),
        }
    }

    fn end_answer(&mut self, node: usize, answering: Answering, complete: bool) -> Step {
        if answering.pages > 1 {
            self.saw(Rare::AnswerInPages);
        }
        let not_held = if complete { answering.answer.not_held() } else { Vec::new() };
        let end = SyncResponse { id: answering.answer.id(), more: false, not_held, page: Vec::new() };
        let peer = answering.peer;
        self.respond(node, &peer, end)?;
        self.answer_next(node, &peer)
    }

    fn respond(&mut self, node: usize, peer: &CentralId, response: SyncResponse) -> Step {
        let message = encode(&Message::SyncResponse(response))?.to_vec();
        self.bus(node, Service::Mesh, Bus::ToPeer(ToPeer { to: Some(peer.clone()), message }));
        Ok(())
    }

    fn fetched(&mut self, node: usize, request: u64, fetched: Fetched) -> Step {
        let now = self.now;
        let Some(s) = self.sync(node) else { return Ok(()) };
        if s.reading.as_ref().is_some_and(|r| r.request == request) {
            match fetched {
                Fetched::Holdings { streams, more } => {
                    let after = streams.last().map(|s| s.stream.clone());
                    let again = s.next_request;
                    let Some(r) = &mut s.reading else { return Ok(()) };
                    r.got.extend(streams);
                    if more && after.is_some() {
                        r.request = again;
                        s.next_request += 1;
                        self.saw(Rare::MapInPages);
                        self.ask(node, Service::Sync, again, Read::Holdings(after), READ_LIMIT);
                    } else if let Some(r) = s.reading.take() {
                        s.catchup.holdings_read(now, r.got);
                    }
                }
                _ => s.reading = None,
            }
            return Ok(());
        }
        let Some(mut answering) = s.answers.remove(&request) else { return Ok(()) };
        let Fetched::Events { frames, more } = fetched else {
            return self.end_answer(node, answering, false);
        };
        let frames = parse(frames)?;
        let mut rest = &frames[..];
        let mut room = true;
        while !rest.is_empty() && room {
            let (page, n) = wire::page::pack(rest).map_err(|e| Violation::new("wire", e.to_string()))?;
            let (sent, later) = rest.split_at(n.max(1).min(rest.len()));
            room = answering.answer.sent(&runs(sent));
            answering.pages += 1;
            let response = SyncResponse { id: answering.answer.id(), more: true, not_held: Vec::new(), page };
            let peer = answering.peer.clone();
            self.respond(node, &peer, response)?;
            rest = later;
        }
        let taken = &frames[..frames.len() - rest.len()];
        answering.answer.read_to(&runs(taken), more || !rest.is_empty());
        self.read_on(node, answering)
    }

    fn page_came(&mut self, node: usize, from: &CentralId, response: SyncResponse) -> Step {
        let now = self.now;
        let frames = if response.page.is_empty() {
            Vec::new()
        } else {
            wire::page::unpack(&response.page).map_err(|e| Violation::new("wire", e.to_string()))?
        };
        if frames.iter().any(|f| f.header().position.stream.central != *from) {
            self.saw(Rare::GapFilledByThird);
        }
        if frames.iter().any(|f| matches!(f.header().kind, Kind::Unknown(_))) {
            self.saw(Rare::UnknownRelayed);
        }
        let told = Page {
            id: response.id,
            more: response.more,
            brought: runs(&frames),
            not_held: response.not_held,
        };
        let Some(s) = self.sync(node) else { return Ok(()) };
        match s.catchup.page_received(now, from, &told) {
            Verdict::Apply(ticket) => {
                let request = s.next_request;
                s.next_request += 1;
                s.applying.insert(request, ticket);
                let frames = frames.into_iter().map(|f| f.bytes().clone()).collect();
                self.apply(node, Service::Sync, request, from, frames, ApplyLane::Backlog, APPLY_LIMIT)
            }
            Verdict::Unasked => {
                self.saw(Rare::UnaskedPage);
                Ok(())
            }
            Verdict::Nothing => Ok(()),
        }
    }

    fn page_applied(&mut self, node: usize, request: u64, reply: ApplyReply) {
        let now = self.now;
        let Some(s) = self.sync(node) else { return };
        let Some(ticket) = s.applying.remove(&request) else { return };
        let outcome =
            Outcome { stored: u64::from(reply.stored), error: reply.error, holdings: reply.holdings };
        s.catchup.applied(now, ticket, outcome);
    }

    pub(super) fn sync_timeout(&mut self, node: usize, request: u64) -> Step {
        let Some(s) = self.sync(node) else { return Ok(()) };
        if s.reading.as_ref().is_some_and(|r| r.request == request) {
            s.reading = None;
        }
        let answering = s.answers.remove(&request);
        let error = Some("the ledger did not answer in time".to_owned());
        self.page_applied(node, request, ApplyReply { error, ..ApplyReply::default() });
        if let Some(a) = answering {
            self.end_answer(node, a, false)?;
        }
        self.act(node)?;
        self.schedule_sync(node);
        Ok(())
    }

    /// True when sync believes what the store holds and misses nothing.
    pub(super) fn is_settled(&self, node: usize) -> bool {
        let n = &self.nodes[node];
        n.sync.as_ref().is_some_and(|s| s.applying.is_empty() && !s.catchup.catching_up(self.now))
    }
}
