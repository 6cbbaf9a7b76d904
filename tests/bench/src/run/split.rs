//! Where an event's time goes: its trace through the processes, from the lane's request to the commit at the last of ten centrals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use lab::lab_file::CentralEntry;
use lab::topology::{CentralId, Direction};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Context;
use crate::report::{Parts, Row, Section, Side};
use crate::{output, stats};

const CENTRALS: u16 = 10;
/// Entries per second: few, so that hardly one waits for another.
const RATE: f64 = 20.0;
/// Stages, in order.
const STAGES: [&str; 8] = [
    "HTTP",
    "gateway, bus",
    "wait for the round, decide",
    "commit",
    "bus, mesh",
    "queue, TLS, link, peer's mesh",
    "peer's bus, wait for its round",
    "peer's read, projection, commit",
];

pub(crate) async fn run(cx: &Context) -> Result<Vec<Section>> {
    let (spans, url) = receive().await?;
    let lab = cx
        .lab("traced", CENTRALS, |options| {
            options.otlp = Some(url);
            options.environment.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "500".to_owned()));
            options.environment.push(("OTEL_METRICS_EXPORTER".to_owned(), "none".to_owned()));
            options.environment.push(("OTEL_LOGS_EXPORTER".to_owned(), "none".to_owned()));
        })
        .await?;
    output::progress("where the time goes: traced entries");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of entries")]
    let entries = (RATE * (cx.size.seconds + 3.0)) as u64;
    let mut ticks = interval(Duration::from_secs_f64(1.0 / RATE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let file = lab.file();
    let mut asked = Vec::new();
    for number in 0..entries {
        ticks.tick().await;
        let central = CentralId::new((number % u64::from(CENTRALS)) as u16 + 1).context("a central")?;
        let edge = file.central(central).map(CentralEntry::to_owned).context("a central")?;
        let edge = edge.lane(Direction::Entry)?.id.clone();
        // Plates that no other generator of the lab makes.
        let body = json!({"edge_id": edge, "plate": format!("19K-{:03}.{:02}", number / 100, number % 100)});
        let trace = format!("{:032x}", rand::random::<u128>() | 1);
        let request = lab
            .lane(central, &edge)
            .request(reqwest::Method::POST, "/api/edge/barrier/open")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .json(&body);
        asked.push(tokio::spawn(async move {
            let sent = now();
            let answer = request.send().await?;
            anyhow::Ok((trace, sent, now(), answer.status().is_success()))
        }));
    }
    let mut requests = Vec::new();
    for one in asked {
        let (trace, sent, answered, good) = one.await??;
        ensure!(good, "an entry was refused");
        requests.push((trace, sent, answered));
    }
    sleep(Duration::from_secs(4)).await;
    let spans = spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut by_trace: HashMap<&str, Vec<&Span>> = HashMap::new();
    for span in &spans {
        by_trace.entry(&span.trace).or_default().push(span);
    }
    // The first second warms caches and connections.
    let ways: Vec<Way> = requests
        .iter()
        .skip(RATE as usize)
        .filter_map(|(trace, sent, answered)| way(by_trace.get(trace.as_str())?, *sent, *answered))
        .collect();
    ensure!(ways.len() * 2 > requests.len(), "{} of {} traces are whole", ways.len(), requests.len());
    Ok(vec![section(&ways, requests.len())])
}

fn section(ways: &[Way], asked: usize) -> Section {
    let of = |f: &dyn Fn(&Way) -> f64| -> Vec<f64> { ways.iter().map(f).collect() };
    let mut section = Section::new(
        "split",
        "Where an entry's time goes: lane → commit at the last of ten centrals, traced, 20/s",
    );
    let medians: Vec<f64> = (0..STAGES.len())
        .map(|stage| stats::median(&of(&|way| way.stages.get(stage).copied().unwrap_or_default())))
        .collect();
    let parts = STAGES.iter().map(|name| (*name).to_owned()).zip(medians).collect();
    section.parts.push(Parts { whole: "medians of the stages, last central".to_owned(), unit: "ms", parts });
    for (name, values) in [
        ("to the commit at the last central", of(&|way| way.stages.iter().sum())),
        ("to the commit at the first other central", of(&|way| way.first)),
        ("to the lane's answer", of(&|way| way.answer)),
    ] {
        let side = |percent| Side::new("", vec![stats::percentile(&values, percent)]);
        section.row(Row::new(format!("{name}, p50"), "ms", side(50.0)));
        section.row(Row::new(format!("{name}, p99"), "ms", side(99.0)));
    }
    section.note(format!(
        "{} whole traces of {asked}; spans of all processes by one clock; tracing itself costs CPU, so this run is not the one above. \
         A stage's median is its own: they need not add up to the median of the whole",
        ways.len()
    ));
    section.note("the stream that shows the event to people comes behind the last commit and is not in it");
    section
}

/// Ten centrals' spans of one event.
struct Way {
    stages: [f64; 8],
    first: f64,
    answer: f64,
}

/// The stages through the central whose commit ended last; none when a span is missing.
fn way(spans: &[&Span], sent: i128, answered: i128) -> Option<Way> {
    let named = |name: &'static str| spans.iter().copied().filter(move |span| span.name == name);
    let gateway = named("edge.barrier.open").next()?;
    let ledger = named("ledger.entry.open").next()?;
    let commit = named("db.commit").next()?;
    let send = named("mesh.event.send").next()?;
    let applies: Vec<&Span> = named("ledger.event.apply").collect();
    if applies.len() + 1 < usize::from(CENTRALS) {
        return None;
    }
    let last = *applies.iter().max_by_key(|span| span.end)?;
    let first = applies.iter().map(|span| span.end).min()?;
    let received = named("mesh.event.receive").find(|span| span.id == last.parent)?;
    let moments = [
        sent,
        gateway.start,
        ledger.start,
        commit.start,
        commit.end,
        send.end,
        received.start,
        last.start,
        last.end,
    ];
    let mut stages = [0.0; 8];
    for (stage, pair) in stages.iter_mut().zip(moments.windows(2)) {
        if let [from, to] = pair {
            *stage = ms(to - from);
        }
    }
    Some(Way { stages, first: ms(first - sent), answer: ms(answered - sent) })
}

fn ms(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e6
}

fn now() -> i128 {
    lab::clock::now().as_nanosecond()
}

#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    start: i128,
    end: i128,
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// A receiver of traces in this process; its base URL.
async fn receive() -> Result<(Spans, String)> {
    let spans = Spans::default();
    let router = Router::new()
        .route("/v1/traces", post(take))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(Arc::clone(&spans));
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for traces")?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((spans, url))
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let new = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        trace: span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        id: span.span_id,
        parent: span.parent_span_id,
        name: span.name,
        start: i128::from(span.start_time_unix_nano),
        end: i128::from(span.end_time_unix_nano),
    });
    spans.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
    StatusCode::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str, id: u8, parent: u8, start: i128, end: i128) -> Span {
        Span { trace: "t".to_owned(), id: vec![id], parent: vec![parent], name: name.to_owned(), start, end }
    }

    #[test]
    fn stages_lead_through_the_central_that_was_last() {
        let ms = 1_000_000;
        let mut spans = vec![
            span("edge.barrier.open", 1, 0, ms, 9 * ms),
            span("ledger.entry.open", 2, 1, 2 * ms, 8 * ms),
            span("db.commit", 3, 2, 4 * ms, 7 * ms),
            span("mesh.event.send", 4, 2, 8 * ms, 9 * ms),
        ];
        for peer in 0..9_u8 {
            let late = i128::from(peer) * ms;
            spans.push(span("mesh.event.receive", 10 + peer, 4, 10 * ms + late, 20 * ms + late));
            spans.push(span("ledger.event.apply", 30 + peer, 10 + peer, 12 * ms + late, 15 * ms + late));
        }
        let all: Vec<&Span> = spans.iter().collect();
        let found = way(&all, 0, 10 * ms).unwrap();
        assert_eq!(found.stages, [1.0, 1.0, 2.0, 3.0, 2.0, 9.0, 2.0, 3.0]);
        assert_eq!((found.first, found.answer), (15.0, 10.0));
        assert!(way(&all[..all.len() - 1], 0, 10 * ms).is_none(), "one central's commit is missing");
    }
}
