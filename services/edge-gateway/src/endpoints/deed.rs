//! What all deeds of staff share: a body with who and why, read with its own part, and a command for the ledger.

use axum::extract::Request;
use wire::bus::command::Command;

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::params;
use crate::problem::{Answer, Refused};

/// Who does it, and why.
#[derive(Debug)]
pub(super) struct Staff {
    /// Of the list of staff.
    pub(super) id: String,
    /// Their PIN.
    pub(super) pin: Option<String>,
    /// In their words.
    pub(super) reason: String,
}

/// A deed that was read and may be done: a person asks, and nothing of the body is wrong.
#[derive(Debug)]
pub(super) struct Deed {
    /// When the request came, ms.
    pub(super) received_at: i64,
    caller: Caller,
    path: &'static str,
    idempotency_key: Option<String>,
    staff: Staff,
}

impl Deed {
    /// Reads a request to the canonical `path`; `own` reads what belongs to this deed alone.
    /// Errors: what is wrong with the body, all of it at once; 403 for a lane.
    pub(super) async fn read<T>(
        caller: Caller,
        path: &'static str,
        request: Request,
        own: impl FnOnce(&mut Faults, &Object<'_>) -> T,
    ) -> Result<(Self, T), Refused> {
        let received_at = kit::clock::now_ms();
        let (head, body) = request.into_parts();
        let body = body::json(&head.headers, body, JSON_LIMIT).await?;
        let o = Object::of(&body)?;
        let mut f = Faults::default();
        let idempotency_key = params::idempotency_key(&mut f, &head.headers);
        let id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
        let pin = o.text(&mut f, "pin", 64);
        let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
        let read = own(&mut f, &o);
        f.done()?;
        caller.must_be_person()?;
        Ok((Self { received_at, caller, path, idempotency_key, staff: Staff { id, pin, reason } }, read))
    }

    /// Has it recorded. Errors: 503 when there is no ledger: nothing was recorded then.
    pub(super) async fn done(self, gw: &Gateway, command: impl FnOnce(Staff) -> Command) -> Answer {
        let Self { received_at, caller, path, idempotency_key, staff } = self;
        let request = ask::Request { principal: caller.principal(None), path, idempotency_key, received_at };
        gw.command(request, command(staff)).await.respond(|why| {
            let mut refused: Refused = ask::no_ledger(why);
            refused.problem_mut().recorded = Some(false);
            refused
        })
    }
}
