//! Forks as alarms: two events at one position mean that a machine was copied with its memory.

use replication::positions::Positions;
use sqlx::{PgConnection, Row};
use wire::alarm::{AlarmCode, AlarmNow};
use wire::position::StreamId;

use crate::store::StoreError;

/// Forks named one by one; the last alarm counts the rest.
const NAMED: usize = 20;

/// An alarm per forked position, oldest streams first, with the time the second event came here.
pub(super) async fn alarms(
    conn: &mut PgConnection,
    positions: &Positions,
    numbers: &[(i32, StreamId)],
) -> Result<Vec<AlarmNow>, StoreError> {
    let mut all = Vec::new();
    for (number, stream) in numbers {
        let Some(held) = positions.get(stream) else { continue };
        // A single hash is a suspicion: what follows does not link, the other event is not here yet.
        let forked = held.forks().iter().filter(|(_, hashes)| hashes.len() > 1);
        all.extend(forked.map(|(seq, hashes)| (*number, stream, *seq, hashes.len())));
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let named = &all[..all.len().min(NAMED)];
    let rows = sqlx::query(
        "select e.stream, e.seq, min(e.received_at) from unnest($1::int4[], $2::int8[]) as w(stream, seq)
         join events e on e.stream = w.stream and e.seq = w.seq and e.branch > 0 group by e.stream, e.seq",
    )
    .bind(named.iter().map(|(number, ..)| *number).collect::<Vec<_>>())
    .bind(named.iter().map(|(_, _, seq, _)| *seq as i64).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let mut alarms = Vec::with_capacity(rows.len());
    for row in rows {
        let (number, seq): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        let found = named.iter().find(|(n, _, s, _)| (*n, *s as i64) == (number, seq));
        let Some((_, stream, seq, branches)) = found else { continue };
        let more = all.len().saturating_sub(NAMED);
        let others = if more > 0 { format!(" (and {more} more positions)") } else { String::new() };
        alarms.push(AlarmNow {
            code: AlarmCode::Fork,
            since: row.try_get(2)?,
            peer: None,
            detail: format!("{branches} events stand at {stream}/{seq}, all are kept{others}"),
        });
    }
    Ok(alarms)
}
