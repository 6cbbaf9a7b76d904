//! The ledger's part of `GET /api/p2p/storage`.

use replication::keeping::month_name;
use wire::http::{MonthView, StorageView};

use super::{NoAnswer, Reader};
use crate::storage::Disk;

/// What the disk holds now.
pub(super) async fn view(reader: &Reader) -> Result<StorageView, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let now = kit::clock::now_ms();
    let disk = Disk::read(&mut conn).await?;
    let (growth, forecast) = disk.outlook(reader.budget, now);
    Ok(StorageView {
        database_bytes: disk.database,
        budget_bytes: reader.budget.bytes,
        days_left: forecast.days_left.map(tenth),
        events: disk.months.iter().map(|m| m.events).sum(),
        events_per_day: tenth(growth.events_per_day),
        bytes_per_event: tenth(growth.bytes_per_event),
        history_bytes: disk.history,
        conflict_bytes: disk.conflicts,
        other_bytes: disk.other(),
        keep_days: reader.budget.keep_days,
        long_run_bytes: forecast.long_run_bytes,
        past_keeping_events: forecast.past_keeping.0,
        past_keeping_bytes: forecast.past_keeping.1,
        months: disk
            .months
            .iter()
            .map(|m| MonthView {
                month: month_name(m.month),
                events: m.events,
                bytes: m.bytes,
                index_bytes: m.index_bytes,
            })
            .collect(),
    })
}

fn tenth(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}
