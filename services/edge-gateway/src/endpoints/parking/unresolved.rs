//! `/api/parking/unresolved`: manual vends and passages that belong to no session, and their explanation.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use wire::bus::command::Command;
use wire::bus::query::LedgerQuery;
use wire::hash::CommandId;
use wire::http::{ResolveRequest, ResolvedView, Unresolved};

use crate::ask::{self, LEDGER_BUDGET};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::MAX_EVENT_ID;
use crate::openapi::{Problems, WrongState};
use crate::params::Params;
use crate::problem::{Answer, Refused};

const PATH: &str = "/api/v1/parking/unresolved/{id}";

/// What nobody has explained yet, newest first
///
/// `manual_vend`: a person had a barrier opened for no session, and the lane did it or never said. `passage_without_opening`: a vehicle
/// crossed a loop and nothing had been opened for it. `tailgate`: a further vehicle passed on the opening of the one before it.
#[utoipa::path(get, path = "/parking/unresolved", tag = "staff",
    params(
        ("days" = Option<u32>, Query, description = "So many days back, 1 to 90, default 30"),
        ("central" = Option<String>, Query, description = "Only of this central"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50")),
    responses((status = 200, description = "To explain", body = Unresolved), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let query = LedgerQuery::Unresolved {
        days: u32::try_from(p.integer(&mut f, "days", 1, 90, 30)).unwrap_or(30),
        central: p.text(&mut f, "central", 32),
        limit: p.limit(&mut f),
    };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}

/// Explain a manual vend or a passage
///
/// `bind` says whose it was: the session gets the flag `passage_bound`. `dismiss` says that it was nobody's. Either is an event with who
/// and why; the first explanation stands, another one is 409 `wrong_state`.
#[utoipa::path(post, path = "/parking/unresolved/{id}", tag = "staff", request_body = ResolveRequest,
    params(("id" = String, Path, description = "`id` of the list")),
    responses((status = 200, description = "Explained", body = ResolvedView), WrongState, Problems))]
pub(crate) async fn resolve(
    State(gw): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let known = ["bind", "dismiss"];
    let action = if o.needed(&mut f, "action") { o.one_of(&mut f, "action", &known) } else { None };
    let event_id = match action {
        Some("bind") => o.needed_text(&mut f, "event_id", MAX_EVENT_ID),
        _ => {
            if o.get("event_id").is_some() {
                f.add("/event_id", "invalid_value", "belongs to bind");
            }
            None
        }
    };
    let staff_id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
    let pin = o.text(&mut f, "pin", 64);
    let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
    f.done()?;
    caller.must_be_person()?;
    let id: CommandId = id
        .ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or_else(|| Refused::new("unknown_passage", "nothing with this id is there to be resolved"))?;
    let request =
        ask::Request { principal: caller.principal(None), path: PATH, idempotency_key: None, received_at };
    let command = Command::Resolve { id, event_id, staff_id, pin, reason };
    gw.command(request, command).await.respond(ask::no_ledger)
}
