//! The one task that owns the state machine: bus messages in, bus messages out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use kit::{Bus, Incoming, Service, Subscription};
use replication::catchup::{Catchup, Limits, Outcome, Output, Page, Ticket, Verdict, runs};
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::bus::events::{FromPeer, ToPeer, decode, encode};
use wire::bus::query::SyncQuery;
use wire::bus::state::{MeshState, Stored};
use wire::bus::subject::{EVENTS_STORED, MESH_RECEIVED, MESH_SEND, MESH_STATE, SYNC_QUERY, SYNC_STATE};
use wire::config::P2pConfig;
use wire::event::Frame;
use wire::id::CentralId;
use wire::mesh::{BadMessage, Message, SyncResponse};
use wire::page;
use wire::position::StreamHoldings;

use crate::answer::Answers;
use crate::apply::Appliers;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::reading::Reading;
use crate::recency::Recency;
use crate::view;

/// Results of tasks that wait for this one.
const DONE_BOUND: usize = 64;
/// Without word from mesh for so long, no link is believed to be up, ms.
const MESH_SILENT_MS: i64 = 5000;
/// The state is published at least this often, ms.
const PUBLISH_MS: i64 = 1000;
/// Queue group of the questions.
const GROUP: &str = "sync";

/// What a task of this service brings back.
#[derive(Debug)]
pub(crate) enum Done {
    /// The own holdings, or why they could not be read.
    Read(Result<Vec<StreamHoldings>, String>),
    /// The last event of each stream.
    Heads(Vec<Frame>),
    /// A page was stored, or not.
    Applied { ticket: Ticket, from: CentralId, outcome: Outcome },
}

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
    catchup: Catchup,
    recency: Recency,
    tz: TimeZone,
    reading: Reading,
    appliers: Appliers,
    answers: Answers,
    metrics: Metrics,
    connected: bool,
    mesh_heard_at: Option<i64>,
    published_at: i64,
    read_failing: bool,
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
        let limits = limits(&svc.settings);
        let (tasks, stop) = (svc.shutdown.tracker(), svc.shutdown.token());
        let ledger = Ledger::new(bus.clone());
        let metrics = Metrics::new();
        let answers = Answers::new(
            ledger.clone(),
            bus.clone(),
            svc.settings.sync_limit,
            metrics.clone(),
            tasks.clone(),
            stop.clone(),
        );
        // Random, so that an answer to an earlier process is not taken for one to this.
        let first_request = uuid::Uuid::new_v4().as_u64_pair().0;
        let mut node = Self {
            me: me.clone(),
            clock: Clock { start: Instant::now(), start_ms: kit::clock::now_ms() },
            catchup: Catchup::new(me.clone(), limits, first_request),
            recency: Recency::default(),
            tz: TimeZone::UTC,
            reading: Reading::new(ledger.clone(), done_tx.clone(), tasks.clone()),
            appliers: Appliers::new(me, ledger, done_tx, tasks, stop),
            answers,
            metrics,
            connected: bus.is_connected(),
            mesh_heard_at: None,
            published_at: i64::MIN,
            read_failing: false,
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
            let now = self.clock.now();
            self.routine(now).await;
            self.act().await;
            let wake = self.clock.instant(self.wake(self.clock.now()));
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

    fn wake(&self, now: i64) -> i64 {
        let next = self.catchup.next_tick(now).min(self.published_at.saturating_add(PUBLISH_MS));
        let read = self.reading.due().filter(|_| self.connected);
        read.map_or(next, |due| next.min(due)).max(now)
    }

    fn configure(&mut self, config: &Arc<P2pConfig>) {
        let peers: BTreeSet<CentralId> =
            config.peer_centrals.iter().filter(|p| !p.disabled).map(|p| p.id.clone()).collect();
        self.tz = TimeZone::get(&config.this_central.time_zone).unwrap_or(TimeZone::UTC);
        self.appliers.keep(|id| peers.contains(id));
        self.answers.keep(|id| peers.contains(id));
        self.catchup.configure(self.clock.now(), peers);
    }

    /// What time alone brings.
    async fn routine(&mut self, now: i64) {
        let connected = self.bus.is_connected();
        if connected != self.connected {
            self.connected = connected;
            if connected {
                // Whatever was said meanwhile was not heard.
                self.reading.now();
            } else {
                self.catchup.linked(now, &BTreeSet::new());
            }
        }
        if self.mesh_heard_at.is_some_and(|at| now - at >= MESH_SILENT_MS) {
            tracing::warn!("mesh is silent, no link is believed to be up");
            self.mesh_heard_at = None;
            self.catchup.linked(now, &BTreeSet::new());
        }
        if connected && self.reading.begin(now) {
            self.catchup.reading_began();
        }
        self.catchup.tick(now);
        if now.saturating_sub(self.published_at) >= PUBLISH_MS {
            self.publish(now).await;
        }
    }

    async fn publish(&mut self, now: i64) {
        self.published_at = now;
        let summary = self.catchup.summary(now);
        self.metrics.missing(summary.missing);
        if self.connected
            && self.catchup.is_loaded()
            && let Err(e) = self.bus.publish_json(SYNC_STATE, &view::state(&summary)).await
        {
            tracing::debug!(error = %e, "state not published");
        }
    }

    /// Does what the state machine wants done.
    async fn act(&mut self) {
        for output in self.catchup.take_outputs() {
            match output {
                Output::Send { to, message } => self.send(to, &message).await,
                Output::Reload => self.reading.now(),
                Output::Publish => self.publish(self.clock.now()).await,
                Output::Stalled(cause) => {
                    self.metrics.stalled(true);
                    tracing::error!(%cause, "catch-up does not move");
                }
                Output::Moving => {
                    self.metrics.stalled(false);
                    tracing::info!("catch-up moves again");
                }
            }
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

    fn mesh_told(&mut self, m: &Incoming) {
        match m.json::<MeshState>() {
            Ok(state) => {
                let now = self.clock.now();
                self.mesh_heard_at = Some(now);
                self.catchup.linked(now, &state.connected.into_iter().collect());
            }
            Err(e) => tracing::error!(error = %e, "mesh state cannot be read"),
        }
    }

    fn ledger_told(&mut self, m: &Incoming) {
        match m.json::<Stored>() {
            Ok(stored) => {
                self.recency.stored(kit::clock::now_ms(), &stored);
                self.catchup.holdings_changed(self.clock.now(), stored.holdings);
            }
            Err(e) => {
                tracing::error!(error = %e, "stored events cannot be read");
                self.reading.now();
            }
        }
    }

    async fn asked(&mut self, m: Incoming) {
        let now = self.clock.now();
        match m.json::<SyncQuery>() {
            Ok(q) => {
                let reply = view::answer(&q, &self.me, &mut self.catchup, &self.recency, &self.tz, now);
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
        let now = self.clock.now();
        match Message::decode(&message) {
            Ok(Message::Positions(told)) => self.catchup.positions_received(now, &from, told),
            Ok(Message::SyncRequest(request)) => {
                if self.catchup.is_configured(&from) {
                    self.answers.push(&from, request);
                }
            }
            Ok(Message::SyncResponse(response)) => self.page_came(now, &from, &response),
            Ok(Message::Heartbeat(beat)) => {
                if let Some(digest) = beat.positions_digest {
                    self.catchup.digest_received(now, &from, digest);
                }
            }
            Ok(other) => tracing::debug!(peer = %from, message = other.name(), "not for sync"),
            Err(BadMessage::UnknownType(t)) => {
                tracing::debug!(peer = %from, kind = t, "message of a later version skipped");
            }
            Err(e) => tracing::warn!(peer = %from, error = %e, "message of a peer cannot be read"),
        }
    }

    fn page_came(&mut self, now: i64, from: &CentralId, response: &SyncResponse) {
        if !self.catchup.expects(from, response.id) {
            return tracing::debug!(peer = %from, id = response.id, "page nobody asked for");
        }
        let frames = if response.page.is_empty() { Ok(Vec::new()) } else { page::unpack(&response.page) };
        let frames = frames.unwrap_or_else(|e| {
            tracing::warn!(peer = %from, error = %e, "page of a peer cannot be read");
            Vec::new()
        });
        let told = Page {
            id: response.id,
            more: response.more,
            brought: runs(&frames),
            not_held: response.not_held.clone(),
        };
        if let Verdict::Apply(ticket) = self.catchup.page_received(now, from, &told)
            && !self.appliers.push(from, ticket, frames)
        {
            let error = Some("too many pages wait".to_owned());
            self.catchup.applied(now, ticket, Outcome { error, ..Outcome::default() });
        }
    }

    fn done(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Read(Ok(holdings)) => {
                self.reading.ended(now, true);
                self.catchup.holdings_read(now, holdings);
                self.svc.health.set("holdings", true);
                self.read_failing = false;
            }
            Done::Read(Err(error)) => {
                self.reading.ended(now, false);
                if !std::mem::replace(&mut self.read_failing, true) {
                    tracing::warn!(%error, "own holdings not read, trying on");
                }
            }
            Done::Heads(frames) => {
                self.reading.heads_known();
                self.recency.read(&frames);
            }
            Done::Applied { ticket, from, outcome } => {
                if let Some(why) = &outcome.error {
                    tracing::warn!(peer = %from, %why, "page not stored, it is asked for again");
                }
                if outcome.stored > 0 {
                    self.metrics.applied(outcome.stored);
                    self.recency.came_from(kit::clock::now_ms(), &from);
                }
                self.catchup.applied(now, ticket, outcome);
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
        // The beats of mesh carry the digest too; this one is for a peer whose map and mine are equal and which does not know it.
        beat_ms: i64::try_from(s.heartbeat_interval.as_millis()).unwrap_or(30_000).saturating_mul(10),
        ..standard
    }
}
