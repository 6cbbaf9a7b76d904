//! `GET /api/parking/quote`: what a vehicle inside would pay now.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::Quote;

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::lane_request::MAX_DISCOUNTS;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// The fee now
///
/// Edge keys may ask too. 404 `unknown_session` when nobody is inside with this plate. With `lost_credential` and `discounts` it says
/// what `barrier/open` would charge with the same.
#[utoipa::path(get, path = "/parking/quote", tag = "parking",
    params(("plate" = String, Query, description = "In any writing, at most 64 characters"),
        ("reason" = Option<String>, Query, description = "Why a person searches for a plate: kept in the audit log with who asked"),
        ("lost_credential" = Option<bool>, Query, description = "The card or ticket was lost"),
        ("discounts" = Option<Vec<String>>, Query, description = "Ids of discounts that staff grant; may be repeated")),
    responses((status = 200, description = "The fee", body = Quote), Problems))]
pub(crate) async fn quote(State(gw): State<Gateway>, _caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    if p.all("plate").iter().all(|v| v.is_empty()) {
        f.add("/plate", "missing", "is needed");
    }
    let plate = p.plate(&mut f, "plate").unwrap_or_default();
    let lost_credential = p.flag(&mut f, "lost_credential");
    let discounts = p.texts(&mut f, "discounts", 64, MAX_DISCOUNTS);
    f.done()?;
    let query = LedgerQuery::Quote { plate, lost_credential, discounts };
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
