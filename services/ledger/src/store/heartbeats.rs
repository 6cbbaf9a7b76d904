//! What lanes last said of themselves.

use sqlx::{PgConnection, Row};
use wire::bus::lanes::{LaneHeard, LanesHeard};

use super::{StoreError, text};

/// Every lane's.
pub async fn load(conn: &mut PgConnection) -> Result<LanesHeard, StoreError> {
    let rows = sqlx::query("select state from lane_heartbeats order by edge_id").fetch_all(conn).await?;
    let mut lanes = Vec::with_capacity(rows.len());
    for row in rows {
        // What another release wrote is as good as never heard.
        lanes.extend(serde_json::from_str::<LaneHeard>(row.try_get(0)?).ok());
    }
    Ok(LanesHeard { lanes })
}

/// Keeps what is newer than what is there.
pub async fn save(conn: &mut PgConnection, heard: &LanesHeard) -> Result<(), StoreError> {
    if heard.lanes.is_empty() {
        return Ok(());
    }
    let mut states = Vec::with_capacity(heard.lanes.len());
    for lane in &heard.lanes {
        let state = serde_json::to_string(lane).map_err(|e| StoreError::Damaged(e.to_string()))?;
        states.push(text(&state));
    }
    sqlx::query(
        "insert into lane_heartbeats (edge_id, heard_at, state)
         select * from unnest($1::text[], $2::int8[], $3::text[])
         on conflict (edge_id) do update set heard_at = excluded.heard_at, state = excluded.state
         where lane_heartbeats.heard_at < excluded.heard_at",
    )
    .bind(heard.lanes.iter().map(|l| text(&l.edge_id)).collect::<Vec<_>>())
    .bind(heard.lanes.iter().map(|l| l.heard_at).collect::<Vec<_>>())
    .bind(states)
    .execute(conn)
    .await?;
    Ok(())
}
