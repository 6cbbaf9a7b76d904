//! This central in the mesh: the state machine, and whoever does what it wants done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kit::{Bus, Service, Shutdown};
use replication::mesh::{Found, Limits, LinkId, Mesh, Now, Output};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::bus::events::{FromPeer, encode};
use wire::bus::subject::MESH_RECEIVED;
use wire::id::CentralId;

use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::refusals::Refusals;
use crate::security::{Paper, Protection, Security};
use crate::{dial, notes, requests};

/// The ends of a link's two tasks that others may pull.
#[derive(Debug, Default)]
pub(crate) struct Io {
    /// Something waits to be sent.
    pub(crate) wake: Notify,
    /// Cancelled when nothing of it is to be read any more.
    pub(crate) stop: CancellationToken,
    /// The certificate the other side showed; none in plain text.
    pub(crate) paper: Option<Paper>,
}

/// What every task of this service shares.
#[derive(Debug)]
pub(crate) struct Node {
    /// This central.
    pub(crate) me: CentralId,
    /// The central's bus.
    pub(crate) bus: Bus,
    /// The central's ledger.
    pub(crate) ledger: Ledger,
    /// Certificates.
    pub(crate) security: Security,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    refusals: Refusals,
    /// Stop of the service.
    pub(crate) shutdown: Shutdown,
    /// The timer is to be set anew.
    pub(crate) timer: Notify,
    /// The state is to be told.
    pub(crate) publish: Notify,
    start: Instant,
    mesh: Mutex<Mesh>,
    links: Mutex<HashMap<LinkId, Arc<Io>>>,
    lookups: Mutex<HashMap<u64, oneshot::Sender<Found>>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    pub(crate) fn new(svc: &Service, me: CentralId, security: Security) -> Arc<Self> {
        let limits = Limits {
            heartbeat_ms: u64::try_from(svc.settings.heartbeat_interval.as_millis()).unwrap_or(30_000),
            ..Limits::default()
        };
        let now = Now { us: 0, clock_ms: kit::clock::now_ms() };
        let process = svc.settings.instance_id.simple().to_string();
        Arc::new(Self {
            mesh: Mutex::new(Mesh::new(now, me.clone(), process, limits, rand::random())),
            me,
            bus: svc.bus.clone(),
            ledger: Ledger::new(svc.bus.clone()),
            security,
            metrics: Arc::new(Metrics::new()),
            refusals: Refusals::default(),
            shutdown: svc.shutdown.clone(),
            timer: Notify::new(),
            publish: Notify::new(),
            start: Instant::now(),
            links: Mutex::default(),
            lookups: Mutex::default(),
        })
    }

    /// Tasks that the stop waits for.
    pub(crate) fn tasks(&self) -> TaskTracker {
        self.shutdown.tracker()
    }

    fn now(&self) -> Now {
        let us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { us, clock_ms: kit::clock::now_ms() }
    }

    /// The clock of the state machine less the machine's steady clock, ms.
    pub(crate) fn ahead_of_boot_ms(&self) -> i64 {
        let ran = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        ran.saturating_sub(kit::clock::steady_ms(self.start.into_std()))
    }

    /// The moment of a monotonic time of the state machine.
    pub(crate) fn instant(&self, us: u64) -> Instant {
        // Further away than anybody sets a timer to.
        self.start + Duration::from_micros(us.min(u64::from(u32::MAX) * 1_000_000))
    }

