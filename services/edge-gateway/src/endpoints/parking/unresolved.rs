//! `/api/parking/unresolved`: manual vends and passages that belong to no session, and their explanation.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use wire::bus::command::Command;
use wire::bus::query::LedgerQuery;
use wire::hash::CommandId;
use wire::http::{ResolveRequest, ResolvedView, Unresolved};

use super::super::deed::Deed;
use crate::ask::{self, LEDGER_BUDGET};
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

/// The session to bind to; none dismisses.
fn whose(f: &mut Faults, o: &Object<'_>) -> Option<String> {
    let known = ["bind", "dismiss"];
    let action = if o.needed(f, "action") { o.one_of(f, "action", &known) } else { None };
    if action == Some("bind") {
        return o.needed_text(f, "event_id", MAX_EVENT_ID);
    }
    if o.get("event_id").is_some() {
        f.add("/event_id", "invalid_value", "belongs to bind");
    }
    None
}

/// Explain a manual vend or a passage
///
/// `bind` says whose it was: the session gets the flag `passage_bound`. `dismiss` says that it was nobody's. Either is an event with who
/// and why; the first explanation stands, another one is 409 `wrong_state`.
#[utoipa::path(post, path = "/parking/unresolved/{id}", tag = "staff", request_body = ResolveRequest,
    params(("id" = String, Path, description = "`id` of the list"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "Explained", body = ResolvedView), WrongState, Problems))]
pub(crate) async fn resolve(
    State(gw): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer {
    let (deed, event_id) = Deed::read(caller, PATH, request, whose).await?;
    let id: CommandId = id
        .ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or_else(|| Refused::new("unknown_passage", "nothing with this id is there to be resolved"))?;
    deed.done(&gw, |staff| Command::Resolve {
        id,
        event_id,
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}
