//! Lane requests as they go over the wire.

use std::time::Instant;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::clock;

/// A lane of the lab.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) edge: String,
    pub(crate) api: Api,
    /// Requests without an answer so far; meanwhile no other car comes here.
    pub(crate) stuck: u32,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Detect,
    Enter,
    /// The same entry request once more.
    Repeat,
    /// Another read of the car at the entry.
    ReadAgain,
    PassEntry,
    BackOut,
    Exit,
    PassExit,
}

impl Step {
    /// Whether an event of its own comes of it.
    pub(crate) fn records(self) -> bool {
        !matches!(self, Self::Detect | Self::Repeat | Self::ReadAgain)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Detect => "/api/edge/detection",
            Self::Enter | Self::Repeat | Self::ReadAgain | Self::Exit => "/api/edge/barrier/open",
            Self::PassEntry | Self::BackOut | Self::PassExit => "/api/edge/barrier/close",
        }
    }
}

/// One request; sent again with the same key and body until it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) car: usize,
    pub(crate) step: Step,
    pub(crate) lane: usize,
    pub(crate) key: String,
    pub(crate) body: Value,
    pub(crate) attempts: u32,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// 2xx.
    Acknowledged(Decision),
    /// 4xx: status and code.
    Refused(String),
    /// No answer, or one that asks to try again.
    Maybe(String),
}

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) request: Request,
    pub(crate) outcome: Outcome,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// The answer to `open` and `close`, as far as the generator looks at it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Decision {
    pub(crate) decision: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) recorded: Option<bool>,
    pub(crate) fee: Option<i64>,
}

/// Sends one attempt.
pub(crate) async fn send(api: Api, mut request: Request) -> Done {
    request.attempts += 1;
    let mut body = request.body.clone();
    if let Some(fields) = body.as_object_mut() {
        // The one thing that differs between attempts: when this one was sent.
        fields.insert("sent_at".to_owned(), json!(clock::now().to_string()));
    }
    let http = api.request(reqwest::Method::POST, request.step.path());
    let sent = Instant::now();
    let response = http.header("Idempotency-Key", &request.key).json(&body).send().await;
    let outcome = match response {
        Err(error) => Outcome::Maybe(if error.is_timeout() {
            "time-out".to_owned()
        } else {
            "no connection".to_owned()
        }),
        Ok(response) => {
            let status = response.status();
            match response.bytes().await {
                Err(_) => Outcome::Maybe("broken answer".to_owned()),
                Ok(bytes) => judge(status, &bytes),
            }
        }
    };
    Done { request, outcome, sent, answered: Instant::now() }
}

fn judge(status: StatusCode, body: &[u8]) -> Outcome {
    if status.is_success() {
        return match serde_json::from_slice(body) {
            Ok(decision) => Outcome::Acknowledged(decision),
            Err(_) => Outcome::Refused(format!("{} with an unreadable body", status.as_u16())),
        };
    }
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = problem.get("code").and_then(Value::as_str).unwrap_or("no code");
    let text = format!("{} {code}", status.as_u16());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Outcome::Maybe(text)
    } else {
        Outcome::Refused(text)
    }
}
