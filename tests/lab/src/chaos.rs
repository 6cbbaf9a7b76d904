//! Random faults under traffic, then everything healed and checked.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use crate::backups::DEFAULT_SNAPSHOT;
use crate::control::{self, Order};
use crate::destroyed::so_far;
use crate::lab_file::LabFile;
use crate::layout::Layout;
use crate::links::CutMode;
use crate::process::Signal;
use crate::running::Lab;
use crate::topology::{CentralId, Instance, Service, Target};
use crate::traffic::{self, Report, TrafficOptions};
use crate::{disk, output};

/// What to do to a lab.
#[derive(Debug, Clone, Copy)]
pub struct ChaosOptions {
    /// For how long faults come, seconds.
    pub seconds: f64,
    /// Faults and cars follow from it.
    pub seed: u64,
    /// Requests per second meanwhile.
    pub rate: f64,
}

/// Gives an order to the lab.
type Give<'a> = &'a (dyn Fn(Order) -> BoxFuture<'a, Result<()>> + Sync);

impl Lab {
    /// Random faults under traffic on this lab; the checks' result.
    ///
    /// # Errors
    /// When the lab does not come back after the faults.
    pub async fn chaos(&self, options: ChaosOptions, tell: impl Fn(&str)) -> Result<Report> {
        let give = |order: Order| -> BoxFuture<'_, Result<()>> { Box::pin(control::carry_out(self, order)) };
        campaign(&self.file(), self.layout(), options, &give, &tell).await
    }
}

/// The verb `chaos`.
pub(crate) async fn verb(file: &LabFile, layout: &Layout, options: ChaosOptions, json: bool) -> Result<()> {
    let give = |order: Order| -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { control::order(layout, &order, |_| {}).await })
    };
    let report = campaign(file, layout, options, &give, &|text| output::line(text)).await?;
    output::line(report.render());
    if json {
        output::line(serde_json::to_string(&report)?);
    }
    if !report.passed() {
        bail!("seed {}: not everything acknowledged is everywhere, or the truth does not hold", options.seed);
    }
    Ok(())
}

async fn campaign<'a>(
    file: &'a LabFile,
    layout: &'a Layout,
    options: ChaosOptions,
    give: Give<'a>,
    tell: &'a impl Fn(&str),
) -> Result<Report> {
    // The cars go on while everything is healed.
    let driving = TrafficOptions {
        rate: options.rate,
        seconds: options.seconds + 3.0,
        seed: options.seed,
        watch: true,
    };
    let gone = || so_far(layout);
    let traffic = traffic::make_but(file, driving, &gone, tell);
    let faults = Faults {
        random: StdRng::seed_from_u64(options.seed),
        file,
        give,
        tell,
        snapshots: Vec::new(),
        clocks: Vec::new(),
        far_off: None,
        small_disks: disk::can_mount(),
    };
    let (report, healed) = tokio::join!(traffic, faults.run(options.seconds));
    healed?;
    report
}

struct Faults<'a, T> {
    random: StdRng,
    file: &'a LabFile,
    give: Give<'a>,
    tell: &'a T,
    /// Centrals that have a snapshot.
    snapshots: Vec<CentralId>,
    /// Centrals whose clock was touched.
    clocks: Vec<CentralId>,
    /// The one whose clock is hours off.
    far_off: Option<CentralId>,
    /// This account may mount file systems: disks can be full.
    small_disks: bool,
}

