//! A central that was away for days while everybody worked, itself too: how long it takes until all hold everything, and what it costs.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::sleep;

use crate::api::Api;
use crate::backfill::{self, BackfillOptions};
use crate::control::{self, Order};
use crate::lab_file::{CentralEntry, LabFile};
use crate::layout::Layout;
use crate::links::CutMode;
use crate::topology::{CentralId, Service};
use crate::{output, scenario};

/// Nothing new for so long: it does not converge.
const STILL: Duration = Duration::from_secs(600);

/// Who is away for how long, and what happens meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AbsenceOptions {
    /// Who is cut off from all others.
    pub(crate) central: CentralId,
    /// Events it writes meanwhile.
    pub(crate) own: u64,
    /// Events the others write meanwhile.
    pub(crate) others: u64,
    /// The days all this is spread over.
    pub(crate) days: f64,
    /// The cars' lives follow from it.
    pub(crate) seed: u64,
}

/// The verb `absence`.
pub(crate) async fn verb(file: &LabFile, layout: &Layout, options: AbsenceOptions) -> Result<()> {
    let others: Vec<CentralId> =
        file.centrals.iter().map(|c| c.id).filter(|id| *id != options.central).collect();
    let first = *others.first().context("a lab of one central has nobody to be away from")?;
    let http = Api::http(Duration::from_secs(60))?;
    let before = held(file, &http, options.central).await?;
    for other in &others {
        let cut = Order::Partition { a: options.central, b: *other, mode: CutMode::Reset, one_way: false };
        control::order(layout, &cut, |_| {}).await?;
    }
    let bring = |central, events, origins, seed| BackfillOptions {
        central,
        events,
        days: options.days,
        origins,
        seed,
    };
    let own = bring(options.central, options.own, vec![options.central], options.seed);
    said("brought in at the central that is away", backfill::bring_in(file, layout, &own).await?);
    let rest = bring(first, options.others, others.clone(), options.seed + 1);
    said("brought in at the others", backfill::bring_in(file, layout, &rest).await?);
    for other in &others {
        wait(file, &http, *other, before + options.others).await?;
    }
    output::line("the others hold all of theirs; the links are healed");
    control::order(layout, &Order::Heal { pair: None }, |_| {}).await?;
    let begun = Instant::now();
    let all = before + options.own + options.others;
    for central in std::iter::once(&options.central).chain(&others) {
        wait(file, &http, *central, all).await?;
    }
    let took = begun.elapsed().as_secs_f64();
    output::line(format!(
        "all hold all {all} events {took:.0} s after the links were healed: {:.0} events/s at {}",
        options.others as f64 / took,
        options.central
    ));
    let digest = loop {
        match scenario::equal_digests(file, &http).await {
            Ok(digest) => break digest,
            Err(error) => ensure!(begun.elapsed().as_secs_f64() < took + STILL.as_secs_f64(), "{error:#}"),
        }
        sleep(Duration::from_secs(1)).await;
    };
    output::line(format!(
        "equal digests {:.12}… {:.0} s after the links were healed",
        digest,
        begun.elapsed().as_secs_f64()
    ));
    for central in &file.centrals {
        output::line(costs(file, &http, central).await?);
    }
    Ok(())
}

fn said(what: &str, done: backfill::Backfilled) {
    let rate = done.stored as f64 / done.seconds.max(0.001);
    output::line(format!("{} events {what} in {:.0} s, {rate:.0}/s", done.stored, done.seconds));
}

fn api(file: &LabFile, http: &reqwest::Client, of: CentralId) -> Result<Api> {
    let entry = file.central(of).context("no such central")?;
    Ok(Api::new(http.clone(), entry.gateway.clone(), file.admin_token.clone()))
}

async fn held(file: &LabFile, http: &reqwest::Client, of: CentralId) -> Result<u64> {
    Ok(api(file, http, of)?.status().await?.recovery.unwrap_or_default().held)
}

/// Waits until a central holds so many events; tells how far it is, and the most memory its services took so far.
async fn wait(file: &LabFile, http: &reqwest::Client, of: CentralId, events: u64) -> Result<()> {
    let (mut last, mut moved, mut told) = (0, Instant::now(), Instant::now());
    loop {
        // It may be too busy to answer once in a while.
        let now = held(file, http, of).await.unwrap_or(last);
        if now >= events {
            return Ok(());
        }
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        ensure!(moved.elapsed() < STILL, "{of} holds {now} of {events} events and gets no more");
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            let entry = file.central(of).context("no such central")?;
            output::line(format!("{of} holds {now} of {events} events; {}", memory(entry)));
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// The most memory each of a central's services ever took, MiB.
fn memory(entry: &CentralEntry) -> String {
    let peaks: BTreeMap<&str, u64> = Service::PROGRAMS
        .iter()
        .filter_map(|s| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", (*entry.pids.get(s)?)?)).ok()?;
            let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
            Some((s.name(), line.split_whitespace().next()?.parse::<u64>().ok()? / 1024))
        })
        .collect();
    let all: u64 = peaks.values().sum();
    let each: Vec<String> = peaks.iter().map(|(name, mib)| format!("{name} {mib}")).collect();
    format!("peak memory {} MiB together {all}", each.join(", "))
}

/// What it cost a central: memory, bytes per event, disk.
async fn costs(file: &LabFile, http: &reqwest::Client, entry: &CentralEntry) -> Result<String> {
    let state = api(file, http, entry.id)?.get("/api/p2p/sync-state").await?.ok()?;
    let number =
        |name: &str| state.get(name).and_then(Value::as_f64).map_or("-".to_owned(), |n| format!("{n:.0}"));
    Ok(format!(
        "{}: {}; bytes per event {} in pages, {} unpacked; database {} MiB",
        entry.id,
        memory(entry),
        number("bytes_per_event"),
        number("raw_bytes_per_event"),
        disk(entry).unwrap_or_default()
    ))
}

/// MiB below the data directory of a central's Postgres, in which all its processes work.
fn disk(entry: &CentralEntry) -> Option<String> {
    let pid = (*entry.pids.get(&Service::Postgres)?)?;
    let data = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let said = Command::new("du").arg("-sm").arg(data).output().ok()?;
    Some(String::from_utf8_lossy(&said.stdout).split_whitespace().next()?.to_owned())
}
