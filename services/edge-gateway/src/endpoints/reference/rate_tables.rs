//! `GET /api/reference/rate-tables`

use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;
use wire::http::ReferencePage;
use wire::reference::DocumentKind;

use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// Rate tables
///
/// Every table that may price a stay, newest publication first, the built-in ones last. Beside its own fields each has `publication`
/// (version of the document it stands in), `source`, `superseded` (a newer publication has this table, too: stays that began before
/// are still priced by it) and `warnings` (legal ceilings that it may exceed, where those only warn).
#[utoipa::path(get, path = "/reference/rate-tables", tag = "reference",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 500"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "The document", body = ReferencePage<Value>), Problems))]
pub(crate) async fn rate_tables(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    super::page(gw, caller, &uri, DocumentKind::RateTables).await
}
