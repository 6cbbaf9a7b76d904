//! The pure hot paths, timed.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::report::{Row, Section, Side};

/// Batches of one path, each long enough to be timed well.
const BATCHES: usize = 15;
const BATCH: Duration = Duration::from_millis(20);

pub(crate) fn run() -> Result<Vec<Section>> {
    let mut section = Section::new("micro", "The pure hot paths");
    for case in hot::cases()? {
        let mut calls = 1_u32;
        // Doubled until a batch is long enough; warms up on the way.
        while timed(&case, calls) < BATCH {
            calls *= 2;
        }
        let each = f64::from(calls) * case.times as f64;
        let rounds = (0..BATCHES).map(|_| timed(&case, calls).as_secs_f64() * 1e6 / each).collect();
        section.row(Row::new(case.name, "µs", Side::new("", rounds)));
    }
    section.note(format!("median, smallest and largest of {BATCHES} batches of {} ms", BATCH.as_millis()));
    section.note("`./test work` counts their allocations instead: the same on every machine");
    Ok(vec![section])
}

fn timed(case: &hot::Case, calls: u32) -> Duration {
    let begun = Instant::now();
    for _ in 0..calls {
        case.run();
    }
    begun.elapsed()
}
