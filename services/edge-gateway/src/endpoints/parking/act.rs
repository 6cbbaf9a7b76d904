//! `POST /api/parking/sessions/{event_id}/…`: what staff do to a session.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use wire::bus::command::{Command, SessionAction};
use wire::http::SessionDetail;

use super::super::deed::Deed;
use super::session::checked;
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_request::MAX_MONEY;
use crate::openapi::{Problems, WrongState};
use crate::problem::Answer;

type SessionPath = Result<Path<String>, PathRejection>;

/// Describes a body for documentation: what every act says, and the fields of this one. The handler reads them one by one.
macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize, utoipa::ToSchema)]
        #[expect(dead_code, reason = "documentation; the handler reads it field by field")]
        pub(crate) struct $name {
            /// Who.
            staff_id: String,
            /// Their PIN.
            pin: Option<String>,
            /// Why, at most 500 characters.
            reason: String,
            $($(#[$field_doc])* $field: $type,)*
        }
    )*};
}

bodies! {
    /// An act of staff.
    ActRequest {}
    /// The plate was misread.
    CorrectPlateRequest {
        /// The right plate, in any writing.
        plate: String,
    }
    /// Money is forgiven, or could not be collected.
    AmountRequest {
        /// VND, at least 1.
        #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
        amount: i64,
    }
    /// A price by hand.
    PriceRequest {
        /// VND; 0 for nothing.
        #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
        fee: i64,
    }
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
    let (deed, act) = Deed::read(caller, path, request, action).await?;
    let event_id = checked(event_id)?;
    deed.done(&gw, |staff| Command::Act {
        event_id,
        act,
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}

fn money(f: &mut Faults, o: &Object<'_>, name: &str, min: i64) -> i64 {
    if o.needed(f, name) { o.integer(f, name, min, MAX_MONEY).unwrap_or_default() } else { 0 }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident, $body:ident, $path:literal, $canonical:literal, $reader:expr;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "staff", request_body = $body,
            params(("event_id" = String, Path, description = "The session"),
                ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
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
    correct_plate, CorrectPlateRequest, "/parking/sessions/{event_id}/correct-plate", "/api/v1/parking/sessions/{event_id}/correct-plate",
        |f, o| SessionAction::CorrectPlate { plate: o.plate(f, "plate").unwrap_or_default() };
    /// It never happened
    void, ActRequest, "/parking/sessions/{event_id}/void", "/api/v1/parking/sessions/{event_id}/void", |_, _| SessionAction::Void;
    /// Forgive money
    waive, AmountRequest, "/parking/sessions/{event_id}/waive", "/api/v1/parking/sessions/{event_id}/waive",
        |f, o| SessionAction::Waive { amount: money(f, o, "amount", 1) };
    /// Money could not be collected: it stays due
    uncollected, AmountRequest, "/parking/sessions/{event_id}/uncollected", "/api/v1/parking/sessions/{event_id}/uncollected",
        |f, o| SessionAction::Uncollected { amount: money(f, o, "amount", 1) };
    /// Set the price by hand
    price, PriceRequest, "/parking/sessions/{event_id}/price", "/api/v1/parking/sessions/{event_id}/price",
        |f, o| SessionAction::Price { fee: money(f, o, "fee", 0) };
    /// Close for counting
    soft_close, ActRequest, "/parking/sessions/{event_id}/soft-close", "/api/v1/parking/sessions/{event_id}/soft-close",
        |_, _| SessionAction::SoftClose;
    /// Stand again
    reopen, ActRequest, "/parking/sessions/{event_id}/reopen", "/api/v1/parking/sessions/{event_id}/reopen",
        |_, _| SessionAction::Reopen;
}
