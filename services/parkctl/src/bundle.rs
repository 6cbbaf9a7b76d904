//! `parkctl bundle`: events by file.

mod seal;

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use wire::bundle::{Checked, MEDIA_TYPE, check};

use crate::ask::{self, Central};
use crate::output;

/// Between two lines of progress.
const EVERY: Duration = Duration::from_secs(1);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write a signed file with events of a central
    Export {
        #[command(flatten)]
        central: Central,
        /// The file to write
        #[arg(long)]
        out: PathBuf,
        /// Only what this peer is known to lack
        #[arg(long)]
        for_central: Option<String>,
        /// Only events of this origin
        #[arg(long)]
        origin: Option<String>,
        /// Only events from this time on (2026-11-22T08:00:00+07:00)
        #[arg(long)]
        from: Option<String>,
        /// Only events before this time
        #[arg(long)]
        to: Option<String>,
        /// Only this range (<central>/<incarnation>/<from>-<to>); may be repeated
        #[arg(long)]
        range: Vec<String>,
    },
    /// Give a file to a central; harmless when it was given before
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        central: Central,
    },
    /// Say what a file holds and whether it is whole; needs no central
    Show {
        /// The file
        file: PathBuf,
        /// The operator's CA (PEM): also check the signature
        #[arg(long)]
        ca: Option<PathBuf>,
        /// The operator's key (`PLATE_KEY_FILE`): also check the seal of a file from plain-text mode
        #[arg(long)]
        plate_key_file: Option<PathBuf>,
        /// Print the manifest as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it: exit 1 when a file is damaged or not trusted.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Export { central, out, for_central, origin, from, to, range } => {
            let mut query: Vec<(&str, String)> =
                [("for_central", for_central), ("central", origin), ("from", from), ("to", to)]
                    .into_iter()
                    .filter_map(|(k, v)| Some((k, v?)))
                    .collect();
            query.extend(range.into_iter().map(|r| ("range", r)));
            export(&central, &out, &query).await
        }
        Command::Import { file, central } => import(&central, &file).await,
        Command::Show { file, ca, plate_key_file, json } => {
            show(&file, ca.as_deref(), plate_key_file.as_deref(), json)
        }
    }
}

/// No time-out of the whole: files are large and lines are slow.
fn client() -> anyhow::Result<Client> {
    Ok(ask::http()?.connect_timeout(Duration::from_secs(10)).build()?)
}

