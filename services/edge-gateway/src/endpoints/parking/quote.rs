//! `GET /api/parking/quote`: what a vehicle inside would pay now.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::Quote;

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// The fee now
///
/// Edge keys may ask too. 404 `unknown_session` when nobody is inside with this plate.
#[utoipa::path(get, path = "/parking/quote", tag = "parking",
    params(("plate" = String, Query, description = "In any writing, at most 64 characters")),
    responses((status = 200, description = "The fee", body = Quote), Problems))]
pub(crate) async fn quote(State(gw): State<Gateway>, _caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    if p.all("plate").iter().all(|v| v.is_empty()) {
        f.add("/plate", "missing", "is needed");
    }
    let plate = p.plate(&mut f, "plate").unwrap_or_default();
    f.done()?;
    Ok(ask::raw_json(200, gw.ledger(&LedgerQuery::Quote { plate }, LEDGER_BUDGET).await?))
}
