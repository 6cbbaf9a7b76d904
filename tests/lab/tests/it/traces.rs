//! One trace holds the lane's request and the commits in all centrals.

use std::time::Duration;

use lab::{LabOptions, until};
use reqwest::Method;
use serde_json::json;

use crate::otlp::{Receiver, way};
use crate::support::{central, start};

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_lane_to_the_commit_at_the_other_central() {
    let (receiver, url) = Receiver::start().await;
    let mut options = LabOptions { otlp: Some(url), ..LabOptions::for_test("traces", 2) };
    // Spans leave the processes quickly, so that the test need not wait for the usual batch.
    options.environment.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "200".to_owned()));
    let lab = start(options).await;

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"edge_id": "edge-1", "plate": "51F-970.22"});
    let request = lab.lane(central(1), "edge-1").request(Method::POST, "/api/edge/barrier/open");
    let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).json(&body);
    assert!(request.send().await.unwrap().status().is_success());

    // Each edge of this way is one propagation: HTTP header, bus header, bus event, mesh frame, bus.
    let wanted = [
        "edge-gateway@central-1",
        "ledger@central-1",
        "mesh@central-1",
        "mesh@central-2",
        "ledger@central-2",
    ];
    let found = until(Duration::from_secs(20), async || {
        let spans = receiver.trace(trace);
        let arrivals = spans.iter().filter(|span| span.place == "ledger@central-2");
        let ways: Vec<Vec<String>> = arrivals.map(|span| way(&spans, span)).collect();
        if ways.iter().any(|way| *way == wanted) { Ok(()) } else { Err((ways, spans)) }
    });
    if let Err((ways, spans)) = found.await {
        let lines: Vec<String> = spans
            .iter()
            .map(|span| format!("{} {} <- {} {}", span.place, span.id, span.parent, span.name))
            .collect();
        panic!("no span came by {wanted:?}, only by {ways:?}:\n{}", lines.join("\n"));
    }
    let spans = receiver.trace(trace);
    let root = spans.iter().find(|span| span.parent == "00f067aa0ba902b7");
    assert_eq!(root.map(|span| span.place.as_str()), Some("edge-gateway@central-1"));
}
