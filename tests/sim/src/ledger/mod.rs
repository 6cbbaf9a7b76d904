//! The ledger process: the rounds of the one writer (production code, the library `writer`) over the simulated store.

mod log;

use std::sync::Arc;

use ::writer::{Arrived, Bounds, Page, Queue, State, fact};
use parking::fact::Fact;
use replication::clock::Measure;
use wire::bus::command::CommandEnvelope;
use wire::event::{Frame, Kind};
use wire::hash::{CommandId, PlateTag};
use wire::id::CentralId;

pub use self::log::{Reads, at_once};
use crate::check::First;
use crate::world::Service;

/// Kinds a node of an older release does not know.
const NEW_KINDS: [Kind; 16] = [
    Kind::PlateCorrected,
    Kind::Voided,
    Kind::Waived,
    Kind::Uncollected,
    Kind::PriceSet,
    Kind::SoftClosed,
    Kind::Reopened,
    Kind::Payment,
    Kind::PolicySet,
    Kind::ClockOffset,
    Kind::ListEntrySet,
    Kind::AntiPassbackReset,
    Kind::AntiPassbackMode,
    Kind::PassSet,
    Kind::OccupancyCorrected,
    Kind::LostRange,
];

/// What a release can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// True for the older one.
    pub old: bool,
}

impl Release {
    /// Its version of the projection.
    pub fn projection(self) -> u32 {
        if self.old { 0 } else { parking::history::PROJECTION_VERSION }
    }

    /// How it reads an event; the error says why it is poison.
    pub fn reader(self) -> fn(&Frame) -> Result<Fact, String> {
        if self.old { read_old } else { fact }
    }

    /// Reads an event.
    pub fn read(self, frame: &Frame) -> Result<Arc<Fact>, String> {
        self.reader()(frame).map(Arc::new)
    }

    /// An event that comes in.
    pub fn arrived(self, frame: Frame) -> Arrived {
        Arrived { fact: self.read(&frame), frame, trace: None }
    }
}

fn read_old(frame: &Frame) -> Result<Fact, String> {
    if NEW_KINDS.contains(&frame.header().kind) {
        let (header, hash) = (frame.header().clone(), frame.hash());
        return Ok(Fact { header, hash, body: None, foreign: true });
    }
    fact(frame)
}

/// A command waiting for its decision.
#[derive(Debug, Clone)]
pub struct CommandJob {
    /// To answer to: the lane's attempt.
    pub attempt: u64,
    /// The command.
    pub envelope: Box<CommandEnvelope>,
    /// The peers were asked for its vehicle.
    pub peers_asked: bool,
}

/// Events waiting to be stored.
#[derive(Debug, Clone)]
pub struct ApplyJob {
    /// Who asked.
    pub by: Service,
    /// Its number there.
    pub request: u64,
    /// The peer they came through.
    pub from: CentralId,
    /// The events.
    pub events: Vec<Arrived>,
    /// Entries that are no events.
    pub refused: u32,
}

/// A round whose transaction is under way, and whom to answer after it.
#[derive(Debug, Default)]
pub struct Round {
    /// What it came to.
    pub done: ::writer::Round,
    /// Commands.
    pub commands: Vec<CommandJob>,
    /// Live events.
    pub live: Vec<ApplyJob>,
    /// The catch-up page it took a chunk of.
    pub page: Option<Page<ApplyJob>>,
    /// First answers it gives for good.
    pub told: Vec<(CommandId, First)>,
    /// The last vehicle it projects anew.
    pub anew: Option<PlateTag>,
}

/// A ledger's memory.
#[derive(Debug)]
pub struct Ledger {
    /// What it keeps of the store; none while it has no database.
    pub state: Option<State>,
    /// What is to do.
    pub queue: Queue<CommandJob, ApplyJob>,
    /// The round whose transaction is under way.
    pub round: Option<Box<Round>>,
    /// A rule changed: vehicles are projected anew, those after this one are still to come.
    pub anew: Option<Option<PlateTag>>,
    /// This central's clock less its peers' median, as mesh said.
    pub measure: Option<Measure>,
    /// What of the clock's witness is stored, by its count of changes.
    pub clock_saved: u64,
    /// Sync says that events are missing, or has said nothing yet.
    pub catching_up: bool,
}

impl Ledger {
    /// One that has just started, or was copied with its memory.
    pub fn new(bounds: Bounds, state: Option<State>) -> Self {
        let clock_saved = state.as_ref().map_or(0, |s| s.clock.changes());
        Self {
            state,
            queue: Queue::new(bounds),
            round: None,
            anew: None,
            measure: None,
            clock_saved,
            catching_up: true,
        }
    }
}
