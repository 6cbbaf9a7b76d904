//! `GET /api/reference/staff`

use axum::extract::State;
use axum::http::Uri;
use wire::http::{ReferencePage, StaffView};
use wire::reference::DocumentKind;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// The staff list
///
/// Without one, every staff id with a reason is taken, and what it does is flagged `staff_unverified`.
#[utoipa::path(get, path = "/reference/staff", tag = "reference",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 500"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "The document", body = ReferencePage<StaffView>), Problems))]
pub(crate) async fn staff(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    super::page(gw, caller, &uri, DocumentKind::Staff).await
}
