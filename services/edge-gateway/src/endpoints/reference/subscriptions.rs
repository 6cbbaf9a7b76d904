//! `GET /api/reference/subscriptions`

use axum::extract::State;
use axum::http::Uri;
use wire::http::{PassView, ReferencePage};
use wire::reference::DocumentKind;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// Passes
///
/// As published, whether they hold now or not.
#[utoipa::path(get, path = "/reference/subscriptions", tag = "reference",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 500"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "The document", body = ReferencePage<PassView>), Problems))]
pub(crate) async fn subscriptions(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    super::page(gw, caller, &uri, DocumentKind::Subscriptions).await
}
