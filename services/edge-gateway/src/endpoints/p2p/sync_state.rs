//! `GET /api/p2p/sync-state`: what is missing, and when it will be here.

use axum::extract::State;
use wire::bus::query::SyncQuery;
use wire::http::SyncStateView;

use crate::ask;
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// What is missing, and when it will be here
#[utoipa::path(get, path = "/p2p/sync-state", tag = "mesh",
    responses((status = 200, description = "Per peer", body = SyncStateView), Problems))]
pub(crate) async fn sync_state(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.sync(&SyncQuery::State).await?))
}
