//! The sync process: the production state machine, with virtual bus and timer around it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use replication::catchup::Limits;
use replication::sync::{Note, Output, Sync as Machine, pack};
use wire::bus::events::{ApplyLane, ApplyReply, Fetched, FromPeer, ToPeer};
use wire::event::{Frame, Kind};
use wire::id::CentralId;
use wire::mesh::Message;
use wire::position::StreamId;

use super::event::{Bus, Read};
use super::mesh::encode;
use super::{Moment, Service, Step, Tick, World};
use crate::check::Violation;
use crate::sometimes::Rare;

/// Reading is quick or the ledger is away.
const READ_LIMIT: i64 = 5_000;
/// A page may wait behind live traffic.
const APPLY_LIMIT: i64 = 20_000;
/// The state is published at least this often (production: every second).
const PUBLISH_MS: i64 = 3_000;

/// Sync's memory.
#[derive(Debug)]
pub struct Sync {
    /// The production state machine.
    pub machine: Machine,
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

    /// Gives the state machine an input and does what it wants done.
    fn sync_input(&mut self, node: usize, input: impl FnOnce(&mut Machine, i64)) -> Step {
        let now = self.now;
        let Some(s) = self.sync(node) else { return Ok(()) };
        input(&mut s.machine, now);
        for output in s.machine.take_outputs() {
            self.act_for_sync(node, output)?;
        }
        self.schedule_sync(node);
        Ok(())
    }

    pub(super) fn start_sync(&mut self, node: usize) -> Step {
        let me = self.nodes[node].central.clone();
        let seed = self.chance.id.bits();
        let machine = Machine::new(me, Limits::default(), PUBLISH_MS, seed);
        self.nodes[node].sync = Some(Sync { machine, asked: BTreeMap::new(), tick_at: i64::MAX });
        self.configure_sync(node)
    }

    pub(super) fn configure_sync(&mut self, node: usize) -> Step {
        let peers: BTreeSet<CentralId> =
            self.nodes[node].peers.iter().filter(|(_, on)| **on).map(|(id, _)| id.clone()).collect();
        self.sync_input(node, |sync, now| sync.configure(now, &peers))
    }

    fn schedule_sync(&mut self, node: usize) {
        let now = self.now;
        let life = self.nodes[node].life(Service::Sync);
        let Some(s) = self.sync(node) else { return };
        let next = s.machine.next_tick(now).max(now + 1);
        // One tick under way at a time: an earlier one replaces a later one.
        if next < s.tick_at || s.tick_at <= now {
            s.tick_at = next;
            self.at(next - now, Moment::Tick { node, life, tick: Tick::Sync });
        }
    }

    pub(super) fn sync_tick(&mut self, node: usize) -> Step {
        if self.nodes[node].sync.as_ref().is_none_or(|s| s.tick_at > self.now) {
            return Ok(());
        }
        self.sync_input(node, |sync, now| sync.tick(now, true))
    }

    fn act_for_sync(&mut self, node: usize, output: Output) -> Step {
        match output {
            Output::Send { to, message } => {
                self.check_told(node, &message)?;
                self.note_request(node, to.as_ref(), &message);
                let message = encode(&message)?.to_vec();
                self.bus(node, Service::Mesh, Bus::ToPeer(ToPeer { to, message }));
            }
            Output::ReadHoldings { request, after } => {
                if after.is_some() {
                    self.saw(Rare::MapInPages);
                }
                self.ask(node, Service::Sync, request, Read::Holdings(after), READ_LIMIT);
            }
            Output::ReadRanges { request, ranges, max_events } => {
                self.ask(node, Service::Sync, request, Read::Ranges(ranges, max_events), READ_LIMIT);
            }
            Output::Apply { request, peer, frames } => {
                if frames.iter().any(|f| f.header().position.stream.central != peer) {
                    self.saw(Rare::GapFilledByThird);
                }
                if frames.iter().any(|f| matches!(f.header().kind, Kind::Unknown(_))) {
                    self.saw(Rare::UnknownRelayed);
                }
                let frames = frames.into_iter().map(|f| f.bytes().clone()).collect();
                self.apply(node, Service::Sync, request, &peer, frames, ApplyLane::Backlog, APPLY_LIMIT)?;
            }
            Output::Publish => self.publish(node),
            Output::Note(note) => self.note_of_sync(node, note)?,
        }
        Ok(())
    }

