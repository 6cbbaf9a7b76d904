//! Before anybody's key is looked at: how much one address asks, and how often with keys that nobody knows.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Seat;
use crate::gateway::Gateway;
use crate::problem::Refused;

/// A refusal for guessing is held back so long: whoever guesses on is slowed down, and costs nobody anything meanwhile.
const HOLD: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) async fn check(State(gw): State<Gateway>, request: Request, next: Next) -> Response {
    let Some(seat) = request.extensions().get::<Arc<Seat>>().cloned() else {
        // Every connection has one.
        return Refused::new("internal", "a request from nowhere").into_response();
    };
    if let Err(wait) = gw.addresses().request(seat.address) {
        return closing(&gw, "address_rate", wait, "too many requests from this address").await;
    }
    if let Some(why) = ambiguous(&request) {
        gw.metrics().refused("malformed");
        let closing = HeaderValue::from_static("close");
        return Refused::new("malformed_request", why)
            .with_header(header::CONNECTION, closing)
            .into_response();
    }
    let guessed = request.headers().contains_key(header::AUTHORIZATION);
    let response = next.run(request).await;
    if !guessed || response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    match gw.addresses().failed(seat.address) {
        Ok(()) => response,
        Err(wait) => {
            closing(&gw, "guessing", wait, "too many keys from this address that nobody knows").await
        }
    }
}

/// Why a proxy on the way could have read this head as another request than we do.
fn ambiguous(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let times = |name| headers.get_all(name).iter().count();
    // With both, hyper takes the coding alone and ends the connection behind the request.
    let coded = times(header::TRANSFER_ENCODING);
    let chunked =
        headers.get(header::TRANSFER_ENCODING).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if coded > 1 || coded == 1 && !chunked {
        return Some("the only Transfer-Encoding is chunked");
    }
    if times(header::HOST) > 1 || times(header::AUTHORIZATION) > 1 {
        return Some("Host and Authorization stand once");
    }
    if request.version() == Version::HTTP_11 && times(header::HOST) == 0 {
        return Some("HTTP/1.1 needs a Host");
    }
    None
}

async fn closing(gw: &Gateway, why: &'static str, wait: u32, detail: &str) -> Response {
    gw.metrics().refused(why);
    let mut response = Refused::retry("rate_limited", wait, detail).into_response();
    match gw.addresses().held_back().try_acquire() {
        Ok(_held) => tokio::time::sleep(HOLD).await,
        Err(_) => {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}
