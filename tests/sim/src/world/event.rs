//! What can happen.

use std::cmp::Ordering;

use bytes::Bytes;
use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyReply, Carried, Fetched, FromPeer, ToPeer};
use wire::bus::state::MeshState;
use wire::hash::PlateTag;
use wire::position::{SeqRange, StreamHoldings, StreamId};

use super::Service;
use crate::ledger::{ApplyJob, CommandJob};

/// What recurs in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The ledger looks for time-outs.
    Sweep,
    /// The state machine of the mesh is due.
    Mesh,
    /// The state machine of sync is due.
    Sync,
}

/// A read of the ledger.
#[derive(Debug, Clone)]
pub enum Read {
    /// A page of the position map.
    Holdings(Option<StreamId>),
    /// Events of ranges, at most so many.
    Ranges(Vec<SeqRange>, u64),
    /// A vehicle's events.
    Plate(PlateTag),
}

/// A message on a central's own bus.
#[derive(Debug, Clone)]
pub enum Bus {
    /// To the ledger: a lane's command.
    Command(Box<CommandJob>),
    /// To the ledger: store events.
    Apply(Box<ApplyJob>, wire::bus::events::ApplyLane),
    /// To the ledger: read.
    Read { by: Service, request: u64, read: Read },
    /// To ledger and sync: how the mesh stands.
    MeshState(MeshState),
    /// To the ledger: whether events are missing.
    SyncState(bool),
    /// To the mesh: own events, committed.
    Committed(Vec<Carried>),
    /// To the mesh: sync wants this sent.
    ToPeer(ToPeer),
    /// To the mesh: ask the peers for a vehicle, for this command.
    Lookup(PlateTag, Box<CommandJob>),
    /// To sync: holdings of streams touched by a commit.
    Stored(Vec<StreamHoldings>),
    /// To sync: another writer than before.
    LedgerAnew,
    /// To sync: what a peer said.
    FromPeer(FromPeer),
    /// To whoever asked: events were stored, or not.
    Applied { request: u64, reply: ApplyReply },
    /// To whoever asked: what was read.
    Fetched { request: u64, fetched: Fetched },
}

/// Something that happens.
#[derive(Debug)]
pub enum Moment {
    /// A bus message arrives.
    Bus { node: usize, to: Service, life: u64, message: Box<Bus> },
    /// A message arrives at an end of a link.
    Net { link: usize, end: usize, bytes: Bytes },
    /// The kernel tells an end that the other is gone.
    Reset { link: usize, end: usize },
    /// The socket took a message; the next may follow.
    Written { link: usize, end: usize },
    /// Nobody answers a dial.
    DialFailed { node: usize, life: u64, dial: u64 },
    /// A process starts.
    Start { node: usize, service: Service },
    /// Something recurs.
    Tick { node: usize, life: u64, tick: Tick },
    /// The round's transaction is through.
    Committed { node: usize, life: u64 },
    /// The writer has the lock again.
    LoadState { node: usize, life: u64 },
    /// A request was not answered in time.
    Timeout { node: usize, service: Service, life: u64, request: u64 },
    /// A second ledger waits for the lock, at the longest until then.
    Standby { node: usize, until: i64 },
    /// A writer hears that it lost its session.
    OldWriter { node: usize },
    /// The next question of the examination at rest.
    Exam,
    /// What the examination recorded must be everywhere now.
    Spread { command: wire::hash::CommandId },
    /// A planned fault.
    Fault(usize),
    /// A planned fault ends.
    Undo { fault: usize, node: usize },
    /// A frame that was erased meanwhile comes once more.
    Echo(usize),
    /// All faults end.
    Heal,
    /// A car goes on with its day.
    Car { car: usize },
    /// A lane sends a request, again or for the first time.
    Attempt { request: usize },
    /// The answer to a lane.
    Answered { attempt: u64, reply: Box<CommandReply> },
    /// A lane waits no longer.
    GaveUp { attempt: u64 },
}

/// A moment and its place in time.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) at: i64,
    pub(super) n: u64,
    pub(super) moment: Moment,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.n) == (other.at, other.n)
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    /// The earliest is the greatest: the queue is a max-heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.n).cmp(&(self.at, self.n))
    }
}
