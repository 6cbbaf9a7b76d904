//! Runs seeds: each world on one thread, several worlds at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
}

/// Runs one seed.
pub fn run(seed: u64) -> Ran {
    let plan = Plan::of(seed);
    let mut rare = Sometimes::default();
    let mut step = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(plan.clone(), false)?;
        let end = world.run();
        (rare, step) = (world.rare.clone(), world.steps());
        end
    }));
    let violation = |v| Failure { seed, step, violation: v };
    let end = match ran {
        Ok(end) => end.map_err(violation),
        Err(_) => Err(violation(Violation::new("no panic", "the code panicked"))),
    };
    Ran { plan, end, rare }
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
    let end = catch_unwind(AssertUnwindSafe(|| world.run()))
        .unwrap_or_else(|_| Err(Violation::new("no panic", "the code panicked")));
    (world.trace.lines().map(str::to_owned).collect(), end)
}

/// Runs many seeds on so many threads; stops at the first failure unless told to go on.
pub fn run_all(seeds: &[u64], threads: usize, go_on: bool, progress: impl Fn(u64) + Sync) -> Report {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    std::thread::scope(|s| {
        for _ in 0..threads.max(1) {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(n as usize) else { return };
                    let ran = run(*seed);
                    if ran.end.is_err() && !go_on {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if let Ok(mut r) = report.lock() {
                        r.add(ran);
                    }
                    progress(n + 1);
                }
            });
        }
    });
    report.into_inner().unwrap_or_default()
}
