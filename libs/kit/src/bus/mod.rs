//! The central's own NATS: fail fast when it is away, carry trace context, log what would otherwise be silent.

mod denials;
mod login;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Auth, AuthError, Client, ConnectOptions, Event, HeaderMap, ServerError};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::bus::trace::TraceContext;

use crate::health::Health;
use crate::trace;
use denials::Denials;
pub use login::{Login, Password};

const TRACEPARENT: &str = "traceparent";
/// Messages one subscription may hold before the client drops the newest.
const SUBSCRIPTION_BOUND: usize = 8192;

/// Why the bus did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// No connection to the server now.
    #[error("bus is not connected")]
    Disconnected,
    /// Nobody serves the subject.
    #[error("nobody serves {0}")]
    NoResponder(&'static str),
    /// No answer in time.
    #[error("no answer on {0} in time")]
    Timeout(&'static str),
    /// This user may not say that.
    #[error("the bus denies this service {0}")]
    Denied(&'static str),
    /// The message is larger than the bus takes.
    #[error("message of {0} bytes is too large for the bus")]
    TooLarge(usize),
    /// The answer cannot be read.
    #[error("answer cannot be read: {0}")]
    Unreadable(String),
    /// Anything else the client reports.
    #[error("bus: {0}")]
    Other(String),
}

/// Counts what went wrong. Seldom, so that no instrument need be kept.
fn trouble(event: &Event) {
    let what = match event {
        Event::SlowConsumer(_) => "slow_consumer",
        Event::ServerError(_) => "server_error",
        Event::ClientError(_) => "client_error",
        _ => "disconnected",
    };
    let meter = opentelemetry::global::meter("kit");
    let counter = meter
        .u64_counter("parkmesh_bus_trouble")
        .with_description("Connections to the bus lost, messages dropped for a slow reader, errors, by what")
        .build();
    counter.add(1, &[opentelemetry::KeyValue::new("what", what)]);
}

/// A client of the bus. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    denials: Denials,
    connections: Arc<AtomicU64>,
}

impl Bus {
    /// [`Bus::connect_as`] whoever the URL names.
    pub async fn connect(url: &str, name: &str, health: &Health) -> anyhow::Result<Self> {
        Self::connect_as(None, url, name, health).await
    }

    /// Starts connecting and keeps reconnecting for ever; sets the need `bus`. Errors only for an unusable URL.
    pub async fn connect_as(
        login: Option<Login>,
        url: &str,
        name: &str,
        health: &Health,
    ) -> anyhow::Result<Self> {
        health.set("bus", false);
        let (url, named) = login::apart(url)?;
        let options = options(login.or(named));
        let denials = Denials::new();
        let denied = denials.clone();
        let h = health.clone();
        let up = AtomicBool::new(false);
        let connections = Arc::new(AtomicU64::new(0));
        let counted = connections.clone();
        let client = options
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(Duration::from_secs(2))
            .ping_interval(Duration::from_secs(5))
            .subscription_capacity(SUBSCRIPTION_BOUND)
            .reconnect_delay_callback(|n| Duration::from_millis((50u64 << n.min(4)).min(500)))
            .event_callback(move |e| {
                let connected = match &e {
                    Event::Connected => true,
                    Event::Disconnected | Event::Closed => false,
                    _ => up.load(Ordering::Relaxed),
                };
                if matches!(e, Event::Connected) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                h.set("bus", connected);
                let was = up.swap(connected, Ordering::Relaxed);
                match e {
                    Event::ServerError(ServerError::Other(text)) if denied.take(&text) => {}
                    // Every failed attempt to connect says so again: once, when it went down, is enough.
                    Event::ClientError(_) if !connected => {}
                    Event::SlowConsumer(_) | Event::ServerError(_) | Event::ClientError(_) => {
                        trouble(&e);
                        tracing::warn!(event = %e, "bus");
                    }
                    _ if was != connected => {
                        if was {
                            trouble(&e);
                        }
                        tracing::info!(event = %e, "bus");
                    }
                    _ => {}
                }
                std::future::ready(())
            })
            .connect(url)
            .await?;
        Ok(Self { client, denials, connections })
    }

    /// True while the server is there.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How often the server was connected to: another number than before means that messages between may be lost, also where
    /// [`Self::is_connected`] was never seen false.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    fn headers() -> Option<HeaderMap> {
        trace::current().map(|t| {
            let mut h = HeaderMap::new();
            h.insert(TRACEPARENT, t.to_traceparent().as_str());
            h
        })
    }

    /// Asks and waits for the answer. Errors: [`BusError`]; `Disconnected` at once.
    pub async fn request(
        &self,
        subject: &'static str,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> Result<Bytes, BusError> {
        use async_nats::RequestErrorKind as K;
        if !self.is_connected() {
            return Err(BusError::Disconnected);
        }
        let size = payload.len();
        let mut request = async_nats::Request::new().payload(payload.into()).timeout(Some(timeout));
        if let Some(h) = Self::headers() {
            request = request.headers(h);
        }
        let denied = self.denials.of(subject);
        let answer = tokio::select! {
            answer = self.client.send_request(subject, request) => answer,
            () = denied => return Err(BusError::Denied(subject)),
        };
        match answer {
            Ok(m) => Ok(m.payload),
            Err(e) => Err(match e.kind() {
                K::TimedOut => BusError::Timeout(subject),
                K::NoResponders => BusError::NoResponder(subject),
                K::MaxPayloadExceeded => BusError::TooLarge(size),
                _ => BusError::Other(e.to_string()),
            }),
        }
    }

    /// The same with JSON both ways.
    pub async fn request_json<Q: Serialize, A: DeserializeOwned>(
        &self,
        subject: &'static str,
        question: &Q,
        timeout: Duration,
    ) -> Result<A, BusError> {
        let payload = serde_json::to_vec(question).map_err(|e| BusError::Other(e.to_string()))?;
        let answer = self.request(subject, payload, timeout).await?;
        serde_json::from_slice(&answer).map_err(|e| BusError::Unreadable(e.to_string()))
    }

    /// Tells whoever listens. Errors: `Disconnected` at once; `Ok` is no promise that anyone heard it.
    pub async fn publish(&self, subject: &'static str, payload: Vec<u8>) -> Result<(), BusError> {
        if !self.is_connected() {
            return Err(BusError::Disconnected);
        }
        let sent = match Self::headers() {
            Some(h) => self.client.publish_with_headers(subject, h, payload.into()).await,
            None => self.client.publish(subject, payload.into()).await,
        };
        sent.map_err(|e| BusError::Other(e.to_string()))
    }

    /// The same with JSON.
    pub async fn publish_json<T: Serialize>(&self, subject: &'static str, value: &T) -> Result<(), BusError> {
        let payload = serde_json::to_vec(value).map_err(|e| BusError::Other(e.to_string()))?;
        self.publish(subject, payload).await
    }

    /// Listens. Survives reconnects.
    pub async fn subscribe(&self, subject: &'static str) -> Result<Subscription, BusError> {
        let inner = self.client.subscribe(subject).await.map_err(|e| BusError::Other(e.to_string()))?;
        Ok(Subscription { inner, client: self.client.clone() })
    }

    /// Serves a subject: each message goes to one member of the group.
    pub async fn serve(&self, subject: &'static str, group: &'static str) -> Result<Subscription, BusError> {
        let inner = self
            .client
            .queue_subscribe(subject, group.to_owned())
            .await
            .map_err(|e| BusError::Other(e.to_string()))?;
        Ok(Subscription { inner, client: self.client.clone() })
    }

    /// Waits until everything published so far was written to the server, at most a second.
    pub async fn flush(&self) {
        drop(tokio::time::timeout(Duration::from_secs(1), self.client.flush()).await);
    }
}

