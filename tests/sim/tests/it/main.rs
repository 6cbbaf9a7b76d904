//! The simulator itself: a seed is one run, and what it may not notice it does notice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod rounds;

use std::time::Duration;

use sim::plan::Plan;
use sim::runner::{How, run, run_all, trace};

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in [3, 11] {
        let digest = |s: u64| {
            run(s, Duration::from_secs(60)).end.map(|e| e.digest).map_err(|f| f.violation.to_string())
        };
        let first = digest(seed);
        assert!(first.is_ok(), "{first:?}");
        assert_eq!(first, digest(seed));
        let (lines, end) = trace(seed, true);
        assert_eq!(end.map(|e| e.digest).map_err(|v| v.to_string()), first, "a trace changes nothing");
        assert!(lines.len() > 100);
    }
}

#[test]
fn default_seeds_have_the_shape_that_was_asked_for() {
    let plans: Vec<Plan> = (0..10_000).map(Plan::of).collect();
    let median = |f: fn(&Plan) -> usize| {
        let mut all: Vec<usize> = plans.iter().map(f).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    assert!(median(|p| p.nodes) >= 5);
    assert!(median(|p| p.commands) >= 200);
    assert!(median(|p| p.fault_kinds().len()) >= 3);
    assert!(plans.iter().filter(|p| p.nodes == 100).count() >= 20);
    assert!(plans.iter().filter(|p| p.nodes == 300).count() >= 3);
}

#[test]
fn no_seed_is_begun_when_the_time_is_up_and_what_was_begun_is_ended() {
    let none = How { limit: Duration::ZERO, ..How::default() };
    assert_eq!(run_all(&[1, 2, 3], &none, |_, _| {}).seeds(), 0);
    // Each of the two threads begins one within a nanosecond more than nothing, or none; a world takes longer than that.
    let short = How { limit: Duration::from_nanos(1), ..How::default() };
    let report = run_all(&[1, 2, 3, 4, 5, 6], &short, |_, _| {});
    assert!(report.seeds() <= 2 && report.failures.is_empty(), "{}", report.seeds());
}
