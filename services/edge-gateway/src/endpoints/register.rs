//! What all changes of the register share: who and why, and how they are asked for.

use axum::extract::Request;
use wire::bus::command::{Command, RegisterChange};

use super::deed::Deed;
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
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
    let read = |f: &mut Faults, o: &Object<'_>| {
        let change = read(f, o);
        if change.is_none() && f.is_empty() {
            f.add("", "missing", "says nothing to change");
        }
        change
    };
    let (deed, change) = Deed::read(caller, path, request, read).await?;
    let Some(change) = change else {
        return Err(Refused::new("internal", "a change without a fault is missing"));
    };
    deed.done(&gw, |staff| Command::Register {
        change: Box::new(change),
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}

/// A list of car parks.
pub(super) fn lots(f: &mut Faults, o: &Object<'_>) -> Vec<String> {
    o.texts(f, "lots", MOST_LOTS)
}
