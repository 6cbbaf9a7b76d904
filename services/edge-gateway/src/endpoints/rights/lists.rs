//! `/api/rights/lists`: allow, watch, block.

use axum::extract::{Request, State};
use axum::http::Uri;
use wire::bus::command::RegisterChange;
use wire::bus::query::LedgerQuery;
use wire::event::ListKind;
use wire::http::{ListEntries, ListEntryRequest, ListEntryView};

use super::super::register;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::params::Params;
use crate::problem::Answer;

const KINDS: [&str; 3] = ["allow", "watch", "block"];

fn kind_of(name: &str) -> ListKind {
    match name {
        "allow" => ListKind::Allow,
        "block" => ListKind::Block,
        _ => ListKind::Watch,
    }
}

/// Entries of the lists
///
/// `allow` comes in without being asked, `watch` comes in and is an alarm while it is inside, `block` is denied at entries until staff let
/// it in, and never held inside. Every central has the same lists.
#[utoipa::path(get, path = "/rights/lists", tag = "rights",
    params(
        ("kind" = Option<ListKind>, Query, description = "Of one list"),
        ("plate" = Option<String>, Query, description = "Of one vehicle, in any writing"),
        ("reason" = Option<String>, Query, description = "Why a person searches for a plate: kept in the audit log with who asked"),
        ("all" = Option<bool>, Query, description = "Those that ended or ran out, too"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page, by id", body = ListEntries), Problems))]
pub(crate) async fn get(State(gw): State<Gateway>, caller: Caller, uri: Uri) -> Answer {
    let p = Params::of(&uri);
    let mut f = Faults::default();
    let kind = p.typed(&mut f, "kind").map(str::to_owned);
    let query = LedgerQuery::Lists {
        kind: kind.and_then(|k| f.one_of("/kind", &k, &KINDS)).map(kind_of),
        plate: p.plate(&mut f, "plate"),
        all: p.flag(&mut f, "all"),
        limit: p.limit(&mut f),
        cursor: p.opaque(&mut f, "cursor"),
    };
    f.done()?;
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&query, LEDGER_BUDGET).await?))
}

/// Put a vehicle on a list, change an entry, or end it
///
/// It becomes an event; all centrals have it as soon as it reaches them. With the `id` of an entry that entry is replaced.
#[utoipa::path(post, path = "/rights/lists", tag = "rights", request_body = ListEntryRequest,
    responses((status = 200, description = "The entry", body = ListEntryView), Problems))]
pub(crate) async fn post(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    register::change(gw, caller, "/api/v1/rights/lists", request, read).await
}

fn read(f: &mut Faults, o: &Object<'_>) -> Option<RegisterChange> {
    let id = o.text(f, "id", 64);
    let kind = o.needed(f, "kind").then(|| o.one_of(f, "kind", &KINDS)).flatten();
    let plate = o.plate(f, "plate");
    let lots = register::lots(f, o);
    let (valid_from, valid_to) = (o.time(f, "valid_from"), o.time(f, "valid_to"));
    let ended = o.boolean(f, "ended").unwrap_or(false);
    Some(RegisterChange::ListEntry {
        id,
        kind: kind_of(kind?),
        plate: plate?,
        lots,
        valid_from,
        valid_to,
        ended,
    })
}
