//! Twice what a central can: who is accepted waits a bounded time, the others are refused quickly, and afterwards it is soon as before.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use lab::traffic::{Answered, PressOptions, Pressed, press};

use super::{Context, eyes::Eyes};
use crate::report::{Goal, Row, Section, Side};
use crate::{output, stats};

/// Callers when asked what it can.
const MANY: usize = 128;
/// Connections at twice that: each has several answers' time until its next request is due.
const CROWD: usize = 1500;
/// Stretches in which recovery is looked at.
const STRETCH: f64 = 0.25;

/// `./bench overload`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OverloadArgs {
    /// How many times what it can.
    #[arg(long, default_value_t = 2.0)]
    times: f64,
    /// Seconds of too much.
    #[arg(long)]
    seconds: Option<f64>,
    /// Centrals; all are pressed.
    #[arg(long, default_value_t = 1)]
    centrals: u16,
}

pub(crate) async fn run(cx: &Context, args: &OverloadArgs) -> Result<Vec<Section>> {
    let lab = cx.lab("overload", args.centrals, |_| {}).await?;
    let file = lab.file();
    let mut eyes = Eyes::open(&file).await?;
    let seconds = args.seconds.unwrap_or(cx.size.seconds * 2.0);
    let paced = |rate: f64, seconds| PressOptions { clients: CROWD, seconds, rate: Some(rate) };
    output::progress("overload: what it can");
    press(&file, PressOptions { clients: MANY, seconds: 3.0, rate: None }).await?;
    let can = press(&file, PressOptions { clients: MANY, seconds: cx.size.seconds, rate: None }).await?;
    let able = can.accepted().count() as f64 / can.seconds;
    output::progress(format!("overload: {able:.0}/s; half of it"));
    let before = press(&file, paced(able / 2.0, cx.size.seconds)).await?;
    output::progress(format!("overload: {:.0}/s for {seconds} s", able * args.times));
    let held = eyes.held_at(0).await?;
    let much = press(&file, paced(able * args.times, seconds)).await?;
    output::progress("overload: half of it again");
    let after = press(&file, paced(able / 2.0, cx.size.seconds.max(8.0))).await?;
    let stored = eyes.held_at(0).await? - held;

    let mut section =
        Section::new("overload", format!("{} times what {} central(s) can", args.times, args.centrals));
    let one = |value: f64| Side::new("", vec![value]);
    let ms = |answers: &mut dyn Iterator<Item = &Answered>, of: fn(&Answered) -> Duration| -> Vec<f64> {
        answers.map(|one| of(one).as_secs_f64() * 1000.0).collect()
    };
    let (took, waited) = (|one: &Answered| one.took, |one: &Answered| one.waited);
    let (good, bad) = (ms(&mut much.accepted(), waited), ms(&mut much.refused(), waited));
    let since_due = ms(&mut much.accepted(), took);
    let calm = ms(&mut before.accepted(), took);
    section.row(Row::new(format!("what it can, {MANY} callers"), "1/s", one(able)));
    section.row(Row::new("offered", "1/s", one(much.answers.len() as f64 / seconds)));
    section.row(Row::new("accepted", "1/s", one(good.len() as f64 / seconds)));
    section.row(
        Row::new("accepted, of what it can", "", one(good.len() as f64 / seconds / able))
            .goal(Goal::AtLeast(0.5)),
    );
    section.row(Row::new("latency at half of it, p99", "ms", one(stats::percentile(&calm, 99.0))));
    section.row(Row::new("latency of accepted requests, p50", "ms", one(stats::percentile(&good, 50.0))));
    section.row(
        Row::new("latency of accepted requests, p99", "ms", one(stats::percentile(&good, 99.0)))
            .goal(Goal::AtMost(1000.0)),
    );
    section.row(Row::new("latency of accepted requests, max", "ms", one(stats::spread(&good).1)));
    let late = Side::new("", vec![stats::percentile(&since_due, 50.0)]);
    section.row(Row::new("the same from when they were due, p50", "ms", late));
    if !bad.is_empty() {
        section.row(Row::new("until refused, p50", "ms", one(stats::percentile(&bad, 50.0))));
        section.row(
            Row::new("until refused, p99", "ms", one(stats::percentile(&bad, 99.0)))
                .goal(Goal::AtMost(1000.0)),
        );
    }
    let calm_again = recovered(&after, stats::percentile(&calm, 99.0));
    let side = Side::new("", calm_again.into_iter().collect());
    section.row(Row::new("until latency is as before", "s", side).goal(Goal::AtMost(5.0)));
    section.note(format!(
        "answers while it was too much, by status (0 = none within 5 s): {}",
        by_status(&much)
    ));
    section.note(format!("afterwards: {}", by_status(&after)));
    section.note(format!(
        "{stored} events stored for {} accepted requests",
        much.accepted().count() + after.accepted().count()
    ));
    section.note(format!(
        "open loop, {CROWD} connections; while it is too much, latency counts from sending, since a connection waits for the answer before: where \
         fewer were offered than wanted, that is what they are late by from when they were due. Otherwise it counts from then; as before = every stretch of {STRETCH} s from \
         then on has a p95 of at most three times the p99 at half of it (at least 20 ms), and nothing is refused. The callers run on the same \
         cores and take their share"
    ));
    if calm_again.is_none() {
        section.note("it was not as before when the run ended");
    }
    Ok(vec![section])
}

fn by_status(pressed: &Pressed) -> String {
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for one in &pressed.answers {
        *counts.entry(one.status).or_default() += 1;
    }
    counts.iter().map(|(status, count)| format!("{status}: {count}")).collect::<Vec<_>>().join(", ")
}

/// From when on nothing is refused and latency is as it was, s; none when that never was so.
fn recovered(after: &Pressed, before_ms: f64) -> Option<f64> {
    let bound = (before_ms * 3.0).max(20.0);
    let mut stretches: BTreeMap<u64, Vec<&Answered>> = BTreeMap::new();
    for one in &after.answers {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of stretches")]
        stretches.entry((one.due.as_secs_f64() / STRETCH) as u64).or_default().push(one);
    }
    let bad = |answers: &Vec<&Answered>| {
        let took: Vec<f64> = answers.iter().map(|one| one.took.as_secs_f64() * 1000.0).collect();
        answers.iter().any(|one| !(200..300).contains(&one.status)) || stats::percentile(&took, 95.0) > bound
    };
    let last = *stretches.last_key_value().context("nothing was asked").ok()?.0;
    let first_good =
        stretches.iter().filter(|(_, answers)| bad(answers)).map(|(n, _)| n + 1).max().unwrap_or(0);
    (first_good <= last).then(|| Duration::from_secs_f64(first_good as f64 * STRETCH).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[(f64, u64, u16)]) -> Pressed {
        let answered = |(due, took, status): &(f64, u64, u16)| Answered {
            due: Duration::from_secs_f64(*due),
            took: Duration::from_millis(*took),
            waited: Duration::from_millis(*took),
            status: *status,
        };
        Pressed { answers: answers.iter().map(answered).collect(), seconds: 2.0 }
    }

    #[test]
    fn recovery_is_behind_the_last_stretch_that_was_bad() {
        assert_eq!(recovered(&after(&[(0.1, 5, 200), (0.9, 5, 200)]), 10.0), Some(0.0));
        assert_eq!(recovered(&after(&[(0.1, 500, 200), (0.3, 5, 503), (0.9, 5, 200)]), 10.0), Some(0.5));
        assert_eq!(recovered(&after(&[(0.1, 5, 200), (0.9, 500, 200)]), 10.0), None);
    }
}
