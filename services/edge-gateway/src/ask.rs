//! Asking the other services over the bus: every question has a deadline, and silence is an answer with a name.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kit::BusError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use wire::bus::access::AccessAsk;
use wire::bus::bundle::{BundleAsk, BundleReply};
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::bus::events::{decode, encode};
use wire::bus::query::{LedgerQuery, MeshQuery, QueryReply, SyncQuery};
use wire::bus::subject;
use wire::http::{Degraded, Problem};

use crate::gateway::Gateway;
use crate::problem::Refused;

/// All a lane waits for the ledger: the answer must be out within a second of the request.
pub(crate) const LEDGER_BUDGET: Duration = Duration::from_millis(900);
/// A part of the status that takes longer is left out.
pub(crate) const PART_BUDGET: Duration = Duration::from_millis(700);
/// A configuration is written to disk and read back.
const CONFIG_BUDGET: Duration = Duration::from_secs(5);
/// A test connection dials, shakes hands and says hello, each with its own time-out.
const TEST_BUDGET: Duration = Duration::from_secs(20);

/// Times sync is asked for one piece of a bundle.
const BUNDLE_TRIES: u32 = 3;
const BUNDLE_PAUSE: Duration = Duration::from_millis(500);

static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Who asks for a command, and how to recognise the request when it comes again.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    /// The caller.
    pub(crate) principal: &'a str,
    /// The canonical path.
    pub(crate) path: &'static str,
    /// `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
    /// When the request came, ms.
    pub(crate) received_at: i64,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The ledger's answer.
    Answered {
        /// HTTP status.
        status: u16,
        /// Answered before.
        replayed: bool,
        /// JSON.
        body: Box<RawValue>,
    },
    /// The ledger's refusal.
    Refused(Refused),
    /// No ledger; the reason is for people.
    NoLedger(String),
}

/// JSON text as a response, not read again.
pub(crate) fn raw_json(status: u16, body: Box<RawValue>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let text: Box<str> = body.into();
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(String::from(text))).into_response()
}

/// A value as a JSON response.
pub(crate) fn json<T: Serialize>(value: &T) -> Response {
    axum::Json(value).into_response()
}

impl Outcome {
    /// The response; what `no_ledger` looks like is the caller's affair.
    pub(crate) fn respond(self, no_ledger: impl FnOnce(String) -> Refused) -> Result<Response, Refused> {
        match self {
            Outcome::Answered { status, replayed, body } => {
                let mut r = raw_json(status, body);
                if replayed {
                    r.headers_mut().insert(&REPLAYED, HeaderValue::from_static("true"));
                }
                Ok(r)
            }
            Outcome::Refused(r) => Err(r),
            Outcome::NoLedger(why) => Err(no_ledger(why)),
        }
    }
}

/// 503 without a word about barriers.
pub(crate) fn no_ledger(why: String) -> Refused {
    Refused::retry("no_ledger", 1, why)
}

impl Gateway {
    /// Has a command done. Past the deadline nothing is recorded for it any more.
    pub(crate) async fn command(&self, request: Request<'_>, mut command: Command) -> Outcome {
        let site = self.site();
        let name = self.unanswered().name(&request, &command);
        let sent_at = match &command {
            Command::Open { seen, .. } => seen.sent_at,
            _ => None,
        };
        let first = self.unanswered().first(name);
        if let Some(first) = first {
            first.repeated(&request, &mut command);
        }
        let mut degraded = self.modes().now(&site);
        // The lane decided alone: it was cut off, or it was told that nothing can be recorded.
        if matches!(command, Command::Open { spooled: true, .. }) || first.is_some() {
            degraded.push(Degraded::NoLedger);
        }
        let left = LEDGER_BUDGET.saturating_sub(Duration::from_millis(
            u64::try_from(kit::clock::now_ms() - request.received_at).unwrap_or(0),
        ));
        let envelope = CommandEnvelope {
            principal: request.principal.to_owned(),
            path: request.path.to_owned(),
            idempotency_key: request.idempotency_key.clone(),
            received_at: request.received_at,
            deadline: request.received_at + LEDGER_BUDGET.as_millis() as i64,
            degraded,
            command,
        };
        let asked = self.bus().request_json(subject::LEDGER_COMMAND, &envelope, left);
        // The outer bound holds also where the bus's own queue is stuck.
        let asked = tokio::time::timeout(left, asked).await;
        let why = match asked.unwrap_or(Err(BusError::Timeout(subject::LEDGER_COMMAND))) {
            Ok(CommandReply::Answer { status, replayed, body }) => {
                self.unanswered().answered(name);
                return Outcome::Answered { status, replayed, body };
            }
            Ok(CommandReply::Refused(problem)) => return Outcome::Refused(problem.into()),
            Ok(CommandReply::Unavailable(why)) => why,
            Err(e) => e.to_string(),
        };
        self.metrics().no_ledger();
        self.unanswered().note(name, request.received_at, sent_at);
        Outcome::NoLedger(why)
    }

