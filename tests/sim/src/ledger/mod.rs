//! The ledger process: the rounds of the one writer, over the simulated store.
//!
//! What it decides and projects is production code; what stands here is the shell that Postgres and the bus need in production:
//! which reads a round makes, and what one transaction writes.

mod decide;
mod round;
mod state;
mod take;

use std::collections::VecDeque;
use std::rc::Rc;

use parking::fact::Fact;
use wire::bus::command::{CommandEnvelope, CommandReply};
use wire::bus::events::{ApplyReply, Carried};
use wire::event::{Frame, Kind};
use wire::hash::{CommandId, PlateTag};
use wire::id::CentralId;
use wire::position::StreamHoldings;

use crate::store::Tx;
use crate::world::Service;

pub use round::{Work, run};
pub use state::State;

/// Kinds a node of an older release does not know.
const NEW_KINDS: [Kind; 8] = [
    Kind::PlateCorrected,
    Kind::Voided,
    Kind::Waived,
    Kind::PriceSet,
    Kind::SoftClosed,
    Kind::Reopened,
    Kind::Payment,
    Kind::PolicySet,
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

    /// Reads an event. None: poison.
    pub fn read(self, frame: &Frame) -> Option<Rc<Fact>> {
        if self.old && NEW_KINDS.contains(&frame.header().kind) {
            let (header, hash) = (frame.header().clone(), frame.hash());
            return Some(Rc::new(Fact { header, hash, body: None, foreign: true }));
        }
        Fact::of(frame).ok().map(Rc::new)
    }
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

/// An event that came in.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its bytes.
    pub frame: Frame,
    /// What it says; none when it is poison.
    pub fact: Option<Rc<Fact>>,
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

/// A catch-up page on its way, a chunk at a time.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whose.
    pub job: ApplyJob,
    /// How far it has come.
    pub at: usize,
    /// What became of it so far.
    pub reply: ApplyReply,
}

/// What came of a command.
#[derive(Debug)]
pub enum Outcome {
    /// Answer after the commit; the command whose answer then stands for good.
    Reply(CommandReply, Option<CommandId>),
    /// Ask the peers for this vehicle, then decide again.
    AskPeers(PlateTag),
}

/// A round whose transaction is under way.
#[derive(Debug, Default)]
pub struct Round {
    /// What it writes.
    pub tx: Tx,
    /// Commands and what came of them.
    pub commands: Vec<(CommandJob, Outcome)>,
    /// Live events and what became of them.
    pub live: Vec<(ApplyJob, ApplyReply)>,
    /// The catch-up page it took a chunk of.
    pub page: Option<Page>,
    /// Own events, for the peers.
    pub own: Vec<Carried>,
    /// Holdings of streams touched.
    pub holdings: Vec<StreamHoldings>,
    /// A policy came in: everything must be projected anew.
    pub rebuild: bool,
    /// Passages ended by time-out.
    pub ended: usize,
    /// Differences computed for charges made without their entry.
    pub differences: usize,
    /// Answers rebuilt from events of other centrals.
    pub elsewhere: usize,
    /// A new incarnation was opened.
    pub opened: bool,
    /// The own stream was found written by somebody else.
    pub gave_way: bool,
    /// Components whose projection panicked.
    pub failed: usize,
    /// Full forms that came after the erased one.
    pub full_after_erased: usize,
}

/// A ledger's memory.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What it keeps of the store; none while it has no database.
    pub state: Option<State>,
    /// Commands in order of receipt.
    pub commands: VecDeque<CommandJob>,
    /// Live events.
    pub live: VecDeque<ApplyJob>,
    /// Catch-up pages.
    pub backlog: VecDeque<ApplyJob>,
    /// The page a chunk of which is next.
    pub page: Option<Page>,
    /// The round whose transaction is under way.
    pub round: Option<Box<Round>>,
    /// Time to look for time-outs.
    pub sweep: bool,
    /// The next round takes backlog: each has its turn.
    pub turn: bool,
    /// This central's clock less its peers' median, as mesh said.
    pub offset_ms: i64,
    /// Sync says that events are missing.
    pub catching_up: bool,
}
