//! `GET /api/parking/sessions/{event_id}`

use sqlx::Row;
use wire::hash::PlateTag;
use wire::http::{Problem, SessionDetail};

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
    Ok(reader.shared.view().detail(row, &projection, world.facts_of(row.plate_tag)))
}
