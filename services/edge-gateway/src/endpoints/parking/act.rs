//! `POST /api/parking/sessions/{event_id}/…`: what staff do to a session.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use wire::bus::command::{Command, SessionAction};
use wire::http::SessionDetail;

use super::session::checked;
use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::MAX_MONEY;
use crate::openapi::{Problems, WrongState};
use crate::params;
use crate::problem::{Answer, Refused};

type SessionPath = Result<Path<String>, PathRejection>;

/// An act of staff.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documentation; the handler reads it field by field")]
pub(crate) struct ActRequest {
    /// Who.
    staff_id: String,
    /// Their PIN.
    pin: Option<String>,
    /// Why, at most 500 characters.
    reason: String,
    /// `correct-plate`: the right plate.
    plate: Option<String>,
    /// `waive` and `uncollected`: VND.
    amount: Option<i64>,
    /// `price`: VND.
    fee: Option<i64>,
}

/// Reads the part of a body that belongs to the act. What is wrong is in the faults; the action is then of no account.
type Reader = fn(&mut Faults, &Object<'_>) -> SessionAction;

async fn act(
    gw: Gateway,
    caller: Caller,
    event_id: SessionPath,
    path: &'static str,
    request: Request,
    action: Reader,
) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let idempotency_key = params::idempotency_key(&mut f, &head.headers);
    let staff_id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
    let pin = o.text(&mut f, "pin", 64);
    let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
    let action = action(&mut f, &o);
    f.done()?;
    caller.must_be_person()?;
    let event_id = checked(event_id)?;
    let request = ask::Request { principal: caller.principal(None), path, idempotency_key, received_at };
    let command = Command::Act { event_id, act: action, staff_id, pin, reason };
    gw.command(request, command).await.respond(|why| {
        let mut refused: Refused = ask::no_ledger(why);
        refused.problem_mut().recorded = Some(false);
        refused
    })
}

fn money(f: &mut Faults, o: &Object<'_>, name: &str, min: i64) -> i64 {
    if o.needed(f, name) { o.integer(f, name, min, MAX_MONEY).unwrap_or_default() } else { 0 }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $canonical:literal, $reader:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "staff", request_body = ActRequest,
            params(("event_id" = String, Path, description = "The session")),
            responses((status = 200, description = "The session after it", body = SessionDetail), WrongState, Problems))]
        pub(crate) async fn $name(
            State(gw): State<Gateway>,
            caller: Caller,
            event_id: SessionPath,
            request: Request,
        ) -> Answer {
            act(gw, caller, event_id, $canonical, request, $reader).await
        }
    )*};
}

acts! {
    /// The plate was misread
    correct_plate, "/parking/sessions/{event_id}/correct-plate", "/api/v1/parking/sessions/{event_id}/correct-plate",
        |f, o| SessionAction::CorrectPlate { plate: o.plate(f, "plate").unwrap_or_default() };
    /// It never happened
    void, "/parking/sessions/{event_id}/void", "/api/v1/parking/sessions/{event_id}/void", |_, _| SessionAction::Void;
    /// Forgive money
    waive, "/parking/sessions/{event_id}/waive", "/api/v1/parking/sessions/{event_id}/waive",
        |f, o| SessionAction::Waive { amount: money(f, o, "amount", 1) };
    /// Money could not be collected: it stays due
    uncollected, "/parking/sessions/{event_id}/uncollected", "/api/v1/parking/sessions/{event_id}/uncollected",
        |f, o| SessionAction::Uncollected { amount: money(f, o, "amount", 1) };
    /// Set the price by hand
    price, "/parking/sessions/{event_id}/price", "/api/v1/parking/sessions/{event_id}/price",
        |f, o| SessionAction::Price { fee: money(f, o, "fee", 0) };
    /// Close for counting
    soft_close, "/parking/sessions/{event_id}/soft-close", "/api/v1/parking/sessions/{event_id}/soft-close",
        |_, _| SessionAction::SoftClose;
    /// Stand again
    reopen, "/parking/sessions/{event_id}/reopen", "/api/v1/parking/sessions/{event_id}/reopen",
        |_, _| SessionAction::Reopen;
}
