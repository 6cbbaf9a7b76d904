//! `/api/parking/policies`: the rules of the projection. Setting one is an event, the only way to change a rule.

use axum::extract::{Request, State};
use wire::bus::command::Command;
use wire::bus::query::{LedgerQuery, OtherPolicy};
use wire::http::{PolicyAnswer, PolicyList, PolicyRequest, Replay};

use super::super::deed::Deed;
use super::replay::{PERIOD_MS, REPLAY_BUDGET};
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

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

/// What a body wants.
struct Wish {
    version: Option<i64>,
    duplicate_window_ms: i64,
    valid_from: i64,
    dry_run: bool,
}

fn wish(f: &mut Faults, o: &Object<'_>) -> Wish {
    let version = o.integer(f, "version", 1, i64::from(u32::MAX));
    let window = "duplicate_window_ms";
    let window = o.needed(f, window).then(|| o.integer(f, window, 0, LONGEST_WINDOW_MS)).flatten();
    let valid_from = o.needed(f, "valid_from").then(|| o.time(f, "valid_from")).flatten();
    Wish {
        version,
        duplicate_window_ms: window.unwrap_or_default(),
        valid_from: valid_from.unwrap_or_default(),
        dry_run: o.boolean(f, "dry_run").unwrap_or(false),
    }
}

/// Change the rules from a moment on
///
/// It becomes an event that every central judges by. With `dry_run` nothing is recorded: the answer says what it would change, with
/// examples: of the 31 days from `valid_from` on, or of the week behind us where `valid_from` lies ahead.
#[utoipa::path(post, path = "/parking/policies", tag = "staff", request_body = PolicyRequest,
    responses((status = 200, description = "The policy, or what it would change", body = PolicyAnswer), Problems))]
pub(crate) async fn set(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (deed, wish) = Deed::read(caller, "/api/v1/parking/policies", request, wish).await?;
    let Wish { version, duplicate_window_ms, valid_from, dry_run } = wish;
    let received_at = deed.received_at;
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
    deed.done(&gw, |staff| Command::SetPolicy {
        version,
        duplicate_window_ms,
        valid_from,
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}
