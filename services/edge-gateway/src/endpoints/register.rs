//! What all changes of the register share: who and why, and how they are asked for.

use axum::extract::Request;
use wire::bus::command::{Command, RegisterChange};

use crate::ask;
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::params;
use crate::problem::{Answer, Refused};

/// Car parks one change may name.
const MOST_LOTS: usize = 100;

/// Reads the part of a body that says what is to change; none when something is wrong with it.
type Reader = fn(&mut Faults, &Object<'_>) -> Option<RegisterChange>;

/// Reads a change, with who and why, and has it recorded.
pub(super) async fn change(
    gw: Gateway,
    caller: Caller,
    path: &'static str,
    request: Request,
    read: Reader,
) -> Answer {
    let received_at = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let idempotency_key = params::idempotency_key(&mut f, &head.headers);
    let change = read(&mut f, &o);
    let staff_id = o.needed_text(&mut f, "staff_id", 64).unwrap_or_default();
    let pin = o.text(&mut f, "pin", 64);
    let reason = o.needed_text(&mut f, "reason", 500).unwrap_or_default();
    if change.is_none() && f.is_empty() {
        f.add("", "missing", "says nothing to change");
    }
    f.done()?;
    caller.must_be_person()?;
    let Some(change) = change else {
        return Err(Refused::new("internal", "a change without a fault is missing"));
    };
    let request = ask::Request { principal: caller.principal(None), path, idempotency_key, received_at };
    let command = Command::Register { change: Box::new(change), staff_id, pin, reason };
    gw.command(request, command).await.respond(|why| {
        let mut refused: Refused = ask::no_ledger(why);
        refused.problem_mut().recorded = Some(false);
        refused
    })
}

/// A list of car parks.
pub(super) fn lots(f: &mut Faults, o: &Object<'_>) -> Vec<String> {
    o.texts(f, "lots", MOST_LOTS)
}
