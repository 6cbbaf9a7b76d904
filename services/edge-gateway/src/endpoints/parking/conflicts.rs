//! `GET /api/parking/conflicts`: contradictions, each with the rule that decided.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::LedgerQuery;
use wire::http::{Conflict, Page};

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// Contradictions, newest first
#[utoipa::path(get, path = "/parking/conflicts", tag = "parking",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Page<Conflict>), Problems))]
pub(crate) async fn conflicts(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let query = LedgerQuery::Conflicts { limit: p.limit(&mut f), cursor: p.opaque(&mut f, "cursor") };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}
