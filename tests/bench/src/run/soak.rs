//! Hours of traffic: what grows, and by how much.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use lab::lab_file::LabFile;
use lab::topology::Service;
use lab::traffic::{TrafficOptions, make};
use serde::Serialize;

use super::{Context, eyes::Eyes};
use crate::report::{Goal, Row, Section, Side, slope_in_words};
use crate::{output, proc, stats};

/// One stretch of traffic, after which all of it must be everywhere, s.
const STRETCH: f64 = 60.0;
/// Of the whole, the beginning that no slope looks at.
const WARMING: f64 = 0.15;

/// Hours, and what was then.
type Points = Vec<(f64, f64)>;

/// `./bench soak`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SoakArgs {
    /// Hours; fractions are fine.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Lane requests per second in all.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Centrals.
    #[arg(long, default_value_t = 10)]
    centrals: u16,
}

/// A look at all centrals; sums unless said.
#[derive(Debug, Clone, Serialize)]
struct Sample {
    hours: f64,
    /// MiB, mean of a central, by service.
    memory: BTreeMap<&'static str, f64>,
    /// MiB of four services, the most of any central.
    memory_most: f64,
    handles: f64,
    connections: f64,
    database_mib: f64,
    /// Events that the last central lacks of the first.
    lag: f64,
    events: f64,
}

pub(crate) async fn run(cx: &Context, args: &SoakArgs) -> Result<Vec<Section>> {
    let lab = cx.lab("soak", args.centrals, |_| {}).await?;
    let file = lab.file();
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(args.hours * 3600.0);
    let mut lines = File::create(cx.folder.join("soak.jsonl")).context("cannot write samples")?;
    let mut eyes = Eyes::open(&file).await?;
    let traffic = async {
        let (mut p50, mut p99, mut wrong, mut seed) = (Vec::new(), Vec::new(), Vec::new(), 0);
        while Instant::now() < end {
            seed += 1;
            let seconds = (end - Instant::now()).as_secs_f64().clamp(1.0, STRETCH);
            let report =
                make(&file, TrafficOptions { rate: args.rate, seconds, seed, watch: true }, |_| {}).await?;
            let hours = begun.elapsed().as_secs_f64() / 3600.0;
            p50.extend(report.p50_ms.map(|ms| (hours, ms)));
            p99.extend(report.p99_ms.map(|ms| (hours, ms)));
            if !report.passed() {
                wrong.push(format!("after {hours:.2} h: {}", report.render()));
            }
        }
        anyhow::Ok((p50, p99, wrong))
    };
    let sampling = async {
        let pause = Duration::from_secs_f64((args.hours * 3600.0 / 200.0).clamp(1.0, 30.0));
        let mut samples = Vec::new();
        let mut told = Instant::now();
        while Instant::now() < end {
            let sample = look(&file, &mut eyes, begun).await?;
            writeln!(lines, "{}", serde_json::to_string(&sample)?)?;
            if told.elapsed() > Duration::from_secs(60) {
                told = Instant::now();
                output::progress(format!(
                    "soak: {:.2} of {} h, {:.1} MiB most, {:.0} handles, database {:.0} MiB",
                    sample.hours, args.hours, sample.memory_most, sample.handles, sample.database_mib
                ));
            }
            samples.push(sample);
            tokio::time::sleep(pause).await;
        }
        anyhow::Ok(samples)
    };
    let ((p50, p99, wrong), samples) = tokio::try_join!(traffic, sampling)?;
    Ok(vec![section(args, &samples, &p50, &p99, &wrong)])
}