impl<T: Fn(&str)> Faults<'_, T> {
    async fn run(mut self, seconds: f64) -> Result<()> {
        let begun = Instant::now();
        let end = Duration::from_secs_f64(seconds);
        sleep(Duration::from_secs(1)).await;
        while begun.elapsed() < end {
            self.one().await?;
            self.pause(200..1500).await;
        }
        self.heal().await
    }

    async fn one(&mut self) -> Result<()> {
        let central = self.central()?;
        match self.random.random_range(0..15u32) {
            0 | 1 => {
                let service = *self.among(&Service::ALL)?;
                self.kill_and_start(Target::from((central, service))).await
            }
            2 => self.kill_and_start(Target::from(central)).await,
            3 => {
                let target = Target::from(central);
                self.say(&format!("pause {target}"));
                self.order(Order::Pause { target }).await?;
                self.pause(500..4000).await;
                self.order(Order::Resume { target }).await
            }
            4..=6 => {
                let other = self.central()?;
                if other == central {
                    return Ok(());
                }
                let mode = if self.random.random_bool(0.6) { CutMode::Drop } else { CutMode::Reset };
                let one_way = self.random.random_bool(0.3);
                self.say(&format!(
                    "partition {central} {other} {mode:?}{}",
                    if one_way { " one way" } else { "" }
                ));
                // Left in place: the next faults come while it is cut.
                self.order(Order::Partition { a: central, b: other, mode, one_way }).await
            }
            7 => {
                self.say("heal");
                self.order(Order::Heal { pair: None }).await
            }
            8 => {
                let offset_s = self.random.random_range(-20..=20);
                self.clock(central, offset_s).await
            }
            12 => {
                // Hours, either way: most machines that start without a network are that far off.
                let offset_s = 3600 * self.random.random_range(-3..=3) + self.random.random_range(0..60);
                // One at a time: where most clocks that a central sees are wrong, nothing can tell it the time.
                if let Some(wrong) = self.far_off.replace(central).filter(|wrong| *wrong != central) {
                    self.clock(wrong, 0).await?;
                }
                self.clock(central, offset_s).await
            }
            13 => {
                let target = Target::from((central, *self.among(&Service::ALL)?));
                self.say(&format!("pause {target} for long"));
                self.order(Order::Pause { target }).await?;
                self.pause(4_000..12_000).await;
                self.order(Order::Resume { target }).await
            }
            14 if self.small_disks => {
                self.say(&format!("full disk {central}"));
                self.order(Order::Disk { central, full: true }).await?;
                self.pause(1_000..6_000).await;
                self.order(Order::Disk { central, full: false }).await
            }
            9 => {
                self.say(&format!("snapshot {central}"));
                self.order(Order::Snapshot { central, name: DEFAULT_SNAPSHOT.to_owned() }).await?;
                self.snapshots.push(central);
                Ok(())
            }
            10 if self.snapshots.contains(&central) => {
                let postgres_only = self.random.random_bool(0.5);
                self.say(&format!(
                    "restore {central}{}",
                    if postgres_only { " under the ledger" } else { "" }
                ));
                self.order(Order::Restore { central, name: DEFAULT_SNAPSHOT.to_owned(), postgres_only }).await
            }
            11 if self.random.random_bool(0.3) => {
                self.say(&format!("wipe {central}"));
                self.order(Order::Wipe { central, postgres_only: false }).await
            }
            _ => Ok(()),
        }
    }

    async fn clock(&mut self, central: CentralId, offset_s: i64) -> Result<()> {
        self.say(&format!("clock {central} {offset_s:+}"));
        self.clocks.push(central);
        self.order(Order::Clock { central, offset_s }).await
    }

    async fn kill_and_start(&mut self, target: Target) -> Result<()> {
        self.say(&format!("kill {target}"));
        self.order(Order::Kill { target, signal: Signal::kill() }).await?;
        self.pause(200..3000).await;
        self.order(Order::Start { target, bin_dir: None }).await
    }

    async fn heal(&mut self) -> Result<()> {
        self.say("healing everything");
        self.order(Order::Heal { pair: None }).await?;
        for central in self.file.centrals.iter().map(|entry| entry.id) {
            let target = Target::from(Instance::of(central));
            self.order(Order::Resume { target }).await?;
            if self.clocks.contains(&central) {
                self.order(Order::Clock { central, offset_s: 0 }).await?;
            }
            self.order(Order::Start { target, bin_dir: None })
                .await
                .with_context(|| format!("{central} does not come back"))?;
        }
        Ok(())
    }

    async fn order(&self, order: Order) -> Result<()> {
        (self.give)(order).await
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.random.random_range(ms);
        sleep(Duration::from_millis(ms)).await;
    }

    fn central(&mut self) -> Result<CentralId> {
        let all: Vec<CentralId> = self.file.centrals.iter().map(|entry| entry.id).collect();
        self.among(&all).copied()
    }

    fn among<'x, X>(&mut self, all: &'x [X]) -> Result<&'x X> {
        all.get(self.random.random_range(0..all.len().max(1))).context("nothing to choose from")
    }

    fn say(&self, what: &str) {
        (self.tell)(&format!("        fault: {what}"));
    }
}
