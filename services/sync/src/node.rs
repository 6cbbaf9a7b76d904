//! The one task that owns the state machine: bus messages in, bus messages out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use kit::{Bus, Incoming, Service, Subscription};
use replication::alarm::Moment;
use replication::catchup::Limits;
use replication::sync::{Output, Sync};
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::bus::events::{FromPeer, ToPeer, decode, encode};
use wire::bus::query::SyncQuery;
use wire::bus::state::{MeshState, Stored};
use wire::bus::subject::{EVENTS_STORED, MESH_RECEIVED, MESH_SEND, MESH_STATE, SYNC_QUERY, SYNC_STATE};
use wire::config::P2pConfig;
use wire::id::CentralId;
use wire::mesh::{BadMessage, Message};

use crate::alarms::{Alarms, External};
use crate::audit::Audit;
use crate::bundle;
use crate::keeping::Keeping;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::recency::Recency;
use crate::reference::Reference;
use crate::requests::{Done, Requests};
use crate::{notes, view};

/// Results of tasks that wait for this one.
const DONE_BOUND: usize = 64;
/// The state is published at least this often, ms.
const PUBLISH_MS: i64 = 1000;
/// Queue group of the questions.
const GROUP: &str = "sync";

/// The clock of the state machine: starts at the wall clock and never jumps.
struct Clock {
    start: Instant,
    start_ms: i64,
}

impl Clock {
    fn now(&self) -> i64 {
        let ran = i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(ran)
    }

    fn instant(&self, at: i64) -> Instant {
        let after = u64::try_from(at.saturating_sub(self.start_ms)).unwrap_or(0);
        self.start + Duration::from_millis(after)
    }
}

struct Inbox {
    mesh_state: Subscription,
    received: Subscription,
    stored: Subscription,
    questions: Subscription,
    done: mpsc::Receiver<Done>,
}

/// The service.
pub(crate) struct Node {
    svc: Service,
    me: CentralId,
    bus: Bus,
    clock: Clock,
    sync: Sync,
    requests: Requests,
    recency: Recency,
    heads_read: bool,
    /// Connections to the bus so far.
    connections: u64,
    /// The stretch of arrival numbers the ledger last told of: another one is another writer.
    epoch: String,
    tz: TimeZone,
    audit: Audit,
    reference: Reference,
    /// Peers with a live link, as mesh last told.
    links: Vec<CentralId>,
    metrics: Metrics,
    alarms: Alarms,
    keeping: Keeping,
    inbox: Option<Inbox>,
}

impl Node {
    /// Subscribes and gets everything ready. Errors: the bus client cannot subscribe.
    pub(crate) async fn start(svc: Service) -> anyhow::Result<Self> {
        svc.health.set("holdings", false);
        let config = svc.config.current();
        let me = config.this_central.id.clone();
        let bus = svc.bus.clone();
        let (done_tx, done) = mpsc::channel(DONE_BOUND);
        let inbox = Inbox {
            mesh_state: bus.subscribe(MESH_STATE).await.context(MESH_STATE)?,
            received: bus.subscribe(MESH_RECEIVED).await.context(MESH_RECEIVED)?,
            stored: bus.subscribe(EVENTS_STORED).await.context(EVENTS_STORED)?,
            questions: bus.serve(SYNC_QUERY, GROUP).await.context(SYNC_QUERY)?,
            done,
        };
        bundle::serve(&svc, Ledger::new(bus.clone()), done_tx.clone()).await?;
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let audit = Audit::new(bus.clone(), &svc.shutdown.tracker(), svc.shutdown.token());
        let metrics = Metrics::new();
        let keeping =
            Keeping::start(bus.clone(), metrics.clone(), &svc.shutdown.tracker(), svc.shutdown.token());
        let mut node = Self {
            audit,
            reference: Reference::start(&svc)?,
            links: Vec::new(),
            me: me.clone(),
            clock: Clock { start: Instant::now(), start_ms: kit::clock::now_ms() },
            sync: Sync::new(me.clone(), limits(&svc.settings), PUBLISH_MS, seed),
            requests: Requests::new(me, Ledger::new(bus.clone()), done_tx, svc.shutdown.tracker()),
            recency: Recency::default(),
            heads_read: false,
            connections: 0,
            epoch: String::new(),
            tz: TimeZone::UTC,
            metrics,
            keeping,
            alarms: Alarms::default(),
            inbox: Some(inbox),
            bus,
            svc,
        };
        node.configure(&config);
        Ok(node)
    }