    fn note_of_sync(&mut self, node: usize, note: Note) -> Step {
        match note {
            Note::Stalled(cause) => {
                self.say(|| format!("node {node}: catch-up stalls: {cause}"));
                self.saw(Rare::Stalled);
            }
            Note::Unasked { .. } => self.saw(Rare::UnaskedPage),
            Note::Answered { pages, .. } if pages > 1 => self.saw(Rare::AnswerInPages),
            Note::BadPage { reason, .. } => return Err(Violation::new("wire", reason)),
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, node: usize) {
        let now = self.now;
        let Some(s) = self.sync(node) else { return };
        if s.machine.catchup().is_loaded() {
            let catching_up = s.machine.catchup().catching_up(now);
            self.bus(node, Service::Ledger, Bus::SyncState(catching_up));
        }
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

    /// A message of the bus.
    pub(super) fn sync_told(&mut self, node: usize, message: Bus) -> Step {
        match message {
            Bus::MeshState(state) => {
                let connected = state.connected.into_iter().collect();
                self.sync_input(node, |sync, now| sync.linked(now, &connected))
            }
            Bus::Stored(holdings) => self.sync_input(node, |sync, now| sync.holdings_changed(now, holdings)),
            Bus::LedgerAnew => self.sync_input(node, |sync, now| sync.ledger_anew(now)),
            Bus::FromPeer(FromPeer { from, message }) => {
                let message = Message::decode(&message).map_err(|e| Violation::new("wire", e.to_string()))?;
                self.sync_input(node, |sync, now| {
                    sync.received(now, &from, message);
                })
            }
            Bus::Applied { request, mut reply } => {
                let reply = match reply.error.take() {
                    Some(why) => Err(why),
                    None => Ok(reply),
                };
                self.sync_input(node, |sync, now| sync.applied(now, request, reply))
            }
            Bus::Fetched { request, fetched } => self.sync_fetched(node, request, fetched),
            _ => Ok(()),
        }
    }

    fn sync_fetched(&mut self, node: usize, request: u64, fetched: Fetched) -> Step {
        match fetched {
            Fetched::Holdings { streams, more } => {
                self.sync_input(node, |sync, now| sync.holdings_page(now, request, Ok((streams, more))))
            }
            Fetched::Events { frames, more } => {
                let pages = pack(&parse(frames)?).map_err(|e| Violation::new("wire", e.to_string()))?;
                self.sync_input(node, |sync, now| sync.ranges_read(now, request, Ok((pages, more))))
            }
            // Asked for by bundles alone, and those are made by hand.
            Fetched::Runs { .. } => Ok(()),
            Fetched::Unavailable(why) => self.sync_failed(node, request, &why),
        }
    }

    fn sync_failed(&mut self, node: usize, request: u64, why: &str) -> Step {
        self.sync_input(node, |sync, now| {
            sync.holdings_page(now, request, Err(why.to_owned()));
            sync.ranges_read(now, request, Err(why.to_owned()));
            sync.applied(now, request, Err::<ApplyReply, _>(why.to_owned()));
        })
    }

    pub(super) fn sync_timeout(&mut self, node: usize, request: u64) -> Step {
        self.sync_failed(node, request, "the ledger did not answer in time")
    }

    /// True when sync believes what the store holds and misses nothing.
    pub(super) fn is_settled(&self, node: usize) -> bool {
        self.nodes[node].sync.as_ref().is_some_and(|s| s.machine.is_settled(self.now))
    }
}