async fn good(central: &Central, answer: reqwest::Result<Response>) -> anyhow::Result<Response> {
    let answer = answer.with_context(|| format!("{} does not answer", central.url()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body: Value = answer.json().await.unwrap_or_default();
    bail!("{status}: {}", body["detail"].as_str().unwrap_or("no detail"));
}

fn whole(file: &Path) -> anyhow::Result<Checked> {
    let source = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    check(BufReader::with_capacity(256 * 1024, source), |_| ()).with_context(|| file.display().to_string())
}

async fn export(central: &Central, out: &Path, query: &[(&str, String)]) -> anyhow::Result<ExitCode> {
    let asked = central.request(&client()?, Method::GET, "/api/v1/p2p/bundles", query)?.send().await;
    let mut answer = good(central, asked).await?;
    let of = answer.headers().get("parkmesh-bundle-events").and_then(|v| v.to_str().ok()).unwrap_or("?");
    output::error(&format!("{of} events"));
    // Its own name only once it is whole.
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = File::create(&part).with_context(|| format!("{} cannot be written", part.display()))?;
    let (mut bytes, mut told) = (0usize, Instant::now());
    let received = async {
        while let Some(chunk) = answer.chunk().await.context("the file broke off")? {
            file.write_all(&chunk).with_context(|| format!("{} cannot be written", part.display()))?;
            bytes += chunk.len();
            if told.elapsed() >= EVERY {
                told = Instant::now();
                output::error(&format!("{} KiB", bytes / 1024));
            }
        }
        file.sync_all().with_context(|| format!("{} cannot be written", part.display()))?;
        whole(&part)
    };
    let checked = match received.await {
        Ok(checked) => checked,
        Err(e) => {
            drop(std::fs::remove_file(&part));
            return Err(e);
        }
    };
    std::fs::rename(&part, out).with_context(|| format!("{} cannot be written", out.display()))?;
    let m = &checked.manifest;
    output::line(&format!(
        "{}: {} events of {} streams from {}, {} KiB",
        out.display(),
        m.events,
        m.streams.len(),
        m.exporter,
        bytes.div_ceil(1024)
    ));
    Ok(ExitCode::SUCCESS)
}

async fn import(central: &Central, file: &Path) -> anyhow::Result<ExitCode> {
    // Sent only when whole: a damaged stick is noticed here, before a slow line is used.
    let checked = whole(file)?;
    output::error(&format!("{} events from {}", checked.manifest.events, checked.manifest.exporter));
    let source =
        tokio::fs::File::open(file).await.with_context(|| format!("{} cannot be read", file.display()))?;
    let length = source.metadata().await?.len();
    let asked = central
        .request(&client()?, Method::POST, "/api/v1/p2p/bundles/import", &[])?
        .header("Content-Type", MEDIA_TYPE)
        .header("Content-Length", length)
        .header("Accept", "application/x-ndjson")
        .body(reqwest::Body::from(source))
        .send()
        .await;
    let mut answer = good(central, asked).await?;
    let (mut rest, mut told) = (Vec::new(), Instant::now());
    let mut report = None;
    while let Some(chunk) = answer.chunk().await.context("the answer broke off; import the file again")? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let step: Value = serde_json::from_slice(&line).context("the answer is no JSON")?;
            match step["event"].as_str() {
                Some("progress") if told.elapsed() >= EVERY => {
                    told = Instant::now();
                    output::error(&format!("{} of {} events", step["events"], step["of"]));
                }
                Some("done") => report = Some(step["report"].clone()),
                Some("failed") => {
                    bail!("{}", step["problem"]["detail"].as_str().unwrap_or("it failed"));
                }
                _ => {}
            }
        }
    }
    let report = report.context("the answer broke off; import the file again")?;
    if central.json() {
        output::line(&report.to_string());
    } else {
        output::line(&format!(
            "{}: stored {}  known {}  forks {}  poison {}  refused {}  still missing {}",
            file.display(),
            report["stored"],
            report["known"],
            report["forks"],
            report["poison"],
            report["refused"],
            report["gap_events"]
        ));
        for gap in report["gaps_left"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            output::line(&format!("  missing {gap}"));
        }
    }
    Ok(if report["refused"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn time(ms: i64) -> String {
    wire::time::rfc3339(ms, &jiff::tz::TimeZone::UTC)
}

fn show(file: &Path, ca: Option<&Path>, key: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let checked = whole(file)?;
    let m = &checked.manifest;
    if json {
        output::line(&serde_json::to_string(m)?);
    } else {
        output::line(&format!("{}: whole", file.display()));
        output::line(&format!("made by {} at {}", m.exporter, time(m.created_at)));
        if let Some(receiver) = &m.wanted.for_central {
            output::line(&format!("made for {receiver}"));
        }
        output::line(&format!(
            "{} events in {} pages, {} places where neighbours do not link",
            m.events,
            m.pages.len(),
            m.chain_breaks
        ));
        for p in &m.streams {
            output::line(&format!("  {}/{}-{}", p.stream, p.from, p.to));
        }
    }
    match seal::judge(&checked, ca, key)? {
        seal::Verdict::Believed(by) => output::error(&by),
        seal::Verdict::Unchecked(why) => output::error(&why),
        seal::Verdict::Refused(why) => {
            output::error(&format!("not trusted: {why}"));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