async fn look(file: &LabFile, eyes: &mut Eyes, begun: Instant) -> Result<Sample> {
    let (mut connections, mut bytes) = (0, 0);
    for central in 0..file.centrals.len() {
        connections += eyes
            .number(central, "select count(*) from pg_stat_activity where backend_type = 'client backend'")
            .await?;
        bytes += eyes.number(central, "select pg_database_size(current_database())").await?;
    }
    let held = eyes.held().await?;
    let most = held.iter().max().copied().unwrap_or_default();
    let handles: usize = file
        .centrals
        .iter()
        .flat_map(|entry| {
            Service::PROGRAMS.iter().filter_map(|service| proc::handles((*entry.pids.get(service)?)?))
        })
        .sum();
    Ok(Sample {
        hours: begun.elapsed().as_secs_f64() / 3600.0,
        memory: proc::memory(file),
        memory_most: file.centrals.iter().map(proc::four_services).fold(0.0, f64::max),
        handles: handles as f64,
        connections: connections as f64,
        database_mib: bytes as f64 / 1024.0 / 1024.0,
        lag: (most - held.iter().min().copied().unwrap_or_default()) as f64,
        events: most as f64,
    })
}

fn section(
    args: &SoakArgs,
    samples: &[Sample],
    p50: &[(f64, f64)],
    p99: &[(f64, f64)],
    wrong: &[String],
) -> Section {
    let mut section = Section::new(
        "soak",
        format!("{} h at {} requests/s, {} centrals", args.hours, args.rate, args.centrals),
    );
    let from = args.hours * WARMING;
    let series = |of: &dyn Fn(&Sample) -> f64| -> Points {
        samples
            .iter()
            .filter(|sample| sample.hours >= from)
            .map(|sample| (sample.hours, of(sample)))
            .collect()
    };
    let late = |points: &[(f64, f64)]| points.iter().copied().filter(|p| p.0 >= from).collect::<Points>();
    let all = |sample: &Sample| sample.memory.values().sum::<f64>();
    let mut named: Vec<(String, &'static str, Points)> =
        vec![("memory of four services, mean of a central".to_owned(), "MiB", series(&all))];
    for service in Service::PROGRAMS.map(Service::name) {
        let of = move |sample: &Sample| sample.memory.get(service).copied().unwrap_or_default();
        named.push((format!("memory of {service}, mean"), "MiB", series(&of)));
    }
    named.push(("file handles of all services".to_owned(), "", series(&|sample| sample.handles)));
    named.push(("connections to Postgres".to_owned(), "", series(&|sample| sample.connections)));
    named.push(("databases".to_owned(), "MiB", series(&|sample| sample.database_mib)));
    named.push(("lag: events the last central lacks".to_owned(), "", series(&|sample| sample.lag)));
    named.push(("lane → last central, p50".to_owned(), "ms", late(p50)));
    named.push(("lane → last central, p99".to_owned(), "ms", late(p99)));
    for (name, unit, points) in &named {
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        section.row(Row::new(name.clone(), unit, Side::new("", values)));
        section.note(format!("{name}: {}", slope_in_words(stats::slope(points), unit)));
    }
    let end: Vec<f64> = samples.iter().rev().take(5).map(|sample| sample.memory_most).collect();
    section.row(
        Row::new("memory of four services at the end, the most of any central", "MiB", Side::new("", end))
            .goal(Goal::AtMost(60.0)),
    );
    if let (Some(first), Some(last)) = (samples.iter().find(|sample| sample.hours >= from), samples.last()) {
        let events = (last.events - first.events).max(1.0) * f64::from(args.centrals);
        let bytes = (last.database_mib - first.database_mib) * 1024.0 * 1024.0 / events;
        section.row(Row::new("database per event and central", "B", Side::new("", vec![bytes])));
    }
    section.note(format!(
        "slopes by ordinary least squares without the first {:.0} %; samples that follow each other are alike, so the true intervals are wider",
        WARMING * 100.0
    ));
    section.note("databases grow with events; everything else is to stay");
    section.note(if wrong.is_empty() {
        "after every stretch of a minute everything acknowledged was everywhere, and true".to_owned()
    } else {
        format!("WRONG: {}", wrong.join("; "))
    });
    section
}
