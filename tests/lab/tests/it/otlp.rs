//! A receiver of traces in the test's own process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::post;
use axum::{Router, extract::DefaultBodyLimit};
use lab::LabOptions;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message as _;
use tokio::net::TcpListener;

/// A lab that says all it can say, and soon.
pub(crate) fn talkative(name: &str, centrals: u16, otlp: String) -> LabOptions {
    let mut options = LabOptions { otlp: Some(otlp), ..LabOptions::for_test(name, centrals) };
    for (key, value) in [
        ("RUST_LOG", "debug"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("RUST_BACKTRACE", "1"),
    ] {
        options.environment.push((key.to_owned(), value.to_owned()));
    }
    options
}

/// A span with who made it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    /// `ledger@central-2`
    pub(crate) place: String,
}

/// Everything received so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Path and body of everything that came.
    bodies: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Receiver {
    /// Starts a receiver; its base URL.
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .fallback(keep)
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// Everything that came: spans, metrics, whatever else.
    pub(crate) fn bodies(&self) -> Vec<(String, Bytes)> {
        self.bodies.lock().unwrap().clone()
    }

    /// The paths it came to.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.bodies.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    /// The spans of one trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.trace == id).cloned().collect()
    }
}

async fn keep(State(receiver): State<Receiver>, uri: Uri, body: Bytes) -> StatusCode {
    receiver.bodies.lock().unwrap().push((uri.path().to_owned(), body));
    StatusCode::OK
}

async fn take(State(receiver): State<Receiver>, body: Bytes) -> StatusCode {
    receiver.bodies.lock().unwrap().push(("/v1/traces".to_owned(), body.clone()));
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut spans = receiver.spans.lock().unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let place =
            format!("{}@{}", text(&attributes, "service.name"), text(&attributes, "parkmesh.central"));
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                place: place.clone(),
            });
        }
    }
    StatusCode::OK
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The places a span's work came through, from the root to it, neighbours that are equal once.
pub(crate) fn way(spans: &[Span], span: &Span) -> Vec<String> {
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let mut places = vec![span.place.clone()];
    let mut at = span;
    while let Some(parent) = by_id.get(at.parent.as_str()) {
        if places.last() != Some(&parent.place) {
            places.push(parent.place.clone());
        }
        at = parent;
    }
    places.reverse();
    places
}
