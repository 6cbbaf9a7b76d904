//! The same with more: 1, 3, 10 and 20 centrals; histories of ten thousand and a million rows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lab::Lab;
use lab::api::Api;
use lab::backfill::{BackfillOptions, bring_in};
use lab::topology::{CentralId, Direction};
use lab::traffic::{PressOptions, TrafficOptions, make, press};
use serde_json::{Value, json};

use super::{Context, eyes::Eyes};
use crate::native::connect;
use crate::report::{Goal, Row, Section, Side};
use crate::{output, proc, stats};

/// Events that one row of history comes of.
const EVENTS_PER_ROW: u64 = 4;
/// Requests per second while centrals are compared.
const RATE: f64 = 50.0;
/// Days a history is spread over.
const DAYS: f64 = 300.0;

/// `./bench growth`.
#[derive(Debug, Clone, Args)]
pub(crate) struct GrowthArgs {
    /// Numbers of centrals; none = leave that part out.
    #[arg(long, value_delimiter = ',', default_value = "1,3,10,20", num_args = 0..)]
    centrals: Vec<u16>,
    /// Rows of history; none = leave that part out. Four events each: a million rows take some eight minutes to bring in.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000", num_args = 0..)]
    histories: Vec<u64>,
    /// Ten million rows besides: hours, and 50 GB.
    #[arg(long)]
    ten_million: bool,
}

pub(crate) async fn run(cx: &Context, args: &GrowthArgs) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    if !args.centrals.is_empty() {
        sections.push(centrals(cx, &args.centrals).await?);
    }
    let mut sizes = args.histories.clone();
    sizes.extend(args.ten_million.then_some(10_000_000));
    sizes.sort_unstable();
    if !sizes.is_empty() {
        sections.push(histories(cx, &sizes).await?);
    }
    Ok(sections)
}

async fn centrals(cx: &Context, numbers: &[u16]) -> Result<Section> {
    let mut section =
        Section::new("growth-centrals", format!("More centrals, {RATE} lane requests/s in all"));
    for number in numbers {
        let lab = cx.lab("growth", *number, |_| {}).await?;
        let file = lab.file();
        let mut eyes = Eyes::open(&file).await?;
        let traffic = |seconds, seed| TrafficOptions { rate: RATE, seconds, seed, watch: true };
        make(&file, traffic(4.0, 1), |_| {}).await?;
        let (mut p50, mut p99, mut cpu, mut everywhere) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 1..=cx.size.rounds.min(3) {
            output::progress(format!("{number} centrals: round {round}"));
            let report = make(&file, traffic(cx.size.seconds, 100 + round as u64), |_| {}).await?;
            ensure!(report.passed(), "the traffic found something wrong:\n{}", report.render());
            p50.extend(report.p50_ms);
            p99.extend(report.p99_ms);
            let (held, before) = (eyes.held_at(0).await?, proc::cpu(&file));
            let pressed =
                press(&file, PressOptions { clients: 40, seconds: cx.size.seconds, rate: Some(RATE) })
                    .await?;
            let accepted = i64::try_from(pressed.accepted().count())?;
            eyes.wait(held + accepted, Duration::from_millis(50)).await?;
            let used: f64 = proc::between(&before, &proc::cpu(&file)).values().sum();
            cpu.push(used * 1000.0 / accepted as f64);
            let (held, begun) = (eyes.held_at(0).await?, Instant::now());
            let pressed =
                press(&file, PressOptions { clients: 128, seconds: cx.size.seconds, rate: None }).await?;
            let accepted = i64::try_from(pressed.accepted().count())?;
            eyes.wait(held + accepted, Duration::from_millis(20)).await?;
            everywhere.push(accepted as f64 / begun.elapsed().as_secs_f64());
        }
        let memory = file.centrals.iter().map(proc::four_services).collect();
        let mut add = |what: &str, unit, rounds| {
            section.row(Row::new(format!("{number} centrals: {what}"), unit, Side::new("", rounds)))
        };
        add("lane → last central, p50", "ms", p50);
        add("lane → last central, p99", "ms", p99);
        add("CPU per event, all processes", "ms", cpu);
        add("events/s everywhere, as fast as they can", "1/s", everywhere);
        add("memory of four services, after this", "MiB", memory);
        lab.down(false).await?;
    }
    section
        .note("all centrals share these cores: with each of them there is one commit more for every event");
    section.note("as fast as they can: 128 callers, the wait until everything is everywhere included");
    Ok(section)
}

/// What is asked of a history; each time with other words.
const QUESTIONS: [&str; 8] = [
    "history of a plate",
    "history, newest page",
    "history, a day long ago",
    "history, of one central and status",
    "a session with its events",
    "quote of a car inside",
    "occupancy",
    "conflicts, newest page",
];

