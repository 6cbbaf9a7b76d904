//! What the writer counts. Never a plate or an event in a label.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use parking::history::ConflictKind;

/// Bounds of a transaction's time, s: a good disk takes a millisecond, a poor one ten.
const COMMIT_SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Bounds of the way from commit to commit, s: some milliseconds, or whatever a clock is off.
const ARRIVAL_SECONDS: [f64; 11] = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// See the module.
#[derive(Debug)]
pub(super) struct Metrics {
    commit_seconds: Histogram<f64>,
    arrival_seconds: Histogram<f64>,
    waiting: Gauge<u64>,
    conflicts: Counter<u64>,
}

impl Metrics {
    /// Registers them.
    pub(super) fn new() -> Self {
        let meter = kit::meter(kit::Role::Ledger);
        Self {
            commit_seconds: meter
                .f64_histogram("parkmesh_ledger_commit_seconds")
                .with_unit("s")
                .with_description("Time of one transaction of the writer, from begin to commit")
                .with_boundaries(COMMIT_SECONDS.to_vec())
                .build(),
            arrival_seconds: meter
                .f64_histogram("parkmesh_ledger_arrival_seconds")
                .with_unit("s")
                .with_description(
                    "From the commit at the origin to the commit here, of live events, by both clocks",
                )
                .with_boundaries(ARRIVAL_SECONDS.to_vec())
                .build(),
            waiting: meter
                .u64_gauge("parkmesh_ledger_queue_jobs")
                .with_description(
                    "Jobs waiting for the writer, by queue: commands, live messages, catch-up pages",
                )
                .build(),
            conflicts: meter
                .u64_counter("parkmesh_ledger_conflicts")
                .with_description("Conflicts that were not there before, by kind")
                .build(),
        }
    }

    /// A transaction took so long, s.
    pub(super) fn committed(&self, seconds: f64) {
        self.commit_seconds.record(seconds, &[]);
    }

    /// Live events are committed at `now`, ms; their origins committed them then.
    pub(super) fn arrived(&self, now: i64, committed_at: &[i64]) {
        for at in committed_at {
            self.arrival_seconds.record(now.saturating_sub(*at).max(0) as f64 / 1000.0, &[]);
        }
    }

    /// What waits: commands, live messages, catch-up pages.
    pub(super) fn waiting(&self, jobs: [usize; 3]) {
        for (queue, n) in ["commands", "live", "backlog"].into_iter().zip(jobs) {
            self.waiting.record(n as u64, &[KeyValue::new("queue", queue)]);
        }
    }

    /// Conflicts that are new.
    pub(super) fn conflicts(&self, new: &[ConflictKind]) {
        for kind in new {
            self.conflicts.add(1, &[KeyValue::new("kind", kind.as_str())]);
        }
    }
}
