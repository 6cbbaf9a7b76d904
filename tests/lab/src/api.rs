//! The HTTP contract as a client outside the system sees it.
//!
//! On purpose not the types of `wire`: the lab checks what really crosses the socket, so a slip in the
//! shared types cannot cancel itself out.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A client with one credential for one central.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    base: String,
    token: String,
}

/// An answer with its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Whether `Idempotency-Replayed: true` was there.
    pub replayed: bool,
    /// The body, `null` when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a 2xx answer.
    ///
    /// # Errors
    /// When the status is another; the error holds the problem's code and detail.
    pub fn ok(self) -> Result<Value> {
        if !self.status.is_success() {
            bail!("answered {}: {}", self.status, self.body);
        }
        Ok(self.body)
    }
}

impl Api {
    /// A client for the central with this base URL, as the bearer of this token.
    pub fn new(http: Client, base: impl Into<String>, token: impl Into<String>) -> Self {
        Self { http, base: base.into(), token: token.into() }
    }

    /// The HTTP client all of a lab's calls can share.
    ///
    /// # Errors
    /// When the machine gives no sockets.
    pub fn http(time_out: Duration) -> Result<Client> {
        // A lab is plain HTTP on loopback; the client wants a provider all the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        Client::builder()
            .tls_certs_only([])
            .timeout(time_out)
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .pool_max_idle_per_host(64)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")
    }

    /// A request to a path, with the bearer token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// GET; query strings go into the path.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        send(self.request(Method::GET, path)).await.with_context(|| format!("GET {}{path}", self.base))
    }

    /// POST of a JSON body, with an `Idempotency-Key` if given.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Result<Answer> {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        send(request).await.with_context(|| format!("POST {}{path}", self.base))
    }

    /// `GET /api/p2p/status`.
    ///
    /// # Errors
    /// When there is no answer, or another than the contract's.
    pub async fn status(&self) -> Result<P2pStatus> {
        let body = self.get("/api/p2p/status").await?.ok()?;
        serde_json::from_value(body).context("p2p status is not as agreed")
    }

    /// The sessions of a plate (first page).
    ///
    /// # Errors
    /// When there is no answer, or another than the contract's.
    pub async fn history(&self, plate: &str) -> Result<Vec<Session>> {
        let path = format!("/api/parking/history?limit=500&plate={plate}");
        let page: Page =
            serde_json::from_value(self.get(&path).await?.ok()?).context("history is not as agreed")?;
        Ok(page.items)
    }
}

async fn send(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let replayed = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    let bytes = response.bytes().await?;
    Ok(Answer { status, replayed, body: serde_json::from_slice(&bytes).unwrap_or_default() })
}

/// `GET /api/p2p/status`, as far as the lab looks at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct P2pStatus {
    /// Who answers.
    pub central_id: String,
    /// Links that are up.
    pub connected_peers: u32,
    /// One entry per configured peer.
    pub peers: Vec<Peer>,
    /// Digest over history and conflicts.
    pub digest: Option<String>,
    /// Rows in history.
    pub history_rows: Option<i64>,
    /// Events no other central holds yet.
    pub held_only_here: Option<i64>,
    /// What does not work now.
    pub degraded: Vec<String>,
    /// What it is getting back.
    pub recovery: Option<Recovery>,
    /// What people must look at.
    pub alarms: Vec<Alarm>,
}

/// What a central is getting back after its database was exchanged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// `none`, `recovering`, `waiting` or `filling`.
    pub state: String,
    /// Own events it lacks.
    pub missing_own: u64,
    /// All events it lacks.
    pub missing: u64,
    /// All events it holds.
    pub held: u64,
    /// In words.
    pub detail: Option<String>,
}

/// An alarm, as far as the lab looks at it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// `fork`, `clone`, …
    pub code: String,
    /// What exactly.
    pub detail: String,
}

/// A peer as a central sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// `central-5`.
    pub id: String,
    /// `connecting`, `connected`, `behind`, `down`, `refused` or `disabled`.
    pub state: String,
    /// Round-trip time of the last beat.
    pub rtt_ms: Option<f64>,
    /// Events this central holds and the peer lacks.
    pub behind_events: Option<i64>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
}

/// A page of history.
#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    /// The sessions.
    pub items: Vec<Session>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// A session, as far as the lab looks at it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Session {
    /// Its id.
    pub event_id: String,
    /// Where it entered.
    pub source_central: String,
    /// `LOCAL` or `SYNCED`.
    pub sync_status: String,
    /// Match key of the plate.
    pub plate_key: Option<String>,
    /// `INSIDE`, `EXITED`, …
    pub status: String,
    /// Where it left.
    pub exit_central: Option<String>,
    /// What was charged, in VND.
    pub fee: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}
