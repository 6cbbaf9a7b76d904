//! The ledger's part of the status.

use std::sync::Arc;

use replication::positions::Positions;
use sqlx::{PgConnection, Row};
use tokio::sync::Mutex;
use wire::bus::query::{LedgerIdentity, LedgerStatus};

use super::{NoAnswer, Reader, forks};
use crate::store::{StoreError, streams};

/// Digest and counts, for a number of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    changes: u64,
    /// Hex SHA-256 over the sorted row hashes of history, then of conflicts.
    pub digest: String,
    /// Rows of history.
    pub history_rows: u64,
    /// Rows of conflicts.
    pub conflict_rows: u64,
}

/// The last digest; computed once per change however many ask.
pub type DigestCache = Arc<Mutex<Option<Digest>>>;

/// Computes the digest from the tables, in one statement and so of one moment.
pub async fn digest(conn: &mut PgConnection) -> Result<Digest, StoreError> {
    let row = sqlx::query(
        "select encode(sha256(coalesce(string_agg(row_hash, ''::bytea order by part, row_hash), ''::bytea)), 'hex'),
                count(*) filter (where part = 1), count(*) filter (where part = 2)
         from (select 1 as part, row_hash from history union all select 2, row_hash from conflicts) rows",
    )
    .fetch_one(conn)
    .await?;
    Ok(Digest {
        changes: 0,
        digest: row.try_get(0)?,
        history_rows: row.try_get::<i64, _>(1)? as u64,
        conflict_rows: row.try_get::<i64, _>(2)? as u64,
    })
}

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
    let digest = {
        let mut kept = reader.digest.lock().await;
        // Read before the tables: a change in between only makes the next question compute again.
        let changes = reader.writer.borrow().changes;
        match &*kept {
            Some(d) if d.changes == changes => d.clone(),
            _ => {
                let d = Digest { changes, ..digest(&mut conn).await? };
                *kept = Some(d.clone());
                d
            }
        }
    };
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
