//! `GET /livez`, `/readyz`: the same two questions as on `HEALTH_PORT`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::gateway::Gateway;

/// The process answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Live {
    /// Always true.
    live: bool,
}

/// Whether the service's own dependencies are there.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Ready {
    /// All of them.
    ready: bool,
    /// Those that are not.
    missing: Vec<String>,
}

/// The process answers
#[utoipa::path(get, path = "/livez", tag = "probes", security(()), responses((status = 200, description = "Live", body = Live)))]
pub(crate) async fn livez() -> Response {
    axum::Json(Live { live: true }).into_response()
}

/// The service can work
///
/// Its own dependencies only, never peers.
#[utoipa::path(get, path = "/readyz", tag = "probes", security(()),
    responses((status = 200, description = "Ready", body = Ready), (status = 503, description = "Not ready", body = Ready)))]
pub(crate) async fn readyz(State(gw): State<Gateway>) -> Response {
    gw.health().ready_response().into_response()
}