async fn histories(cx: &Context, sizes: &[u64]) -> Result<Section> {
    let lab = cx.lab("growth", 1, |_| {}).await?;
    let mut section = Section::new("growth-history", "More history, one central");
    let mut small: Option<Vec<(String, &'static str, Side)>> = None;
    let mut rows = 0;
    for size in sizes {
        output::progress(format!("history of {size} rows: bringing in"));
        let central = CentralId::new(1).context("a central")?;
        let events = size.saturating_sub(rows) * EVENTS_PER_ROW;
        let options = BackfillOptions { central, events, days: DAYS, origins: vec![central], seed: *size };
        let begun = Instant::now();
        bring_in(&lab.file(), lab.layout(), &options).await?;
        let mut eyes = Eyes::open(&lab.file()).await?;
        eyes.rows_made().await?;
        rows = u64::try_from(eyes.number(0, "select count(*) from history").await?)?;
        section
            .note(format!("{rows} rows: brought in, rows made, in {:.0} s", begun.elapsed().as_secs_f64()));
        // What a database that has stood for a while has.
        let mut conn = connect(&lab.file().centrals.first().context("a central")?.database_url).await?;
        crate::native::run(&mut conn, "vacuum analyze").await?;
        drop(conn);
        tokio::time::sleep(Duration::from_secs(2)).await;
        output::progress(format!("history of {rows} rows: asking"));
        let found = ask(cx, &lab).await?;
        for (place, (what, unit, side)) in found.iter().enumerate() {
            let mut row = Row::new(format!("{rows} rows: {what}"), unit, side.clone());
            let first = small.as_ref().and_then(|first| first.get(place)).map(|(_, _, side)| side.clone());
            if let Some(first) = first {
                row = row.against(first).goal(if *unit == "ms" {
                    Goal::RatioAtMost(2.0)
                } else {
                    Goal::Ratio(0.7)
                });
            }
            section.row(row);
        }
        small.get_or_insert(found);
    }
    section.note(format!(
        "ours = this size, theirs = the smallest size, in the same lab before; each value is the median of a fifth of the requests, one after the other; \
         events of {DAYS} days, {EVENTS_PER_ROW} a row"
    ));
    Ok(section)
}

/// Milliseconds of each question, of an exit, and commands per second.
async fn ask(cx: &Context, lab: &Lab) -> Result<Vec<(String, &'static str, Side)>> {
    let file = lab.file();
    let entry = file.centrals.first().context("a central")?;
    let mut conn = connect(&entry.database_url).await?;
    let times = if cx.size.rounds < 4 { 50 } else { 200 };
    // Cars that came often and are not here now, from anywhere in the history.
    let sql = format!(
        "select plate_key, min(event_id) from (
             select plate_key, event_id from history where status = 'EXITED' and plate_key not in
                 (select plate_key from history where status in ('PENDING', 'INSIDE') and plate_key is not null)
             order by row_hash limit {}) t group by 1 limit {times}",
        times * 3
    );
    let gone: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut conn).await?;
    ensure!(!gone.is_empty(), "a history without cars");
    let (entry_lane, exit_lane) =
        (entry.lane(Direction::Entry)?.id.clone(), entry.lane(Direction::Exit)?.id.clone());
    let here = CentralId::new(1).context("a central")?;
    let entries = pass(&lab.lane(here, &entry_lane), &entry_lane, &gone, "ENTRY").await?;
    let admin = lab.admin(here);
    let now = lab::clock::now();
    let mut found = Vec::new();
    for question in QUESTIONS {
        let mut took = Vec::new();
        for turn in 0..times {
            let (plate, event_id) = gone.get(turn % gone.len()).context("a car")?;
            let day = now - jiff::SignedDuration::from_hours(24 * (2 + turn as i64 % 250));
            let path = match question {
                "history of a plate" => format!("/api/parking/history?plate={plate}"),
                "history, newest page" => "/api/parking/history?limit=50".to_owned(),
                "history, a day long ago" => {
                    format!(
                        "/api/parking/history?from={day}&to={}",
                        day + jiff::SignedDuration::from_hours(24)
                    )
                }
                "history, of one central and status" => {
                    "/api/parking/history?central=central-1&status=EXITED&limit=50".to_owned()
                }
                "a session with its events" => format!("/api/parking/sessions/{event_id}"),
                "quote of a car inside" => format!("/api/parking/quote?plate={plate}"),
                "occupancy" => "/api/parking/occupancy".to_owned(),
                _ => "/api/parking/conflicts".to_owned(),
            };
            took.push(timed(&admin, &path).await?);
        }
        found.push((question.to_owned(), "ms", fifths(&took)));
    }
    let exits = pass(&lab.lane(here, &exit_lane), &exit_lane, &gone, "EXIT").await?;
    found.push(("entry of a car that came often".to_owned(), "ms", fifths(&entries)));
    found.push(("its exit".to_owned(), "ms", fifths(&exits)));
    let mut rates = Vec::new();
    for _ in 0..cx.size.rounds.min(3) {
        let pressed =
            press(&file, PressOptions { clients: 16, seconds: cx.size.seconds, rate: None }).await?;
        rates.push(pressed.accepted().count() as f64 / pressed.seconds);
    }
    found.push(("commands, 16 callers".to_owned(), "1/s", Side::new("", rates)));
    Ok(found)
}

/// The cars pass a lane, one after the other, ms each.
async fn pass(lane: &Api, edge: &str, cars: &[(String, String)], kind: &str) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for (plate, _) in cars {
        let body = json!({"edge_id": edge, "plate": plate, "confidence": 0.97});
        let begun = Instant::now();
        let answer = lane.post("/api/edge/barrier/open", None, &body).await?.ok()?;
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(answer.get("kind").and_then(Value::as_str) == Some(kind), "no {kind}: {answer}");
    }
    Ok(took)
}

async fn timed(api: &Api, path: &str) -> Result<f64> {
    let begun = Instant::now();
    api.get(path).await?.ok().with_context(|| format!("GET {path}"))?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

/// Medians of five stretches: their spread shows what chance does.
fn fifths(took: &[f64]) -> Side {
    let each = took.len().div_ceil(5).max(1);
    Side::new("", took.chunks(each).map(stats::median).collect())
}
