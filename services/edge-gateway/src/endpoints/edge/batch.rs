//! `POST /api/edge/batch`: requests a lane spooled while it was cut off.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant};
use wire::http::{BatchRequest, BatchResult};

use super::{barrier_close, barrier_open, detection};
use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object, type_name};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params;
use crate::problem::{Answer, Refused};

/// Items in one request.
const MAX_ITEMS: usize = 500;
/// The whole body.
const LIMIT: usize = 2 * 1024 * 1024;
/// A ledger that is slow but alive must not hold the lane for ever; what is left is tried again by the lane.
const PATIENCE: Duration = Duration::from_secs(25);

/// Results, in the order of the items.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BatchAnswer {
    /// One per item.
    results: Vec<BatchResult>,
}

/// Deliver spooled requests
///
/// At most 500, worked off in order, 2 MiB in all. Each item is checked and answered as if it came alone; no item opens a barrier.
/// When the ledger goes away the rest is answered 503 and stays in the spool.
#[utoipa::path(post, path = "/edge/batch", tag = "lane", request_body = BatchRequest,
    responses((status = 200, description = "A result per item", body = BatchAnswer), Problems))]
pub(crate) async fn batch(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let _room = gw.uploads().take(caller.principal(None))?;
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, LIMIT).await?;
    let items = items(&body)?;
    let until = Instant::now() + PATIENCE;
    let mut gone = false;
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let answer = if gone || Instant::now() > until {
            let mut refused = ask::no_ledger("not tried, the ledger went away".to_owned());
            refused.problem_mut().recorded = Some(false);
            Err(refused)
        } else {
            one(&gw, &caller, item).await
        };
        gone = gone || matches!(&answer, Err(r) if r.problem().code == "no_ledger");
        results.push(result(index, answer).await);
    }
    Ok(ask::json(&BatchAnswer { results }))
}

/// The items of a batch. Errors: 422.
pub(crate) fn items(body: &Value) -> Result<Vec<&Map<String, Value>>, Refused> {
    let o = Object::of(body)?;
    let mut f = Faults::default();
    let items = if o.needed(&mut f, "items") { o.array(&mut f, "items", MAX_ITEMS) } else { None }
        .unwrap_or_default();
    for (i, item) in items.iter().enumerate().filter(|(_, v)| !v.is_object()) {
        f.add(format!("/items/{i}"), "wrong_type", format!("must be an object, is {}", type_name(item)));
    }
    f.done()?;
    Ok(items.iter().filter_map(Value::as_object).collect())
}

/// One spooled request.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) path: Option<&'a str>,
    pub(crate) key: Option<String>,
    pub(crate) body: &'a Value,
}

/// Reads an item. Errors: 422, 413.
pub(crate) fn read(item: &Map<String, Value>) -> Result<Item<'_>, Refused> {
    let o = Object::at(item, "");
    let mut f = Faults::default();
    let path = if o.needed(&mut f, "path") { o.raw(&mut f, "path") } else { None };
    let key = o
        .raw(&mut f, "idempotency_key")
        .and_then(|k| params::checked_key(&mut f, "/idempotency_key", k.as_bytes()));
    o.needed(&mut f, "body");
    f.done()?;
    let body = o.get("body").unwrap_or(&Value::Null);
    // As large as it could have been alone, give or take white space.
    if serde_json::to_vec(body).is_ok_and(|b| b.len() > JSON_LIMIT) {
        return Err(Refused::new("too_large", "the item's body may hold 64 KiB at most"));
    }
    Ok(Item { path, key, body })
}

async fn one(gw: &Gateway, caller: &Caller, item: &Map<String, Value>) -> Result<Response, Refused> {
    let received_at = kit::clock::now_ms();
    let Item { path, key, body } = read(item)?;
    let f = Faults::default();
    match path.map(|p| p.trim_start_matches('/').trim_start_matches("api/").trim_start_matches("v1/")) {
        Some("barrier/open" | "edge/barrier/open") => {
            barrier_open::run(gw, caller, received_at, key, f, body, true).await
        }
        Some("barrier/close" | "edge/barrier/close") => {
            barrier_close::run(gw, caller, received_at, key, f, body).await?.respond(ask::no_ledger)
        }
        Some("detection" | "edge/detection") => {
            detection::run(gw, caller, received_at, key, f, body).await?.respond(ask::no_ledger)
        }
        _ => Err(Refused::new("not_found", "a batch takes barrier/open, barrier/close and detection")),
    }
}

async fn result(index: usize, answer: Answer) -> BatchResult {
    let response = answer.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("idempotency-replayed");
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    BatchResult { index, status, replayed, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}
