//! The ledger's part of the status.

use replication::positions::Positions;
use wire::bus::query::{LedgerIdentity, LedgerStatus};

use super::{NoAnswer, Reader, forks};
use crate::store::streams;

/// Which ledger this is. From memory: mesh asks every few seconds.
pub(super) fn identity(reader: &Reader) -> LedgerIdentity {
    LedgerIdentity {
        process: reader.process.to_string(),
        writer: reader.writer.borrow().writing,
        projection_version: parking::history::PROJECTION_VERSION,
    }
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
    let reference = crate::store::reference::newest_ids(&mut conn).await?;
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
