//! Reference documents: fetched from the external API ([`fetch`]), brought from peers (`replication::reference`), handed to the
//! ledger ([`ledger`]), which checks and stores them.
//!
//! One task owns the exchange with the peers and what people see of it; another asks the external API, where one is configured. Both
//! work as well as they can alone: without the external API documents come from peers, without peers from it.

mod fetch;
mod http;
mod ledger;
mod source;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::{Bus, Service};
use replication::reference::{Exchange, Output, Stored};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use wire::bus::events::{ToPeer, encode};
use wire::bus::reference::{Origin, PeerDocuments, ReferenceSay, SyncReference};
use wire::bus::subject::MESH_SEND;
use wire::id::CentralId;
use wire::mesh::Message;
use wire::reference::{DocumentId, Held};

pub(crate) use self::source::Silent;
use self::source::Sources;

/// Messages of peers and results that wait. What finds it full is dropped: everything is told again.
const WAITING: usize = 64;
/// The ledger is asked what it holds at least this often: another process of it may have stored something.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// What the task hears.
#[derive(Debug)]
enum Heard {
    Linked(BTreeSet<CentralId>),
    Peer(CentralId, Box<Message>),
    Part(CentralId, DocumentId, u32, Option<Vec<u8>>),
    Stored(DocumentId, Stored),
    Held(Vec<Held>),
}

/// The way to the task.
pub(crate) struct Reference {
    queue: mpsc::Sender<Heard>,
    sources: Arc<Mutex<Sources>>,
    peers: watch::Receiver<Vec<PeerDocuments>>,
}

impl Reference {
    /// Starts both tasks.
    pub(crate) fn start(svc: &Service) -> anyhow::Result<Self> {
        let (queue, heard) = mpsc::channel(WAITING);
        let (tell, peers) = watch::channel(Vec::new());
        let sources = Arc::new(Mutex::new(Sources::new(svc.settings.external_api.as_ref())));
        let (fetched, asks) = watch::channel(0_u64);
        if let Some(api) = svc.settings.external_api.clone() {
            let fetcher = fetch::Fetcher::new(api, svc.bus.clone(), sources.clone(), fetched)?;
            let token = svc.shutdown.token();
            svc.shutdown.spawn("external-api", async move {
                token.run_until_cancelled(fetcher.run()).await;
                Ok(())
            });
        }
        let worker = Worker {
            bus: svc.bus.clone(),
            exchange: Exchange::default(),
            queue: queue.clone(),
            tasks: svc.shutdown.tracker(),
            tell,
            start: Instant::now(),
        };
        let token = svc.shutdown.token();
        svc.shutdown.spawn("reference", async move {
            token.run_until_cancelled(worker.run(heard, asks)).await;
            Ok(())
        });
        Ok(Self { queue, sources, peers })
    }

    /// A peer said something about documents.
    pub(crate) fn heard(&self, from: &CentralId, message: Message) {
        self.hear(Heard::Peer(from.clone(), Box::new(message)));
    }

    /// Mesh said who is linked.
    pub(crate) fn linked(&self, connected: &[CentralId]) {
        self.hear(Heard::Linked(connected.iter().cloned().collect()));
    }

    fn hear(&self, what: Heard) {
        if self.queue.try_send(what).is_err() {
            tracing::debug!("queue of reference documents is full, it is said again");
        }
    }

    /// True when an external API is configured.
    pub(crate) fn is_configured(&self) -> bool {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).is_configured()
    }

    /// True when the external API is configured and has not answered for too long.
    pub(crate) fn is_stale(&self) -> bool {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).is_stale()
    }

    /// How long each document has been without a good answer; none where no external API is asked.
    pub(crate) fn silent(&self) -> Vec<Silent> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).silent()
    }

    /// What people see.
    pub(crate) fn now(&self) -> SyncReference {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        SyncReference {
            configured: sources.is_configured(),
            stale: sources.is_stale(),
            sources: sources.now(),
            peers: self.peers.borrow().clone(),
        }
    }
}

