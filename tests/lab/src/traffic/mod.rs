//! Realistic cars on all lanes of all centrals, and the check that nothing of it is lost or doubled.

mod cars;
mod lane;
mod press;
mod report;
mod run;
mod sight;
mod verify;

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::destroyed::{Destroyed, so_far};
use crate::lab_file::LabFile;
use crate::layout::Layout;
use crate::output;

pub use press::{Answered, PressOptions, Pressed, press};
pub use report::Report;

/// What traffic to make.
#[derive(Debug, Clone, Copy)]
pub struct TrafficOptions {
    /// Requests per second in all; they are sent at this pace whatever the answers do.
    pub rate: f64,
    /// For how long, in seconds.
    pub seconds: f64,
    /// The cars' lives follow from it; the plates do not.
    pub seed: u64,
    /// Follow every central's stream meanwhile, which says when each event was visible where. Without, what is where is asked at the end: ten
    /// streams of a thousand events a second are themselves work for gateways and cars.
    pub watch: bool,
}

/// What is known to be gone: events that only a destroyed disk held, asked for when everything is settled.
pub type Gone<'a> = &'a (dyn Fn() -> Result<BTreeSet<Destroyed>> + Sync);

/// Makes traffic on a running lab, waits until everything acknowledged is everywhere, and checks the
/// truth of every car.
///
/// # Errors
/// When the lab cannot be spoken to at all; what the checks found is in the report.
pub async fn make(file: &LabFile, options: TrafficOptions, progress: impl Fn(&str)) -> Result<Report> {
    make_but(file, options, &|| Ok(BTreeSet::new()), progress).await
}

/// The same where disks are destroyed meanwhile: what only they held may be missing, everywhere, and nothing else.
///
/// # Errors
/// As [`make`].
pub async fn make_but(
    file: &LabFile,
    options: TrafficOptions,
    gone: Gone<'_>,
    progress: impl Fn(&str),
) -> Result<Report> {
    let traffic = run::Run::start(file, options).await?.drive(&progress).await;
    verify::settle(file, traffic, options, gone, &progress).await
}

/// Cars for ever, checked every minute. What the checks find is said; the cars go on.
pub(crate) async fn for_ever(file: &LabFile, rate: f64) -> Result<()> {
    loop {
        let options =
            TrafficOptions { rate, seconds: 60.0, seed: rand::random_range(0..1_000_000), watch: true };
        match make(file, options, |_| {}).await {
            Ok(report) => output::line(report.render()),
            Err(error) => {
                output::error(format!("lab: {error:#}"));
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            }
        }
    }
}

/// The verb `traffic`.
pub(crate) async fn verb(file: &LabFile, layout: &Layout, options: TrafficOptions, json: bool) -> Result<()> {
    let report = make_but(file, options, &|| so_far(layout), |text| output::line(text)).await?;
    output::line(report.render());
    if json {
        output::line(serde_json::to_string(&report)?);
    }
    if !report.passed() {
        bail!("not everything acknowledged is everywhere, or the truth does not hold");
    }
    Ok(())
}
