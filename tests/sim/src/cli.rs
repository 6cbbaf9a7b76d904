//! The command line.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::runner::{self, Failure, How};
use crate::shapes::{self, Shape};

/// Seeds that once failed; they always run first.
const REGRESSIONS: &str = include_str!("../regressions/seeds");
/// Lines of a failing seed's trace.
const LAST_LINES: usize = 40;

/// Simulates many centrals in virtual time and checks that they cannot lose, double or diverge.
#[derive(Debug, Parser)]
#[command(name = "sim", version)]
struct Options {
    /// Run so many seeds (and the regressions first).
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Run this one alone and print what happens in it.
    #[arg(long)]
    seed: Option<u64>,
    /// Worlds at once.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Do not stop at the first failure.
    #[arg(long)]
    go_on: bool,
    /// Do not ask that every rare path ran, nor for the shape of the whole (for few seeds).
    #[arg(long)]
    few: bool,
    /// Begin no seed after so many minutes; whatever was begun is ended and counts. [default: no limit]
    #[arg(long)]
    minutes: Option<u64>,
    /// Leave out the seeds that once failed: nothing hints at where a bug is.
    #[arg(long)]
    no_regressions: bool,
    /// Say every so many seconds how far it is; 0: never.
    #[arg(long, default_value_t = 20)]
    progress: u64,
    /// A seed that runs longer than so many seconds has failed.
    #[arg(long, default_value_t = 120)]
    seed_limit: u64,
    /// Instead: compare shapes of the net of links (mesh, ring, tree:N), without faults.
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<Shape>,
    /// Centrals of these shapes.
    #[arg(long, value_delimiter = ',', default_value = "10,30,100,300")]
    centrals: Vec<usize>,
}

fn say(line: &str) {
    // A closed pipe ends nothing here.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Runs the program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        _ if !options.shapes.is_empty() => compare(&options),
        Some(seed) => replay(seed),
        None => run(&options),
    }
}

fn compare(options: &Options) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    say(shapes::HEAD);
    for (nodes, shape) in options.centrals.iter().flat_map(|n| options.shapes.iter().map(move |s| (*n, *s))) {
        match shapes::measure(shape, nodes) {
            Ok(m) => {
                passed += 1;
                say(&m.row());
            }
            Err(v) => {
                failed += 1;
                say(&format!("FAILED: {} of {nodes}: {v}", shape.name()));
            }
        }
    }
    say(&format!("{passed} passed, {failed} failed"));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64) -> ExitCode {
    let (lines, end) = runner::trace(seed, true);
    for line in lines {
        say(&line);
    }
    match end {
        Ok(s) => {
            say(&format!(
                "seed {seed}: {} steps, {} events, {} ms: at rest, all true",
                s.steps, s.events, s.took_ms
            ));
            say(&format!("digest {}", s.digest));
            say("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(v) => {
            say(&format!("seed {seed} FAILED: {v}"));
            say("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let mut seeds: Vec<u64> = Vec::new();
    if !options.no_regressions {
        seeds.extend(REGRESSIONS.lines().filter_map(|l| l.split('#').next()?.trim().parse::<u64>().ok()));
    }
    seeds.extend(options.start..options.start.saturating_add(options.seeds));
    let began = Instant::now();
    let told = Mutex::new(began);
    let progress = |done: u64, failure: Option<&Failure>| {
        if let Some(f) = failure {
            say(&format!(
                "… seed {}: {}",
                f.seed,
                f.violation.to_string().lines().next().unwrap_or_default()
            ));
        }
        let Ok(mut last) = told.lock() else { return };
        if options.progress > 0 && last.elapsed().as_secs() >= options.progress {
            *last = Instant::now();
            let took = began.elapsed().as_secs_f64();
            say(&format!("… {done} of {} seeds, {:.1} seeds/s", seeds.len(), done as f64 / took));
        }
    };
    let how = How {
        threads: options.threads,
        go_on: options.go_on,
        seed_limit: Duration::from_secs(options.seed_limit),
        limit: options.minutes.map_or(Duration::MAX, |m| Duration::from_secs(m.saturating_mul(60))),
    };
    let report = runner::run_all(&seeds, &how, progress);
    say(&report.text(began.elapsed().as_secs_f64()));
    for f in report.failures.iter().take(10) {
        explain(f, report.failures.len() < 3);
    }
    let all = report.seeds() == seeds.len() as u64;
    if !all && report.failures.is_empty() {
        say(&format!(
            "the time was up after {} of {} seeds: whether every rare path ran is not asked",
            report.seeds(),
            seeds.len()
        ));
    }
    let mut lacks = Vec::new();
    if !options.few && all && report.failures.is_empty() {
        lacks.extend(report.never().into_iter().map(|name| format!("this never ran: {name}")));
        lacks.extend(report.out_of_shape());
    }
    for what in &lacks {
        say(&format!("FAILED: {what}"));
    }
    let failed = report.failures.len() + lacks.len();
    say(&format!("{} passed, {failed} failed", report.seeds() - report.failures.len() as u64));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explain(f: &Failure, at_length: bool) {
    say(&format!("seed {} FAILED at step {}: {}", f.seed, f.step, f.violation));
    if at_length {
        let (lines, _) = runner::trace(f.seed, false);
        for line in lines.iter().rev().take(LAST_LINES).rev() {
            say(line);
        }
    }
    say(&format!("replay: ./test sim --seed {}", f.seed));
}
