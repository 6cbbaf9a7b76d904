//! `POST /api/edge/barrier/close`: the barrier closed, behind the vehicle or without it.

use axum::extract::{Request, State};
use serde_json::Value;
use wire::bus::command::Command;
use wire::http::{CloseRequest, Closed, Direction};

use crate::ask::{self, Outcome};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::{self, MAX_EVENT_ID, lane_of};
use crate::openapi::Problems;
use crate::params;
use crate::problem::{Answer, Refused};
use crate::site::{Site, facts};

/// The canonical path.
pub(crate) const PATH: &str = "/api/v1/edge/barrier/close";

/// The barrier closed
///
/// Entry lanes: `CONFIRMED` when the vehicle passed, `ABANDONED` when not. Exit lanes: `EXIT_CONFIRMED`, or `EXIT_ABANDONED` (inside
/// again, the charge stands). Without `event_id` the lane's oldest pending one is meant. A lane that goes both ways may say
/// `direction`.
#[utoipa::path(post, path = "/edge/barrier/close", tag = "lane", request_body = CloseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Not needed: edge, event_id and passed are the key")),
    responses((status = 200, description = "What became of the passage", body = Closed), Problems))]
pub(crate) async fn barrier_close(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let mut f = Faults::default();
    let key = params::idempotency_key(&mut f, &head.headers);
    run(&gw, &caller, received_at, key, f, &body).await?.respond(|why| {
        let mut refused = ask::no_ledger(why);
        refused.problem_mut().recorded = Some(false);
        refused
    })
}

/// The same for one body.
pub(crate) async fn run(
    gw: &Gateway,
    caller: &Caller,
    received_at: i64,
    idempotency_key: Option<String>,
    mut f: Faults,
    body: &Value,
) -> Result<Outcome, Refused> {
    let site = gw.site();
    let read = read(&mut f, &Object::of(body)?, &site);
    f.done()?;
    let CloseRead { edge_id, direction, event_id, passed, tailgate, captured_at, sent_at } = read;
    let lane = lane_of(&site, caller, &edge_id)?;
    gw.heartbeats().heard(caller, &edge_id, received_at);
    let request = ask::Request {
        principal: caller.principal(Some(&edge_id)),
        path: PATH,
        idempotency_key,
        received_at,
    };
    // On a lane that goes both ways the session tells the ledger which way it went; what the lane let out comes first there.
    let lane = facts(lane, direction.unwrap_or(Direction::Exit));
    Ok(gw.command(request, Command::Close { lane, event_id, passed, captured_at, sent_at, tailgate }).await)
}

/// A lane's request, every field checked.
#[derive(Debug)]
pub(crate) struct CloseRead {
    pub(crate) edge_id: String,
    pub(crate) direction: Option<Direction>,
    pub(crate) event_id: Option<String>,
    pub(crate) passed: bool,
    pub(crate) tailgate: bool,
    pub(crate) captured_at: Option<i64>,
    pub(crate) sent_at: Option<i64>,
}

/// Reads it.
pub(crate) fn read(f: &mut Faults, o: &Object<'_>, site: &Site) -> CloseRead {
    let edge_id = lane_request::edge_id(f, o).unwrap_or_default();
    let direction = lane_request::direction(f, o, site.lane(&edge_id), false);
    let event_id = o.text(f, "event_id", MAX_EVENT_ID);
    let passed = o.boolean(f, "passed").unwrap_or(true);
    let tailgate = o.boolean(f, "tailgate").unwrap_or(false);
    if tailgate && !passed {
        f.add(o.pointer("tailgate"), "invalid_value", "says that a further vehicle passed");
    }
    let (captured_at, sent_at) = (o.time(f, "captured_at"), o.time(f, "sent_at"));
    CloseRead { edge_id, direction, event_id, passed, tailgate, captured_at, sent_at }
}
