//! Ten centrals: from a lane's request to visible on the last of them, against native logical replication of one pair; what an event costs;
//! how many can be everywhere.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::traffic::{PressOptions, TrafficOptions, make, press};

use super::{Context, eyes::Eyes, free_port};
use crate::native::Pair;
use crate::report::{Goal, Parts, Row, Section, Side};
use crate::{output, proc, stats};

const CENTRALS: u16 = 10;
/// Requests, and rows, per second.
const RATE: f64 = 50.0;
/// Ethernet, IP and TCP with timestamps: what a piece on a link costs besides its bytes.
const HEADERS: f64 = 66.0;

pub(crate) async fn run(cx: &Context) -> Result<Vec<Section>> {
    let lab = cx.lab("ten", CENTRALS, |_| {}).await?;
    let mut pair = Pair::start(&cx.native(), [free_port()?, free_port()?]).await?;
    let file = lab.file();
    let mut eyes = Eyes::open(&file).await?;
    let traffic = |seconds, seed| TrafficOptions { rate: RATE, seconds, seed, watch: true };
    output::progress("ten centrals: warming up");
    make(&file, traffic(5.0, 1), |_| {}).await?;

    let mut latency = Section::new("latency", "From a lane to the last of ten centrals, 50 events/s");
    let (mut p50, mut p99, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    let (mut their_p50, mut their_p99) = (Vec::new(), Vec::new());
    for round in 1..=cx.size.rounds {
        output::progress(format!("latency: round {round} of {}", cx.size.rounds));
        let report = make(&file, traffic(cx.size.seconds, 100 + round as u64), |_| {}).await?;
        ensure!(report.passed(), "the traffic found something wrong:\n{}", report.render());
        p50.push(report.p50_ms.context("no latencies")?);
        p99.push(report.p99_ms.context("no latencies")?);
        answer.extend(report.post_p50_ms);
        let native = pair.latencies(RATE, cx.size.seconds).await?;
        their_p50.push(stats::percentile(&native, 50.0));
        their_p99.push(stats::percentile(&native, 99.0));
    }
    let ours = format!(
        "ours: cars on all lanes of ten centrals, {RATE} requests/s, mutual TLS; from the POST until the last central's stream shows the \
         event (one commit there, nine behind it)"
    );
    let theirs = format!(
        "theirs: native logical replication, one pair, {RATE} single-row transactions/s into the same table with the same indexes; from \
         the insert until a trigger at the subscriber tells that the row is committed (synchronous_commit = on at both)"
    );
    latency.row(
        Row::new("p50", "ms", Side::new(ours, p50))
            .against(Side::new(theirs, their_p50))
            .goal(Goal::AtMost(10.0)),
    );
    latency.row(
        Row::new("p99", "ms", Side::new("", p99)).against(Side::new("", their_p99)).goal(Goal::AtMost(30.0)),
    );
    latency.row(Row::new("the lane's own answer, p50", "ms", Side::new("", answer)));
    latency.note("ten times the work of the pair on the same two cores; the lab stands idle while the pair is measured");

    let mut costs = costs(cx, &lab, &mut eyes).await?;
    costs.row(idle(cx, &lab).await?);
    costs.note(format!(
        "idle link: of one pair, both ways, nothing but heartbeats every 30 s and what comes with them; {HEADERS} bytes of headers reckoned for \
         each piece and as much for its acknowledgement"
    ));
    let everywhere = deliveries(cx, &lab, &mut eyes).await?;
    memory(&lab, &mut costs);
    Ok(vec![latency, costs, everywhere])
}

/// CPU and bytes of an event at the same rate.
async fn costs(cx: &Context, lab: &lab::Lab, eyes: &mut Eyes) -> Result<Section> {
    let file = lab.file();
    let mut section = Section::new("costs", "What an event costs, ten centrals, 50 events/s");
    let (mut bytes, mut cpu) = (Vec::new(), Vec::new());
    let mut sums = proc::Cpu::new();
    let mut events = 0;
    for round in 1..=cx.size.rounds.min(3) {
        output::progress(format!("costs: round {round}"));
        let held = eyes.held_at(0).await?;
        let (before, carried) = (proc::cpu(&file), lab.carried());
        let pressed =
            press(&file, PressOptions { clients: 40, seconds: cx.size.seconds, rate: Some(RATE) }).await?;
        let accepted = i64::try_from(pressed.accepted().count())?;
        eyes.wait(held + accepted, Duration::from_millis(50)).await?;
        let used = proc::between(&before, &proc::cpu(&file));
        let delivered = accepted as f64 * f64::from(CENTRALS - 1);
        bytes.push((lab.carried().bytes - carried.bytes) as f64 / delivered);
        cpu.push(used.values().sum::<f64>() * 1000.0 / accepted as f64);
        for (name, seconds) in used {
            *sums.entry(name).or_default() += seconds;
        }
        events += accepted;
    }
    section.row(
        Row::new("bytes per event on a link, live", "B", Side::new(
            "live bytes: all bytes on all links, TLS, beats and maps included, per event and peer it was sent to",
            bytes,
        ))
        .goal(Goal::AtMost(400.0)),
    );
    section.row(Row::new(
        "CPU per event, all sixty processes",
        "ms",
        Side::new("CPU: from /proc/PID/stat, idle work of the processes included; each event is committed ten times", cpu),
    ));
    let parts =
        sums.iter().map(|(name, s)| ((*name).to_owned(), s * 1000.0 / events.max(1) as f64)).collect();
    section.parts.push(Parts { whole: "CPU per event".to_owned(), unit: "ms", parts });
    Ok(section)
}

/// How long after load a link may still tell of it.
const SETTLES: Duration = Duration::from_secs(90);

/// Bytes of a link on which nothing happens.
async fn idle(cx: &Context, lab: &lab::Lab) -> Result<Row> {
    output::progress(format!("idle links: {} s", cx.size.idle));
    // What the load before leaves to be told (sums of the audit once more, holdings) is not idling; a minute later all of it is.
    tokio::time::sleep(SETTLES).await;
    let (begun, before) = (Instant::now(), lab.carried());
    tokio::time::sleep(Duration::from_secs_f64(cx.size.idle)).await;
    let (after, took) = (lab.carried(), begun.elapsed().as_secs_f64());
    let links = f64::from(CENTRALS) * f64::from(CENTRALS - 1) / 2.0;
    let bytes = (after.bytes - before.bytes) as f64 + (after.pieces - before.pieces) as f64 * HEADERS * 2.0;
    let mib = bytes / links / took * 86_400.0 / 1024.0 / 1024.0;
    Ok(Row::new("idle link, both ways", "MiB/day", Side::new("", vec![mib])).goal(Goal::AtMost(1.0)))
}

/// As many as can be everywhere.
async fn deliveries(cx: &Context, lab: &lab::Lab, eyes: &mut Eyes) -> Result<Section> {
    let file = lab.file();
    let (mut rate, mut answers) = (Vec::new(), Vec::new());
    for round in 1..=cx.size.rounds.min(3) {
        output::progress(format!("deliveries: round {round}"));
        let held = eyes.held_at(0).await?;
        let begun = Instant::now();
        let pressed =
            press(&file, PressOptions { clients: 160, seconds: cx.size.seconds, rate: None }).await?;
        let accepted = i64::try_from(pressed.accepted().count())?;
        eyes.wait(held + accepted, Duration::from_millis(20)).await?;
        rate.push(accepted as f64 * f64::from(CENTRALS - 1) / begun.elapsed().as_secs_f64());
        let took: Vec<f64> = pressed.accepted().map(|one| one.took.as_secs_f64() * 1000.0).collect();
        answers.push(stats::percentile(&took, 99.0));
    }
    let mut section = Section::new("deliveries", "Ten centrals, all events everywhere, as fast as they can");
    section.row(
        Row::new("deliveries (events × nine peers)", "1/s", Side::new(
            "deliveries: 160 callers at ten centrals, each the next request when the last is answered; until every central has stored \
             every event, the wait after the last answer included",
            rate,
        ))
        .goal(Goal::AtLeast(10_000.0)),
    );
    section.row(Row::new("a lane's answer meanwhile, p99", "ms", Side::new("", answers)));
    Ok(section)
}

fn memory(lab: &lab::Lab, section: &mut Section) {
    let file = lab.file();
    let each: Vec<f64> = file.centrals.iter().map(proc::four_services).collect();
    section.row(
        Row::new("memory of a central's four services, after this run", "MiB", Side::new(
            "memory: resident, median and spread over the ten centrals; `./bench soak --hours 1` has it after an hour",
            each,
        ))
        .goal(Goal::AtMost(60.0)),
    );
    let parts = proc::memory(&file).into_iter().map(|(name, mib)| (name.to_owned(), mib)).collect();
    section.parts.push(Parts { whole: "memory, mean".to_owned(), unit: "MiB", parts });
}
