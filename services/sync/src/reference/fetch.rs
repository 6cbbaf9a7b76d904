//! Asking the external API, document by document: conditional, bounded in time and size, with pauses that grow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use kit::{Bus, ExternalApi};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use tokio::sync::watch;
use wire::bus::reference::{Origin, ReferenceSay};
use wire::http::FieldError;
use wire::reference::{DocumentKind, pack};

use super::http::{NoAnswer, Server};
use super::ledger;
use super::source::Sources;

/// Reaching the server may take so long at most.
const CONNECT: Duration = Duration::from_secs(5);
/// An `ETag` that is longer is not kept.
const MAX_ETAG: usize = 256;
/// Tries of one round beside the first, and the pauses between them.
const RETRIES: usize = 2;
const PAUSES: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(5));

/// What the external API answered.
#[derive(Debug)]
enum Fetched {
    /// Nothing has changed.
    Unchanged,
    /// It has no such document.
    NotPublished,
    /// The document.
    Document { body: Vec<u8>, etag: Option<String> },
}

/// Why there is no document. The texts are for people and hold neither address nor token.
#[derive(Debug, thiserror::Error)]
enum NotFetched {
    #[error("no answer: {0}")]
    NoAnswer(String),
    #[error("the external API answers {0}")]
    Status(u16),
    #[error("the document is larger than {0} bytes")]
    TooLarge(usize),
    #[error("EXTERNAL_API_TOKEN_FILE: {0}")]
    Token(String),
}

impl NotFetched {
    /// Worth another try in this round.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Status(s) => *s >= 500 || *s == 429 || *s == 408,
            Self::TooLarge(_) | Self::Token(_) => false,
        }
    }
}

impl From<NoAnswer> for NotFetched {
    fn from(e: NoAnswer) -> Self {
        Self::NoAnswer(e.to_string())
    }
}

/// Asks for all documents, again and again.
pub(super) struct Fetcher {
    api: ExternalApi,
    server: Server,
    bus: Bus,
    sources: Arc<Mutex<Sources>>,
    /// Counts documents that came in force.
    fetched: watch::Sender<u64>,
}

impl Fetcher {
    /// Errors: no address, or certificates that cannot be read.
    pub(super) fn new(
        api: ExternalApi,
        bus: Bus,
        sources: Arc<Mutex<Sources>>,
        fetched: watch::Sender<u64>,
    ) -> anyhow::Result<Self> {
        let server = Server::of(&api.url, api.ca_file.as_deref(), CONNECT.min(api.timeout))?;
        Ok(Self { api, server, bus, sources, fetched })
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs for ever.
    pub(super) async fn run(self) {
        let [mut tables, mut staff, mut passes] = DocumentKind::ALL.map(Seen::of);
        loop {
            tokio::join!(self.one(&mut tables), self.one(&mut staff), self.one(&mut passes));
            tokio::time::sleep(self.api.interval).await;
        }
    }

    /// One document, once.
    async fn one(&self, seen: &mut Seen) {
        let kind = seen.kind;
        if !seen.asked {
            // What a former process fetched need not be fetched again.
            let Ok(held) = ledger::held(&self.bus).await else { return };
            let newest =
                held.into_iter().filter(|h| h.held.id.kind == kind).max_by_key(|h| h.held.id.version);
            seen.etag = newest.and_then(|h| h.etag);
            seen.asked = true;
        }
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSES.0)
            .with_max_delay(PAUSES.1)
            .with_max_times(RETRIES)
            .with_jitter();
        let fetched =
            (|| self.fetch(kind, seen.etag.as_deref())).retry(pauses).when(NotFetched::may_pass).await;
        match fetched {
            Ok(Fetched::Unchanged) => self.sources().unchanged(kind),
            Ok(Fetched::NotPublished) => self.sources().not_published(kind),
            Ok(Fetched::Document { body, etag }) => self.hand_over(seen, &body, etag).await,
            Err(e) => {
                if self.sources().failed(kind, &e.to_string()) {
                    tracing::warn!(document = %kind, error = %e, "external API, the last good document stays");
                }
            }
        }
    }

    async fn fetch(&self, kind: DocumentKind, etag: Option<&str>) -> Result<Fetched, NotFetched> {
        let asked = tokio::time::timeout(self.api.timeout, self.ask(kind, etag)).await;
        asked.map_err(|_| NotFetched::NoAnswer("it took too long".to_owned()))?
    }

    async fn ask(&self, kind: DocumentKind, etag: Option<&str>) -> Result<Fetched, NotFetched> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = self.token().await? {
            headers.insert(AUTHORIZATION, token);
        }
        if let Some(etag) = etag.and_then(|e| HeaderValue::from_str(e).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        let mut answer = self.server.get(kind.path(), headers).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::Unchanged),
            StatusCode::NOT_FOUND => return Ok(Fetched::NotPublished),
            StatusCode::OK => {}
            other => return Err(NotFetched::Status(other.as_u16())),
        }
        let limit = kind.max_bytes();
        if answer.content_length().is_some_and(|n| n > limit as u64) {
            return Err(NotFetched::TooLarge(limit));
        }
        let etag = answer.headers().get(ETAG).and_then(|e| e.to_str().ok());
        let etag = etag.filter(|e| e.len() <= MAX_ETAG).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(NoAnswer::of)? {
            if body.len() + chunk.len() > limit {
                return Err(NotFetched::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched::Document { body, etag })
    }

    /// Read each time: a token may be renewed without a restart.
    async fn token(&self) -> Result<Option<HeaderValue>, NotFetched> {
        let Some(file) = &self.api.token_file else { return Ok(None) };
        let text = tokio::fs::read_to_string(file).await.map_err(|e| NotFetched::Token(e.to_string()))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
            .map_err(|_| NotFetched::Token("is no token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The ledger judges it.
    async fn hand_over(&self, seen: &mut Seen, body: &[u8], etag: Option<String>) {
        let kind = seen.kind;
        let packed = match pack(body) {
            Ok(p) => p,
            Err(e) => {
                seen.etag = etag;
                return self.sources().refused(kind, e.to_string(), Vec::new());
            }
        };
        let origin = Origin::Api { kind, etag: etag.clone(), fetched_at: kit::clock::now_ms() };
        match ledger::put(&self.bus, &origin, &packed).await {
            Ok(ReferenceSay::Refused(errors)) => {
                // It is bad until it changes.
                seen.etag = etag;
                self.sources().refused(kind, reason(&errors), errors);
            }
            Ok(_) => {
                seen.etag = etag;
                self.sources().taken(kind);
                self.fetched.send_modify(|n| *n += 1);
            }
            Err(error) => {
                // Nobody has it yet: the next round fetches it again.
                if self.sources().failed(kind, &format!("the ledger did not take it: {error}")) {
                    tracing::warn!(document = %kind, error, "document not handed over, trying on");
                }
            }
        }
    }
}

/// What was last seen of a document.
struct Seen {
    kind: DocumentKind,
    /// Of the last one that was judged, good or bad.
    etag: Option<String>,
    /// The ledger was asked what it holds.
    asked: bool,
}

impl Seen {
    fn of(kind: DocumentKind) -> Self {
        Self { kind, etag: None, asked: false }
    }
}

fn reason(errors: &[FieldError]) -> String {
    let place = |e: &FieldError| if e.field.is_empty() { "/".to_owned() } else { e.field.clone() };
    let said: Vec<String> = errors.iter().map(|e| format!("{}: {}", place(e), e.message)).collect();
    said.join("; ")
}
