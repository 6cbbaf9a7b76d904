//! The command line.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::runner::{self, Failure};

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
    /// Do not ask that every rare path ran (for few seeds).
    #[arg(long)]
    few: bool,
}

fn say(line: &str) {
    // A closed pipe ends nothing here.
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Runs the program.
pub fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) => replay(seed),
        None => run(&options),
    }
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
    let mut seeds: Vec<u64> =
        REGRESSIONS.lines().filter_map(|l| l.split('#').next()?.trim().parse().ok()).collect();
    seeds.extend(options.start..options.start.saturating_add(options.seeds));
    let began = Instant::now();
    let report = runner::run_all(&seeds, options.threads, options.go_on, |_| {});
    say(&report.text(began.elapsed().as_secs_f64()));
    for f in report.failures.iter().take(10) {
        explain(f, report.failures.len() < 3);
    }
    let never = if options.few || !report.failures.is_empty() { Vec::new() } else { report.never() };
    for name in &never {
        say(&format!("FAILED: this never ran: {name}"));
    }
    let failed = report.failures.len() + never.len();
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
