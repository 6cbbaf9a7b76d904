//! The writer's queue: commands and live events before backlog. Every lane is bounded; what does not fit is refused at once.

use std::sync::Arc;

use kit::Incoming;
use parking::fact::Fact;
use tokio::sync::mpsc;
use wire::bus::command::CommandEnvelope;
use wire::bus::events::ApplyLane;
use wire::bus::trace::TraceContext;
use wire::event::Frame;
use wire::id::CentralId;

/// Commands waiting at most: what the writer works off well within a command's deadline.
const COMMANDS: usize = 2048;
/// Live messages waiting at most (each holds a coalesced handful of events).
const LIVE: usize = 256;
/// Backlog pages waiting at most: sync asks for more when it has an answer.
const BACKLOG: usize = 8;

/// A command waiting for its decision.
#[derive(Debug)]
pub struct CommandJob {
    /// To answer to.
    pub incoming: Incoming,
    /// The command.
    pub envelope: Box<CommandEnvelope>,
    /// The peers were asked for its vehicle.
    pub peers_asked: bool,
    /// Its span, from receipt to answer.
    pub span: tracing::Span,
}

/// An event that came in, read before it is queued.
#[derive(Debug)]
pub struct Arrived {
    /// Its bytes.
    pub frame: Frame,
    /// What it says, or why it is poison.
    pub fact: Result<Fact, String>,
    /// Its trace, when live.
    pub trace: Option<TraceContext>,
}

/// Events waiting to be stored.
#[derive(Debug)]
pub struct ApplyJob {
    /// To answer to.
    pub incoming: Incoming,
    /// The peer they came through.
    pub from: CentralId,
    /// The events.
    pub events: Vec<Arrived>,
    /// Entries that are no events.
    pub refused: u32,
    /// Span of a whole catch-up page: its events carry none.
    pub span: tracing::Span,
}

/// The sending end.
#[derive(Debug, Clone)]
pub struct Lanes {
    commands: mpsc::Sender<CommandJob>,
    live: mpsc::Sender<ApplyJob>,
    backlog: mpsc::Sender<ApplyJob>,
}

/// The writer's end.
#[derive(Debug)]
pub struct Queue {
    /// Commands, in order of receipt.
    pub commands: mpsc::Receiver<CommandJob>,
    /// Live events.
    pub live: mpsc::Receiver<ApplyJob>,
    /// Catch-up pages.
    pub backlog: mpsc::Receiver<ApplyJob>,
}

/// A new queue.
pub fn queue() -> (Arc<Lanes>, Queue) {
    let (ct, commands) = mpsc::channel(COMMANDS);
    let (lt, live) = mpsc::channel(LIVE);
    let (bt, backlog) = mpsc::channel(BACKLOG);
    (Arc::new(Lanes { commands: ct, live: lt, backlog: bt }), Queue { commands, live, backlog })
}

impl Lanes {
    /// Queues a command. Gives it back when the lane is full.
    pub fn command(&self, job: CommandJob) -> Result<(), Box<CommandJob>> {
        self.commands.try_send(job).map_err(|e| Box::new(e.into_inner()))
    }

    /// Queues events. Gives them back when the lane is full.
    pub fn apply(&self, lane: ApplyLane, job: ApplyJob) -> Result<(), Box<ApplyJob>> {
        let to = match lane {
            ApplyLane::Live => &self.live,
            ApplyLane::Backlog => &self.backlog,
        };
        to.try_send(job).map_err(|e| Box::new(e.into_inner()))
    }
}
