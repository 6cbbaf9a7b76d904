//! `GET /api/parking/conflicts`

use parking::history::ConflictRow;
use sqlx::Row;
use wire::hash::Hash32;
use wire::http::{Conflict, Page};

use super::{NoAnswer, Reader, bad_field, cursor};
use crate::store::StoreError;

/// One page, newest first.
pub(super) async fn page(
    reader: &Reader,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<Conflict>, NoAnswer> {
    let limit = i64::from(limit.clamp(1, 500));
    let (at, id) = match after.map(cursor::read).transpose()? {
        Some((at, id)) => {
            let id: Hash32 = id
                .parse()
                .map_err(|_| bad_field("cursor", "invalid_value", "must be a next_cursor of this central"))?;
            (Some(at), Some(id.0))
        }
        None => (None, None),
    };
    let rows = sqlx::query(
        "select body, detected_at, id from conflicts
         where ($1::int8 is null or (detected_at, id) < ($1, $2::bytea))
         order by detected_at desc, id desc limit $3",
    )
    .bind(at)
    .bind(id)
    .bind(limit + 1)
    .fetch_all(&reader.pool)
    .await?;
    let view = reader.shared.view();
    let mut items = Vec::with_capacity(rows.len());
    let mut next_cursor = None;
    for (i, r) in rows.iter().take(limit as usize).enumerate() {
        let row: ConflictRow = serde_json::from_str(r.try_get(0)?)
            .map_err(|e| StoreError::Damaged(format!("conflicts.body: {e}")))?;
        items.push(view.conflict(&row));
        if i as i64 == limit - 1 && rows.len() as i64 > limit {
            next_cursor = Some(cursor::write(r.try_get(1)?, &row.id.to_string()));
        }
    }
    Ok(Page { items, next_cursor })
}
