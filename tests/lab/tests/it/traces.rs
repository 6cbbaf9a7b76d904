//! One trace from the lane's request to the commit at the other central, received as real OTLP over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message;
use serde_json::json;

use crate::common::{central, start_with};

/// A span, with who sent it.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    central: String,
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    trace: Vec<u8>,
}

/// What arrived.
#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    senders: BTreeSet<(String, String)>,
}

type Shared = Arc<Mutex<Received>>;

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    attributes
        .iter()
        .find(|a| a.key == key)
        .and_then(|a| match a.value.as_ref()?.value.as_ref()? {
            Value::StringValue(s) => Some(s.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

async fn traces(State(all): State<Shared>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut all = all.lock().unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let (service, central) = (attribute(&attributes, "service.name"), attribute(&attributes, "parkmesh.central"));
        all.senders.insert((central.clone(), service.clone()));
        for s in resource.scope_spans.into_iter().flat_map(|s| s.spans) {
            all.spans.push(Span {
                service: service.clone(),
                central: central.clone(),
                name: s.name,
                id: s.span_id,
                parent: s.parent_span_id,
                trace: s.trace_id,
            });
        }
    }
}

async fn metrics(State(all): State<Shared>, body: Bytes) {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    for resource in request.resource_metrics {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let sender = (attribute(&attributes, "parkmesh.central"), attribute(&attributes, "service.name"));
        all.lock().unwrap().senders.insert(sender);
    }
}

/// Listens on a free loopback port.
async fn collector() -> (String, Shared) {
    let all = Shared::default();
    let router = Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .with_state(all.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, all)
}

/// The path from a span up to the root, within its trace: (central, service, span name).
fn path(spans: &[Span], leaf: &Span) -> Vec<(String, String, String)> {
    let by_id: BTreeMap<&[u8], &Span> = spans.iter().map(|s| (s.id.as_slice(), s)).collect();
    let mut out = Vec::new();
    let mut at = Some(leaf);
    while let Some(s) = at {
        out.push((s.central.clone(), s.service.clone(), s.name.clone()));
        at = by_id.get(s.parent.as_slice()).copied().filter(|p| p.trace == leaf.trace && out.len() < 20);
    }
    out.reverse();
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_lane_to_the_commit_at_the_other_central() {
    let (url, all) = collector().await;
    let lab = start_with("traces", 2, |o| {
        o.otlp = Some(url);
        o.environment.extend(
            [("OTEL_BSP_SCHEDULE_DELAY", "200"), ("OTEL_METRIC_EXPORT_INTERVAL", "1000")].map(|(k, v)| (k.into(), v.into())),
        );
    })
    .await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let lane = lab.lane(central(1), "edge-1");
    let answer = lane
        .request(reqwest::Method::POST, "/api/edge/barrier/open")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&json!({"edge_id": "edge-1", "plate": "29A-777.01"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);

    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let step = |c: &str, s: &str, n: &str| (c.to_owned(), s.to_owned(), n.to_owned());
    // Each of these is one propagation: HTTP header, bus header, batch beside the event, mesh frame, bus message.
    let wanted = [
        step("central-1", "edge-gateway", "edge.barrier.open"),
        step("central-1", "ledger", "ledger.entry.open"),
        step("central-1", "mesh", "mesh.event.send"),
        step("central-2", "mesh", "mesh.event.receive"),
        step("central-2", "ledger", "ledger.event.apply"),
    ];
    let found = lab::until(Duration::from_secs(20), || {
        let all = all.lock().unwrap();
        let spans: Vec<Span> = all.spans.iter().filter(|s| hex(&s.trace) == trace).cloned().collect();
        let leaf = spans.iter().find(|s| s.name == "ledger.event.apply" && s.central == "central-2");
        let path = leaf.map(|l| path(&spans, l));
        std::future::ready(match path {
            // Spans between (bus client, commit) are welcome; the order is what counts.
            Some(p) if wanted.iter().all(|w| p.contains(w)) => Ok(p),
            p => Err(p),
        })
    })
    .await;
    let path = found.unwrap_or_else(|e| {
        let all = all.lock().unwrap();
        let of_trace: Vec<_> = all.spans.iter().filter(|s| hex(&s.trace) == trace).collect();
        panic!("the whole trace does not arrive, at most {e:?} of {of_trace:#?}")
    });
    let places: Vec<usize> = wanted.iter().map(|w| path.iter().position(|p| p == w).unwrap()).collect();
    assert!(places.is_sorted(), "{path:?}");

    // All eight processes send.
    lab::until(Duration::from_secs(20), || {
        let senders = all.lock().unwrap().senders.clone();
        std::future::ready(if senders.len() == 8 { Ok(()) } else { Err(senders) })
    })
    .await
    .unwrap_or_else(|senders| panic!("only these send: {senders:?}"));
}
