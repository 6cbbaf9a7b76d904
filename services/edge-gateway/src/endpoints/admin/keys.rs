//! `/api/admin/edges/{id}/keys`: keys of lanes.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use wire::access::{Grant, Holder, Prefix};
use wire::bus::access::{AccessAsk, Replaced};
use wire::http::{KeyRequest, KeyView, NewKey, Page};

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

/// Further edges of one key.
const MOST_LANES: usize = 16;
/// How long a replaced key stays good, s: unless said, and at most.
const OVERLAP_S: (i64, i64) = (86_400, 2_592_000);

type EdgePath = Result<Path<String>, PathRejection>;

fn lane(site: &Site, id: EdgePath) -> Result<String, Refused> {
    let known = id.ok().map(|Path(id)| id).filter(|id| site.lane(id).is_some());
    known.ok_or_else(|| Refused::new("unknown_edge", "no such edge in this central's configuration"))
}

fn key(site: &Site, grant: Grant, now: i64) -> Option<KeyView> {
    let Holder::Lanes(lanes) = grant.holder.clone() else { return None };
    Some(KeyView { lanes, grant: view(site, grant, now) })
}

fn unknown() -> Refused {
    Refused::new("unknown_key", "this edge has no key of this id")
}

/// Keys of an edge, newest first
///
/// Ended ones too, for 400 days. A key whose hash stands in the configuration is none of them; `has_key` of `GET /api/edges` tells.
#[utoipa::path(get, path = "/admin/edges/{id}/keys", tag = "admin",
    params(("id" = String, Path, description = "The edge"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Page<KeyView>), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, id: EdgePath, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let (limit, cursor) = (p.limit(&mut f), p.opaque(&mut f, "cursor"));
    f.done()?;
    caller.must_be_person()?;
    let site = gw.site();
    let ask = AccessAsk::List { edge_id: Some(lane(&site, id)?), limit, cursor };
    let page: Page<Grant> = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    let now = kit::clock::now_ms();
    let items = page.items.into_iter().filter_map(|g| key(&site, g, now)).collect();
    Ok(ask::json(&Page { items, next_cursor: page.next_cursor }))
}

/// A new key for an edge
///
/// The answer shows the key, this once. It speaks for this edge and for those in `lanes`. With `replaces` both are good for
/// `overlap_s`: time to bring the new one to the lane.
#[utoipa::path(post, path = "/admin/edges/{id}/keys", tag = "admin", request_body = Option<KeyRequest>,
    params(("id" = String, Path, description = "The edge")),
    responses((status = 201, description = "The key, this once", body = NewKey), TooManyKeys, Problems))]
pub(crate) async fn create(
    State(gw): State<Gateway>,
    caller: Caller,
    begun: Begun,
    id: EdgePath,
    request: Request,
) -> Answer {
    let now = kit::clock::now_ms();
    let (head, body) = request.into_parts();
    let body = body::json_or_nothing(&head.headers, body, JSON_LIMIT).await?;
    let o = Object::of(&body)?;
    let mut f = Faults::default();
    let site = gw.site();
    let further = o.texts(&mut f, "lanes", MOST_LANES);
    for (i, edge) in further.iter().enumerate().filter(|(_, e)| site.lane(e).is_none()) {
        f.add(format!("/lanes/{i}"), "unknown_value", format!("{edge:.64} is no edge of this central"));
    }
    let replaces = o.text(&mut f, "replaces", 64);
    let overlap = o.integer(&mut f, "overlap_s", 0, OVERLAP_S.1).unwrap_or(OVERLAP_S.0);
    let note = o.text(&mut f, "note", NOTE);
    let expires_at = expiry(&mut f, &o, now);
    f.done()?;
    caller.must_be_person()?;
    let edge_id = lane(&site, id)?;
    let mut lanes = vec![edge_id.clone()];
    for edge in further {
        if !lanes.contains(&edge) {
            lanes.push(edge);
        }
    }
    let made = fresh(Prefix::Key);
    let what = match &replaces {
        Some(old) => format!("key {} for {}, replaces {old}", made.id, lanes.join(" ")),
        None => format!("key {} for {}", made.id, lanes.join(" ")),
    };
    let act = begun.done(201, &edge_id, Some(what));
    let grant = Grant {
        id: made.id,
        hash: made.hash,
        holder: Holder::Lanes(lanes),
        note,
        created_at: now,
        created_by: caller.signature().0,
        expires_at,
        revoked_at: None,
        revoked_by: None,
    };
    let replaces = replaces.map(|id| Replaced { id, ends_at: now.saturating_add(overlap * 1000) });
    let ask = AccessAsk::Add { grant: Box::new(grant), replaces, act: Box::new(act) };
    let kept: Grant = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    follow::refresh(&gw).await;
    let view = key(&site, kept, now).ok_or_else(unknown)?;
    Ok(changed(StatusCode::CREATED, &NewKey { key: made.text, view }))
}

/// Revoke a key of an edge
///
/// It opens nothing any more, and the lane's stream ends, within a second. Revoking twice is revoking once.
#[utoipa::path(delete, path = "/admin/edges/{id}/keys/{key_id}", tag = "admin",
    params(("id" = String, Path, description = "The edge"), ("key_id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "Revoked", body = KeyView), Problems))]
pub(crate) async fn revoke(
    State(gw): State<Gateway>,
    caller: Caller,
    begun: Begun,
    ids: Result<Path<(String, String)>, PathRejection>,
) -> Answer {
    caller.must_be_person()?;
    // The edge may be gone from the configuration: its keys can be revoked all the same.
    let Path((edge_id, id)) = ids.map_err(|_| unknown())?;
    let act = begun.done(200, &edge_id, Some(format!("key {id:.64}")));
    let ask = AccessAsk::Revoke { id, edge_id: Some(edge_id), act: Box::new(act) };
    let kept: Grant = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    follow::refresh(&gw).await;
    let view = key(&gw.site(), kept, kit::clock::now_ms()).ok_or_else(unknown)?;
    Ok(changed(StatusCode::OK, &view))
}
