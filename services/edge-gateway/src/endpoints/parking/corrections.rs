//! `/api/parking/occupancy/corrections`: somebody counted.

use axum::extract::{Request, State};
use axum::http::Uri;
use wire::bus::command::RegisterChange;
use wire::bus::query::LedgerQuery;
use wire::config::VEHICLE_CLASSES;
use wire::http::{OccupancyCorrectionRequest, OccupancyCorrectionView, OccupancyCorrections};

use super::super::register;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

const FURTHEST: i64 = parking::decision::register::FURTHEST;

/// Corrections of counts, newest first
#[utoipa::path(get, path = "/parking/occupancy/corrections", tag = "staff",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = OccupancyCorrections), Problems))]
pub(crate) async fn get(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let query =
        LedgerQuery::OccupancyCorrections { limit: p.limit(&mut f), cursor: p.opaque(&mut f, "cursor") };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}

/// Correct a count of vehicles inside
///
/// Either `delta`, or what was `counted` on site: the difference is then made here and now. It becomes an event that all centrals add.
#[utoipa::path(post, path = "/parking/occupancy/corrections", tag = "staff", request_body = OccupancyCorrectionRequest,
    responses((status = 200, description = "The correction", body = OccupancyCorrectionView), Problems))]
pub(crate) async fn post(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    register::change(gw, caller, "/api/v1/parking/occupancy/corrections", request, read).await
}

fn read(f: &mut Faults, o: &Object<'_>) -> Option<RegisterChange> {
    let (central, lot_id) = (o.text(f, "central", 32), o.text(f, "lot_id", 64));
    let class =
        o.needed(f, "vehicle_class").then(|| o.one_of(f, "vehicle_class", &VEHICLE_CLASSES)).flatten();
    let delta = o.integer(f, "delta", -FURTHEST, FURTHEST);
    let counted = o.integer(f, "counted", 0, FURTHEST);
    match (o.get("delta").is_some(), o.get("counted").is_some()) {
        (false, false) => f.add("/delta", "missing", "this or counted is needed"),
        (true, true) => f.add("/counted", "repeated", "give either this or delta"),
        _ => {}
    }
    Some(RegisterChange::Occupancy { central, lot_id, vehicle_class: class?.to_owned(), delta, counted })
}
