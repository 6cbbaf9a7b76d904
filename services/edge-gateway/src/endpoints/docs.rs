//! `GET /api/openapi.json`, `/docs`, `/docs/errors`: what this API is, without any page of others.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::gateway::Gateway;

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "docs", security(()),
    responses((status = 200, description = "OpenAPI", body = Object)))]
pub(crate) async fn openapi_json(State(gw): State<Gateway>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], gw.pages().openapi.clone()).into_response()
}

/// Everything, to read
#[utoipa::path(get, path = "/docs", tag = "docs", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn docs(State(gw): State<Gateway>) -> Response {
    page(gw.pages().docs.clone())
}

/// Every error code
#[utoipa::path(get, path = "/docs/errors", tag = "docs", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn docs_errors(State(gw): State<Gateway>) -> Response {
    page(gw.pages().errors.clone())
}

fn page(html: axum::body::Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, html).into_response()
}
