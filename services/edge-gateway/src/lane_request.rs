//! What lanes send, read and checked: the body of `detection` and `barrier/open`, and who may send it.

use serde_json::Value;
use wire::bus::command::Seen;
use wire::config::{EdgeConfig, VEHICLE_CLASSES};
use wire::event::Credential;
use wire::http::{Direction, Payment};

use crate::caller::Caller;
use crate::fields::{Faults, Object, plate_text};
use crate::problem::Refused;
use crate::site::{Site, only_way};

/// Readings of a camera beside the first that are looked at: the likeliest.
const MAX_CANDIDATES: usize = 10;
/// An event id: central (32), milliseconds, plate key (64), suffix.
pub(crate) const MAX_EVENT_ID: usize = 160;
/// Discounts of a rate table.
pub(crate) const MAX_DISCOUNTS: usize = 8;
/// No single payment is larger, VND.
pub(crate) const MAX_MONEY: i64 = 1_000_000_000_000;

/// Only on `barrier/open`.
#[derive(Debug, Default)]
pub(crate) struct OpenFields {
    pub(crate) staff_id: Option<String>,
    pub(crate) pin: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) event_id: Option<String>,
    pub(crate) lost_credential: bool,
    pub(crate) discounts: Vec<String>,
    pub(crate) payment: Option<Payment>,
}

/// A lane's request, every field checked.
#[derive(Debug)]
pub(crate) struct LaneRead {
    pub(crate) edge_id: String,
    pub(crate) direction: Option<Direction>,
    pub(crate) seen: Seen,
}

/// The name of a direction on the wire.
fn way(d: Direction) -> &'static str {
    match d {
        Direction::Entry => "entry",
        Direction::Exit => "exit",
    }
}

/// Reads the name of an edge. One that no configuration could hold is simply unknown later.
pub(crate) fn edge_id(f: &mut Faults, o: &Object<'_>) -> Option<String> {
    o.needed_text(f, "edge_id", 64)
}

/// Reads `direction`, and checks it against the lane where that is known.
pub(crate) fn direction(
    f: &mut Faults,
    o: &Object<'_>,
    lane: Option<&EdgeConfig>,
    needed: bool,
) -> Option<Direction> {
    let asked = o.one_of(f, "direction", &["entry", "exit"]).map(|d| match d {
        "exit" => Direction::Exit,
        _ => Direction::Entry,
    });
    let lane = lane?;
    match (only_way(lane.lane_type), asked) {
        (Some(only), Some(asked)) if only != asked => {
            f.add(o.pointer("direction"), "wrong_direction", format!("the lane is for {} only", way(only)));
            None
        }
        (Some(only), _) => Some(only),
        (None, Some(asked)) => Some(asked),
        (None, None) => {
            if needed && o.get("direction").is_none() {
                f.add(o.pointer("direction"), "missing", "is needed on a lane that goes both ways");
            }
            None
        }
    }
}

/// Reads what both `detection` and `barrier/open` carry.
pub(crate) fn read(f: &mut Faults, o: &Object<'_>, site: &Site, direction_needed: bool) -> LaneRead {
    let edge_id = edge_id(f, o).unwrap_or_default();
    let plate = o.plate(f, "plate").unwrap_or_default();
    let candidates = candidates(f, o);
    let confidence_pm = o.per_mille(f, "confidence");
    let vehicle_class = o.one_of(f, "vehicle_class", &VEHICLE_CLASSES).map(str::to_owned);
    let direction = direction(f, o, site.lane(&edge_id), direction_needed);
    let credential = credential(f, o);
    let captured_at = o.time(f, "captured_at");
    let sent_at = o.time(f, "sent_at");
    let image_ref = o.text(f, "image_ref", 512);
    let seen =
        Seen { plate, candidates, confidence_pm, vehicle_class, credential, captured_at, sent_at, image_ref };
    LaneRead { edge_id, direction, seen }
}

/// Reads what `barrier/open` alone carries.
pub(crate) fn read_open(f: &mut Faults, o: &Object<'_>) -> OpenFields {
    OpenFields {
        staff_id: o.text(f, "staff_id", 64),
        pin: o.text(f, "pin", 64),
        reason: o.text(f, "reason", 500),
        event_id: o.text(f, "event_id", MAX_EVENT_ID),
        lost_credential: o.boolean(f, "lost_credential").unwrap_or(false),
        discounts: o.texts(f, "discounts", MAX_DISCOUNTS),
        payment: payment(f, o),
    }
}

/// A camera that is in doubt between many plates says so; no passage fails for it.
fn candidates(f: &mut Faults, o: &Object<'_>) -> Vec<String> {
    let mut all: Vec<(Option<u16>, String)> = Vec::new();
    for (i, v) in o.array(f, "candidates", usize::MAX).unwrap_or_default().iter().enumerate() {
        let at = o.pointer(&format!("candidates/{i}"));
        match v {
            Value::String(s) => all.extend(plate_text(f, &at, s).map(|plate| (None, plate))),
            Value::Object(m) => {
                let c = Object::at(m, &at);
                let confidence = c.per_mille(f, "confidence");
                all.extend(c.plate(f, "plate").map(|plate| (confidence, plate)));
            }
            _ => f.add(at, "wrong_type", "must be {plate, confidence?}"),
        }
    }
    // In the camera's own order where it says no more.
    all.sort_by_key(|(confidence, _)| std::cmp::Reverse(*confidence));
    all.into_iter().map(|(_, plate)| plate).take(MAX_CANDIDATES).collect()
}

/// A card, QR, e-tag or pass.
pub(crate) fn credential(f: &mut Faults, o: &Object<'_>) -> Option<Credential> {
    let at = o.pointer("credential");
    let c = Object::at(o.object(f, "credential")?, &at);
    let kind = c.needed(f, "type").then(|| c.one_of(f, "type", &["card", "qr", "etag", "pass"])).flatten();
    let id = c.needed_text(f, "id", 128);
    Some(Credential { kind: kind?.to_owned(), id: id? })
}

fn payment(f: &mut Faults, o: &Object<'_>) -> Option<Payment> {
    let at = o.pointer("payment");
    let p = Object::at(o.object(f, "payment")?, &at);
    let known = ["cash", "card", "bank_qr", "ewallet", "etc"];
    let method = p.needed(f, "method").then(|| p.one_of(f, "method", &known)).flatten();
    let amount = p.needed(f, "amount").then(|| p.integer(f, "amount", 0, MAX_MONEY)).flatten();
    let reference = p.text(f, "reference", 128);
    Some(Payment { method: method?.to_owned(), amount: amount?, reference })
}

/// The checks behind the fields. Errors: 403 `edge_mismatch`, then 404 `unknown_edge`.
pub(crate) fn lane_of<'s>(site: &'s Site, caller: &Caller, edge_id: &str) -> Result<&'s EdgeConfig, Refused> {
    caller.must_speak_for(site, edge_id)?;
    site.lane(edge_id)
        .ok_or_else(|| Refused::new("unknown_edge", "no such edge in this central's configuration"))
}

/// Seen by the lane and sent so much later that the vehicle is gone, ms.
const LATE_AFTER: i64 = 30_000;

/// A late delivery: recorded, never opens.
pub(crate) fn is_late(captured_at: Option<i64>, sent_at: Option<i64>) -> bool {
    matches!((captured_at, sent_at), (Some(c), Some(s)) if s - c > LATE_AFTER)
}
