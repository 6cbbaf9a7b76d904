//! What decisions look up: rate tables, staff, passes; their versions, where they come from and what is wrong with them.

pub(crate) mod origin;
pub(crate) mod rate_tables;
pub(crate) mod staff;
pub(crate) mod subscriptions;

use axum::http::Uri;
use serde_json::Value;
use wire::bus::query::{LedgerQuery, SyncQuery};
use wire::bus::reference::SyncReference;
use wire::http::ReferencePage;
use wire::reference::DocumentKind;

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::Faults;
use crate::gateway::Gateway;
use crate::params::Params;
use crate::problem::Answer;

/// One page: the ledger's document, and what sync knows of its origin.
async fn page(gw: Gateway, caller: Caller, uri: &Uri, document: DocumentKind) -> Answer {
    let p = Params::of(uri);
    let mut f = Faults::default();
    let limit = u32::try_from(p.integer(&mut f, "limit", 1, 500, 500)).unwrap_or(500);
    let query = LedgerQuery::Reference { document, limit, cursor: p.opaque(&mut f, "cursor") };
    f.done()?;
    caller.must_be_person()?;
    let (ledger, sync) = tokio::join!(gw.ledger(&query, LEDGER_BUDGET), gw.sync(&SyncQuery::Reference));
    let mut page: ReferencePage<Value> = ask::read(&ledger?, "no_ledger")?;
    let sync: Option<SyncReference> = sync.ok().and_then(|b| ask::read(&b, "no_sync").ok());
    if let Some(sync) = sync {
        origin::add(&mut page, &sync, &gw.site());
    }
    Ok(ask::json(&page))
}
