//! The disk: what the tables take, how they grow, and the alarm before the budget is used up.

use std::time::Duration;

use kit::{Settings, Shutdown};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Gauge;
use replication::keeping::{Forecast, Growth, Month, MonthSize};
use sqlx::{PgConnection, PgPool, Row};
use tokio::sync::watch;
use wire::alarm::{AlarmCode, AlarmNow};

use crate::store::StoreError;
use crate::writer::WriterStatus;

/// How often the disk is looked at for alarm and metrics.
const LOOK: Duration = Duration::from_secs(60);
/// Fewer days left than this raise the alarm.
const SHORT_DAYS: f64 = 30.0;

/// What the disk is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// `DISK_BUDGET_BYTES`.
    pub bytes: Option<u64>,
    /// `KEEP_DAYS`.
    pub keep_days: u32,
}

impl Budget {
    /// As the environment says.
    pub fn of(settings: &Settings) -> Self {
        Self { bytes: settings.disk_budget_bytes, keep_days: settings.keep_days }
    }
}

/// What one month takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthOnDisk {
    /// The month.
    pub month: Month,
    /// Events filed under it.
    pub events: u64,
    /// Bytes of the events.
    pub bytes: u64,
    /// Bytes of their indexes.
    pub index_bytes: u64,
}

/// What the tables take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// The whole database, bytes.
    pub database: u64,
    /// History with its indexes, bytes.
    pub history: u64,
    /// Conflicts with their indexes, bytes.
    pub conflicts: u64,
    /// When this central's log began, ms.
    pub since: Option<i64>,
    /// By month, oldest first.
    pub months: Vec<MonthOnDisk>,
}

impl Disk {
    /// Reads the sizes: of files and counts that are kept, nothing is counted anew.
    pub async fn read(conn: &mut PgConnection) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "select pg_database_size(current_database()), pg_total_relation_size('history'), pg_total_relation_size('conflicts'),
                    (select min(started_at) from log_epochs)",
        )
        .fetch_one(&mut *conn)
        .await?;
        let bytes = |i: usize| -> Result<u64, sqlx::Error> { Ok(row.try_get::<i64, _>(i)?.unsigned_abs()) };
        let mut disk = Self {
            database: bytes(0)?,
            history: bytes(1)?,
            conflicts: bytes(2)?,
            since: row.try_get(3)?,
            months: Vec::new(),
        };
        let rows = sqlx::query(
            "select m.month, coalesce((select sum(events) from stream_months s where s.month = m.month), 0)::int8,
                    pg_table_size(m.part), pg_indexes_size(m.part)
             from (select substring(c.relname from '^events_m([0-9]+)$')::int4 as month, c.oid::regclass as part
                   from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'events'::regclass) m
             where m.month is not null order by m.month",
        )
        .fetch_all(conn)
        .await?;
        for r in rows {
            let n = |i: usize| -> Result<u64, sqlx::Error> { Ok(r.try_get::<i64, _>(i)?.unsigned_abs()) };
            disk.months.push(MonthOnDisk {
                month: r.try_get(0)?,
                events: n(1)?,
                bytes: n(2)?,
                index_bytes: n(3)?,
            });
        }
        Ok(disk)
    }

    /// Bytes of neither events nor rows.
    pub fn other(&self) -> u64 {
        self.database.saturating_sub(self.growing())
    }

    /// Bytes of all that grows with events.
    fn growing(&self) -> u64 {
        let months: u64 = self.months.iter().map(|m| m.bytes + m.index_bytes).sum();
        months + self.history + self.conflicts
    }

    /// How it grows, and what comes of it.
    pub fn outlook(&self, budget: Budget, now: i64) -> (Growth, Forecast) {
        let size =
            |m: &MonthOnDisk| MonthSize { month: m.month, events: m.events, bytes: m.bytes + m.index_bytes };
        let months: Vec<MonthSize> = self.months.iter().map(size).collect();
        let growth = Growth::of(&months, self.growing(), self.since.unwrap_or(now), now);
        let forecast = Forecast::of(&months, growth, self.database, budget.bytes, budget.keep_days, now);
        (growth, forecast)
    }
}

/// The alarm of a disk that will be full soon.
fn alarm(disk: &Disk, budget: Budget, forecast: &Forecast, since: i64) -> AlarmNow {
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let days = forecast.days_left.unwrap_or_default().floor();
    AlarmNow {
        code: AlarmCode::DiskBudget,
        since,
        peer: None,
        detail: format!(
            "the database takes {:.2} GB of its budget of {:.2} GB: {days:.0} days are left as it grows now; keeping {} days takes {:.2} GB",
            gb(disk.database),
            gb(budget.bytes.unwrap_or_default()),
            budget.keep_days,
            gb(forecast.long_run_bytes)
        ),
    }
}

