//! Orders to a running lab: one JSON line each way on a Unix socket, news lines in between.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::backups::Exchange;
use crate::layout::Layout;
use crate::links::CutMode;
use crate::process::Signal;
use crate::running::Lab;
use crate::topology::{CentralId, Target};

/// What a running lab can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Answer when everything has come up, or why not.
    WaitReady,
    Kill {
        target: Target,
        signal: Signal,
    },
    Start {
        target: Target,
        /// Programs of another release, from now on.
        #[serde(default)]
        bin_dir: Option<std::path::PathBuf>,
    },
    Pause {
        target: Target,
    },
    Resume {
        target: Target,
    },
    Partition {
        a: CentralId,
        b: CentralId,
        mode: CutMode,
        one_way: bool,
    },
    Heal {
        pair: Option<(CentralId, CentralId)>,
    },
    Clock {
        central: CentralId,
        offset_s: i64,
    },
    Snapshot {
        central: CentralId,
        name: String,
    },
    Restore {
        central: CentralId,
        name: String,
        postgres_only: bool,
    },
    Wipe {
        central: CentralId,
        postgres_only: bool,
    },
    Clone {
        central: CentralId,
        stop: bool,
    },
    External {
        #[serde(flatten)]
        what: ExternalOrder,
    },
    Disk {
        central: CentralId,
        full: bool,
    },
    Down {
        keep: bool,
    },
}

/// What the stand-in for the external API can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "external", rename_all = "snake_case")]
pub(crate) enum ExternalOrder {
    Show,
    Put { documents: serde_json::Value },
    Down { central: Option<CentralId> },
    Up { central: Option<CentralId> },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    News(String),
    Done,
    Failed(String),
}

/// How starting went; `None` while it goes on.
pub(crate) type Outcome = watch::Receiver<Option<Result<(), String>>>;

/// Takes orders until an order `down` has been carried out.
pub(crate) async fn serve(lab: Arc<Lab>, outcome: Outcome) -> Result<()> {
    let socket = lab.layout().control_socket();
    // We hold the folder's lock: a socket that is there belongs to a lab that was killed.
    let _ = std::fs::remove_file(&socket);
    let listener =
        UnixListener::bind(&socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
    let (is_down, mut down) = watch::channel(false);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("the control socket broke")?;
                let (lab, outcome, is_down) = (Arc::clone(&lab), outcome.clone(), is_down.clone());
                tokio::spawn(async move {
                    // The caller went away: nobody to tell.
                    let _ = attend(&lab, outcome, stream, &is_down).await;
                });
            }
            _ = down.wait_for(|down| *down) => return Ok(()),
        }
    }
}

async fn attend(
    lab: &Lab,
    outcome: Outcome,
    stream: UnixStream,
    is_down: &watch::Sender<bool>,
) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let Some(line) = BufReader::new(reader).lines().next_line().await? else { return Ok(()) };
    let order: Order = serde_json::from_str(&line).context("not an order")?;
    let ends = matches!(order, Order::Down { .. });
    let mut news = lab.news();
    news.mark_unchanged();
    let result = {
        let work = async {
            if matches!(order, Order::WaitReady) {
                return wait_ready(outcome).await;
            }
            carry_out(lab, order).await
        };
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => break result,
                Ok(()) = news.changed() => {
                    let text = news.borrow_and_update().clone();
                    // An order once begun is carried out, also when its caller went away.
                    let _ = reply(&mut writer, &Reply::News(text)).await;
                }
            }
        }
    };
    if news.has_changed().unwrap_or(false) {
        // What it has done, said last.
        let text = news.borrow_and_update().clone();
        let _ = reply(&mut writer, &Reply::News(text)).await;
    }
    let answer = match &result {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(format!("{error:#}")),
    };
    let sent = reply(&mut writer, &answer).await;
    if ends {
        is_down.send_replace(true);
    }
    sent
}

async fn wait_ready(mut outcome: Outcome) -> Result<()> {
    let outcome = outcome.wait_for(Option::is_some).await.context("the lab went down")?;
    outcome.clone().unwrap_or(Ok(())).map_err(anyhow::Error::msg)
}

/// Does what an order says.
pub(crate) async fn carry_out(lab: &Lab, order: Order) -> Result<()> {
    match order {
        // Whoever holds the lab has waited for it.
        Order::WaitReady => Ok(()),
        Order::Kill { target, signal } => lab.kill(target, &signal).await,
        Order::Start { target, bin_dir } => {
            if let Some(folder) = bin_dir {
                lab.use_programs(target, &folder)?;
            }
            lab.start_target(target).await
        }
        Order::Pause { target } => lab.pause(target).await,
        Order::Resume { target } => lab.resume(target).await,
        Order::Partition { a, b, mode, one_way } => lab.partition(a, b, mode, one_way),
        Order::Heal { pair } => lab.heal(pair),
        Order::Clock { central, offset_s } => lab.set_clock(central, offset_s).await,
        Order::Snapshot { central, name } => lab.snapshot(central, &name).await,
        Order::Restore { central, name, postgres_only } => {
            lab.restore(central, &name, exchange(postgres_only)).await
        }
        Order::Wipe { central, postgres_only } => lab.wipe(central, exchange(postgres_only)).await,
        Order::Clone { central, stop: false } => lab.clone_central(central).await,
        Order::Clone { central, stop: true } => lab.stop_clone(central).await,
        Order::External { what } => external(lab, what).await,
        Order::Disk { central, full: true } => lab.fill_disk(central).await,
        Order::Disk { central, full: false } => lab.free_disk(central).await,
        Order::Down { keep } => lab.down(keep).await,
    }
}

async fn external(lab: &Lab, what: ExternalOrder) -> Result<()> {
    match what {
        ExternalOrder::Show => lab.core.tell(serde_json::to_string_pretty(&lab.external_show()?)?),
        ExternalOrder::Put { documents } => {
            let warnings = lab.external_put(&documents)?;
            if !warnings.is_empty() {
                lab.core.tell(warnings.join("\n"));
            }
        }
        ExternalOrder::Down { central } => lab.external_down(central),
        ExternalOrder::Up { central } => lab.external_up(central).await?,
    }
    Ok(())
}

fn exchange(postgres_only: bool) -> Exchange {
    if postgres_only { Exchange::PostgresOnly } else { Exchange::WholeCentral }
}

async fn reply(writer: &mut OwnedWriteHalf, reply: &Reply) -> Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(writer.write_all(&line).await?)
}

/// Gives an order to the lab of a folder and waits for the answer; news go to `tell`.
///
/// # Errors
/// What the lab answered, or that it went away.
pub(crate) async fn order(layout: &Layout, order: &Order, mut tell: impl FnMut(&str)) -> Result<()> {
    let socket = layout.control_socket();
    let stream = UnixStream::connect(&socket).await.context("the lab takes no orders (yet)")?;
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).context("not a reply")? {
            Reply::News(text) => tell(&text),
            Reply::Done => return Ok(()),
            Reply::Failed(reason) => bail!(reason),
        }
    }
    bail!("the lab went away")
}