/// Owns the exchange.
struct Worker {
    bus: Bus,
    exchange: Exchange,
    queue: mpsc::Sender<Heard>,
    tasks: tokio_util::task::TaskTracker,
    tell: watch::Sender<Vec<PeerDocuments>>,
    start: Instant,
}

impl Worker {
    async fn run(mut self, mut heard: mpsc::Receiver<Heard>, mut fetched: watch::Receiver<u64>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut read = tokio::time::interval(READ_AGAIN);
        read.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                h = heard.recv() => match h {
                    Some(h) => self.take(h),
                    None => return,
                },
                _ = tick.tick() => {
                    let now = self.now();
                    self.exchange.tick(now);
                }
                _ = read.tick() => self.read_held(),
                Ok(()) = fetched.changed() => self.read_held(),
            }
            self.act().await;
            self.show();
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn take(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Linked(connected) => self.exchange.linked(now, &connected),
            Heard::Peer(from, message) => {
                self.exchange.heard(now, &from, *message);
            }
            Heard::Part(to, document, part, bytes) => self.exchange.part_read(to, document, part, bytes),
            Heard::Stored(document, stored) => self.exchange.stored(now, document, stored),
            Heard::Held(held) => self.exchange.holds(now, held),
        }
    }

    async fn act(&mut self) {
        for output in self.exchange.take_outputs() {
            match output {
                Output::Send { to, message } => self.send(to, &message).await,
                Output::Read { to, document, part } => {
                    let (bus, queue) = (self.bus.clone(), self.queue.clone());
                    self.tasks.spawn(async move {
                        // Silence makes the peer ask somebody else.
                        if let Ok(bytes) = ledger::read(&bus, document, part).await {
                            drop(queue.send(Heard::Part(to, document, part, bytes)).await);
                        }
                    });
                }
                Output::Store { peer, held, packed } => self.store(peer, held, packed),
            }
        }
    }

    fn store(&self, peer: CentralId, held: Held, packed: Vec<u8>) {
        let (bus, queue) = (self.bus.clone(), self.queue.clone());
        self.tasks.spawn(async move {
            let id = held.id;
            let said = ledger::put(&bus, &Origin::Peer { peer: peer.clone(), held }, &packed).await;
            let stored = match said {
                Ok(ReferenceSay::Taken(_)) => {
                    tracing::info!(document = %id.kind, version = id.version, %peer, "document came from a peer");
                    Stored::Taken
                }
                Ok(ReferenceSay::Refused(_)) => {
                    tracing::warn!(document = %id.kind, version = id.version, %peer, "document of a peer refused");
                    Stored::Refused
                }
                Ok(_) => Stored::Failed,
                Err(error) => {
                    tracing::debug!(document = %id.kind, %peer, %error, "document of a peer not stored, trying on");
                    Stored::Failed
                }
            };
            drop(queue.send(Heard::Stored(id, stored)).await);
        });
    }

    async fn send(&self, to: Option<CentralId>, message: &Message) {
        let sent = async {
            let message = message.encode().map_err(|e| e.to_string())?;
            let payload = encode(&ToPeer { to, message }).map_err(|e| e.to_string())?;
            self.bus.publish(MESH_SEND, payload).await.map_err(|e| e.to_string())
        };
        if let Err(error) = sent.await {
            tracing::debug!(%error, message = message.name(), "message to peers lost");
        }
    }

    fn read_held(&self) {
        let (bus, queue) = (self.bus.clone(), self.queue.clone());
        self.tasks.spawn(async move {
            match ledger::held(&bus).await {
                Ok(held) => {
                    let held = held.into_iter().map(|h| h.held).collect();
                    drop(queue.send(Heard::Held(held)).await);
                }
                Err(error) => tracing::debug!(%error, "what documents are held is not known, asking again"),
            }
        });
    }

    fn show(&self) {
        let peers: Vec<PeerDocuments> = self
            .exchange
            .peers()
            .map(|(id, held)| PeerDocuments { id: id.clone(), documents: held.map(|h| h.id).collect() })
            .collect();
        self.tell.send_if_modified(|now| {
            let changed = *now != peers;
            *now = peers;
            changed
        });
    }
}
