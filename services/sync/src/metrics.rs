//! Few figures, for the dashboard.

use opentelemetry::metrics::{Counter, Gauge};

/// The service's figures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    missing: Gauge<u64>,
    applied: Counter<u64>,
    sent: Counter<u64>,
    stalled: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = kit::meter(kit::Role::Sync);
        Self {
            missing: meter
                .u64_gauge("parkmesh_sync_missing_events")
                .with_description("Events a connected peer holds that are missing here")
                .build(),
            applied: meter
                .u64_counter("parkmesh_sync_applied_events")
                .with_description("Events stored by way of catch-up")
                .build(),
            sent: meter
                .u64_counter("parkmesh_sync_sent_events")
                .with_description("Events sent to peers that asked for them")
                .build(),
            stalled: meter
                .u64_gauge("parkmesh_sync_stalled")
                .with_description("1 while something could be had and nothing moves")
                .build(),
        }
    }

    pub(crate) fn missing(&self, events: u64) {
        self.missing.record(events, &[]);
    }

    pub(crate) fn applied(&self, events: u64) {
        self.applied.add(events, &[]);
    }

    pub(crate) fn sent(&self, events: u64) {
        self.sent.add(events, &[]);
    }

    pub(crate) fn stalled(&self, stalled: bool) {
        self.stalled.record(u64::from(stalled), &[]);
    }
}
