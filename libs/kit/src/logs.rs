//! Log lines: one JSON object each, with the trace's id, never with a plate.

use std::fmt;

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as JSON lines.
#[derive(Debug, Clone)]
pub(crate) struct JsonLines {
    /// The service's name.
    pub(crate) service: &'static str,
    /// The central's name.
    pub(crate) central: String,
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut w: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut out = Map::new();
        let now = jiff::Timestamp::from_millisecond(crate::clock::now_ms()).unwrap_or_default();
        out.insert("time".into(), format!("{now:.3}").into());
        out.insert("level".into(), event.metadata().level().as_str().into());
        out.insert("service".into(), self.service.into());
        out.insert("central".into(), self.central.clone().into());
        out.insert("target".into(), event.metadata().target().into());
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        if let Some(message) = fields.0.remove("message") {
            out.insert("message".into(), message);
        }
        out.append(&mut fields.0);
        let cx = opentelemetry::Context::current();
        let span = cx.span();
        if span.span_context().is_valid() {
            out.insert("trace_id".into(), span.span_context().trace_id().to_string().into());
            out.insert("span_id".into(), span.span_context().span_id().to_string().into());
        }
        writeln!(w, "{}", Value::Object(out))
    }
}
