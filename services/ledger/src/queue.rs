//! The writer's queue ([`::writer::Queue`]) between the bus and the writer's task. Every lane is bounded; what does not fit is
//! refused at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::writer::{Arrived, Bounds, Page, Turn, Waiting};
use kit::Incoming;
use parking::decision::PinCheck;
use tokio::sync::Notify;
use wire::bus::command::CommandEnvelope;
use wire::bus::events::ApplyLane;
use wire::id::CentralId;

use crate::access::AccessJob;
use crate::pause::Pause;
use crate::reference::DocumentJob;
use crate::writer::repair::RepairJob;

/// Commands waiting at most: what the writer works off well within a command's deadline.
const COMMANDS: usize = 2048;
/// Live messages waiting at most (each holds a coalesced handful of events).
const LIVE: usize = 256;
/// Backlog pages waiting at most: sync asks for more when it has an answer.
const BACKLOG: usize = 8;
/// Events of a page whose rows are made at once: what a lane did in a short absence is seen at once.
const AT_ONCE: usize = 200;
/// No page came for so long: the next one is not on its way, rows that can wait are made now.
const LULL: Duration = Duration::from_millis(200);
/// Repairs waiting at most: the audit waits for each.
const REPAIRS: usize = 4;
/// Documents waiting at most: they come one at a time.
const DOCUMENTS: usize = 4;

/// Changes of tokens and keys, and acts to write down, waiting at most: the gateway repeats acts.
const ACCESS: usize = 16;

/// A command waiting for its decision.
#[derive(Debug)]
pub struct CommandJob {
    /// To answer to.
    pub incoming: Incoming,
    /// The command.
    pub envelope: Box<CommandEnvelope>,
    /// The peers were asked for its vehicle.
    pub peers_asked: bool,
    /// What came of the PIN of the staff behind it.
    pub pin: PinCheck,
    /// Its span, from receipt to answer.
    pub span: tracing::Span,
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
    /// When their origins committed those that say so, by the origins' clocks, ms.
    pub committed_at: Vec<i64>,
    /// Entries that are no events.
    pub refused: u32,
    /// Span of a whole catch-up page: its events carry none.
    pub span: tracing::Span,
}

