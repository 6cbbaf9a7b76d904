//! `GET /api/parking/sessions/{event_id}`

use parking::fact::Fact;
use parking::history::{EventRef, HistoryRow, Projection};
use parking::view::View;
use sqlx::Row;
use wire::hash::PlateTag;
use wire::http::{EventView, Problem, SessionDetail};

use super::{NoAnswer, Reader, vehicles};

/// Finds a session by its alias, or by one an exit's answer gave.
pub(super) async fn find(reader: &Reader, event_id: &str) -> Result<SessionDetail, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let mut tags: Vec<PlateTag> = reader.shared.tag_of_alias(event_id).into_iter().collect();
    let row = sqlx::query("select plate_tag from history where event_id = $1")
        .bind(crate::store::text(event_id))
        .fetch_optional(&mut *conn)
        .await?;
    tags.extend(row.and_then(|r| r.try_get(0).ok().and_then(PlateTag::from_slice)));
    let (world, projection) = vehicles(&mut conn, &tags).await?;
    let Some(row) = projection.row_named(event_id) else {
        return Err(
            Problem::new(404, "unknown_session", "No such session", "no session has this event_id").into()
        );
    };
    Ok(detail(row, &projection, world.facts_of(row.plate_tag), &reader.shared.view()))
}

/// A session with its story. `facts` holds at least its events.
pub fn detail(row: &HistoryRow, projection: &Projection, facts: &[Fact], view: &View) -> SessionDetail {
    let find = |e: &EventRef| facts.iter().find(|f| f.hash == e.hash);
    let events = row
        .events
        .iter()
        .map(|e| {
            let fact = find(e);
            EventView {
                kind: fact.map_or_else(|| "UNKNOWN".to_owned(), |f| f.kind().to_string()),
                position: e.position.to_string(),
                hash: e.hash.to_string(),
                central: e.position.stream.central.to_string(),
                edge_id: fact.and_then(|f| crate::event::lane_and_fee(f).0),
                occurred_at: view.time(fact.map_or(row.received_at, |f| f.header.occurred_at)),
                held_by: None,
            }
        })
        .collect();
    SessionDetail {
        session: view.session(row),
        events,
        conflicts: projection.conflicts_of(row).map(|c| view.conflict(c)).collect(),
        fee_lines: view.fee_lines(&row.fee_lines),
        held_by: None,
    }
}
