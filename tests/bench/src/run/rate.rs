//! So many lane requests a second over ten centrals, for minutes, without an error.

use anyhow::Result;
use clap::Args;
use lab::traffic::TrafficOptions;

use super::{Context, cars};
use crate::proc;
use crate::report::{Goal, Row, Section, Side};

/// `./bench rate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RateArgs {
    /// Lane requests per second in all.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// For how long.
    #[arg(long, default_value_t = 300.0)]
    seconds: f64,
    /// Centrals.
    #[arg(long, default_value_t = 10)]
    centrals: u16,
    /// Follow every central's stream meanwhile: when each event was visible on the last one, for what that costs.
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(cx: &Context, args: &RateArgs) -> Result<Vec<Section>> {
    let lab = cx.lab("rate", args.centrals, |_| {}).await?;
    let file = lab.file();
    let (before, links, callers) = (proc::cpu(&file), proc::own_cpu(), proc::ended_cpu());
    let options = TrafficOptions { rate: args.rate, seconds: args.seconds, seed: 7, watch: args.watch };
    let report = cars::drive(&lab, options).await?;
    let used: f64 = proc::between(&before, &proc::cpu(&file)).values().sum();
    let errors: u64 = report.refused + report.unanswered.values().sum::<u64>() + report.maybe;
    let mut section = Section::new(
        "rate",
        format!("{} lane requests/s over {} centrals, {} s", args.rate, args.centrals, args.seconds),
    );
    let one = |value: f64| Side::new("", vec![value]);
    section.row(
        Row::new("requests sent", "1/s", one(report.attempts as f64 / args.seconds))
            .goal(Goal::AtLeast(args.rate * 0.98)),
    );
    section.row(
        Row::new("errors (refused, or no answer at once)", "", one(errors as f64)).goal(Goal::AtMost(0.0)),
    );
    section.row(
        Row::new("acknowledged events not everywhere", "", one(report.lost as f64)).goal(Goal::AtMost(0.0)),
    );
    for (name, value) in [
        ("lane → last central, p50", report.p50_ms),
        ("lane → last central, p99", report.p99_ms),
        ("lane → answer, p50", report.post_p50_ms),
        ("lane → answer, p99", report.post_p99_ms),
    ] {
        if let Some(value) = value {
            section.row(Row::new(name, "ms", one(value)));
        }
    }
    section.row(Row::new("everywhere after the last answer", "s", one(report.settled_s)));
    let per_request = |seconds: f64| one(seconds * 1000.0 / report.attempts.max(1) as f64);
    for (name, seconds) in [
        ("CPU per request, all processes of the centrals", used),
        ("CPU per request, the lab's links", proc::own_cpu() - links),
        ("CPU per request, the cars", proc::ended_cpu() - callers),
    ] {
        section.row(Row::new(name, "ms", per_request(seconds)));
    }
    section.note(format!(
        "{} of {} acknowledged events everywhere, truth {}",
        report.visible_everywhere,
        report.acknowledged,
        if report.passed() { "holds" } else { "DOES NOT HOLD" }
    ));
    for (why, count) in report.refusals.iter().chain(&report.unanswered) {
        section.note(format!("{why}: {count}"));
    }
    section.note("the cars' side runs on the same cores");
    Ok(vec![section])
}
