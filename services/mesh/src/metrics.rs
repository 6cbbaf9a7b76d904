//! Counters. Never a plate or an event in a label.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};
use replication::mesh::PeerStatus;
use wire::alarm::{AlarmCode, AlarmNow};
use wire::http::PeerState;
use wire::id::CentralId;

/// The mesh's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    sent: Counter<u64>,
    received: Counter<u64>,
    dropped: Counter<u64>,
    alarms: Gauge<u64>,
    link_up: Gauge<u64>,
    link_rtt: Gauge<f64>,
    clock_skew: Gauge<f64>,
    queued: Gauge<u64>,
    refused: Counter<u64>,
    certificate_expires: Gauge<f64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = kit::meter(kit::Role::Mesh);
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        let made = Self {
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
            link_up: meter
                .u64_gauge("parkmesh_mesh_link_up")
                .with_description("1 while the link to this peer is up, by peer of the configuration")
                .build(),
            link_rtt: meter
                .f64_gauge("parkmesh_mesh_link_rtt_seconds")
                .with_unit("s")
                .with_description("Round trip of the last beat, by peer")
                .build(),
            clock_skew: meter
                .f64_gauge("parkmesh_mesh_clock_skew_seconds")
                .with_unit("s")
                .with_description("The peer's clock less ours, by peer")
                .build(),
            queued: meter
                .u64_gauge("parkmesh_mesh_queue_items")
                .with_description("Items waiting on the links to a linked peer, by peer")
                .build(),
            refused: counter(
                "parkmesh_mesh_refused",
                "Links that were not let in, by reason and by who dialled (in, out)",
            ),
            certificate_expires: meter
                .f64_gauge("parkmesh_mesh_certificate_expires_timestamp_seconds")
                .with_unit("s")
                .with_description(
                    "When a certificate ends, seconds since the epoch; whose: own, ca, or a peer that was linked",
                )
                .build(),
        };
        // A counter that begins with its first events hides just these from every rate.
        made.sent(0);
        made.received(0);
        made
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

    /// Somebody was not let in.
    pub(crate) fn refused(&self, kind: &'static str, dialled: &'static str) {
        self.refused.add(1, &[KeyValue::new("reason", kind), KeyValue::new("dialled", dialled)]);
    }

    /// When a certificate ends. `whose`: `own`, `ca`, or a configured peer.
    pub(crate) fn certificate_expires(&self, whose: &str, not_after_ms: i64) {
        self.certificate_expires
            .record(not_after_ms as f64 / 1000.0, &[KeyValue::new("whose", whose.to_owned())]);
    }

    /// How the links stand.
    pub(crate) fn links(&self, peers: &[PeerStatus]) {
        for peer in peers.iter().filter(|peer| peer.state != PeerState::Disabled) {
            let who = [KeyValue::new("peer", peer.id.to_string())];
            let up = matches!(peer.state, PeerState::Connected | PeerState::Behind);
            self.link_up.record(u64::from(up), &who);
            if let Some(ms) = peer.rtt_ms {
                self.link_rtt.record(ms / 1000.0, &who);
            }
            if let Some(ms) = peer.skew_ms {
                self.clock_skew.record(ms as f64 / 1000.0, &who);
            }
        }
    }

    /// What waits on the links.
    pub(crate) fn queued(&self, peers: impl IntoIterator<Item = (CentralId, usize)>) {
        for (peer, n) in peers {
            self.queued.record(n as u64, &[KeyValue::new("peer", peer.to_string())]);
        }
    }

    pub(crate) fn alarms(&self, standing: &[AlarmNow]) {
        for code in [
            AlarmCode::Clone,
            AlarmCode::ClockSkew,
            AlarmCode::ClockWrong,
            AlarmCode::PeerGone,
            AlarmCode::CertificateEnds,
            AlarmCode::CertificateEndsSoon,
        ] {
            let n = standing.iter().filter(|a| a.code == code).count() as u64;
            self.alarms.record(n, &[KeyValue::new("code", code.name())]);
        }
    }
}