/// Options of a user: its password, read for every connection, and an inbox that nobody else hears.
fn options(login: Option<Login>) -> ConnectOptions {
    let Some(login) = login else { return ConnectOptions::new() };
    let inbox = wire::bus::users::inbox(&login.user);
    let callback = move |_| {
        let auth = login.secret().map_err(AuthError::new).map(|password| {
            let mut auth = Auth::new();
            auth.username = Some(login.user.clone());
            auth.password = Some(password);
            auth
        });
        std::future::ready(auth)
    };
    ConnectOptions::with_auth_callback(callback).custom_inbox_prefix(inbox)
}

/// Messages of a subject. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    inner: async_nats::Subscriber,
    client: Client,
}

impl Subscription {
    /// The next message; none when the bus client ended.
    pub async fn next(&mut self) -> Option<Incoming> {
        let m = self.inner.next().await?;
        let trace = m
            .headers
            .as_ref()
            .and_then(|h| h.get(TRACEPARENT))
            .and_then(|v| TraceContext::from_traceparent(v.as_str()));
        Some(Incoming { payload: m.payload, trace, reply: m.reply, client: self.client.clone() })
    }

    /// A message that is here already.
    pub fn try_next(&mut self) -> Option<Incoming> {
        use futures_util::FutureExt;
        self.next().now_or_never().flatten()
    }
}

/// A message.
#[derive(Debug)]
pub struct Incoming {
    /// Its bytes.
    pub payload: Bytes,
    /// The sender's trace context.
    pub trace: Option<TraceContext>,
    reply: Option<async_nats::Subject>,
    client: Client,
}

impl Incoming {
    /// Reads the payload as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, BusError> {
        serde_json::from_slice(&self.payload).map_err(|e| BusError::Unreadable(e.to_string()))
    }

    /// Answers. Silent when nobody waits for an answer; a lost answer is the asker's time-out.
    pub async fn reply(&self, payload: Vec<u8>) {
        if let Some(to) = &self.reply
            && let Err(e) = self.client.publish(to.clone(), payload.into()).await
        {
            tracing::warn!(error = %e, "answer could not be sent");
        }
    }

    /// Answers with JSON.
    pub async fn reply_json<T: Serialize>(&self, value: &T) {
        match serde_json::to_vec(value) {
            Ok(b) => self.reply(b).await,
            Err(e) => tracing::error!(error = %e, "answer could not be encoded"),
        }
    }
}
