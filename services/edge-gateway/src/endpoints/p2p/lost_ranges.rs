//! `GET, POST /api/p2p/lost-ranges`: ranges of the log that are known to exist and that nobody holds.

use axum::extract::{Request, State};
use serde::Deserialize;
use wire::bus::command::Command;
use wire::bus::query::{LedgerQuery, RangeState, SyncQuery};
use wire::http::{LostRange, LostRanges};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

use super::super::deed::Deed;
use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::fields::{Faults, Object};
use crate::gateway::Gateway;
use crate::openapi::{Problems, RangeConflict};
use crate::problem::{Answer, Refused};

/// The highest sequence number there can be.
const MAX_SEQ: i64 = i64::MAX - 1;

/// A range to close.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "documentation; the handler reads it field by field")]
pub(crate) struct LostRangeRequest {
    /// Origin of the lost events.
    central: String,
    /// Its incarnation, 32 hex digits, as `nowhere` in the sync state names it.
    incarnation: String,
    /// First sequence number.
    from: u64,
    /// Last sequence number.
    to: u64,
    /// Who.
    staff_id: String,
    /// Their PIN.
    pin: Option<String>,
    /// Why, at most 500 characters.
    reason: String,
}

/// Ranges operators closed
///
/// Newest first, each with what is still missing of it here.
#[utoipa::path(get, path = "/p2p/lost-ranges", tag = "mesh",
    responses((status = 200, description = "All of them", body = LostRanges), Problems))]
pub(crate) async fn get_lost_ranges(State(gw): State<Gateway>, caller: Caller) -> Answer {
    caller.must_be_person()?;
    Ok(ask::raw_json(200, gw.ledger(&LedgerQuery::LostRanges, LEDGER_BUDGET).await?))
}

/// Close a range that nobody holds
///
/// It counts as missing no more: no alarm, not in `unavailable` or `nowhere`. Recorded as an event and so told to all centrals. Nothing of the log
/// changes: should the events surface after all, they are taken, and the closing has no effect any more. 409 `range_held` while a
/// configured peer is known to hold some of it, connected or not, 409 `range_not_missing` where nothing of it is known to be missing here.
#[utoipa::path(post, path = "/p2p/lost-ranges", tag = "mesh", request_body = LostRangeRequest,
    responses((status = 200, description = "Closed", body = LostRange), RangeConflict, Problems))]
pub(crate) async fn post_lost_range(State(gw): State<Gateway>, caller: Caller, request: Request) -> Answer {
    let (deed, range) = Deed::read(caller, "/api/v1/p2p/lost-ranges", request, range).await?;
    let Some(range) = range else { return Err(Refused::new("internal", "a field was not read")) };
    let seen: RangeState = ask::read(&gw.sync(&SyncQuery::Range(range.clone())).await?, "no_sync")?;
    check(&range, &seen)?;
    deed.done(&gw, |staff| Command::LoseRange {
        range,
        staff_id: staff.id,
        pin: staff.pin,
        reason: staff.reason,
    })
    .await
}

fn range(f: &mut Faults, o: &Object<'_>) -> Option<SeqRange> {
    let central = o.needed_text(f, "central", 32).and_then(|s| {
        let read = CentralId::new(&s).ok();
        if read.is_none() {
            f.add("/central", "bad_characters", "must be the name of a central");
        }
        read
    });
    let incarnation = o.needed_text(f, "incarnation", 32).and_then(|s| {
        let hex = s.len() == 32 && s.bytes().all(|b| b.is_ascii_hexdigit());
        let read = u128::from_str_radix(&s, 16).ok().filter(|_| hex);
        if read.is_none() {
            f.add("/incarnation", "bad_characters", "must be 32 hex digits");
        }
        read.map(Incarnation)
    });
    let from = o.needed(f, "from").then(|| o.integer(f, "from", 1, MAX_SEQ)).flatten();
    let to = o.needed(f, "to").then(|| o.integer(f, "to", from.unwrap_or(1), MAX_SEQ)).flatten();
    let stream = StreamId { central: central?, incarnation: incarnation? };
    Some(SeqRange { stream, from: from?.unsigned_abs(), to: to?.unsigned_abs() })
}

/// Refuses what is not lost, as far as is known.
fn check(range: &SeqRange, seen: &RangeState) -> Result<(), Refused> {
    if !seen.holders.is_empty() {
        let names: Vec<&str> = seen.holders.iter().map(CentralId::as_str).collect();
        let detail = format!("connected peers hold some of it: {}; it is on its way", names.join(", "));
        return Err(Refused::new("range_held", detail));
    }
    if !seen.away.is_empty() {
        let names: Vec<&str> = seen.away.iter().map(CentralId::as_str).collect();
        let detail = format!(
            "{} held some of it when last heard of: bring it back, or take it out of the configuration when it is gone for good",
            names.join(", ")
        );
        return Err(Refused::new("range_held", detail));
    }
    if seen.known < range.len() {
        let detail = format!("of {} positions, {} are known to be missing here", range.len(), seen.known);
        return Err(Refused::new("range_not_missing", detail));
    }
    Ok(())
}
