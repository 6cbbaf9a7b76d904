//! Refusals, with their stable codes.

use wire::http::Problem;

pub(super) fn unknown_session(event_id: &str) -> Problem {
    Problem::new(404, "unknown_session", "No such session", format!("no session has the event_id {event_id}"))
}

pub(super) fn nothing_pending(edge: &str) -> Problem {
    Problem::new(404, "nothing_pending", "Nothing is pending", format!("no passage is pending at {edge}"))
}

pub(super) fn not_this_lane(edge: &str) -> Problem {
    Problem::new(422, "not_this_lane", "Not this lane's", format!("{edge} did not open this session"))
}

pub(super) fn key_reused() -> Problem {
    Problem::new(
        422,
        "idempotency_key_reused",
        "Idempotency key reused",
        "the same idempotency key came with another edge or plate",
    )
}

pub(super) fn unknown_staff() -> Problem {
    Problem::new(403, "unknown_staff", "Staff not known", "this staff id is not on the list, or not active")
}

pub(super) fn wrong_pin() -> Problem {
    Problem::new(403, "wrong_pin", "The PIN is wrong", "this is not the PIN of this staff id")
}

pub(super) fn role_insufficient(needed: &str) -> Problem {
    let detail = format!("this needs the role {needed}");
    Problem::new(403, "role_insufficient", "The role may not do that", detail)
}

pub(super) fn pin_throttled(retry_after_s: u32) -> Problem {
    let detail = format!("too many wrong PINs, wait {retry_after_s} s");
    let retry_after_s = Some(retry_after_s);
    Problem { retry_after_s, ..Problem::new(429, "pin_throttled", "Too many wrong PINs", detail) }
}

pub(super) fn not_checked() -> Problem {
    let detail = "the staff list has just changed: send it again";
    Problem { retry_after_s: Some(1), ..Problem::new(503, "busy", "Too much at once", detail) }
}

pub(super) fn unknown_command() -> Problem {
    Problem::new(404, "unknown_command", "No such command", "no lane was told this")
}

pub(super) fn unknown_passage() -> Problem {
    Problem::new(404, "unknown_passage", "No such passage", "nothing with this id is there to be resolved")
}

pub(super) fn not_this_edges() -> Problem {
    Problem::new(403, "edge_mismatch", "Another edge's", "the command was for another lane")
}

pub(super) fn wrong_state(detail: &str) -> Problem {
    Problem::new(409, "wrong_state", "Not possible in this state", detail)
}