struct Metrics {
    bytes: Gauge<u64>,
    days_left: Gauge<f64>,
    per_day: Gauge<f64>,
}

impl Metrics {
    fn new() -> Self {
        let meter = kit::meter(kit::Role::Ledger);
        Self {
            bytes: meter
                .u64_gauge("parkmesh_ledger_disk_bytes")
                .with_description("Bytes of the database, by what they hold")
                .build(),
            days_left: meter
                .f64_gauge("parkmesh_ledger_disk_days_left")
                .with_description("Days until DISK_BUDGET_BYTES is used up, as things are growing")
                .build(),
            per_day: meter
                .f64_gauge("parkmesh_ledger_events_per_day")
                .with_description("Events stored per day, this month and the one before")
                .build(),
        }
    }

    fn tell(&self, disk: &Disk, growth: Growth, forecast: &Forecast) {
        let events = disk.months.iter().map(|m| m.bytes).sum();
        let indexes = disk.months.iter().map(|m| m.index_bytes).sum();
        let parts = [("events", events), ("indexes", indexes), ("history", disk.history)];
        for (what, bytes) in parts.into_iter().chain([("conflicts", disk.conflicts), ("other", disk.other())])
        {
            self.bytes.record(bytes, &[KeyValue::new("what", what)]);
        }
        if let Some(days) = forecast.days_left {
            self.days_left.record(days, &[]);
        }
        self.per_day.record(growth.events_per_day, &[]);
    }
}

/// Looks at the disk now and then, for the alarm and the metrics.
pub fn watch_disk(
    pool: PgPool,
    budget: Budget,
    mut writer: watch::Receiver<WriterStatus>,
    shutdown: &Shutdown,
) -> watch::Receiver<Vec<AlarmNow>> {
    let (tell, told) = watch::channel(Vec::new());
    let token = shutdown.token();
    shutdown.spawn("disk", async move {
        // The tables exist from the first time the writer was here.
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            seen = writer.wait_for(|w| w.writing) => { seen?; }
        }
        let metrics = Metrics::new();
        let mut since = None;
        loop {
            let looked = async {
                let mut conn = pool.acquire().await?;
                Disk::read(&mut conn).await
            };
            match looked.await {
                Ok(disk) => {
                    let now = kit::clock::now_ms();
                    let (growth, forecast) = disk.outlook(budget, now);
                    metrics.tell(&disk, growth, &forecast);
                    since = forecast.is_short(SHORT_DAYS).then(|| since.unwrap_or(now));
                    let alarms: Vec<AlarmNow> =
                        since.map(|s| alarm(&disk, budget, &forecast, s)).into_iter().collect();
                    if let (Some(a), true) = (alarms.first(), tell.borrow().is_empty()) {
                        tracing::error!(detail = %a.detail, "disk budget");
                    }
                    tell.send_replace(alarms);
                }
                Err(e) => tracing::debug!(error = %e, "sizes could not be read"),
            }
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_used_up_within_a_month_raises_the_alarm() {
        // 2026-11-22T08:00:00Z; month 323 is this one.
        let now = 1_795_334_400_000;
        let month = |month, events: u64| MonthOnDisk {
            month,
            events,
            bytes: events * 700,
            index_bytes: events * 300,
        };
        let disk = Disk {
            database: 9_000_000_000,
            history: 1_000_000_000,
            conflicts: 0,
            since: Some(0),
            months: vec![month(0, 0), month(320, 1_000_000), month(322, 3_100_000), month(323, 2_133_333)],
        };
        let (growth, forecast) = disk.outlook(Budget { bytes: Some(12_000_000_000), keep_days: 400 }, now);
        assert!((growth.events_per_day - 100_000.0).abs() < 10.0, "{growth:?}");
        let days = forecast.days_left.unwrap();
        assert!((25.0..26.0).contains(&days) && forecast.is_short(SHORT_DAYS), "{days}");
        let a = alarm(&disk, Budget { bytes: Some(12_000_000_000), keep_days: 400 }, &forecast, 7);
        assert_eq!((a.code, a.since), (AlarmCode::DiskBudget, 7));
        assert!(a.detail.contains("12.00 GB") && a.detail.contains("25 days"), "{}", a.detail);
        let (_, enough) = disk.outlook(Budget { bytes: Some(13_000_000_000), keep_days: 400 }, now);
        assert!(!enough.is_short(SHORT_DAYS), "{enough:?}");
        let (_, none) = disk.outlook(Budget { bytes: None, keep_days: 400 }, now);
        assert!(!none.is_short(SHORT_DAYS));
    }
}
