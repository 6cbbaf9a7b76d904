//! The ledger's part of the status.

use parking::decision::WATCHED;
use replication::positions::Positions;
use sqlx::{PgConnection, Row};
use wire::alarm::{AlarmCode, AlarmNow};
use wire::bus::query::{LedgerIdentity, LedgerStatus};

use super::{NoAnswer, Reader, forks};
use crate::store::{StoreError, streams};

/// Which ledger this is. From memory: mesh asks every few seconds.
pub(super) fn identity(reader: &Reader) -> LedgerIdentity {
    LedgerIdentity {
        process: reader.process.to_string(),
        writer: reader.writer.borrow().writing,
        projection_version: parking::history::PROJECTION_VERSION,
    }
}

/// Vehicles of the watch list that are inside: where each is, and since when the newest.
async fn watched(conn: &mut PgConnection) -> Result<Option<AlarmNow>, StoreError> {
    let rows = sqlx::query(
        "select source_central, lot_id, count(*), max(entry_time) from history
         where status in ('PENDING', 'INSIDE') and flags @> array[$1] group by 1, 2 order by 1, 2",
    )
    .bind(WATCHED)
    .fetch_all(conn)
    .await?;
    let (mut since, mut places) = (0, Vec::new());
    for r in rows {
        let (central, lot, n): (String, Option<String>, i64) = (r.try_get(0)?, r.try_get(1)?, r.try_get(2)?);
        since = since.max(r.try_get::<Option<i64>, _>(3)?.unwrap_or(0));
        let lot = lot.map(|l| format!(" ({l})")).unwrap_or_default();
        places.push(format!("{n} that entered at {central}{lot}"));
    }
    let detail = format!("vehicles of the watch list are inside: {}", places.join(", "));
    let alarm = AlarmNow { code: AlarmCode::WatchedVehicle, since, peer: None, detail };
    Ok((!places.is_empty()).then_some(alarm))
}

/// The status now.
pub(super) async fn now(reader: &Reader) -> Result<LedgerStatus, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let digest = reader.digests.now(&mut conn).await?;
    let mut positions = Positions::new();
    let mut numbers = Vec::new();
    for (number, h) in streams::load_all(&mut conn).await? {
        if !h.forks.is_empty() {
            numbers.push((number, h.stream.clone()));
        }
        positions.set(h);
    }
    let mut alarms = forks::alarms(&mut conn, &positions, &numbers).await?;
    alarms.extend(reader.audit.alarms());
    alarms.extend(reader.writer.borrow().trouble.and_then(|t| t.alarm()));
    alarms.extend(reader.disk.borrow().iter().cloned());
    let reference = crate::store::reference::newest_ids(&mut conn).await?;
    alarms.extend(watched(&mut conn).await?);
    Ok(LedgerStatus {
        process: reader.process.to_string(),
        writer: reader.writer.borrow().writing,
        digest: digest.digest,
        positions_digest: positions.digest(),
        projection_version: parking::history::PROJECTION_VERSION,
        history_rows: digest.history_rows,
        conflict_rows: digest.conflict_rows,
        events: positions.held(),
        alarms,
        reference,
    })
}
