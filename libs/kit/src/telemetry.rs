//! Logs to stdout; traces, metrics and the same logs over OTLP (http/protobuf) when `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Without a collector
//! there is no exporter and no noise.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::WithHttpConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::logs::JsonLines;
use crate::settings::{Role, Settings};
use crate::tls;

/// How long the flush at the end may take.
const FLUSH: Duration = Duration::from_secs(2);

/// How long the collector may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Our own crates: the only ones whose spans are sent.
const OURS: [&str; 8] =
    ["edge_gateway", "ledger", "mesh", "sync", "kit", "parking", "replication", "parkmesh"];

/// What must be flushed at the end.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    meter: Option<SdkMeterProvider>,
    logger: Option<SdkLoggerProvider>,
}

fn wanted(signal: &str) -> bool {
    let set = |k: &str| std::env::var(k).is_ok_and(|v| !v.is_empty());
    let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
    let none = std::env::var(format!("OTEL_{signal}_EXPORTER")).is_ok_and(|v| v == "none");
    !off && !none
        && (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")))
}

/// The exporter's client: one that also starts on a machine that trusts nobody, where the collector is plain HTTP.
fn http(signal: &str) -> anyhow::Result<reqwest::blocking::Client> {
    let ms = |key: &str| std::env::var(key).ok()?.parse().ok();
    let of_signal = ms(&format!("OTEL_EXPORTER_OTLP_{signal}_TIMEOUT"));
    let timeout =
        of_signal.or_else(|| ms("OTEL_EXPORTER_OTLP_TIMEOUT")).map_or(TIMEOUT, Duration::from_millis);
    Ok(reqwest::blocking::Client::builder()
        .tls_backend_preconfigured(tls::client(tls::trusted(None)?)?)
        .timeout(timeout)
        .build()?)
}

impl Telemetry {
    /// Installs logs and exporters. Must run outside the async runtime: the exporters own blocking HTTP clients.
    pub(crate) fn start(role: Role, settings: &Settings, central: &str) -> anyhow::Result<Self> {
        let resource = Resource::builder()
            .with_service_name(role.name())
            .with_attribute(KeyValue::new("service.instance.id", settings.instance_id.to_string()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("parkmesh.central", central.to_owned()))
            .build();
        let tracer = if wanted("TRACES") {
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_http()
                .with_http_client(http("TRACES")?)
                .build()?;
            Some(
                SdkTracerProvider::builder()
                    .with_resource(resource.clone())
                    .with_batch_exporter(exporter)
                    .build(),
            )
        } else {
            None
        };
        let meter = if wanted("METRICS") {
            let exporter = opentelemetry_otlp::MetricExporter::builder()
                .with_http()
                .with_http_client(http("METRICS")?)
                .build()?;
            let provider = SdkMeterProvider::builder()
                .with_resource(resource.clone())
                .with_periodic_exporter(exporter)
                .build();
            opentelemetry::global::set_meter_provider(provider.clone());
            let started = std::time::Instant::now();
            meter(role)
                .u64_observable_gauge("parkmesh_uptime_seconds")
                .with_unit("s")
                .with_description("Time since the process started")
                .with_callback(move |o| o.observe(started.elapsed().as_secs(), &[]))
                .build();
            Some(provider)
        } else {
            None
        };
        let logger = if wanted("LOGS") {
            let exporter = opentelemetry_otlp::LogExporter::builder()
                .with_http()
                .with_http_client(http("LOGS")?)
                .build()?;
            Some(SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
        } else {
            None
        };
        let filter = EnvFilter::builder()
            .with_default_directive(LevelFilter::INFO.into())
            .from_env_lossy()
            // Its own reconnect chatter; the bus logs connection changes once.
            .add_directive("async_nats=warn".parse()?);
        let logs = tracing_subscriber::fmt::layer()
            .event_format(JsonLines { service: role.name(), central: central.to_owned() })
            .with_filter(filter);
        let ours = OURS.iter().fold(Targets::new(), |t, n| t.with_target(*n, LevelFilter::INFO));
        // Our own lines only: what the exporter itself logs would feed itself.
        let sent = logger.as_ref().map(|l| OpenTelemetryTracingBridge::new(l).with_filter(ours.clone()));
        let spans = tracer.as_ref().map(|t| {
            tracing_opentelemetry::layer()
                .with_tracer(t.tracer("parkmesh"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(ours.with_target("parkmesh::otel", LevelFilter::TRACE))
        });
        // Spans first: a line sent is in the span that is entered.
        tracing_subscriber::registry().with(spans).with(logs).with(sent).try_init()?;
        Ok(Self { tracer, meter, logger })
    }

    /// Flushes and stops the providers in parallel, at most 2 s.
    pub(crate) fn stop(self) {
        let mut ends = Vec::new();
        if let Some(t) = self.tracer {
            ends.push(std::thread::spawn(move || drop(t.shutdown_with_timeout(FLUSH))));
        }
        if let Some(m) = self.meter {
            ends.push(std::thread::spawn(move || drop(m.shutdown_with_timeout(FLUSH))));
        }
        if let Some(l) = self.logger {
            ends.push(std::thread::spawn(move || drop(l.shutdown_with_timeout(FLUSH))));
        }
        for e in ends {
            drop(e.join());
        }
    }
}

/// The meter of a service: a no-op without a collector.
pub fn meter(role: Role) -> Meter {
    opentelemetry::global::meter_provider().meter(role.name())
}
