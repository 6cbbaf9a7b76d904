//! `GET /api/parking/occupancy`: who is inside, by place and class.

use axum::extract::State;
use wire::bus::query::LedgerQuery;
use wire::http::Occupancy;

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// Vehicles inside
///
/// `inside` counts confirmed passages only; `pending` those between barrier and loop.
#[utoipa::path(get, path = "/parking/occupancy", tag = "parking",
    responses((status = 200, description = "Counts", body = Occupancy), Problems))]
pub(crate) async fn occupancy(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&LedgerQuery::Occupancy, LEDGER_BUDGET).await?))
}
