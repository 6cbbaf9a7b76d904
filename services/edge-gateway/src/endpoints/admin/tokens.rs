//! `/api/admin/tokens`: tokens of people.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use wire::access::{Grant, Holder, Prefix, Role};
use wire::bus::access::AccessAsk;
use wire::http::{NewToken, Page, TokenRequest, TokenView};

use super::{NOTE, changed, expiry, fresh, view};
use crate::access::acts::Begun;
use crate::access::follow;
use crate::ask::{self, LEDGER_BUDGET};
use crate::body::{self, JSON_LIMIT};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::{Problems, TooManyKeys};
use crate::params::Params;
use crate::problem::{Answer, Refused};
use crate::site::Site;

const ROLES: [&str; 4] = ["viewer", "attendant", "operator", "admin"];

fn token(site: &Site, grant: Grant, now: i64) -> Option<TokenView> {
    let Holder::Person { name, role } = grant.holder.clone() else { return None };
    Some(TokenView { name, role, grant: view(site, grant, now) })
}

fn unknown() -> Refused {
    Refused::new("unknown_token", "no token has this id")
}

/// Tokens of people, newest first
///
/// Ended ones too, for 400 days. The admin token of `ADMIN_TOKEN_FILE` is none of them.
#[utoipa::path(get, path = "/admin/tokens", tag = "admin",
    params(("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Page<TokenView>), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let (limit, cursor) = (p.limit(&mut f), p.opaque(&mut f, "cursor"));
    f.done()?;
    caller.must_be_person()?;
    let ask = AccessAsk::List { edge_id: None, limit, cursor };
    let page: Page<Grant> = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    let (site, now) = (gw.site(), kit::clock::now_ms());
    let items = page.items.into_iter().filter_map(|g| token(&site, g, now)).collect();
    Ok(ask::json(&Page { items, next_cursor: page.next_cursor }))
}

/// A new token for a person
///
/// The answer shows the token, this once. Roles: `viewer` looks, `attendant` also works lanes, `operator` also changes money, rights,
/// rules and lanes, `admin` also the configuration, tokens and keys.
#[utoipa::path(post, path = "/admin/tokens", tag = "admin", request_body = TokenRequest,
    responses((status = 201, description = "The token, this once", body = NewToken), TooManyKeys, Problems))]
pub(crate) async fn create(
    State(gw): State<Gateway>,
    caller: Caller,
    begun: Begun,
    request: Request,
) -> Answer {
    let now = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let name = o.needed_text(&mut f, "name", 64).unwrap_or_default();
    let role = o.needed(&mut f, "role").then(|| o.one_of(&mut f, "role", &ROLES)).flatten();
    let note = o.text(&mut f, "note", NOTE);
    let expires_at = expiry(&mut f, &o, now);
    f.done()?;
    caller.must_be_person()?;
    let role = role.and_then(Role::of).unwrap_or(Role::Viewer);
    let made = fresh(Prefix::Token);
    let act = begun.done(201, &made.id, Some(format!("{role} {name}")));
    let grant = Grant {
        id: made.id,
        hash: made.hash,
        holder: Holder::Person { name, role },
        note,
        created_at: now,
        created_by: caller.signature().0,
        expires_at,
        revoked_at: None,
        revoked_by: None,
    };
    let ask = AccessAsk::Add { grant: Box::new(grant), replaces: None, act: Box::new(act) };
    let kept: Grant = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    follow::refresh(&gw).await;
    let view = token(&gw.site(), kept, now).ok_or_else(unknown)?;
    Ok(changed(StatusCode::CREATED, &NewToken { token: made.text, view }))
}

/// Revoke a token
///
/// It opens nothing any more, and streams it opened end, within a second. Revoking twice is revoking once.
#[utoipa::path(delete, path = "/admin/tokens/{id}", tag = "admin",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, description = "Revoked", body = TokenView), Problems))]
pub(crate) async fn revoke(
    State(gw): State<Gateway>,
    caller: Caller,
    begun: Begun,
    id: Result<Path<String>, PathRejection>,
) -> Answer {
    caller.must_be_person()?;
    let Path(id) = id.map_err(|_| unknown())?;
    let act = begun.done(200, &id, None);
    let ask = AccessAsk::Revoke { id, edge_id: None, act: Box::new(act) };
    let kept: Grant = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    follow::refresh(&gw).await;
    let view = token(&gw.site(), kept, kit::clock::now_ms()).ok_or_else(unknown)?;
    Ok(changed(StatusCode::OK, &view))
}
