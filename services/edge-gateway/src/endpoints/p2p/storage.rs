//! `GET /api/p2p/storage`: what the disk holds, until when it lasts, and what peers still need of it.

use axum::extract::State;
use wire::bus::query::{LedgerQuery, SyncQuery};
use wire::http::{SpreadView, Storage, StorageView};

use crate::ask::{self, PART_BUDGET};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::openapi::Problems;
use crate::problem::Answer;

/// What the disk holds, and until when it lasts
///
/// `disk` is the ledger's, `spread` sync's; a service that does not answer leaves its part null. Bytes are those of the files of the
/// tables. The forecast goes by the events of this month and the one before.
#[utoipa::path(get, path = "/p2p/storage", tag = "mesh",
    responses((status = 200, description = "The disk", body = Storage), Problems))]
pub(crate) async fn storage(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    let (disk, spread) =
        tokio::join!(gw.ledger(&LedgerQuery::Storage, PART_BUDGET), gw.sync(&SyncQuery::Spread));
    let disk: Option<StorageView> = disk.ok().and_then(|b| ask::read(&b, "no_ledger").ok());
    let spread: Option<Option<SpreadView>> = spread.ok().and_then(|b| ask::read(&b, "no_sync").ok());
    Ok(ask::json(&Storage { disk, spread: spread.flatten() }))
}
