//! `POST /api/edge/commands/{id}/ack`: what became of a command.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use wire::bus::command::Command;
use wire::event::LaneOutcome;
use wire::hash::CommandId;
use wire::http::LaneCommandView;

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::{edge_id, lane_of};
use crate::openapi::Problems;
use crate::problem::{Answer, Refused};

const PATH: &str = "/api/v1/edge/commands/{id}/ack";

/// What became of a command. The body may be left out.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documentation; the handler reads it field by field")]
pub(crate) struct AckRequest {
    /// The edge; default: the key's own.
    edge_id: Option<String>,
    /// `done` (the default), `failed`, or `expired`: it came too late and was not done.
    outcome: Option<LaneOutcome>,
    /// In the lane's words, at most 200 characters.
    detail: Option<String>,
}

/// The lane did a command, or could not
///
/// The first acknowledgement stands; a repetition gets the same answer. Without one a command that went out ends as `no_answer`.
#[utoipa::path(post, path = "/edge/commands/{id}/ack", tag = "lane", request_body = Option<AckRequest>,
    params(("id" = String, Path, description = "`command_id`")),
    responses((status = 200, description = "The command", body = LaneCommandView), Problems))]
pub(crate) async fn ack(
    State(gw): State<Gateway>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json_or_nothing(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let edge = match (&caller, o.get("edge_id")) {
        (Caller::Edge { edge_id, .. }, None) => edge_id.to_string(),
        _ => edge_id(&mut f, &o).unwrap_or_default(),
    };
    let outcome = o.one_of(&mut f, "outcome", &["done", "failed", "expired"]);
    let detail = o.text(&mut f, "detail", 200);
    f.done()?;
    lane_of(&gw.site(), &caller, &edge)?;
    gw.heartbeats().heard(&caller, &edge, received_at);
    let id: CommandId = id
        .ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or_else(|| Refused::new("unknown_command", "no lane was told this"))?;
    let outcome = match outcome {
        Some("failed") => LaneOutcome::Failed,
        Some("expired") => LaneOutcome::Expired,
        _ => LaneOutcome::Done,
    };
    let request = ask::Request {
        principal: caller.principal(Some(&edge)),
        path: PATH,
        idempotency_key: None,
        received_at,
    };
    let command = Command::EndLaneCommand { id, edge_id: edge.clone(), outcome, detail };
    gw.command(request, command).await.respond(ask::no_ledger)
}
