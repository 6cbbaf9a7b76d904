//! `GET /api/p2p/lost-ranges`: ranges operators closed, and what became of them.

use replication::positions::{Positions, missing_within};
use wire::event::Body;
use wire::http::{LostRanges, LostState};

use super::{NoAnswer, Reader};
use crate::store::{events, streams};

/// All of them, newest first. They are few: each is an operator's act.
pub(super) async fn all(reader: &Reader) -> Result<LostRanges, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let rows = sqlx::query(events::LOST_RANGES).fetch_all(&mut *conn).await?;
    if rows.is_empty() {
        return Ok(LostRanges::default());
    }
    let mut held = Positions::new();
    for (_, h) in streams::load_all(&mut conn).await? {
        held.set(h);
    }
    let view = reader.shared.view();
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let frame = events::frame(row, 0)?;
        // Poison and bodies of a later version say nothing that could be shown.
        let Ok(Some(Body::LostRange(lost))) = Body::of(&frame) else { continue };
        let (range, h) = (lost.range(), frame.header());
        let missing = missing_within(&range, held.get(&range.stream));
        let state = match missing {
            0 => LostState::Found,
            n if n == range.len() => LostState::Lost,
            _ => LostState::PartlyFound,
        };
        let mut item = view.lost_range(h.position.to_string(), h.occurred_at, &lost);
        (item.missing, item.state) = (Some(missing), Some(state));
        items.push(item);
    }
    Ok(LostRanges { items })
}
