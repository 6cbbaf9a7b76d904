//! `up`, `down` and `status`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use crate::api::Api;
use crate::cli::LabArgs;
use crate::control::{self, Order};
use crate::lab_file::LabFile;
use crate::layout::Layout;
use crate::process::{self, ProcessRef};
use crate::ready::tail;
use crate::running::{AlreadyRunning, Lab, clear_leftovers, is_running};
use crate::{bus, output, scenario, status};

/// Starts a lab in this process and shows it until Ctrl-C.
pub(crate) async fn foreground(layout: &Layout, args: &LabArgs) -> Result<()> {
    let begun = Instant::now();
    run(layout, args, |lab| async move {
        output::line(table(&lab.file(), begun.elapsed()));
        output::line("Ctrl-C stops it");
        show_live(&lab).await;
        Ok(())
    })
    .await
}

/// Tells the story on a lab of its own.
pub(crate) async fn scenario(layout: &Layout, args: &LabArgs) -> Result<()> {
    let told = AtomicBool::new(false);
    let tell = async |lab: Arc<Lab>| {
        scenario::tell(&lab.file()).await?;
        told.store(true, Ordering::Relaxed);
        Ok(())
    };
    run(layout, args, tell).await?;
    ensure!(told.load(Ordering::Relaxed), "interrupted before the story was told");
    Ok(())
}

/// The process behind `up --detach`.
pub(crate) async fn supervise(layout: &Layout, args: &LabArgs) -> Result<()> {
    run(layout, args, |_| std::future::pending::<Result<()>>()).await
}

/// Runs a lab until its work is done, Ctrl-C, a request to end, or an order `down`.
async fn run<F: Future<Output = Result<()>>>(
    layout: &Layout,
    args: &LabArgs,
    when_ready: impl FnOnce(Arc<Lab>) -> F,
) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let lab = Arc::new(Lab::prepare(args.options(layout.root().to_owned())).await?);
    let (outcome, outcomes) = watch::channel(None);
    let control = control::serve(Arc::clone(&lab), outcomes);
    let work = async {
        let news = tokio::spawn(tell_news(lab.news()));
        let up = lab.bring_up().await;
        news.abort();
        outcome.send_replace(Some(up.as_ref().map(|_| ()).map_err(|error| format!("{error:#}"))));
        up?;
        when_ready(Arc::clone(&lab)).await
    };
    let result = tokio::select! {
        result = work => result,
        result = control => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    };
    lab.down(false).await?;
    result
}

async fn tell_news(mut news: watch::Receiver<String>) {
    while news.changed().await.is_ok() {
        let text = news.borrow_and_update().clone();
        output::line(text);
    }
}

async fn show_live(lab: &Lab) {
    let mut ticks = interval(Duration::from_secs(2));
    loop {
        ticks.tick().await;
        let status = status::gather(&lab.file(), &lab.core.http).await;
        output::redraw(status::render(&status));
    }
}

/// Starts a lab in a session of its own and waits until it is ready.
pub(crate) async fn detached(layout: &Layout, args: &LabArgs) -> Result<()> {
    if is_running(layout) {
        return Err(AlreadyRunning(layout.root().to_owned()).into());
    }
    let begun = Instant::now();
    fs::create_dir_all(layout.logs()).context("cannot make the folder for logs")?;
    let log = File::create(layout.supervisor_log()).context("cannot make the lab's own log")?;
    let mut child = Command::new("setsid")
        .arg(std::env::current_exe()?)
        .arg("supervise")
        .args(args.words())
        .env("LAB_DIR", layout.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the lab (util-linux's setsid)")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ready = tokio::select! {
        ready = wait_for_lab(layout, &mut child) => ready,
        _ = interrupt.recv() => {
            down(layout, false).await?;
            bail!("interrupted; everything is stopped again");
        }
    };
    if let Err(error) = ready {
        // It stops by itself what it had started.
        let _ = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
        return Err(error);
    }
    let file = LabFile::read(layout)?.context("the lab wrote no lab.json")?;
    output::line(table(&file, begun.elapsed()));
    output::line("./lab status | scenario | traffic | kill | partition | down");
    Ok(())
}

async fn wait_for_lab(layout: &Layout, child: &mut tokio::process::Child) -> Result<()> {
    loop {
        if let Some(status) = child.try_wait()? {
            let log = fs::read_to_string(layout.supervisor_log()).unwrap_or_default();
            let reason = log.lines().rev().find_map(|line| line.strip_prefix("lab: "));
            return Err(reason.map_or_else(
                || anyhow!("the lab ended ({status}){}", tail(&layout.supervisor_log())),
                |reason| anyhow!("{reason}"),
            ));
        }
        // The socket of a killed lab may lie there, but nobody listens on it.
        if tokio::net::UnixStream::connect(layout.control_socket()).await.is_ok() {
            return control::order(layout, &Order::WaitReady, |news| output::line(news)).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Stops the lab of a folder, however it was started and whether or not it still has its head.
pub(crate) async fn down(layout: &Layout, keep: bool) -> Result<()> {
    let file = LabFile::read(layout).ok().flatten();
    if is_running(layout) {
        let ordered = control::order(layout, &Order::Down { keep }, |_| {}).await;
        if let Some(file) = LabFile::read(layout).ok().flatten().or_else(|| file.clone()) {
            end_supervisor(file.supervisor, layout).await?;
        }
        if let Err(error) = ordered {
            // Often just its last word lost: a lab that is still starting ends on its own.
            output::error(format!("lab: {error:#}; clearing up"));
        }
    }
    // Whatever a killed lab has left, and whatever an orderly end has overlooked.
    let doomed: Vec<ProcessRef> = file.map(|file| file.processes()).unwrap_or_default();
    tokio::task::spawn_blocking(move || process::kill_all(&doomed)).await??;
    clear_leftovers(layout)?;
    if layout.root().exists() && !keep {
        layout.remove_data()?;
    }
    Ok(())
}

async fn end_supervisor(supervisor: ProcessRef, layout: &Layout) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    // A lab inside a test gives up the folder without ending its process.
    while supervisor.is_alive() && is_running(layout) {
        if Instant::now() >= deadline {
            return tokio::task::spawn_blocking(move || process::kill_all(&[supervisor])).await?;
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Prints the state of a lab.
pub(crate) async fn status(file: &LabFile, json: bool) -> Result<()> {
    let status = status::gather(file, &Api::http(Duration::from_secs(3))?).await;
    if json {
        output::line(serde_json::to_string_pretty(&status)?);
    } else {
        output::line(status::render(&status));
    }
    Ok(())
}

fn table(file: &LabFile, took: Duration) -> String {
    let mut text = format!("{} centrals ready after {:.1} s\n\n", file.centrals.len(), took.as_secs_f64());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<11} {:<22} {:<24} {:<24} lanes", "central", "gateway", "mesh", "bus");
    for central in &file.centrals {
        let lanes: Vec<&str> = central.edges.iter().map(|edge| edge.id.as_str()).collect();
        let _ = writeln!(
            text,
            "{:<11} {:<22} {:<24} {:<24} {}",
            central.id,
            central.gateway,
            central.mesh,
            bus::without_user(&central.nats_url),
            lanes.join(" ")
        );
    }
    let _ = writeln!(text, "\nkeys, database URLs and the admin token: lab.json in the lab's folder");
    let _ = write!(text, "logs: {}", file.logs.display());
    text
}
