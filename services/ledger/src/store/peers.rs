//! `p2p_sync_state`: when something last came through a peer. For display.

use ::writer::CameFrom;
use sqlx::PgConnection;

use super::StoreError;

/// Notes what came.
pub async fn note(conn: &mut PgConnection, came: &[CameFrom]) -> Result<(), StoreError> {
    if came.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into p2p_sync_state as p (peer_central_id, last_sync_timestamp, last_sync_time, updated_at, events_stored)
         select peer, newest, now(), now(), stored from unnest($1::text[], $2::int8[], $3::int8[]) as n(peer, newest, stored)
         on conflict (peer_central_id) do update
         set last_sync_timestamp = greatest(p.last_sync_timestamp, excluded.last_sync_timestamp),
             last_sync_time = excluded.last_sync_time, updated_at = excluded.updated_at,
             events_stored = p.events_stored + excluded.events_stored",
    )
    .bind(came.iter().map(|c| c.peer.as_str()).collect::<Vec<_>>())
    .bind(came.iter().map(|c| c.newest).collect::<Vec<_>>())
    .bind(came.iter().map(|c| c.stored).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
