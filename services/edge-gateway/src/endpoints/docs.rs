//! `GET /api/openapi.json`, `/docs`, `/docs/errors`: what this API is, without any page of others.
//!
//! The document is the committed one, which a test holds against the routes: making it at every start took 14 MiB that a gateway which
//! nobody reads would keep. The pages are written when somebody first asks for them.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::docs_page;

/// What `docs/openapi.json` says.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

static DOCS: LazyLock<Bytes> = LazyLock::new(|| docs_page::api(OPENAPI).into());
static ERRORS: LazyLock<Bytes> = LazyLock::new(|| docs_page::errors().into());

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "docs", security(()),
    responses((status = 200, description = "OpenAPI", body = Object)))]
pub(crate) async fn openapi_json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// Everything, to read
#[utoipa::path(get, path = "/docs", tag = "docs", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn docs() -> Response {
    page(&DOCS)
}

/// Every error code
#[utoipa::path(get, path = "/docs/errors", tag = "docs", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
pub(crate) async fn docs_errors() -> Response {
    page(&ERRORS)
}

fn page(html: &Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    (headers, html.clone()).into_response()
}