    /// Looks at the state machine.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Mesh) -> R) -> R {
        f(&lock(&self.mesh))
    }

    /// Takes what is next from the state machine, where nothing new comes of it.
    pub(crate) fn take<R>(&self, f: impl FnOnce(&mut Mesh) -> R) -> R {
        f(&mut lock(&self.mesh))
    }

    /// Gives the state machine an input and does what it wants done. The lock is held for the input only.
    pub(crate) async fn drive<R>(self: &Arc<Self>, input: impl FnOnce(&mut Mesh, Now) -> R) -> R {
        let (result, outputs) = {
            let mut mesh = lock(&self.mesh);
            let result = input(&mut mesh, self.now());
            (result, mesh.take_outputs())
        };
        for output in outputs {
            if let Output::ToSync { from, message } = output {
                self.to_sync(from, message.to_vec()).await;
            } else {
                self.act(output);
            }
        }
        result
    }

    fn act(self: &Arc<Self>, output: Output) {
        match output {
            Output::Wake(link) => {
                if let Some(io) = lock(&self.links).get(&link) {
                    io.wake.notify_one();
                }
            }
            Output::Close(link) => {
                if let Some(io) = lock(&self.links).get(&link) {
                    io.stop.cancel();
                }
            }
            Output::Dial { dial, peer } => dial::begin(self, dial, peer),
            Output::ReadHello { link, peer } => requests::read_hello(self, link, peer),
            Output::ReadDigest => requests::read_digest(self),
            Output::Apply { request, peer, events } => requests::apply(self, request, peer, events),
            Output::ApplyPage { request, peer, page } => requests::apply_page(self, request, peer, page),
            Output::ReadPlate { request, tag, max_events } => {
                requests::read_plate(self, request, tag, max_events);
            }
            Output::Found { question, found } => {
                if let Some(asker) = lock(&self.lookups).remove(&question) {
                    // Nobody waits any more: it gave up.
                    let _ = asker.send(found);
                }
            }
            // Done by `drive`, in order.
            Output::ToSync { .. } => {}
            Output::Publish => self.publish.notify_one(),
            Output::Timer => self.timer.notify_one(),
            Output::Note(note) => notes::say(&self.metrics, &self.refusals, &note),
        }
    }

    /// Passes a peer's message to sync. Lost when the bus is away: sync asks again.
    async fn to_sync(&self, from: CentralId, message: Vec<u8>) {
        let sent = match encode(&FromPeer { from, message }) {
            Ok(payload) => self.bus.publish(MESH_RECEIVED, payload).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "message for sync lost");
        }
    }

    /// Whoever waits for a question's end is told by [`Output::Found`].
    pub(crate) async fn ask_peers(self: &Arc<Self>, tag: wire::hash::PlateTag, wait_ms: u64) -> Found {
        let (tx, rx) = oneshot::channel();
        // Registered before its outputs are worked on: without peers the answer is among them.
        let ask = |mesh: &mut Mesh, now| {
            let question = mesh.ask_peers(now, tag, wait_ms);
            lock(&self.lookups).insert(question, tx);
        };
        self.drive(ask).await;
        rx.await.unwrap_or_default()
    }

    /// A link has begun: its tasks can be reached.
    pub(crate) fn begin_link(&self, link: LinkId, paper: Option<Paper>) -> Arc<Io> {
        if let Some(p) = &paper
            && self.look(|mesh| mesh.peers().any(|peer| peer.id == p.central))
        {
            self.metrics.certificate_expires(p.central.as_str(), p.not_after_ms);
        }
        let io = Arc::new(Io { paper, ..Io::default() });
        lock(&self.links).insert(link, io.clone());
        io
    }

    /// Ends the links of certificates that count no more; says how many.
    pub(crate) fn end_denied(&self) -> usize {
        let Protection::Tls(identity) = self.security.now() else { return 0 };
        let links = lock(&self.links);
        let denied = links
            .values()
            .filter(|io| io.paper.as_ref().is_some_and(|p| identity.denied.denies(&p.fingerprint)));
        denied.map(|io| io.stop.cancel()).count()
    }

    /// The tasks of a link are gone.
    pub(crate) async fn end_link(self: &Arc<Self>, link: LinkId, reason: &str) {
        lock(&self.links).remove(&link);
        self.drive(|mesh, now| mesh.ended(now, link, reason)).await;
    }
}
