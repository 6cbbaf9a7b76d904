//! Counters. Never a plate or an event in a label.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use wire::alarm::{AlarmCode, AlarmNow};

/// The mesh's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    sent: Counter<u64>,
    received: Counter<u64>,
    dropped: Counter<u64>,
    alarms: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = kit::meter(kit::Role::Mesh);
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        Self {
            sent: counter("parkmesh_mesh_events_sent", "Live events handed to links"),
            received: counter("parkmesh_mesh_events_received", "Live events applied from peers"),
            dropped: counter(
                "parkmesh_mesh_queue_dropped",
                "Items a full queue dropped; catch-up repairs them",
            ),
            alarms: meter
                .u64_gauge("parkmesh_mesh_alarms")
                .with_description("Alarms that stand, by code")
                .build(),
        }
    }

    pub(crate) fn sent(&self, n: usize) {
        self.sent.add(n as u64, &[]);
    }

    pub(crate) fn received(&self, n: usize) {
        self.received.add(n as u64, &[]);
    }

    pub(crate) fn dropped(&self, queue: &'static str, n: u64) {
        self.dropped.add(n, &[KeyValue::new("queue", queue)]);
    }

    pub(crate) fn alarms(&self, standing: &[AlarmNow]) {
        for code in [AlarmCode::Clone, AlarmCode::ClockSkew, AlarmCode::ClockWrong, AlarmCode::PeerGone] {
            let n = standing.iter().filter(|a| a.code == code).count() as u64;
            self.alarms.record(n, &[KeyValue::new("code", code.name())]);
        }
    }
}
