//! `/api/parking/policies`: the rules of the projection. Setting one is an event, the only way to change a rule.

use axum::extract::{Request, State};
use wire::bus::command::Command;
use wire::bus::query::{LedgerQuery, OtherPolicy};
use wire::http::{PolicyAnswer, PolicyList, PolicyRequest, Replay};

use super::replay::{PERIOD_MS, REPLAY_BUDGET};
use crate::ask::{self, LEDGER_BUDGET};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params;
use crate::problem::{Answer, Refused};

/// Longest duplicate window, ms.
pub(super) const LONGEST_WINDOW_MS: i64 = parking::decision::policy::LONGEST_WINDOW_MS;
const WEEK_MS: i64 = 7 * 86_400_000;
/// Examples of a dry run.
const EXAMPLES: u32 = 50;

/// The rules, with who set them and why
///
/// Highest-ranked first: the first one valid at the moment of an opening judges it. The built-in rule stands last.
#[utoipa::path(get, path = "/parking/policies", tag = "staff",
    responses((status = 200, description = "All of them", body = PolicyList), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&LedgerQuery::Policies, LEDGER_BUDGET).await?))
}

/// Change the rules from a moment on
///
/// It becomes an event that every central judges by. With `dry_run` nothing is recorded: the answer says what it would change, with
/// examples: of the 31 days from `valid_from` on, or of the week behind us where `valid_from` lies ahead.
#[utoipa::path(post, path = "/parking/policies", tag = "staff", request_body = PolicyRequest,
    responses((status = 200, description = "The policy, or what it would change", body = PolicyAnswer), Problems))]
pub(crate) async fn set(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let idempotency_key = params::idempotency_key(&mut f, &head.headers);
    let version = o.integer(&mut f, "version", 1, i64::from(u32::MAX));
    let window = if o.needed(&mut f, "duplicate_window_ms") {
        o.integer(&mut f, "duplicate_window_ms", 0, LONGEST_WINDOW_MS)
    } else {
        None
    };
    let valid_from = if o.needed(&mut f, "valid_from") { o.time(&mut f, "valid_from") } else { None };
    let staff_id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
    let pin = o.text(&mut f, "pin", 64);
    let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
    let dry_run = o.boolean(&mut f, "dry_run").unwrap_or(false);
    f.done()?;
    caller.must_be_person()?;
    let (duplicate_window_ms, valid_from) = (window.unwrap_or_default(), valid_from.unwrap_or_default());
    if dry_run {
        let (policy, from, to) = if valid_from < received_at {
            let policy = OtherPolicy::Set { duplicate_window_ms, valid_from };
            (policy, valid_from, valid_from.saturating_add(PERIOD_MS))
        } else {
            (OtherPolicy::Window(duplicate_window_ms), received_at.saturating_sub(WEEK_MS), received_at)
        };
        let query = LedgerQuery::Replay { policy, from, to, limit: EXAMPLES, cursor: None };
        let effect: Replay = ask::read(&gw.ledger(&query, REPLAY_BUDGET).await?, "no_ledger")?;
        return Ok(ask::json(&PolicyAnswer { recorded: false, policy: None, effect: Some(effect) }));
    }
    let request = ask::Request {
        principal: caller.principal(None),
        path: "/api/v1/parking/policies",
        idempotency_key,
        received_at,
    };
    let command = Command::SetPolicy { version, duplicate_window_ms, valid_from, staff_id, pin, reason };
    gw.command(request, command).await.respond(|why| {
        let mut refused: Refused = ask::no_ledger(why);
        refused.problem_mut().recorded = Some(false);
        refused
    })
}
