//! Around every request: its span, its metric, and the bound on how long it may take.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::Instrument;
use wire::bus::trace::TraceContext;

use crate::gateway::Gateway;
use crate::problem::Refused;

/// No answer takes longer to begin; every question inside has a shorter bound of its own.
const LONGEST: Duration = Duration::from_secs(40);

/// The span's name: the path without its prefix, dots for slashes, parameters left out (`edge.barrier.open`).
fn name(method: &str, route: &str) -> String {
    let rest = route.strip_prefix("/api").unwrap_or(route);
    let rest = rest.strip_prefix("/v1").unwrap_or(rest);
    let mut name = String::with_capacity(rest.len() + 4);
    for part in rest.split('/').filter(|p| !p.is_empty() && !p.starts_with('{')) {
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(part);
    }
    // Paths with two methods: reading has the plain name.
    if method == "PUT" {
        name.push_str(".put");
    }
    if name.is_empty() { "unmatched".to_owned() } else { name }
}

/// Gives the request its span (child of `traceparent`) and counts it. Templates only: paths hold plates.
pub(crate) async fn observe(State(gw): State<Gateway>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let response = if kit::trace::enabled() {
        let span = tracing::info_span!(
            "request",
            otel.name = name(request.method().as_str(), route),
            otel.kind = "server",
            central = %gw.site().config.this_central.id,
            http.request.method = %request.method(),
            http.route = route,
            http.response.status_code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        let parent = request.headers().get("traceparent").and_then(|v| v.to_str().ok());
        kit::trace::set_parent(&span, parent.and_then(TraceContext::from_traceparent));
        let response = next.run(request).instrument(span.clone()).await;
        span.record("http.response.status_code", response.status().as_u16());
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        response
    } else {
        next.run(request).await
    };
    gw.metrics().request(route, response.status().as_u16(), begun.elapsed());
    response
}

/// Ends what hangs. The stream's answer begins at once, so it is not concerned; taking a bundle is long work with bounds of its own.
pub(crate) async fn bounded(request: Request, next: Next) -> Response {
    if request.uri().path().ends_with("/p2p/bundles/import") {
        return next.run(request).await;
    }
    match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::retry("busy", 5, "no answer in time").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn spans_read_like_paths() {
        for (method, route, want) in [
            ("POST", "/api/v1/edge/barrier/open", "edge.barrier.open"),
            ("POST", "/api/edge/barrier/close", "edge.barrier.close"),
            ("GET", "/api/v1/parking/sessions/{event_id}", "parking.sessions"),
            ("PUT", "/api/p2p/config", "p2p.config.put"),
            ("GET", "/livez", "livez"),
            ("GET", "", "unmatched"),
        ] {
            assert_eq!(name(method, route), want);
        }
    }
}
