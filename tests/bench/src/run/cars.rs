//! Cars in a process of their own. One process that was the cars and all ninety links of ten centrals fell behind by tens of thousands of answers
//! at a thousand requests a second, and measured itself.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use lab::Lab;
use lab::traffic::{Report, TrafficOptions};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::output;

/// `lab traffic` on a running lab, its progress shown as it comes.
///
/// # Errors
/// When the program is not beside this one, or ends without a report. That something is wrong with the truth is in the report.
pub(crate) async fn drive(lab: &Lab, options: TrafficOptions) -> Result<Report> {
    let program = std::env::current_exe()?.with_file_name("lab");
    let mut cars = Command::new(&program)
        .arg("--lab-dir")
        .arg(lab.layout().root())
        .args(["traffic", "--json"])
        .args(["--rate", &options.rate.to_string(), "--seconds", &options.seconds.to_string()])
        .args(["--seed", &options.seed.to_string()])
        .args((!options.watch).then_some("--unwatched"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut lines = BufReader::new(cars.stdout.take().context("no output of the cars")?).lines();
    let mut report = None;
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str::<Report>(&line) {
            Ok(read) => report = Some(read),
            Err(_) => output::progress(line),
        }
    }
    let ended = cars.wait().await?;
    let Some(report) = report else { bail!("the cars ended without a report: {ended}") };
    Ok(report)
}
