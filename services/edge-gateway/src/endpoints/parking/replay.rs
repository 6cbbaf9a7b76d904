//! `POST /api/parking/conflicts/replay`: what another policy would have decided.

use std::time::Duration;

use axum::extract::{Request, State};
use wire::bus::query::{LedgerQuery, OtherPolicy};
use wire::http::{Replay, ReplayRequest};

use super::policies::LONGEST_WINDOW_MS;
use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params;
use crate::problem::Answer;

/// Longest period, ms.
pub(super) const PERIOD_MS: i64 = 31 * 86_400_000;
/// A replay reads a lot.
pub(super) const REPLAY_BUDGET: Duration = Duration::from_secs(25);

/// What another policy would have decided over a period
///
/// Nothing is changed. Either `duplicate_window_ms` or the version of a `policy`. All is counted on every page; one replay at a time,
/// 503 `busy` else.
#[utoipa::path(post, path = "/parking/conflicts/replay", tag = "parking", request_body = ReplayRequest,
    responses((status = 200, description = "Counts and a page of the sessions that differ", body = Replay), Problems))]
pub(crate) async fn replay(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let mut needed_time =
        |name| if o.needed(&mut f, name) { o.time(&mut f, name) } else { None }.unwrap_or_default();
    let (from, to) = (needed_time("from"), needed_time("to"));
    let window = o.integer(&mut f, "duplicate_window_ms", 0, LONGEST_WINDOW_MS);
    let version = o.integer(&mut f, "policy", 0, i64::from(u32::MAX));
    let (has_window, has_policy) = (o.get("duplicate_window_ms").is_some(), o.get("policy").is_some());
    if !has_window && !has_policy {
        f.add("/duplicate_window_ms", "missing", "this or policy is needed");
    } else if has_window && has_policy {
        f.add("/policy", "repeated", "give either this or duplicate_window_ms");
    }
    let limit = o.integer(&mut f, "limit", 1, 500).unwrap_or(50);
    let cursor = o.raw(&mut f, "cursor").and_then(|c| params::opaque(&mut f, "cursor", c));
    if f.is_empty() && to <= from {
        f.add("/to", "out_of_range", "must be later than from");
    } else if f.is_empty() && to.saturating_sub(from) > PERIOD_MS {
        f.add("/to", "out_of_range", "must be at most 31 days after from");
    }
    f.done()?;
    caller.must_be_person()?;
    let policy = match (window, version) {
        (Some(ms), _) => OtherPolicy::Window(ms),
        (None, v) => OtherPolicy::Version(v.unwrap_or_default()),
    };
    let limit = u32::try_from(limit).unwrap_or(50);
    let query = LedgerQuery::Replay { policy, from, to, limit, cursor };
    Ok(ask::raw_json(200, gw.ledger(&query, REPLAY_BUDGET).await?))
}