    /// Lives until the stop.
    pub(crate) async fn live(mut self) -> anyhow::Result<()> {
        let Some(mut inbox) = self.inbox.take() else { return Ok(()) };
        let mut config = self.svc.config.subscribe();
        let stop = self.svc.shutdown.token();
        loop {
            self.look_at_bus();
            self.sync.tick(self.clock.now(), self.bus.is_connected());
            if self.bus.is_connected() {
                self.audit.tick(|| self.links.clone());
            }
            self.act().await;
            let wake = self.clock.instant(self.sync.next_tick(self.clock.now()));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Ok(()) = config.changed() => {
                    let current = config.borrow_and_update().clone();
                    self.configure(&current);
                }
                Some(m) = inbox.mesh_state.next() => self.mesh_told(&m),
                Some(m) = inbox.stored.next() => self.ledger_told(&m),
                Some(m) = inbox.questions.next() => self.asked(m).await,
                Some(m) = inbox.received.next() => self.peer_told(&m),
                Some(d) = inbox.done.recv() => self.done(d),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn configure(&mut self, config: &Arc<P2pConfig>) {
        let peers: BTreeSet<CentralId> =
            config.peer_centrals.iter().filter(|p| !p.disabled).map(|p| p.id.clone()).collect();
        self.tz = TimeZone::get(&config.this_central.time_zone).unwrap_or(TimeZone::UTC);
        self.sync.configure(self.clock.now(), &peers);
    }

    /// Does what the state machine wants done.
    async fn act(&mut self) {
        for output in self.sync.take_outputs() {
            match output {
                Output::Send { to, message } => self.send(to, &message).await,
                Output::ReadHoldings { request, after } => self.requests.read_holdings(request, after),
                Output::ReadRanges { request, ranges, max_events } => {
                    self.requests.read_ranges(request, ranges, max_events);
                }
                Output::Apply { request, peer, frames } => {
                    self.metrics.unpacked(frames.len(), frames.iter().map(|f| f.bytes().len()).sum());
                    self.requests.apply(request, peer, frames);
                }
                Output::Publish => {
                    let at = Moment { wall_ms: kit::clock::now_ms(), steady_ms: self.clock.now() };
                    self.keeping.routine(at.steady_ms, self.sync.catchup());
                    let documents = self.reference.silent();
                    let api = self.svc.settings.external_api.as_ref();
                    let alarm_after = api.map_or(Duration::MAX, |a| a.alarm_after);
                    let external = External { documents: &documents, alarm_after };
                    self.alarms.look(self.sync.catchup(), &self.keeping, &external, &self.metrics, at);
                    self.publish().await;
                }
                Output::Note(note) => {
                    notes::say(&self.metrics, &note);
                    self.take_note(&note);
                }
            }
        }
    }

    fn take_note(&mut self, note: &replication::sync::Note) {
        use replication::sync::Note;
        match note {
            Note::Read if !self.heads_read => self.requests.read_recent(self.sync.catchup().positions()),
            Note::Stored { peer, .. } => self.recency.came_from(kit::clock::now_ms(), peer),
            _ => {}
        }
    }

    async fn publish(&mut self) {
        let now = self.clock.now();
        let summary = self.sync.catchup().summary(now);
        // Looked at every second, so that it knows since when.
        self.sync.catchup().recovery(now);
        self.metrics.missing(summary.missing);
        if self.bus.is_connected()
            && self.sync.catchup().is_loaded()
            && let Err(e) = self.bus.publish_json(SYNC_STATE, &view::state(&summary, &self.reference)).await
        {
            tracing::debug!(error = %e, "state not published");
        }
    }

    async fn send(&self, to: Option<CentralId>, message: &Message) {
        let sent = async {
            let message = message.encode().map_err(|e| e.to_string())?;
            let payload = encode(&ToPeer { to, message }).map_err(|e| e.to_string())?;
            self.bus.publish(MESH_SEND, payload).await.map_err(|e| e.to_string())
        };
        if let Err(error) = sent.await {
            // Leases and digests find out.
            tracing::debug!(%error, message = message.name(), "message to peers lost");
        }
    }

    /// A bus that was away so shortly that nobody saw it lost messages all the same.
    fn look_at_bus(&mut self) {
        let connections = self.bus.connections();
        if std::mem::replace(&mut self.connections, connections) != connections {
            self.sync.tick(self.clock.now(), false);
        }
    }

    fn mesh_told(&mut self, m: &Incoming) {
        // Before its word counts: with it links come back.
        self.look_at_bus();
        match m.json::<MeshState>() {
            Ok(state) => {
                self.alarms.links(&state);
                self.links.clone_from(&state.connected);
                self.reference.linked(&state.connected);
                self.sync.linked(self.clock.now(), &state.connected.into_iter().collect());
            }
            Err(e) => tracing::error!(error = %e, "mesh state cannot be read"),
        }
    }

    fn ledger_told(&mut self, m: &Incoming) {
        match m.json::<Stored>() {
            Ok(stored) => {
                self.recency.stored(kit::clock::now_ms(), &stored);
                if !stored.epoch.is_empty() && self.epoch != stored.epoch {
                    self.epoch.clone_from(&stored.epoch);
                    self.sync.ledger_anew(self.clock.now());
                }
                if stored.brought {
                    self.sync.holdings_brought(self.clock.now(), stored.holdings);
                } else {
                    self.sync.holdings_changed(self.clock.now(), stored.holdings);
                }
            }
            Err(e) => {
                tracing::error!(error = %e, "stored events cannot be read");
                self.sync.reread(self.clock.now());
            }
        }
    }

    async fn asked(&mut self, m: Incoming) {
        let now = self.clock.now();
        match m.json::<SyncQuery>() {
            Ok(q) => {
                let catchup = self.sync.catchup();
                let kept = view::Kept {
                    recency: &self.recency,
                    metrics: &self.metrics,
                    keeping: &self.keeping,
                    alarms: self.alarms.now(),
                };
                let reply = view::answer(&q, &self.me, catchup, kept, &self.reference, &self.tz, now);
                m.reply_json(&reply).await;
            }
            Err(e) => tracing::error!(error = %e, "question cannot be read"),
        }
    }

    fn peer_told(&mut self, m: &Incoming) {
        let FromPeer { from, message } = match decode(&m.payload) {
            Ok(f) => f,
            Err(e) => return tracing::error!(error = %e, "message from mesh cannot be read"),
        };
        match Message::decode(&message) {
            Ok(Message::AuditDigests(_) | Message::AuditQuestion(_) | Message::AuditAnswer(_)) => {
                if self.sync.catchup().is_configured(&from) {
                    self.audit.heard(&from, message);
                }
            }
            Ok(
                message @ (Message::ReferenceHeld(_)
                | Message::ReferenceQuestion(_)
                | Message::ReferenceAnswer(_)),
            ) => {
                if self.sync.catchup().is_configured(&from) {
                    self.reference.heard(&from, message);
                }
            }
            Ok(message) => {
                if let Message::SyncResponse(response) = &message {
                    self.metrics.page(response.page.len());
                }
                let name = message.name();
                if !self.sync.received(self.clock.now(), &from, message) {
                    tracing::debug!(peer = %from, message = name, "not for sync");
                }
            }
            Err(BadMessage::UnknownType(t)) => {
                tracing::debug!(peer = %from, kind = t, "message of a later version skipped");
            }
            Err(e) => tracing::warn!(peer = %from, error = %e, "message of a peer cannot be read"),
        }
    }

    fn done(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Holdings(request, page) => self.sync.holdings_page(now, request, page),
            Done::Ranges(request, read) => self.sync.ranges_read(now, request, read),
            Done::Applied(request, reply) => self.sync.applied(now, request, reply),
            Done::Bundle(of_peer) => of_peer.answer(self.sync.catchup(), now),
            Done::Recent { heads, times } => {
                // What could not be read is read again after the next reading of the own holdings; nothing waits for it.
                self.heads_read = heads.is_ok() && times.is_ok();
                self.recency.read(&heads.unwrap_or_default());
                self.recency.were_stored(&times.unwrap_or_default());
                self.svc.health.set("holdings", true);
            }
        }
    }
}

fn limits(s: &kit::Settings) -> Limits {
    let standard = Limits::default();
    Limits {
        request_events: s.sync_limit,
        first_events: standard.first_events.min(s.sync_limit),
        window_ms: i64::from(s.sync_window_days) * 86_400_000,
        // The beats of mesh carry the digest. This one is a second net, for a mesh whose words to its sync are lost: every six hours.
        beat_ms: i64::try_from(s.heartbeat_interval.as_millis()).unwrap_or(30_000).saturating_mul(720),
        ..standard
    }
}
