//! Who asks: the guard before every route, and the caller it leaves behind.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use subtle::ConstantTimeEq;
use wire::access::{self, Holder, Role};
use wire::hash::Hash32;

use crate::access::roles::{self, Rule};
use crate::access::{acts, streams};
use crate::body;
use crate::gateway::Gateway;
use crate::problem::Refused;
use crate::site::{Site, key_of};

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// The bearer of the admin token of the file.
    Admin,
    /// The bearer of a person's token.
    Person {
        /// Who.
        person: Arc<Person>,
        /// The role the route needs.
        needed: Role,
    },
    /// A lane's computer.
    Edge {
        /// SHA-256 of its key. A key may stand at several edges; it speaks for each of them.
        key: Hash32,
        /// The edge's name (the last one with this key).
        edge_id: Arc<str>,
        /// The edges a key of the ledger speaks for; none for a key of the configuration: those it stands at.
        lanes: Option<Arc<[String]>>,
    },
}

/// A person with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// `token:<id>`
    pub(crate) principal: String,
    /// As people call them.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
}

/// What somebody showed at the door. Good for looking again whether it still opens.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    hash: Hash32,
    /// The id in a text of the ledger's form.
    id: Option<String>,
}

impl Caller {
    /// The name that scopes idempotency keys.
    pub(crate) fn principal<'a>(&'a self, edge_id: Option<&'a str>) -> &'a str {
        match self {
            Caller::Admin => "admin",
            Caller::Person { person, .. } => &person.principal,
            Caller::Edge { edge_id: own, .. } => edge_id.unwrap_or(own),
        }
    }

    /// Principal, name and role, for the record of acts.
    pub(crate) fn signature(&self) -> (String, Option<String>, Option<Role>) {
        match self {
            Caller::Admin => ("admin".to_owned(), None, Some(Role::Admin)),
            Caller::Person { person, .. } => {
                (person.principal.clone(), Some(person.name.clone()), Some(person.role))
            }
            Caller::Edge { edge_id, .. } => (edge_id.to_string(), None, None),
        }
    }

    /// Errors: 403 `forbidden` for edge keys, and for tokens whose role does not reach.
    pub(crate) fn must_be_person(&self) -> Result<(), Refused> {
        match self {
            Caller::Admin => Ok(()),
            Caller::Person { person, needed } if person.role >= *needed => Ok(()),
            Caller::Person { person, needed } => Err(Refused::new(
                "forbidden",
                format!("this needs the role {needed}; the token's role is {}", person.role),
            )),
            Caller::Edge { .. } => {
                Err(Refused::new("forbidden", "edge keys may call /api/edge/* and the quote only"))
            }
        }
    }

    /// Errors: 403 `edge_mismatch` where the key is not this edge's.
    pub(crate) fn must_speak_for(&self, site: &Site, edge_id: &str) -> Result<(), Refused> {
        match self {
            Caller::Admin | Caller::Person { .. } => self.must_be_person(),
            Caller::Edge { key, lanes: None, .. }
                if site.lane(edge_id).and_then(key_of).as_ref() == Some(key) =>
            {
                Ok(())
            }
            Caller::Edge { lanes: Some(lanes), .. }
                if lanes.iter().any(|l| l == edge_id) && site.lane(edge_id).is_some() =>
            {
                Ok(())
            }
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

impl Pass {
    /// What a text shows.
    fn of(text: &str) -> Self {
        Self { hash: Hash32::of(&[text.as_bytes()]), id: access::id_of(text).map(str::to_owned) }
    }

    /// Whom it lets in now: the admin token's file, then the configuration, then what the ledger keeps. Hashes are compared in
    /// constant time.
    pub(crate) fn recognise(&self, gw: &Gateway) -> Option<Caller> {
        let key = self.hash;
        let admin = gw.admin_token();
        if admin.is_some_and(|a| bool::from(a.as_bytes().ct_eq(key.as_bytes()))) {
            return Some(Caller::Admin);
        }
        let site = gw.site();
        if let Some(edge) = site.edge_of_key(&key) {
            return Some(Caller::Edge { key, edge_id: edge.id.as_str().into(), lanes: None });
        }
        let book = gw.access().book();
        let grant = book.find(self.id.as_deref()?, &key, kit::clock::now_ms())?;
        match &grant.holder {
            Holder::Person { name, role } => {
                let principal = format!("token:{}", grant.id);
                let person = Arc::new(Person { principal, name: name.clone(), role: *role });
                Some(Caller::Person { person, needed: Role::Admin })
            }
            Holder::Lanes(lanes) => {
                let here = lanes.iter().find(|l| site.lane(l).is_some())?;
                let edge_id = here.as_str().into();
                Some(Caller::Edge { key, edge_id, lanes: Some(lanes.as_slice().into()) })
            }
        }
    }
}

fn authenticate(gw: &Gateway, headers: &HeaderMap, rule: Option<&Rule>) -> Result<(Caller, Pass), Refused> {
    let pass = Pass::of(presented(headers).ok_or_else(|| unauthenticated(false))?);
    let Some(mut caller) = pass.recognise(gw) else {
        // The ledger never said which there are: to send the lane away for good would be wrong.
        if pass.id.is_some() && gw.access().book().print.is_none() {
            return Err(Refused::retry("no_ledger", 1, "the ledger has not said yet which keys are good"));
        }
        return Err(unauthenticated(true));
    };
    gw.limits().check(&pass.hash)?;
    if let Caller::Person { needed, .. } = &mut caller {
        *needed = roles::needed(rule);
    }
    Ok((caller, pass))
}

/// Lets nobody past without a key, before the path is even looked at.
pub(crate) async fn guard(State(gw): State<Gateway>, mut request: Request, next: Next) -> Response {
    if is_public(request.uri().path()) {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().cloned();
    let rule = roles::of(request.method(), route.as_ref().map_or("", MatchedPath::as_str));
    match authenticate(&gw, request.headers(), rule) {
        Ok((caller, pass)) => {
            let act = acts::begin(rule, &caller, &request);
            if let Some(act) = act.clone() {
                request.extensions_mut().insert(act);
            }
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            acts::end(&gw, act, &response);
            streams::bound(&gw, pass, response)
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
