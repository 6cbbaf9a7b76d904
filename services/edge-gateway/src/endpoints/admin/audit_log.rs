//! `GET /api/admin/audit-log`: what people did at this central.

use axum::extract::State;
use axum::http::Uri;
use wire::bus::access::{AccessAsk, Act};
use wire::http::{ActView, Page};

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

/// What people did here, newest first
///
/// Every administrative act, done or refused: who, when, from where, what came of it. Of this central alone, kept for 400 days. What was
/// done while the ledger was away is written down when it is back. An edit of the configuration file is one, too: `config.file` by `file`.
#[utoipa::path(get, path = "/admin/audit-log", tag = "admin",
    params(("action" = Option<String>, Query, description = "Only of this kind, such as `token.create`"),
        ("who" = Option<String>, Query, description = "Only of this principal"),
        ("from" = Option<String>, Query, description = "`from ≤ at`, RFC 3339"),
        ("to" = Option<String>, Query, description = "`at < to`"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = Page<ActView>), Problems))]
pub(crate) async fn list(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let ask = AccessAsk::Acts {
        action: p.text(&mut f, "action", 64),
        who: p.text(&mut f, "who", 64),
        from: p.time(&mut f, "from"),
        to: p.time(&mut f, "to"),
        limit: p.limit(&mut f),
        cursor: p.opaque(&mut f, "cursor"),
    };
    f.done()?;
    caller.must_be_person()?;
    let page: Page<Act> = ask::read(&gw.doors(&ask, LEDGER_BUDGET).await?, "no_ledger")?;
    let site = gw.site();
    let view = |a: Act| ActView {
        id: a.id.to_string(),
        at: site.rfc3339(a.at),
        who: a.who,
        name: a.name,
        role: a.role,
        address: a.address,
        action: a.action,
        target: a.target,
        status: a.status,
        result: a.result,
        detail: a.detail,
    };
    let items = page.items.into_iter().map(view).collect();
    Ok(ask::json(&Page { items, next_cursor: page.next_cursor }))
}
