//! Runs seeds: each world on one thread, several worlds at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::check::Violation;
use crate::plan::Plan;
use crate::report::Report;
use crate::sometimes::Sometimes;
use crate::world::{Summary, World};

/// A seed that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step.
    pub step: u64,
    /// What was wrong.
    pub violation: Violation,
}

/// What a seed gave.
#[derive(Debug)]
pub struct Ran {
    /// Its plan.
    pub plan: Plan,
    /// How it ended.
    pub end: Result<Summary, Failure>,
    /// Rare paths.
    pub rare: Sometimes,
    /// How long it took on the wall.
    pub took: Duration,
}

/// How seeds are run.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Worlds at once.
    pub threads: usize,
    /// Do not stop at the first failure.
    pub go_on: bool,
    /// A seed that takes longer has failed.
    pub seed_limit: Duration,
    /// No seed is begun after so long.
    pub limit: Duration,
}

impl Default for How {
    fn default() -> Self {
        Self { threads: 2, go_on: false, seed_limit: Duration::from_secs(120), limit: Duration::MAX }
    }
}

/// Runs one seed. The wall clock only ends it: within the limit it changes nothing.
pub fn run(seed: u64, limit: Duration) -> Ran {
    let plan = Plan::of(seed);
    let mut rare = Sometimes::default();
    let mut step = 0;
    let began = Instant::now();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan.clone(), false)?;
        // Kept up to date: a panic leaves the world behind.
        let step = &mut step;
        let end = world.run(&mut |steps| {
            *step = steps;
            began.elapsed() < limit
        });
        (rare, *step) = (world.rare.clone(), world.steps());
        end
    }));
    let violation = |v| Failure { seed, step, violation: v };
    let end = match ran {
        Ok(end) => end.map_err(violation),
        Err(_) => Err(violation(Violation::new("no panic", "the code panicked"))),
    };
    Ran { plan, end, rare, took: began.elapsed() }
}

/// Runs one seed with a trace; its lines and how it ended.
pub fn trace(seed: u64, all: bool) -> (Vec<String>, Result<Summary, Violation>) {
    let mut world = match World::new(Plan::of(seed), true) {
        Ok(w) => w,
        Err(v) => return (Vec::new(), Err(v)),
    };
    if all {
        world.trace.keep_all();
    }
    let end = catch_unwind(AssertUnwindSafe(|| world.run(&mut |_| true)))
        .unwrap_or_else(|_| Err(Violation::new("no panic", "the code panicked")));
    (world.trace.lines().map(str::to_owned).collect(), end)
}

/// Runs many seeds; stops at the first failure unless told to go on. Seeds are begun in order, and what was begun is ended:
/// the first failure by order is the same in every run. `progress` hears of every seed that ended, and of its failure.
pub fn run_all(seeds: &[u64], how: &How, progress: impl Fn(u64, Option<&Failure>) + Sync) -> Report {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let began = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..how.threads.max(1) {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) && began.elapsed() < how.limit {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(n as usize) else { return };
                    let ran = run(*seed, how.seed_limit);
                    if ran.end.is_err() && !how.go_on {
                        stop.store(true, Ordering::Relaxed);
                    }
                    progress(n + 1, ran.end.as_ref().err());
                    if let Ok(mut r) = report.lock() {
                        r.add(ran);
                    }
                }
            });
        }
    });
    report.into_inner().unwrap_or_default()
}
