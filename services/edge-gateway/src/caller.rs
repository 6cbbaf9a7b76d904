//! Who asks: the guard before every route, and the caller it leaves behind.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use subtle::ConstantTimeEq;
use wire::hash::Hash32;

use crate::body;
use crate::gateway::Gateway;
use crate::problem::Refused;
use crate::site::{Site, key_of};

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The bearer of the admin token.
    Admin,
    /// A lane's computer.
    Edge {
        /// SHA-256 of its key. A key may stand at several edges; it speaks for each of them.
        key: Hash32,
        /// The edge's name (the last one with this key).
        edge_id: Arc<str>,
    },
}

impl Caller {
    /// The name that scopes idempotency keys.
    pub(crate) fn principal<'a>(&'a self, edge_id: Option<&'a str>) -> &'a str {
        match self {
            Caller::Admin => "admin",
            Caller::Edge { edge_id: own, .. } => edge_id.unwrap_or(own),
        }
    }

    /// Errors: 403 `forbidden` for edge keys.
    pub(crate) fn must_be_person(&self) -> Result<(), Refused> {
        match self {
            Caller::Admin => Ok(()),
            Caller::Edge { .. } => {
                Err(Refused::new("forbidden", "edge keys may call /api/edge/* and the quote only"))
            }
        }
    }

    /// Errors: 403 `edge_mismatch` where the key is not this edge's.
    pub(crate) fn must_speak_for(&self, site: &Site, edge_id: &str) -> Result<(), Refused> {
        match self {
            Caller::Admin => Ok(()),
            Caller::Edge { key, .. } if site.lane(edge_id).and_then(key_of).as_ref() == Some(key) => Ok(()),
            Caller::Edge { .. } => Err(Refused::new(
                "edge_mismatch",
                "the key belongs to another edge than the one named in edge_id",
            )),
        }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Gateway) -> Result<Self, Refused> {
        // The guard put it there; without the guard nobody is let in.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| unauthenticated(false))
    }
}

/// Requests per second of each principal. Only known principals get here, so the table is as small as the configuration.
#[derive(Debug)]
pub(crate) struct RateLimits {
    limiter: DefaultKeyedRateLimiter<Hash32>,
    clock: DefaultClock,
}

impl RateLimits {
    /// So many per second, bursts of twice as many.
    pub(crate) fn new(per_second: u32) -> Self {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        let limiter = RateLimiter::dashmap(Quota::per_second(rate).allow_burst(burst));
        Self { limiter, clock: DefaultClock::default() }
    }

    fn check(&self, principal: &Hash32) -> Result<(), Refused> {
        self.limiter.check_key(principal).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now()).as_secs_f64().ceil() as u32;
            Refused::retry("rate_limited", wait.max(1), "too many requests with this key")
        })
    }
}

/// Paths anyone may read.
pub(crate) fn is_public(path: &str) -> bool {
    matches!(
        path,
        "/livez" | "/readyz" | "/docs" | "/docs/errors" | "/api/openapi.json" | "/api/v1/openapi.json"
    )
}

/// The key in `Authorization: Bearer <key>` or `Token <key>`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    let key = key.trim();
    (known && !key.is_empty()).then_some(key)
}

fn unauthenticated(presented: bool) -> Refused {
    let (detail, challenge) = if presented {
        ("the key is not known here", r#"Bearer realm="parkmesh", error="invalid_token""#)
    } else {
        ("send Authorization: Bearer <edge key or token>", r#"Bearer realm="parkmesh""#)
    };
    Refused::new("unauthenticated", detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn authenticate(gw: &Gateway, headers: &HeaderMap) -> Result<Caller, Refused> {
    let key = presented(headers).ok_or_else(|| unauthenticated(false))?;
    let key = Hash32::of(&[key.as_bytes()]);
    let admin = gw.admin_token();
    if admin.is_some_and(|a| bool::from(a.as_bytes().ct_eq(key.as_bytes()))) {
        gw.limits().check(&key)?;
        return Ok(Caller::Admin);
    }
    let site = gw.site();
    let edge = site.edge_of_key(&key).ok_or_else(|| unauthenticated(true))?;
    gw.limits().check(&key)?;
    Ok(Caller::Edge { key, edge_id: edge.id.as_str().into() })
}

/// Lets nobody past without a key, before the path is even looked at.
pub(crate) async fn guard(State(gw): State<Gateway>, mut request: Request, next: Next) -> Response {
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    match authenticate(&gw, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => {
            body::discard(request).await;
            refused.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read() {
        let of = |v: &str| {
            let mut h = HeaderMap::new();
            h.insert(header::AUTHORIZATION, v.parse().unwrap());
            presented(&h).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("token  abc ").as_deref(), Some("abc"));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearer "), None);
    }
}