/// Both ends' queue, and the bell that wakes the writer.
#[derive(Debug)]
struct Shared {
    queue: Mutex<::writer::Queue<CommandJob, ApplyJob>>,
    bell: Notify,
    repairs: Mutex<VecDeque<RepairJob>>,
    repair_bell: Notify,
    documents: Mutex<VecDeque<DocumentJob>>,
    document_bell: Notify,
    access: Mutex<VecDeque<AccessJob>>,
    access_bell: Notify,
    pause: Pause,
    /// When a chunk of a page was taken last.
    last_page: Mutex<Option<Instant>>,
}

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut ::writer::Queue<CommandJob, ApplyJob>) -> T) -> T {
        f(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long ago a chunk of a page was taken last.
    fn last_page(&self) -> Option<Duration> {
        self.last_page.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}

/// The sending end.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Shared>);

/// The writer's end.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
}

/// A new queue.
pub fn queue() -> (Arc<Lanes>, Queue) {
    let bounds = Bounds { commands: COMMANDS, live: LIVE, backlog: BACKLOG, at_once: AT_ONCE };
    let both = Arc::new(Shared {
        queue: Mutex::new(::writer::Queue::new(bounds)),
        bell: Notify::new(),
        repairs: Mutex::default(),
        repair_bell: Notify::new(),
        documents: Mutex::default(),
        document_bell: Notify::new(),
        access: Mutex::default(),
        access_bell: Notify::new(),
        pause: Pause::default(),
        last_page: Mutex::default(),
    });
    (Arc::new(Lanes(both.clone())), Queue { shared: both })
}

impl Lanes {
    /// Queues a command. Gives it back when the lane is full.
    pub fn command(&self, job: CommandJob) -> Result<(), Box<CommandJob>> {
        let principal = job.envelope.principal.clone();
        self.0.with(|q| q.command(&principal, job).map_err(Box::new))?;
        self.0.bell.notify_one();
        Ok(())
    }

    /// Queues a repair. Gives it back when the lane is full.
    pub fn repair(&self, job: RepairJob) -> Result<(), Box<RepairJob>> {
        let mut waiting = self.0.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= REPAIRS {
            return Err(Box::new(job));
        }
        waiting.push_back(job);
        self.0.repair_bell.notify_one();
        Ok(())
    }

    /// Queues a document. Gives it back when the lane is full.
    pub fn document(&self, job: DocumentJob) -> Result<(), Box<DocumentJob>> {
        let mut waiting = self.0.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= DOCUMENTS {
            return Err(Box::new(job));
        }
        waiting.push_back(job);
        self.0.document_bell.notify_one();
        Ok(())
    }

    /// Queues a change of tokens and keys. Gives it back when the lane is full.
    pub fn access(&self, job: AccessJob) -> Result<(), Box<AccessJob>> {
        let mut waiting = self.0.access.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= ACCESS {
            return Err(Box::new(job));
        }
        waiting.push_back(job);
        self.0.access_bell.notify_one();
        Ok(())
    }

    /// True while rounds find a queue: what can wait makes room.
    pub fn is_pressed(&self) -> bool {
        self.0.pause.is_lately()
    }

    /// Queues events. Gives them back when the lane is full.
    pub fn apply(&self, lane: ApplyLane, job: ApplyJob) -> Result<(), Box<ApplyJob>> {
        self.0.with(|q| q.apply(lane, job.events.len(), job).map_err(Box::new))?;
        self.0.bell.notify_one();
        Ok(())
    }
}

impl Queue {
    /// What the next round takes; waits for it. Nothing is lost when the wait is broken off. `rows`: how much vehicles press
    /// whose rows are to be made.
    pub async fn next_turn(&self, rows: Waiting) -> Turn<CommandJob, ApplyJob> {
        if rows == Waiting::Nothing {
            self.shared.pause.over(&self.shared.bell, || self.waiting()).await;
        }
        loop {
            let lull = match rows {
                Waiting::CanWait => self.shared.last_page().map(|ago| LULL.saturating_sub(ago)),
                Waiting::Nothing | Waiting::Soon | Waiting::Due => None,
            };
            let lull = lull.filter(|left| !left.is_zero());
            let rows = if lull.is_some() { Waiting::Soon } else { rows };
            if let Some(turn) = self.shared.with(|q| q.next_turn(rows)) {
                if matches!(turn, Turn::Back(_)) {
                    *self.shared.last_page.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Instant::now());
                }
                return turn;
            }
            let bell = self.shared.bell.notified();
            match lull {
                // Whichever comes first: the queue is looked at again.
                Some(left) => drop(tokio::time::timeout(left, bell).await),
                None => bell.await,
            }
        }
    }

    /// A round of so many commands and live messages took so long.
    pub fn worked(&self, commands: usize, live: usize, took: Duration) {
        self.shared.pause.begin(commands, live, took);
    }

    /// The next repair; waits for it. Nothing is lost when the wait is broken off.
    pub async fn next_repair(&self) -> RepairJob {
        loop {
            let next = self.shared.repairs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(job) = next {
                return job;
            }
            self.shared.repair_bell.notified().await;
        }
    }

    /// The next document; waits for it. Nothing is lost when the wait is broken off.
    pub async fn next_document(&self) -> DocumentJob {
        loop {
            let next = self.shared.documents.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(job) = next {
                return job;
            }
            self.shared.document_bell.notified().await;
        }
    }

    /// The next change of tokens and keys; waits for it. Nothing is lost when the wait is broken off.
    pub async fn next_access(&self) -> AccessJob {
        loop {
            let next = self.shared.access.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(job) = next {
                return job;
            }
            self.shared.access_bell.notified().await;
        }
    }

    /// It is time to look for time-outs.
    pub fn sweep(&self) {
        self.shared.with(::writer::Queue::sweep);
    }

    /// Jobs waiting: commands, live messages, catch-up pages.
    pub fn waiting(&self) -> [usize; 3] {
        self.shared.with(|q| q.waiting())
    }

    /// The rest of a page waits for its next turn.
    pub fn put_back(&self, page: Page<ApplyJob>) {
        self.shared.with(|q| q.put_back(page));
    }

    /// Takes out everything: it cannot be done now.
    pub fn drain(&self) -> (Vec<CommandJob>, Vec<ApplyJob>) {
        // Whoever waits for a repair hears that nobody knows; the next pass finds again what is wrong.
        self.shared.repairs.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // Sync brings them again.
        self.shared.documents.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // The gateway hears that nobody knows, and asks again.
        self.shared.access.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.with(::writer::Queue::drain)
    }
}
