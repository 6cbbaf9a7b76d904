//! `GET /api/parking/occupancy`: who is inside, by place and class.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::Occupancy;

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// Vehicles inside
///
/// `inside` counts confirmed passages, corrected; `pending` those between barrier and loop. `capacity` and `state` are the car park's, for
/// the class, at all centrals together.
#[utoipa::path(get, path = "/parking/occupancy", tag = "parking",
    params(("lot_id" = Option<String>, Query, description = "Of one car park")),
    responses((status = 200, description = "Counts", body = Occupancy), Problems))]
pub(crate) async fn occupancy(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let lot_id = p.text(&mut f, "lot_id", 64);
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&LedgerQuery::Occupancy { lot_id }, LEDGER_BUDGET).await?))
}
