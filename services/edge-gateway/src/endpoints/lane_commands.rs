//! `/api/edges/{id}/commands`: a person tells a lane what to do, and sees what became of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use wire::bus::command::Command;
use wire::bus::query::LedgerQuery;
use wire::event::LaneOrder;
use wire::http::{LaneCommandRequest, LaneCommandView, Page};

use crate::ask::{self, LEDGER_BUDGET};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::MAX_EVENT_ID;
use crate::openapi::Problems;
use crate::params::{self, Params};
use crate::problem::{Answer, Refused};
use crate::site::Site;

const PATH: &str = "/api/v1/edges/{id}/commands";
/// How long a command is good for unless said, s.
const EXPIRES_S: i64 = 10;
const LONGEST_S: i64 = parking::decision::lane_control::LONGEST_COMMAND_MS / 1000;

type EdgePath = Result<Path<String>, PathRejection>;

/// The lane of a path. Errors: 404 `unknown_edge`.
fn lane(site: &Site, id: EdgePath) -> Result<String, Refused> {
    let known = id.ok().map(|Path(id)| id).filter(|id| site.lane(id).is_some());
    known.ok_or_else(|| Refused::new("unknown_edge", "no such edge in this central's configuration"))
}

/// Tell a lane what to do
///
/// It becomes an event with who and why, and goes out to the lane once, if the lane is connected (`GET /api/edge/commands`) before it
/// expires. An `open` is a manual vend: it belongs to the session `event_id`, or is listed in `GET /api/parking/unresolved`.
#[utoipa::path(post, path = "/edges/{id}/commands", tag = "staff", request_body = LaneCommandRequest,
    params(("id" = String, Path, description = "The edge"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "Recorded", body = LaneCommandView), Problems))]
pub(crate) async fn tell(
    State(gw): State<Gateway>,
    caller: Caller,
    id: EdgePath,
    request: Request,
) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let idempotency_key = params::idempotency_key(&mut f, &head.headers);
    let order = if o.needed(&mut f, "command") {
        match o.raw(&mut f, "command") {
            Some("hold_open" | "normal") => {
                f.add("/command", "unknown_value", "is a mode of the lane: POST /api/edges/modes");
                None
            }
            _ => o.one_of(&mut f, "command", &["open", "close"]),
        }
    } else {
        None
    };
    let event_id = o.text(&mut f, "event_id", MAX_EVENT_ID);
    let expires_in_s = o.integer(&mut f, "expires_in_s", 1, LONGEST_S).unwrap_or(EXPIRES_S);
    let staff_id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
    let pin = o.text(&mut f, "pin", 64);
    let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
    f.done()?;
    caller.must_be_person()?;
    let edge_id = lane(&gw.site(), id)?;
    let request =
        ask::Request { principal: caller.principal(None), path: PATH, idempotency_key, received_at };
    let order = if order == Some("close") { LaneOrder::Close } else { LaneOrder::Open };
    let expires_in_ms = expires_in_s * 1000;
    let command = Command::TellLane { edge_id, order, event_id, expires_in_ms, staff_id, pin, reason };
    gw.command(request, command).await.respond(ask::no_ledger)
}

/// The commands of the last seven days to a lane, newest first
#[utoipa::path(get, path = "/edges/{id}/commands", tag = "staff",
    params(("id" = String, Path, description = "The edge"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50")),
    responses((status = 200, description = "What became of them", body = Page<LaneCommandView>), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, id: EdgePath, uri: Uri) -> Answer {
    let mut f = Faults::default();
    let limit = Params::of(&uri).limit(&mut f);
    f.done()?;
    caller.must_be_person()?;
    let edge_id = lane(&gw.site(), id)?;
    let query = LedgerQuery::LaneCommands { edge_id, limit };
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
