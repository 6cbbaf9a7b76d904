//! `POST /api/edge/detection`: what would happen; changes no session.

use axum::extract::{Request, State};
use serde_json::Value;
use serde_json::value::RawValue;
use wire::bus::command::{Command, Seen};
use wire::config::{EdgeConfig, LaneType};
use wire::http::{Detection, Direction, LaneRequest};

use crate::ask::{self, Outcome};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::{self, lane_of};
use crate::openapi::Problems;
use crate::params;
use crate::problem::{Answer, Refused};
use crate::site::facts;

/// The canonical path.
pub(crate) const PATH: &str = "/api/v1/edge/detection";

/// What a camera saw, and what `barrier/open` would do
///
/// Reads the plate, finds the session it would act on and, at an exit, the fee now. Changes no session.
#[utoipa::path(post, path = "/edge/detection", tag = "lane", request_body = LaneRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "A suggestion", body = Detection), Problems))]
pub(crate) async fn detection(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let mut f = Faults::default();
    let key = params::idempotency_key(&mut f, &head.headers);
    run(&gw, &caller, received_at, key, f, &body).await?.respond(ask::no_ledger)
}

/// The same for one body, however it came.
pub(crate) async fn run(
    gw: &Gateway,
    caller: &Caller,
    received_at: i64,
    idempotency_key: Option<String>,
    mut f: Faults,
    body: &Value,
) -> Result<Outcome, Refused> {
    let site = gw.site();
    let o = Object::of(body)?;
    let read = lane_request::read(&mut f, &o, &site, false);
    f.done()?;
    let lane = lane_of(&site, caller, &read.edge_id)?;
    gw.heartbeats().heard(caller, &read.edge_id, received_at);
    let request = ask::Request {
        principal: caller.principal(Some(&read.edge_id)),
        path: PATH,
        idempotency_key,
        received_at,
    };
    Ok(ask_ledger(gw, request, lane, read.direction, read.seen).await)
}

/// Asks what would happen. A lane that goes both ways and does not say which is taken for an entry: nothing is recorded anyway.
pub(crate) async fn ask_ledger(
    gw: &Gateway,
    request: ask::Request<'_>,
    lane: &EdgeConfig,
    direction: Option<Direction>,
    seen: Seen,
) -> Outcome {
    let facts = facts(lane, direction.unwrap_or(Direction::Entry));
    match gw.command(request, Command::Detect { lane: facts, seen }).await {
        Outcome::Answered { status, replayed, body } => {
            Outcome::Answered { status, replayed, body: with_lane_type(body, lane) }
        }
        other => other,
    }
}

/// The ledger knows which way a request goes; what the lane is for stands in the configuration.
fn with_lane_type(body: Box<RawValue>, lane: &EdgeConfig) -> Box<RawValue> {
    let Ok(mut detection) = serde_json::from_str::<Detection>(body.get()) else { return body };
    detection.lane.lane_type = match lane.lane_type {
        LaneType::EntryOnly => "entry_only",
        LaneType::ExitOnly => "exit_only",
        LaneType::Reversible => "reversible",
        LaneType::Service => "service",
    }
    .to_owned();
    serde_json::value::to_raw_value(&detection).unwrap_or(body)
}
