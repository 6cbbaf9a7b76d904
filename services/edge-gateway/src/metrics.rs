//! Counters of the gateway. Attributes are route templates and statuses, never anything a caller wrote.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use wire::http::{BarrierWish, LaneDecision};

/// Bounds of the buckets of a request's time, s: a lane waits for tenths of a second.
const SECONDS: [f64; 12] = [0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0];

/// The gateway's instruments.
#[derive(Debug)]
pub(crate) struct Metrics {
    seconds: Histogram<f64>,
    decisions: Counter<u64>,
    webhooks: Counter<u64>,
    no_ledger: Counter<u64>,
    bundles: Counter<u64>,
    refused: Counter<u64>,
    lanes_silent: Gauge<u64>,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new() -> Self {
        let meter = kit::meter(kit::Role::EdgeGateway);
        let made = Self {
            seconds: meter
                .f64_histogram("parkmesh_gateway_request_seconds")
                .with_unit("s")
                .with_description("Time from a request's head to its answer's head")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            decisions: meter
                .u64_counter("parkmesh_gateway_decisions")
                .with_description("What lanes that asked for the barrier were told, by decision and barrier")
                .build(),
            webhooks: meter
                .u64_counter("parkmesh_gateway_webhooks")
                .with_description("Webhooks by kind of hook event")
                .build(),
            no_ledger: meter
                .u64_counter("parkmesh_gateway_no_ledger")
                .with_description("Requests answered without the ledger")
                .build(),
            bundles: meter
                .u64_counter("parkmesh_gateway_bundles")
                .with_description(
                    "Bundles by outcome: exported, export_failed, imported, import_failed, refused",
                )
                .build(),
            refused: meter
                .u64_counter("parkmesh_gateway_refused")
                .with_description(
                    "What a limit ended or turned away: address_rate, guessing, malformed, busy, connections, made_room, slow_head, idle, not_read",
                )
                .build(),
            lanes_silent: meter
                .u64_gauge("parkmesh_gateway_lane_silent")
                .with_description("1 for a lane whose heartbeat is missing, by edge of the configuration")
                .build(),
        };
        // The alert asks whether it grew: a counter that begins with the first such answer would hide it.
        made.no_ledger.add(0, &[]);
        made
    }

    /// Whether a configured lane is silent.
    pub(crate) fn lane_silent(&self, edge: &str, silent: bool) {
        self.lanes_silent.record(u64::from(silent), &[KeyValue::new("edge", edge.to_owned())]);
    }

    /// One request.
    pub(crate) fn request(&self, route: &str, status: u16, took: Duration) {
        let attributes =
            [KeyValue::new("route", route.to_owned()), KeyValue::new("status", i64::from(status))];
        self.seconds.record(took.as_secs_f64(), &attributes);
    }

    /// What a lane was told.
    pub(crate) fn decision(&self, decision: LaneDecision, barrier: BarrierWish) {
        let decision = match decision {
            LaneDecision::Open => "open",
            LaneDecision::AskStaff => "ask_staff",
            LaneDecision::Deny => "deny",
        };
        let barrier = match barrier {
            BarrierWish::Open => "open",
            BarrierWish::KeepClosed => "keep_closed",
        };
        self.decisions.add(1, &[KeyValue::new("decision", decision), KeyValue::new("barrier", barrier)]);
    }

    /// One webhook.
    pub(crate) fn webhook(&self, event: &'static str) {
        self.webhooks.add(1, &[KeyValue::new("event", event)]);
    }

    /// One bundle.
    pub(crate) fn bundle(&self, outcome: &'static str) {
        self.bundles.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// A limit ended or turned away something.
    pub(crate) fn refused(&self, why: &'static str) {
        self.refused.add(1, &[KeyValue::new("why", why)]);
    }

    /// One answer without ledger.
    pub(crate) fn no_ledger(&self) {
        self.no_ledger.add(1, &[]);
    }
}
