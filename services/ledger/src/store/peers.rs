//! `p2p_sync_state`: when something last came through a peer. For display.

use ::writer::CameFrom;
use sqlx::{PgConnection, Row};
use wire::bus::query::PeerTimes;
use wire::id::CentralId;

use super::StoreError;
use super::parameters::{Places, Values};

/// Notes what came.
pub(super) fn note_sql(p: &mut Places) -> String {
    format!(
        "insert into p2p_sync_state as p (peer_central_id, last_sync_timestamp, last_sync_time, updated_at, events_stored)
         select peer, newest, now(), now(), stored from {}
         where exists (select from advanced)
         on conflict (peer_central_id) do update
         set last_sync_timestamp = greatest(p.last_sync_timestamp, excluded.last_sync_timestamp),
             last_sync_time = excluded.last_sync_time, updated_at = excluded.updated_at,
             events_stored = p.events_stored + excluded.events_stored",
        p.rows(&[("peer", "text"), ("newest", "int8"), ("stored", "int8")])
    )
}

pub(super) fn note_values(v: &mut Values, came: &[CameFrom]) -> Result<(), StoreError> {
    v.column(came.iter().map(|c| c.peer.as_str()))?;
    v.column(came.iter().map(|c| c.newest))?;
    v.column(came.iter().map(|c| c.stored))
}

/// When something last came through each peer.
pub async fn times(conn: &mut PgConnection) -> Result<Vec<PeerTimes>, StoreError> {
    let rows = sqlx::query(
        "select peer_central_id, (extract(epoch from last_sync_time) * 1000)::int8 from p2p_sync_state
         where last_sync_time is not null",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            let peer = CentralId::new(r.try_get::<&str, _>(0)?)
                .map_err(|_| StoreError::Damaged("p2p_sync_state.peer_central_id".to_owned()))?;
            Ok(PeerTimes { peer, last_sync_at: r.try_get(1)? })
        })
        .collect()
}
