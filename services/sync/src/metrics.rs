//! Few figures, for the dashboard.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use wire::id::CentralId;

/// The service's figures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    missing: Gauge<u64>,
    applied: Counter<u64>,
    sent: Counter<u64>,
    stalled: Gauge<u64>,
    not_everywhere: Gauge<u64>,
    oldest: Gauge<u64>,
    peer_lacks: Gauge<u64>,
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
            not_everywhere: meter
                .u64_gauge("parkmesh_sync_not_everywhere_events")
                .with_description("Events held here that some configured peer lacks")
                .build(),
            oldest: meter
                .u64_gauge("parkmesh_sync_oldest_not_everywhere_seconds")
                .with_description("Age of the oldest event held here that some configured peer lacks")
                .build(),
            peer_lacks: meter
                .u64_gauge("parkmesh_sync_peer_lacks_events")
                .with_description("Events held here that this peer lacks")
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

    pub(crate) fn not_everywhere(&self, events: u64, oldest_s: u64) {
        self.not_everywhere.record(events, &[]);
        self.oldest.record(oldest_s, &[]);
    }

    pub(crate) fn peer_lacks(&self, peer: &CentralId, events: u64) {
        self.peer_lacks.record(events, &[KeyValue::new("peer", peer.to_string())]);
    }

    pub(crate) fn stalled(&self, stalled: bool) {
        self.stalled.record(u64::from(stalled), &[]);
    }
}
