//! Commands per second through gateway, bus, ledger and commit, against single-row inserts by pgbench.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::traffic::{PressOptions, Pressed, press};

use super::{Context, eyes::Eyes, free_port};
use crate::native::Pgbench;
use crate::report::{Goal, Parts, Row, Section, Side};
use crate::{output, proc, stats};

/// Callers on each side.
const CLIENTS: usize = 16;
/// Callers with which a central is asked what it can.
const MANY: usize = 128;

pub(crate) async fn run(cx: &Context) -> Result<Vec<Section>> {
    let lab = cx.lab("one", 1, |_| {}).await?;
    let pgbench = Pgbench::start(&cx.native(), free_port()?).await?;
    let file = lab.file();
    let mut eyes = Eyes::open(&file).await?;
    let options = PressOptions { clients: CLIENTS, seconds: cx.size.seconds, rate: None };
    output::progress("commands: warming up");
    press(&file, PressOptions { seconds: 3.0, ..options }).await?;
    pgbench.run(CLIENTS, 2).await?;

    let mut seen = Seen::default();
    let (mut theirs, mut their_latency) = (Vec::new(), Vec::new());
    let mut used = proc::Cpu::new();
    let (mut commands, mut generator) = (0, 0.0);
    for round in 1..=cx.size.rounds {
        output::progress(format!("commands: round {round} of {}", cx.size.rounds));
        let (before, own) = (proc::cpu(&file), proc::own_cpu());
        let held = eyes.held_at(0).await?;
        let pressed = press(&file, options).await?;
        for (name, seconds) in proc::between(&before, &proc::cpu(&file)) {
            *used.entry(name).or_default() += seconds;
        }
        generator += proc::own_cpu() - own;
        commands += pressed.accepted().count();
        let stored = eyes.held_at(0).await? - held;
        ensure!(
            stored >= i64::try_from(pressed.accepted().count())?,
            "{stored} events were stored for {} accepted commands",
            pressed.accepted().count()
        );
        seen.add(&pressed);
        tokio::time::sleep(Duration::from_millis(500)).await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds, at least one"
        )]
        let bench = pgbench.run(CLIENTS, cx.size.seconds.ceil() as u64).await?;
        theirs.push(bench.rate);
        their_latency.push(bench.latency_ms);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut many = Seen::default();
    output::progress(format!("commands: {MANY} callers"));
    for _ in 0..cx.size.rounds.min(3) {
        many.add(&press(&file, PressOptions { clients: MANY, ..options }).await?);
    }

    let mut section = Section::new("commands", "Commands through gateway, bus, ledger, commit");
    let ours = format!(
        "ours: one central, {CLIENTS} callers by HTTP, each the next request when the last is answered: entry, passage, exit, passage; \
         every answer after a commit that is flushed (four events, one row of history, four kept answers for each car)"
    );
    let how = format!(
        "theirs: pgbench, {CLIENTS} clients over TCP, prepared statements, one row into the same table with the same indexes per \
         transaction, flushed; 256 MB of shared buffers, as a central's Postgres has"
    );
    section.row(
        Row::new("commands", "1/s", Side::new(ours, seen.rate.clone()))
            .against(Side::new(how, theirs))
            .goal(Goal::Ratio(0.8)),
    );
    section.row(
        Row::new("latency, mean", "ms", Side::new("", seen.mean.clone()))
            .against(Side::new("", their_latency)),
    );
    section.row(Row::new("latency, p99", "ms", Side::new("", seen.p99.clone())));
    section.row(Row::new(format!("commands, {MANY} callers"), "1/s", Side::new("", many.rate)));
    section.row(Row::new(format!("latency p99, {MANY} callers"), "ms", Side::new("", many.p99)));
    let each = |seconds: f64| seconds / commands.max(1) as f64 * 1000.0;
    let mut parts: Vec<(String, f64)> = used.iter().map(|(name, s)| ((*name).to_owned(), each(*s))).collect();
    parts.push(("caller".to_owned(), each(generator)));
    section.parts.push(Parts { whole: "CPU per command".to_owned(), unit: "ms", parts });
    if seen.refused + many.refused > 0 {
        section.note(format!("{} requests were refused or not answered", seen.refused + many.refused));
    }
    Ok(vec![section])
}

/// One value per round.
#[derive(Default)]
struct Seen {
    rate: Vec<f64>,
    mean: Vec<f64>,
    p99: Vec<f64>,
    refused: usize,
}

impl Seen {
    fn add(&mut self, pressed: &Pressed) {
        let took: Vec<f64> = pressed.accepted().map(|one| one.took.as_secs_f64() * 1000.0).collect();
        self.rate.push(took.len() as f64 / pressed.seconds);
        self.mean.push(took.iter().sum::<f64>() / took.len().max(1) as f64);
        self.p99.push(stats::percentile(&took, 99.0));
        self.refused += pressed.refused().count();
    }
}
