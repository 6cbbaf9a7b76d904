//! `POST /api/p2p/test-connection`: how far a fresh connection to a peer comes.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::query::MeshQuery;
use wire::http::TestConnection;

use crate::ask;
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::{Answer, Refused};

/// Try a connection to a peer
///
/// Dials anew, beside the link there may be, and says at which stage it failed.
#[utoipa::path(post, path = "/p2p/test-connection", tag = "mesh",
    params(("peer_id" = String, Query, description = "A peer of the configuration")),
    responses((status = 200, description = "How far it came", body = TestConnection), Problems))]
pub(crate) async fn test_connection(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let mut f = Faults::default();
    let p = Params::of(&uri);
    let peer_id = p.text(&mut f, "peer_id", 32);
    if f.is_empty() && peer_id.is_none() {
        f.add("/peer_id", "missing", "is needed");
    }
    f.done()?;
    caller.must_be_person()?;
    let peer_id = peer_id.unwrap_or_default();
    if !gw.site().config.peer_centrals.iter().any(|p| p.id.as_str() == peer_id) {
        return Err(Refused::new("unknown_peer", "no such peer in this central's configuration"));
    }
    Ok(ask::raw_json(200, gw.mesh(&MeshQuery::TestConnection { peer_id }).await?))
}
