//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::output;
use crate::report::Report;
use crate::run::growth::GrowthArgs;
use crate::run::overload::OverloadArgs;
use crate::run::rate::RateArgs;
use crate::run::soak::SoakArgs;
use crate::run::{self, Context, Size};

/// The system and its competitors, side by side on this machine, taking turns.
///
/// Without a command: every comparison of the design's section of numbers. Prints a table of medians and spread (smallest to largest of the
/// rounds) and keeps it with the raw numbers (JSON) and a picture (SVG). Nothing turns durability off anywhere.
///
/// Exit codes: 0 measured, 1 something could not be measured, 2 usage. Ctrl-C stops everything that was started.
#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "./bench", version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    common: Common,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The same with more centrals and with longer histories.
    Growth(GrowthArgs),
    /// Twice what a central can, and how it recovers.
    Overload(OverloadArgs),
    /// Hours of traffic: memory, handles, connections, disk, lag, and their slopes.
    Soak(SoakArgs),
    /// So many lane requests a second over ten centrals without an error.
    Rate(RateArgs),
    /// The pure hot paths.
    Micro,
}

#[derive(Debug, Clone, Args)]
struct Common {
    /// Little of everything: about three minutes instead of a quarter of an hour.
    #[arg(long, global = true)]
    quick: bool,
    /// Rounds in which the sides take turns.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Where results go.
    #[arg(long, env = "BENCH_DIR", default_value = "target/bench", global = true)]
    out: PathBuf,
    /// First port of the labs (they use up to 7000 above it); default: any free ones.
    #[arg(long, global = true)]
    port_base: Option<u16>,
}

/// A part of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Ten centrals: latency, costs, deliveries.
    Mesh,
    /// Where an event's time goes.
    Split,
    /// Commands against pgbench.
    Commands,
    /// Catch-up against native logical replication.
    CatchUp,
}

impl Common {
    fn context(&self) -> Context {
        let mut size = if self.quick { Size::quick() } else { Size::usual() };
        if let Some(rounds) = self.rounds {
            (size.rounds, size.backlog_rounds) = (rounds, rounds);
        }
        Context { folder: self.out.clone(), port_base: self.port_base, size }
    }
}

/// Runs what was asked for; Ctrl-C and a request to end drop it, and with it everything it started.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let folder = cli.common.out.clone();
    let outcome = tokio::select! {
        outcome = work(cli) => outcome,
        () = interrupted() => {
            output::progress("interrupted; everything is stopped again");
            run::tidy(&folder);
            return ExitCode::from(130);
        }
    };
    run::tidy(&folder);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::progress(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() {
    let of = |kind| signal(kind);
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)) =
        (of(SignalKind::interrupt()), of(SignalKind::terminate()), of(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

async fn work(cli: Cli) -> Result<bool> {
    let cx = cli.common.context();
    std::fs::create_dir_all(&cx.folder)?;
    let mut report = Report::begin().await;
    let name = match &cli.verb {
        None => {
            comparisons(&cx, &cli.only, &mut report).await;
            "bench"
        }
        Some(Verb::Growth(args)) => {
            report.take("growth", run::growth::run(&cx, args).await);
            "growth"
        }
        Some(Verb::Overload(args)) => {
            report.take("overload", run::overload::run(&cx, args).await);
            "overload"
        }
        Some(Verb::Soak(args)) => {
            report.take("soak", run::soak::run(&cx, args).await);
            "soak"
        }
        Some(Verb::Rate(args)) => {
            report.take("rate", run::rate::run(&cx, args).await);
            "rate"
        }
        Some(Verb::Micro) => {
            report.take("micro", run::micro::run());
            "micro"
        }
    };
    report.end(&cx.folder, name)
}

async fn comparisons(cx: &Context, only: &[Part], report: &mut Report) {
    let wanted = |part| only.is_empty() || only.contains(&part);
    if wanted(Part::Mesh) {
        report.take("ten centrals", run::mesh::run(cx).await);
    }
    if wanted(Part::Split) {
        report.take("where the time goes", run::split::run(cx).await);
    }
    if wanted(Part::Commands) {
        report.take("commands", run::commands::run(cx).await);
    }
    if wanted(Part::CatchUp) {
        report.take("catch-up", run::catch_up::run(cx).await);
    }
}
