//! Trace context across processes: out of the current span, into a new one.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use wire::bus::trace::TraceContext;

fn of_otel(cx: &opentelemetry::Context) -> Option<TraceContext> {
    let span = cx.span();
    let c = span.span_context();
    c.is_valid().then(|| TraceContext {
        trace_id: c.trace_id().to_bytes(),
        span_id: c.span_id().to_bytes(),
        flags: c.trace_flags().to_u8(),
    })
}

/// True when spans are recorded and sent somewhere: guards work that only a trace needs. (Only the OTLP layer lets this
/// target through at this level.)
pub fn enabled() -> bool {
    tracing::enabled!(target: "parkmesh::otel", tracing::Level::TRACE)
}

/// The context of the current span.
pub fn current() -> Option<TraceContext> {
    context_of(&tracing::Span::current())
}

/// The context of a span.
pub fn context_of(span: &tracing::Span) -> Option<TraceContext> {
    if span.is_disabled() { None } else { of_otel(&span.context()) }
}

/// Makes a span the child of a context that came from another process. Call before the span is entered.
pub fn set_parent(span: &tracing::Span, parent: Option<TraceContext>) {
    if let Some(p) = parent
        && !span.is_disabled()
    {
        let c = SpanContext::new(
            TraceId::from_bytes(p.trace_id),
            SpanId::from_bytes(p.span_id),
            TraceFlags::new(p.flags),
            true,
            TraceState::NONE,
        );
        // Fails only where no telemetry layer is installed.
        drop(span.set_parent(opentelemetry::Context::new().with_remote_span_context(c)));
    }
}
