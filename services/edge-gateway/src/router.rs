//! Every route, once. A route and its documentation are one thing: what is not documented is not served.

use axum::extract::Request;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::caller;
use crate::endpoints::{
    admin, docs, edge, edges, lane_commands, lane_mode, not_yet, p2p, parking, probes, reference, rights,
};
use crate::gateway::Gateway;
use crate::limits::{door, turns};
use crate::openapi::General;
use crate::problem::Refused;
use crate::{body, request_span};

/// What routes are put into: a router that keeps their documentation, or one that does without. The document takes ten times the
/// memory of the routes, and a running gateway needs it as text only.
pub(crate) trait Routes: Sized {
    /// Takes routes with their documentation.
    fn routes(self, routes: UtoipaMethodRouter<Gateway>) -> Self;
}

impl Routes for OpenApiRouter<Gateway> {
    fn routes(self, routes: UtoipaMethodRouter<Gateway>) -> Self {
        OpenApiRouter::routes(self, routes)
    }
}

impl Routes for Router<Gateway> {
    fn routes(self, (_, documented, routes): UtoipaMethodRouter<Gateway>) -> Self {
        documented.paths.into_keys().fold(self, |router, path| router.route(&path, routes.clone()))
    }
}

/// What is served under `/api/v1`, and under `/api` as an alias.
fn api<R: Routes>(router: R) -> R {
    let router = router
        .routes(routes!(edge::detection::detection))
        .routes(routes!(edge::barrier_open::barrier_open))
        .routes(routes!(edge::barrier_close::barrier_close))
        .routes(routes!(edge::batch::batch))
        .routes(routes!(edge::heartbeat::heartbeat))
        .routes(routes!(edge::commands::commands))
        .routes(routes!(edge::ack::ack))
        .routes(routes!(edge::plate_recognizer::plate_recognizer))
        .routes(routes!(parking::history::history))
        .routes(routes!(parking::session::session))
        .routes(routes!(parking::quote::quote))
        .routes(routes!(parking::calculate::calculate))
        .routes(routes!(parking::occupancy::occupancy))
        .routes(routes!(parking::corrections::get, parking::corrections::post))
        .routes(routes!(rights::lists::get, rights::lists::post))
        .routes(routes!(rights::passes::get, rights::passes::post))
        .routes(routes!(rights::antipassback::get, rights::antipassback::post))
        .routes(routes!(parking::conflicts::conflicts))
        .routes(routes!(parking::replay::replay))
        .routes(routes!(reference::rate_tables::rate_tables))
        .routes(routes!(reference::staff::staff))
        .routes(routes!(reference::subscriptions::subscriptions))
        .routes(routes!(parking::policies::list, parking::policies::set))
        .routes(routes!(parking::stream::stream))
        .routes(routes!(parking::unresolved::list))
        .routes(routes!(parking::unresolved::resolve))
        .routes(routes!(parking::act::correct_plate))
        .routes(routes!(parking::act::void))
        .routes(routes!(parking::act::waive))
        .routes(routes!(parking::act::uncollected))
        .routes(routes!(parking::act::price))
        .routes(routes!(parking::act::soft_close))
        .routes(routes!(parking::act::reopen))
        .routes(routes!(p2p::audit::get_audit, p2p::audit::post_audit))
        .routes(routes!(p2p::config::get_config, p2p::config::put_config))
        .routes(routes!(p2p::status::status))
        .routes(routes!(p2p::test_connection::test_connection))
        .routes(routes!(p2p::sync_state::sync_state))
        .routes(routes!(p2p::bundle_export::export))
        .routes(routes!(p2p::bundle_import::import))
        .routes(routes!(p2p::storage::storage))
        .routes(routes!(p2p::lost_ranges::get_lost_ranges, p2p::lost_ranges::post_lost_range))
        .routes(routes!(edges::get_edges, edges::put_edges))
        .routes(routes!(lane_commands::tell, lane_commands::list))
        .routes(routes!(lane_mode::set))
        .routes(routes!(admin::tokens::list, admin::tokens::create))
        .routes(routes!(admin::tokens::revoke))
        .routes(routes!(admin::keys::list, admin::keys::create))
        .routes(routes!(admin::keys::revoke))
        .routes(routes!(admin::audit_log::list))
        .routes(routes!(docs::openapi_json));
    not_yet::add(router)
}

/// What is served beside it.
fn pages<R: Routes>(router: R) -> R {
    router
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(docs::docs))
        .routes(routes!(docs::docs_errors))
}

/// The OpenAPI document.
pub fn openapi() -> OpenApi {
    let documented = pages(OpenApiRouter::with_openapi(General::openapi()));
    let mut openapi = documented.nest("/api/v1", api(OpenApiRouter::new())).into_openapi();
    crate::openapi::complete(&mut openapi, caller::is_public);
    openapi
}

/// The application.
pub(crate) fn app(gw: Gateway) -> Router {
    pages(Router::new())
        .nest("/api/v1", api(Router::new()))
        .nest("/api", api(Router::new()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(gw.clone(), turns::share))
        .layer(from_fn_with_state(gw.clone(), caller::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request_span::bounded))
        .layer(from_fn_with_state(gw.clone(), door::check))
        .layer(middleware::from_fn_with_state(gw.clone(), request_span::observe))
        .with_state(gw)
}

async fn not_found(request: Request) -> Response {
    body::discard(request).await;
    Refused::new("not_found", "no such path; see /docs").into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    body::discard(request).await;
    Refused::new("method_not_allowed", "the header Allow names the methods this path takes").into_response()
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    // The panic's message may hold what was sent; the hook of the process prints its place.
    tracing::error!("a handler panicked");
    let mut r = Refused::new("internal", "a fault of ours; it is logged").into_response();
    r.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    r
}
