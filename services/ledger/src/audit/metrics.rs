//! Few figures, for the dashboard.

use opentelemetry::metrics::{Counter, Gauge};

/// The audit's figures.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    open: Gauge<u64>,
    found: Counter<u64>,
    repaired: Counter<u64>,
    diverged: Gauge<u64>,
    events: Gauge<u64>,
    pass_ms: Gauge<u64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let meter = kit::meter(kit::Role::Ledger);
        let made = Self {
            open: meter
                .u64_gauge("parkmesh_audit_open_findings")
                .with_description("Rows that are not what was written, not yet repaired")
                .build(),
            found: meter
                .u64_counter("parkmesh_audit_findings")
                .with_description("Rows found that were not what was written")
                .build(),
            repaired: meter.u64_counter("parkmesh_audit_repairs").with_description("Rows repaired").build(),
            diverged: meter
                .u64_gauge("parkmesh_audit_diverged")
                .with_description("Pairs of origin and peer whose sums differ over the same positions")
                .build(),
            events: meter
                .u64_gauge("parkmesh_audit_events")
                .with_description("Events counted from their bytes")
                .build(),
            pass_ms: meter
                .u64_gauge("parkmesh_audit_pass_ms")
                .with_description("How long the last pass over the last two days took")
                .build(),
        };
        // A counter that begins with its first finding hides just this one from every rate.
        made.found(0);
        made.repaired(0);
        made
    }

    pub(super) fn found(&self, n: usize) {
        self.found.add(n as u64, &[]);
    }

    pub(super) fn repaired(&self, n: usize) {
        self.repaired.add(n as u64, &[]);
    }

    pub(super) fn pass(&self, ms: u64, events: u64, open: usize, diverged: usize) {
        self.pass_ms.record(ms, &[]);
        self.events.record(events, &[]);
        self.open.record(open as u64, &[]);
        self.diverged.record(diverged as u64, &[]);
    }
}
