//! Few figures, for the dashboard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use wire::alarm::{AlarmCode, AlarmNow};
use wire::id::CentralId;

use crate::reference::Silent;

/// The service's figures. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    missing: Gauge<u64>,
    applied: Counter<u64>,
    sent: Counter<u64>,
    stalled: Gauge<u64>,
    bytes: Counter<u64>,
    volume: Arc<Volume>,
    alarms: Gauge<u64>,
    not_everywhere: Gauge<u64>,
    oldest: Gauge<u64>,
    peer_lacks: Gauge<u64>,
    external: Gauge<u64>,
}

/// What pages have brought since the start.
#[derive(Debug, Default)]
struct Volume {
    events: AtomicU64,
    raw: AtomicU64,
    packed: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = kit::meter(kit::Role::Sync);
        let made = Self {
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
            alarms: meter
                .u64_gauge("parkmesh_sync_alarms")
                .with_description("Alarms that stand, by code")
                .build(),
            stalled: meter
                .u64_gauge("parkmesh_sync_stalled")
                .with_description("1 while something could be had and nothing moves")
                .build(),
            bytes: meter
                .u64_counter("parkmesh_sync_page_bytes")
                .with_description(
                    "Bytes of received events, as they are (raw) and as they travelled (packed)",
                )
                .build(),
            not_everywhere: meter
                .u64_gauge("parkmesh_sync_not_everywhere_events")
                .with_description("Events held here that some configured peer lacks")
                .build(),
            oldest: meter
                .u64_gauge("parkmesh_sync_oldest_not_everywhere_seconds")
                .with_description("Since when an event has been recorded that some configured peer lacks, the oldest held here")
                .build(),
            peer_lacks: meter
                .u64_gauge("parkmesh_sync_peer_lacks_events")
                .with_description("Events held here that this peer lacks")
                .build(),
            external: meter
                .u64_gauge("parkmesh_sync_external_api_age_seconds")
                .with_description("Time since the external API last gave a good answer, by document")
                .build(),
            volume: Arc::default(),
        };
        // A gauge that was never set is not sent, and nothing would tell that all is well from that nothing is known.
        made.stalled(false);
        // A counter that begins with its first events hides just these from every rate.
        made.applied(0);
        made.sent(0);
        made
    }

    /// A page came.
    pub(crate) fn page(&self, bytes: usize) {
        self.volume.packed.fetch_add(bytes as u64, Ordering::Relaxed);
        self.bytes.add(bytes as u64, &[KeyValue::new("form", "packed")]);
    }

    /// Events came out of it, with so many bytes in all.
    pub(crate) fn unpacked(&self, events: usize, bytes: usize) {
        self.volume.events.fetch_add(events as u64, Ordering::Relaxed);
        self.volume.raw.fetch_add(bytes as u64, Ordering::Relaxed);
        self.bytes.add(bytes as u64, &[KeyValue::new("form", "raw")]);
    }

    /// Bytes per event received in pages since the start: as they are, and as they travelled.
    pub(crate) fn bytes_per_event(&self) -> Option<(f64, f64)> {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64;
        let events = of(&self.volume.events);
        let each = |n: &AtomicU64| (of(n) / events * 10.0).round() / 10.0;
        (events > 0.0).then(|| (each(&self.volume.raw), each(&self.volume.packed)))
    }

    pub(crate) fn alarms(&self, standing: &[AlarmNow]) {
        for code in [AlarmCode::Stalled, AlarmCode::RangeUnavailable, AlarmCode::ExternalApiStale] {
            let n = standing.iter().filter(|a| a.code == code).count() as u64;
            self.alarms.record(n, &[KeyValue::new("code", code.name())]);
        }
    }

    pub(crate) fn external(&self, documents: &[Silent]) {
        for d in documents {
            self.external.record(d.since.as_secs(), &[KeyValue::new("document", d.kind.to_string())]);
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
