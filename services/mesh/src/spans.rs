//! One span per traced event on its way through mesh; the context that travels on is the span's own. Without a collector there
//! are none, and the context passes through untouched.

use tracing::Span;
use wire::bus::events::Carried;
use wire::id::CentralId;

/// `mesh.event.send`, child of the ledger's span. To be kept until the event is in every peer's queue.
pub(crate) fn send(me: &CentralId, events: &mut [Carried]) -> Vec<Span> {
    follow(events, || tracing::info_span!("mesh.event.send", otel.kind = "producer", central = %me))
}

/// `mesh.event.receive`, child of the sender's span. To be kept until the ledger has answered.
pub(crate) fn receive(me: &CentralId, events: &mut [Carried]) -> Vec<Span> {
    follow(events, || tracing::info_span!("mesh.event.receive", otel.kind = "consumer", central = %me))
}

fn follow(events: &mut [Carried], begin: impl Fn() -> Span) -> Vec<Span> {
    if !kit::trace::enabled() {
        return Vec::new();
    }
    let traced = events.iter_mut().filter(|e| e.trace.is_some());
    traced
        .map(|e| {
            let span = begin();
            kit::trace::set_parent(&span, e.trace);
            e.trace = kit::trace::context_of(&span).or(e.trace);
            span
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;
    use wire::bus::trace::TraceContext;

    use super::*;

    fn events() -> Vec<Carried> {
        let trace = TraceContext { trace_id: [5; 16], span_id: [6; 8], flags: 1 };
        [Some(trace), None].map(|trace| Carried { trace, committed_at: 0, frame: vec![1] }).into()
    }

    #[test]
    fn the_context_that_travels_on_is_the_new_spans_in_the_same_trace() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _here = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let me = CentralId::new("central-1").unwrap();
        let mut e = events();
        let sent = send(&me, &mut e);
        let (out, before) = (e[0].trace.unwrap(), events()[0].trace.unwrap());
        assert_eq!((sent.len(), out.trace_id, out.flags), (1, before.trace_id, 1));
        assert_ne!(out.span_id, before.span_id);
        let received = receive(&me, &mut e);
        let in_there = e[0].trace.unwrap();
        assert_eq!((received.len(), in_there.trace_id), (1, before.trace_id));
        assert_ne!(in_there.span_id, out.span_id);
        assert_eq!(e[1].trace, None);
    }

    #[test]
    fn without_a_collector_the_context_passes_untouched() {
        let me = CentralId::new("central-1").unwrap();
        let mut e = events();
        assert!(send(&me, &mut e).is_empty());
        assert_eq!(e, events());
    }
}
