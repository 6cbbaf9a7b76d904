//! `POST /api/edges/modes`: how lanes work from now on.

use axum::extract::{Request, State};
use serde_json::Value;
use wire::bus::command::Command;
use wire::event::LaneMode;
use wire::http::{LaneModeRequest, LaneModeView};

use super::deed::Deed;
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::lane_modes;
use crate::openapi::Problems;
use crate::problem::{Answer, Refused};
use crate::site::Site;

const PATH: &str = "/api/v1/edges/modes";

/// Which lanes. Errors: 404 `unknown_edge`.
fn chosen(site: &Site, edges: Option<Vec<String>>, lot: Option<&str>) -> Result<Vec<String>, Refused> {
    let unknown = || Refused::new("unknown_edge", "no such edge in this central's configuration");
    if let Some(edges) = edges {
        return if edges.iter().all(|e| site.lane(e).is_some()) { Ok(edges) } else { Err(unknown()) };
    }
    let all = site.config.this_central.edges.iter();
    let of_lot = all.filter(|e| lot.is_none_or(|l| e.lot_id.as_deref() == Some(l)));
    let edges: Vec<String> = of_lot.map(|e| e.id.to_string()).collect();
    if edges.is_empty() { Err(unknown()) } else { Ok(edges) }
}

fn names(f: &mut Faults, o: &Object<'_>) -> Option<Vec<String>> {
    let all = o.array(f, "edges", 1000)?;
    let mut out = Vec::new();
    for (i, v) in all.iter().enumerate() {
        match v {
            Value::String(s) => out.extend(f.text(&format!("/edges/{i}"), s, 64)),
            _ => f.add(format!("/edges/{i}"), "wrong_type", "must be the name of an edge"),
        }
    }
    if out.is_empty() && f.is_empty() {
        f.add("/edges", "empty", "must not be empty");
    }
    out.sort_unstable();
    out.dedup();
    Some(out)
}

/// Which lanes work how.
struct Wish {
    mode: LaneMode,
    edges: Option<Vec<String>>,
    lot: Option<String>,
}

fn wish(f: &mut Faults, o: &Object<'_>) -> Wish {
    let known: Vec<&'static str> = LaneMode::ALL.iter().map(|m| m.as_str()).collect();
    let mode = if o.needed(f, "mode") { o.one_of(f, "mode", &known) } else { None };
    let mode = LaneMode::ALL.into_iter().find(|m| Some(m.as_str()) == mode).unwrap_or_default();
    let edges = names(f, o);
    let lot = o.text(f, "lot_id", 64);
    if edges.is_some() && lot.is_some() {
        f.add("/lot_id", "invalid_value", "name lanes or a car park, not both");
    }
    Wish { mode, edges, lot }
}

/// Set the mode of lanes
///
/// `normal`; `held_open` (the barrier stays up, vehicles are recorded and charged, nobody is asked); `closed` (nobody enters, who wants
/// to leave is for staff); `emergency` (fire: the barrier stays up, passages are counted, sessions flagged, nothing is charged). The
/// chosen lanes of this central, those of a car park, or all of them. It becomes an event with who and why, known at every central;
/// connected lanes are told at once, others when they connect.
#[utoipa::path(post, path = "/edges/modes", tag = "staff", request_body = LaneModeRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    responses((status = 200, description = "Now in force", body = LaneModeView), Problems))]
pub(crate) async fn set(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (deed, wish) = Deed::read(caller, PATH, request, wish).await?;
    let edges = chosen(&gw.site(), wish.edges, wish.lot.as_deref())?;
    let answer = deed
        .done(&gw, |staff| Command::SetLaneMode {
            edges,
            mode: wish.mode,
            staff_id: staff.id,
            pin: staff.pin,
            reason: staff.reason,
        })
        .await;
    if answer.is_ok() {
        // What a barrier does without the ledger must not wait for the next look.
        lane_modes::refresh(&gw).await;
    }
    answer
}
