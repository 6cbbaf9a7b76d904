//! `POST /api/edge/barrier/open`: an entry lane opens a session; an exit lane finds it, charges, closes it.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use wire::bus::command::Command;
use wire::config::{EdgeConfig, OnNoLedger};
use wire::event::LaneMode;
use wire::http::{BarrierWish, Decision, Direction, LaneDecision, LaneRequest};

use crate::ask::{self, Outcome};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::{self, is_late, lane_of};
use crate::openapi::{LedgerAway, Problems};
use crate::params;
use crate::problem::{Answer, Refused};
use crate::site::{facts, on_no_ledger, only_way};

/// The canonical path.
pub(crate) const PATH: &str = "/api/v1/edge/barrier/open";

/// Ask for the barrier
///
/// The lane obeys `barrier` alone. `ask_staff` records nothing until the call comes again with `staff_id` and `reason`. Repeat
/// the same request (same `Idempotency-Key`) until it is answered with 2xx; a repeat gets the first answer.
#[utoipa::path(post, path = "/edge/barrier/open", tag = "lane", request_body = LaneRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "The decision", body = Decision), LedgerAway, Problems))]
pub(crate) async fn barrier_open(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let mut f = Faults::default();
    let key = params::idempotency_key(&mut f, &head.headers);
    run(&gw, &caller, received_at, key, f, &body, false).await
}

/// The same for one body. A spooled one never opens by default: its vehicle is gone.
pub(crate) async fn run(
    gw: &Gateway,
    caller: &Caller,
    received_at: i64,
    idempotency_key: Option<String>,
    mut f: Faults,
    body: &Value,
    spooled: bool,
) -> Result<Response, Refused> {
    let site = gw.site();
    let o = Object::of(body)?;
    let read = lane_request::read(&mut f, &o, &site, true);
    let open = lane_request::read_open(&mut f, &o);
    f.done()?;
    let lane = lane_of(&site, caller, &read.edge_id)?;
    gw.heartbeats().heard(caller, &read.edge_id, received_at);
    let direction = read.direction.unwrap_or(Direction::Entry);
    let late = spooled || is_late(read.seen.captured_at, read.seen.sent_at);
    let request = ask::Request {
        principal: caller.principal(Some(&read.edge_id)),
        path: PATH,
        idempotency_key,
        received_at,
    };
    let command = Command::Open {
        lane: facts(lane, direction),
        seen: read.seen,
        staff_id: open.staff_id,
        pin: open.pin,
        reason: open.reason,
        event_id: open.event_id,
        lost_credential: open.lost_credential,
        discounts: open.discounts,
        payment: open.payment,
        spooled,
    };
    let name = gw.unanswered().name(&request, &command);
    let outcome: Outcome = gw.command(request, command).await;
    let wish = alone(gw, lane, direction);
    if let Outcome::Answered { body, .. } = &outcome
        && let Ok(told) = serde_json::from_str::<Told>(body.get())
    {
        gw.metrics().decision(told.decision, told.barrier);
    }
    outcome.respond(|why| {
        let refused = without_ledger(wish, late, why);
        if let Some((decision, barrier)) = refused.decided() {
            gw.metrics().decision(decision, barrier);
            if barrier == BarrierWish::Open {
                gw.unanswered().opened(name);
            }
        }
        refused
    })
}

/// What a lane does that cannot be helped now.
fn alone(gw: &Gateway, lane: &EdgeConfig, direction: Direction) -> OnNoLedger {
    match gw.lane_modes().of(lane.id.as_str()) {
        LaneMode::Normal => on_no_ledger(lane, direction),
        LaneMode::HeldOpen | LaneMode::Emergency => OnNoLedger::Open,
        LaneMode::Closed if direction == Direction::Entry => OnNoLedger::Deny,
        LaneMode::Closed => OnNoLedger::AskStaff,
    }
}

/// 503 `busy` before a request is read. A lane that asks for its barrier is told what to do meanwhile; which way it asks is not known
/// yet, so one that goes both ways is told what it does at its exit.
pub(crate) fn busy(gw: &Gateway, caller: &Caller, path: &str, why: &'static str) -> Refused {
    let mut refused = Refused::retry("busy", 1, why);
    let site = gw.site();
    let lane = path.ends_with("/edge/barrier/open").then(|| site.lane(caller.principal(None))).flatten();
    if let Some(lane) = lane {
        let direction = only_way(lane.lane_type).unwrap_or(Direction::Exit);
        not_recorded(&mut refused, alone(gw, lane, direction), false);
    }
    refused
}

/// Of an answer, what is counted.
#[derive(Deserialize)]
struct Told {
    decision: LaneDecision,
    barrier: BarrierWish,
}

/// What the lane does now, since nothing can be recorded.
fn without_ledger(wish: OnNoLedger, late: bool, why: String) -> Refused {
    let mut refused = ask::no_ledger(why);
    not_recorded(&mut refused, wish, late);
    refused
}

/// Adds what the lane does to a refusal. What is late never opens.
fn not_recorded(refused: &mut Refused, wish: OnNoLedger, late: bool) {
    let (decision, barrier) = match wish {
        OnNoLedger::Open if late => (LaneDecision::AskStaff, BarrierWish::KeepClosed),
        OnNoLedger::Open => (LaneDecision::Open, BarrierWish::Open),
        OnNoLedger::AskStaff => (LaneDecision::AskStaff, BarrierWish::KeepClosed),
        OnNoLedger::Deny => (LaneDecision::Deny, BarrierWish::KeepClosed),
    };
    let p = refused.problem_mut();
    p.decision = Some(decision);
    p.barrier = Some(barrier);
    p.recorded = Some(false);
}
