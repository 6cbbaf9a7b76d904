//! `/api/admin`: who gets in, and what people did.

pub(crate) mod audit_log;
pub(crate) mod keys;
pub(crate) mod tokens;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use wire::access::{Grant, Prefix};
use wire::hash::Hash32;
use wire::http::{GrantState, GrantView};

use crate::access::acts::Recorded;
use crate::fields::{Faults, Object};
use crate::site::Site;

/// Ten years, s.
const LONGEST_S: i64 = 315_360_000;
/// Characters of a note.
const NOTE: usize = 200;

/// A new text: itself (shown once), its id, and what is kept of it.
struct Fresh {
    text: String,
    id: String,
    hash: Hash32,
}

fn fresh(prefix: Prefix) -> Fresh {
    let (text, id) = prefix.write(rand::random(), rand::random());
    let hash = Hash32::of(&[text.as_bytes()]);
    Fresh { text, id, hash }
}

/// Reads until when it is good.
fn expiry(f: &mut Faults, o: &Object<'_>, now: i64) -> Option<i64> {
    let at = o.time(f, "expires_at");
    let seconds = o.integer(f, "expires_in_s", 1, LONGEST_S);
    if o.get("expires_at").is_some() && o.get("expires_in_s").is_some() {
        f.add("/expires_in_s", "invalid_value", "cannot stand beside expires_at");
    }
    if at.is_some_and(|at| at <= now) {
        f.add("/expires_at", "out_of_range", "must be in the future");
    }
    at.or(seconds.map(|s| now.saturating_add(s * 1000)))
}

fn view(site: &Site, grant: Grant, now: i64) -> GrantView {
    let state = match (grant.revoked_at, grant.is_good(now)) {
        (Some(_), _) => GrantState::Revoked,
        (None, true) => GrantState::Good,
        (None, false) => GrantState::Expired,
    };
    GrantView {
        state,
        id: grant.id,
        note: grant.note,
        created_at: site.rfc3339(grant.created_at),
        created_by: grant.created_by,
        expires_at: grant.expires_at.map(|at| site.rfc3339(at)),
        revoked_at: grant.revoked_at.map(|at| site.rfc3339(at)),
        revoked_by: grant.revoked_by,
    }
}

/// An answer that no cache may keep, of a change the ledger recorded.
fn changed<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut r = (status, [no_store], axum::Json(body)).into_response();
    r.extensions_mut().insert(Recorded);
    r
}
