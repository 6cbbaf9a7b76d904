//! `GET /api/parking/sessions/{event_id}`: one session with its story.

use axum::extract::{Path, State};
use tokio::time::Duration;
use wire::bus::query::{LedgerQuery, QueryReply, SyncQuery};
use wire::bus::subject::SYNC_QUERY;
use wire::http::SessionDetail;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use crate::ask::{self, LEDGER_BUDGET};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::lane_request::MAX_EVENT_ID;
use crate::openapi::Problems;
use crate::problem::{Answer, Refused};

/// `held_by` is an extra: it must not make the session slow.
const HOLDERS_BUDGET: Duration = Duration::from_millis(300);
/// Positions asked for at once.
const MAX_POSITIONS: usize = 500;

/// One session with its story
///
/// Its events, conflicts, the fee's lines, and on how many centrals it is durable (null while that is not known).
#[utoipa::path(get, path = "/parking/sessions/{event_id}", tag = "parking",
    params(("event_id" = String, Path, description = "Readable alias, such as central-1_1733140800000_29A12345")),
    responses((status = 200, description = "The session", body = SessionDetail), Problems))]
pub(crate) async fn session(
    State(gw): State<Gateway>,
    caller: Caller,
    event_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Answer {
    caller.must_be_person()?;
    let event_id = checked(event_id)?;
    let raw = gw.ledger(&LedgerQuery::Session { event_id }, LEDGER_BUDGET).await?;
    let mut detail: SessionDetail = ask::read(&raw, "no_ledger")?;
    fill_holders(&gw, &mut detail).await;
    Ok(ask::json(&detail))
}

/// The session of a path. Errors: 404 `unknown_session` for what can be no event id.
pub(crate) fn checked(
    event_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<String, Refused> {
    match event_id {
        Ok(Path(id)) if id.chars().count() <= MAX_EVENT_ID && !id.contains('\0') => Ok(id),
        _ => Err(Refused::new("unknown_session", "no such session here")),
    }
}

/// Reads `central/incarnation/seq`.
fn position(text: &str) -> Option<Position> {
    let mut parts = text.split('/');
    let (central, incarnation, seq) = (parts.next()?, parts.next()?, parts.next()?);
    let stream = StreamId {
        central: CentralId::new(central).ok()?,
        incarnation: Incarnation(u128::from_str_radix(incarnation, 16).ok()?),
    };
    Some(Position { stream, seq: seq.parse().ok()? })
}

/// Asks sync on how many centrals each event is durable. Without an answer the numbers stay null.
async fn fill_holders(gw: &Gateway, detail: &mut SessionDetail) {
    let Some(positions) = detail.events.iter().map(|e| position(&e.position)).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    if positions.is_empty() || positions.len() > MAX_POSITIONS {
        return;
    }
    let asked = SyncQuery::Holders(positions);
    let reply = gw.bus().request_json::<_, QueryReply>(SYNC_QUERY, &asked, HOLDERS_BUDGET).await;
    let Ok(QueryReply::Ok(raw)) = reply else { return };
    let Ok(counts) = serde_json::from_str::<Vec<u32>>(raw.get()) else { return };
    if counts.len() != detail.events.len() {
        return;
    }
    detail.held_by = counts.iter().copied().min();
    for (e, n) in detail.events.iter_mut().zip(counts) {
        e.held_by = Some(n);
    }
}