    async fn ask<Q: Serialize>(
        &self,
        subject: &'static str,
        silent: &'static str,
        question: &Q,
        timeout: Duration,
    ) -> Result<Box<RawValue>, Refused> {
        let asked = tokio::time::timeout(timeout, self.bus().request_json(subject, question, timeout)).await;
        match asked.unwrap_or(Err(BusError::Timeout(subject))) {
            Ok(QueryReply::Ok(body)) => Ok(body),
            Ok(QueryReply::Problem(p)) => Err(p.into()),
            Err(e) => Err(Refused::retry(silent, 1, e.to_string())),
        }
    }

    /// Asks the ledger. Errors: its problem, or 503 `no_ledger`.
    pub(crate) async fn ledger(&self, q: &LedgerQuery, timeout: Duration) -> Result<Box<RawValue>, Refused> {
        self.ask(subject::LEDGER_QUERY, "no_ledger", q, timeout).await
    }

    /// Asks the ledger about tokens, keys and acts. Errors: its problem, or 503 `no_ledger`.
    pub(crate) async fn doors(&self, q: &AccessAsk, timeout: Duration) -> Result<Box<RawValue>, Refused> {
        self.ask(subject::LEDGER_ACCESS, "no_ledger", q, timeout).await
    }

    /// Asks the mesh. Errors: its problem, or 503 `no_mesh`.
    pub(crate) async fn mesh(&self, q: &MeshQuery) -> Result<Box<RawValue>, Refused> {
        let timeout = match q {
            MeshQuery::TestConnection { .. } => TEST_BUDGET,
            MeshQuery::PutConfig(_) => CONFIG_BUDGET,
            _ => PART_BUDGET,
        };
        self.ask(subject::MESH_QUERY, "no_mesh", q, timeout).await
    }

    /// Asks sync. Errors: its problem, or 503 `no_sync`.
    pub(crate) async fn sync(&self, q: &SyncQuery) -> Result<Box<RawValue>, Refused> {
        self.ask(subject::SYNC_QUERY, "no_sync", q, PART_BUDGET).await
    }
}

impl Gateway {
    /// Asks sync about a bundle. A lost answer is asked for again: every question but the first may be repeated, and that one too
    /// where nobody heard it. Errors: its problem, or 503 `no_sync`.
    pub(crate) async fn bundle(&self, ask: &BundleAsk, timeout: Duration) -> Result<BundleReply, Refused> {
        let question = encode(ask).map_err(|e| Refused::new("internal", e.to_string()))?;
        let mut why = String::new();
        for _ in 0..BUNDLE_TRIES {
            match self.bus().request(subject::SYNC_BUNDLE, question.clone(), timeout).await {
                Ok(answer) => {
                    return match decode(&answer) {
                        Ok(BundleReply::Problem(text)) => Err(serde_json::from_str::<Problem>(&text)
                            .map_or_else(|e| Refused::new("internal", e.to_string()), Into::into)),
                        Ok(reply) => Ok(reply),
                        Err(e) => Err(Refused::retry("no_sync", 5, e.to_string())),
                    };
                }
                Err(e) => {
                    why = e.to_string();
                    let unheard = matches!(e, BusError::NoResponder(_) | BusError::Disconnected);
                    if matches!(ask, BundleAsk::Begin(_)) && !unheard {
                        break;
                    }
                }
            }
            tokio::time::sleep(BUNDLE_PAUSE).await;
        }
        Err(Refused::retry("no_sync", 5, why))
    }
}

/// Reads an answer. Errors: 503 with the code of the service that answered something else.
pub(crate) fn read<T: DeserializeOwned>(body: &RawValue, silent: &'static str) -> Result<T, Refused> {
    serde_json::from_str(body.get()).map_err(|e| {
        tracing::error!(error = %e, service = silent, "answer of another version");
        Refused::retry(silent, 5, "the service answered in another version")
    })
}
