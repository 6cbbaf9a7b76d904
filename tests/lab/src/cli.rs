//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::absence::{self, AbsenceOptions};
use crate::backfill::{self, BackfillOptions};
use crate::backups::DEFAULT_SNAPSHOT;
use crate::chaos::{self, ChaosOptions};
use crate::containers::{self, databases, down, verbs};
use crate::control::{self, ExternalOrder, Order};
use crate::lab_file::LabFile;
use crate::layout::Layout;
use crate::links::CutMode;
use crate::options::{LabOptions, PortChoice};
use crate::process::Signal;
use crate::running::is_running;
use crate::topology::{CentralId, Target};
use crate::traffic::TrafficOptions;
use crate::{output, scenario, traffic, up};

/// Real centrals on one machine: real Postgres and NATS, the four services each, links that can be cut.
///
/// Exit codes: 0 ok, 1 a check failed, 2 usage, 3 no lab running.
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "./lab", version, max_term_width = 110)]
struct Cli {
    /// The lab's folder; two labs with folders and port bases of their own run side by side.
    #[arg(long, env = "LAB_DIR", default_value = "target/lab", global = true)]
    lab_dir: PathBuf,
    /// Act on the containers of docker-compose.yml instead of processes.
    #[arg(long, global = true)]
    docker: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start centrals and wait until each sees all others.
    Up {
        #[command(flatten)]
        lab: LabArgs,
        /// Return when ready; `down` stops it.
        #[arg(long)]
        detach: bool,
    },
    /// Stop everything that was started and remove its data.
    Down {
        /// Keep the data: the next `up` goes on with it.
        #[arg(long)]
        keep: bool,
    },
    /// Show centrals, services, links and lag.
    Status {
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// End a central or one of its services.
    Kill {
        /// central-3, or central-3/ledger (edge-gateway, ledger, mesh, sync, nats, postgres); central-3-clone for its clone.
        target: Target,
        /// KILL, TERM, INT, …
        #[arg(long, default_value = "KILL")]
        signal: Signal,
    },
    /// Start what was killed or has died; returns when it is ready.
    Start {
        /// central-3, or central-3/ledger.
        target: Target,
        /// From now on with the programs of this folder: another release.
        #[arg(long)]
        bin_dir: Option<PathBuf>,
    },
    /// Freeze a central or one of its services (SIGSTOP).
    Pause {
        /// central-3, or central-3/ledger.
        target: Target,
    },
    /// Let what was frozen go on (SIGCONT).
    Resume {
        /// central-3, or central-3/ledger.
        target: Target,
    },
    /// Cut the link between two centrals.
    Partition {
        /// One side.
        a: CentralId,
        /// The other side.
        b: CentralId,
        /// drop: bytes stop, calls hang; reset: connections break, calls are refused.
        #[arg(long, value_enum, default_value_t = CutMode::Drop)]
        mode: CutMode,
        /// Only what flows from A to B.
        #[arg(long)]
        one_way: bool,
    },
    /// Cut a central off from all others; in containers by taking it off their network.
    Isolate {
        /// central-3
        central: CentralId,
    },
    /// Heal the link between two centrals, or all links.
    Heal {
        /// One side.
        #[arg(requires = "b")]
        a: Option<CentralId>,
        /// The other side.
        b: Option<CentralId>,
    },
    /// Put a central's clock off against the machine's; the first time restarts its services.
    Clock {
        /// central-3
        central: CentralId,
        /// Seconds, such as +7200 or -30; 0 is right again.
        #[arg(allow_negative_numbers = true)]
        offset_s: i64,
    },
    /// Copy a central's database while it runs.
    Snapshot {
        /// central-3
        central: CentralId,
        /// To tell several apart; one of the same name is replaced.
        #[arg(long, default_value = DEFAULT_SNAPSHOT)]
        name: String,
    },
    /// Stop a central, put a snapshot in the place of its database, start it.
    Restore {
        /// central-3
        central: CentralId,
        /// Which snapshot.
        #[arg(long, default_value = DEFAULT_SNAPSHOT)]
        name: String,
        /// Exchange the database under the running services: only Postgres is killed and started.
        #[arg(long)]
        postgres_only: bool,
    },
    /// Stop a central, give it an empty database, start it.
    Wipe {
        /// central-3
        central: CentralId,
        /// Exchange the database under the running services: only Postgres is killed and started.
        #[arg(long)]
        postgres_only: bool,
    },
    /// Run a central twice: a second set of processes, central-3-clone, with a copy of its data and other ports.
    Clone {
        /// central-3
        central: CentralId,
        /// End the clone and remove its data.
        #[arg(long)]
        stop: bool,
    },
    /// The stand-in for the external API: what it serves, and whether it answers.
    External {
        #[command(subcommand)]
        what: ExternalVerb,
    },
    /// Leave no room on the disk of a central's database, or give it back. Root only; the first time restarts Postgres.
    Disk {
        /// central-3
        central: CentralId,
        /// full or free
        #[arg(value_enum)]
        room: Room,
    },
    /// Tell the story that must always work, with a fresh plate; without a lab, on one of its own.
    Scenario(LabArgs),
    /// Realistic cars on all lanes; checks that nothing is lost, doubled or untrue.
    Traffic {
        /// Requests per second in all.
        #[arg(long, default_value_t = 200.0)]
        rate: f64,
        /// For how long.
        #[arg(long, default_value_t = 30.0)]
        seconds: f64,
        /// The cars' lives follow from it [default: random].
        #[arg(long)]
        seed: Option<u64>,
        /// Do not follow the centrals' streams meanwhile: what is where is asked at the end, when it was visible is not known.
        #[arg(long)]
        unwatched: bool,
        /// The figures as JSON on the last line.
        #[arg(long)]
        json: bool,
    },
    /// Bring days of history into one central's ledger at once; the others get it by catching up.
    Backfill {
        /// Whose ledger gets it.
        #[arg(long)]
        central: CentralId,
        /// How many events.
        #[arg(long)]
        events: u64,
        /// Spread over so many days up to now.
        #[arg(long, default_value_t = 30.0)]
        days: f64,
        /// Who is said to have written them [default: the central itself].
        #[arg(long, value_delimiter = ',')]
        origins: Vec<CentralId>,
        /// The cars' lives follow from it [default: random].
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Cut one central off, bring days of history in at both sides, heal: tells how long all take to hold everything, and what it costs.
    Absence {
        /// Who is away.
        #[arg(long, default_value = "central-3")]
        central: CentralId,
        /// Events it writes meanwhile.
        #[arg(long, default_value_t = 300_000)]
        own: u64,
        /// Events the others write meanwhile.
        #[arg(long, default_value_t = 3_000_000)]
        others: u64,
        /// Spread over so many days up to now.
        #[arg(long, default_value_t = 30.0)]
        days: f64,
        /// The cars' lives follow from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Random faults under traffic (kill, pause, partition, clock, full disk, restore, wipe), then everything healed and checked.
    Chaos {
        /// For how long faults come.
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        /// Faults and cars follow from it [default: random].
        #[arg(long)]
        seed: Option<u64>,
        /// Requests per second meanwhile.
        #[arg(long, default_value_t = 40.0)]
        rate: f64,
        /// The figures as JSON on the last line.
        #[arg(long)]
        json: bool,
    },
    /// Print docker-compose.yml, made from the lab's topology.
    Compose {
        /// Write the file instead.
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// Only say whether the file is as it would be written.
        #[arg(long)]
        check: bool,
    },
    /// The process behind `up --detach`.
    #[command(hide = true)]
    Supervise(LabArgs),
    /// The container that makes keys, certificates and configurations.
    #[command(hide = true)]
    Setup {
        /// How many centrals run.
        #[arg(long, env = "CENTRALS", default_value_t = crate::containers::CENTRALS)]
        centrals: u16,
        /// Each central's volume is a folder in it.
        #[arg(long, default_value = "/sites")]
        sites: PathBuf,
    },
    /// The container that makes traffic for ever.
    #[command(hide = true)]
    Drive {
        /// Requests per second in all.
        #[arg(long, default_value_t = 10.0)]
        rate: f64,
    },
}

/// What to do with the stand-in for the external API.
#[derive(Debug, Subcommand)]
enum ExternalVerb {
    /// Print what it serves, in the form `put` takes.
    Show,
    /// Serve other documents: `{"fee-config": …, "staff": …, "subscriptions": …}`, or one of them alone. Those not named stay, null
    /// withdraws one, a list of items gets the next version.
    Put {
        /// A JSON file; - is the standard input.
        file: PathBuf,
    },
    /// Answer nobody, or only not this central.
    Down {
        /// central-3
        central: Option<CentralId>,
    },
    /// Answer everybody, or also this central again.
    Up {
        /// central-3
        central: Option<CentralId>,
    },
}

/// What is left on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Room {
    Full,
    Free,
}

/// How a lab is started.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabArgs {
    /// How many centrals, 1 to 20 [default: 10, or as many as a kept lab has].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub(crate) centrals: Option<u16>,
    /// Gateways listen on base + k, the mesh on base + 1000 + k, … [default: 8000].
    #[arg(long)]
    pub(crate) port_base: Option<u16>,
    /// Plain-text links instead of mutual TLS.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Postgres, NATS and links only: for work on one service.
    #[arg(long)]
    pub(crate) only_infrastructure: bool,
}

impl LabArgs {
    pub(crate) fn options(&self, lab_dir: PathBuf) -> LabOptions {
        LabOptions {
            centrals: self.centrals,
            ports: self.port_base.map_or(PortChoice::Usual, PortChoice::Base),
            insecure: self.insecure,
            only_infrastructure: self.only_infrastructure,
            ..LabOptions::new(lab_dir)
        }
    }

    /// The same as words for a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(centrals) = self.centrals {
            words.push(format!("--centrals={centrals}"));
        }
        if let Some(base) = self.port_base {
            words.push(format!("--port-base={base}"));
        }
        if self.insecure {
            words.push("--insecure".to_owned());
        }
        if self.only_infrastructure {
            words.push("--only-infrastructure".to_owned());
        }
        words
    }
}

/// No lab runs in the folder.
#[derive(Debug, thiserror::Error)]
#[error("no lab is running here; `./lab up --detach` starts one")]
struct NoLab;

/// The user asked for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs one command line.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match Layout::new(&cli.lab_dir) {
        Ok(layout) if cli.docker => carry_out_in_containers(&layout, cli.verb).await,
        Ok(layout) => carry_out(&layout, cli.verb).await,
        Err(error) => Err(error),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    output::error(format!("lab: {error:#}"));
    if error.is::<NoLab>() {
        ExitCode::from(3)
    } else if error.is::<Usage>() {
        ExitCode::from(2)
    } else {
        ExitCode::from(1)
    }
}

async fn carry_out(layout: &Layout, verb: Verb) -> Result<()> {
    match verb {
        Verb::Up { lab, detach: true } => up::detached(layout, &lab).await,
        Verb::Up { lab, detach: false } => up::foreground(layout, &lab).await,
        Verb::Supervise(args) => up::supervise(layout, &args).await,
        Verb::Down { keep } => up::down(layout, keep).await,
        Verb::Status { json } => up::status(&running(layout)?, json).await,
        Verb::Kill { target, signal } => {
            tell(layout, &[target.of.central], Order::Kill { target, signal }).await
        }
        Verb::Start { target, bin_dir } => {
            // The lab that is told may run in another folder.
            let bin_dir = bin_dir.map(std::path::absolute).transpose()?;
            tell(layout, &[target.of.central], Order::Start { target, bin_dir }).await
        }
        Verb::Pause { target } => tell(layout, &[target.of.central], Order::Pause { target }).await,
        Verb::Resume { target } => tell(layout, &[target.of.central], Order::Resume { target }).await,
        Verb::Clock { central, offset_s } => {
            tell(layout, &[central], Order::Clock { central, offset_s }).await
        }
        Verb::Snapshot { central, name } => tell(layout, &[central], Order::Snapshot { central, name }).await,
        Verb::Restore { central, name, postgres_only } => {
            tell(layout, &[central], Order::Restore { central, name, postgres_only }).await
        }
        Verb::Wipe { central, postgres_only } => {
            tell(layout, &[central], Order::Wipe { central, postgres_only }).await
        }
        Verb::Clone { central, stop } => tell(layout, &[central], Order::Clone { central, stop }).await,
        Verb::Disk { central, room } => {
            tell(layout, &[central], Order::Disk { central, full: room == Room::Full }).await
        }
        Verb::Chaos { seconds, seed, rate, json } => {
            let file = running(layout)?;
            let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            chaos::verb(&file, layout, ChaosOptions { seconds, seed, rate }, json).await
        }
        Verb::Absence { central, own, others, days, seed } => {
            let file = running(layout)?;
            known(&file, &[central])?;
            absence::verb(&file, layout, AbsenceOptions { central, own, others, days, seed }).await
        }
        Verb::Backfill { central, events, days, origins, seed } => {
            let file = running(layout)?;
            let named = std::iter::once(&central).chain(&origins);
            known(&file, &named.copied().collect::<Vec<_>>())?;
            let origins = if origins.is_empty() { vec![central] } else { origins };
            let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            let options = BackfillOptions { central, events, days, origins, seed };
            let done = backfill::bring_in(&file, layout, &options).await?;
            let rate = done.stored as f64 / done.seconds.max(0.001);
            output::line(format!("{} events in {:.1} s, {rate:.0}/s", done.stored, done.seconds));
            Ok(())
        }
        Verb::External { what } => {
            let (centrals, what) = match what {
                ExternalVerb::Show => (None, ExternalOrder::Show),
                ExternalVerb::Put { file } => (None, ExternalOrder::Put { documents: read_json(&file)? }),
                ExternalVerb::Down { central } => (central, ExternalOrder::Down { central }),
                ExternalVerb::Up { central } => (central, ExternalOrder::Up { central }),
            };
            tell(layout, &Vec::from_iter(centrals), Order::External { what }).await
        }
        Verb::Scenario(args) => match running(layout) {
            Ok(file) => scenario::tell(&file).await,
            Err(_) => up::scenario(layout, &args).await,
        },
        Verb::Traffic { rate, seconds, seed, unwatched, json } => {
            let file = running(layout)?;
            let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            let options =
                TrafficOptions { rate: pace(rate)?, seconds: length(seconds)?, seed, watch: !unwatched };
            traffic::verb(&file, layout, options, json).await
        }
        Verb::Partition { a, b, mode, one_way } => {
            tell(layout, &[a, b], Order::Partition { a, b, mode, one_way }).await
        }
        Verb::Isolate { central } => {
            let peers = running(layout)?.centrals.iter().map(|entry| entry.id).collect::<Vec<_>>();
            for b in peers.into_iter().filter(|peer| *peer != central) {
                let order = Order::Partition { a: central, b, mode: CutMode::Drop, one_way: false };
                tell(layout, &[central, b], order).await?;
            }
            Ok(())
        }
        Verb::Compose { write, check } => compose(write, check),
        Verb::Setup { centrals, sites } => {
            containers::setup::run(&Layout::new(Path::new("/lab"))?, &sites, centrals)
        }
        Verb::Drive { rate } => {
            let file = LabFile::read(&Layout::new(Path::new("/lab"))?)?.ok_or(NoLab)?;
            traffic::for_ever(&file, pace(rate)?).await
        }
        Verb::Heal { a, b } => {
            let centrals: Vec<CentralId> = a.into_iter().chain(b).collect();
            tell(layout, &centrals, Order::Heal { pair: a.zip(b) }).await
        }
    }
}

/// The same verbs on containers, as far as they make sense there.
async fn carry_out_in_containers(layout: &Layout, verb: Verb) -> Result<()> {
    let here = matches!(verb, Verb::Up { .. } | Verb::Down { .. } | Verb::Compose { .. });
    if !here && !verbs::running().await? {
        return Err(NoLab.into());
    }
    match verb {
        Verb::Up { lab, .. } => verbs::up(layout, lab.centrals).await,
        Verb::Down { keep } => down::down(layout, keep).await,
        Verb::Status { json } => verbs::show(layout, json).await,
        Verb::Kill { target, signal } => verbs::kill(target, &signal).await,
        Verb::Start { bin_dir: Some(_), .. } => {
            let why =
                "in containers another release is another image: PARKMESH_IMAGE, then `./lab --docker up`";
            Err(Usage(why.to_owned()).into())
        }
        Verb::Start { target, bin_dir: None } => verbs::start(layout, target).await,
        Verb::Pause { target } => verbs::pause(target).await,
        Verb::Resume { target } => verbs::resume(target).await,
        Verb::Partition { a, b, mode, one_way } => {
            known(&verbs::file(layout).await?, &[a, b])?;
            verbs::partition(layout, a, b, mode, one_way).await
        }
        Verb::Isolate { central } => verbs::isolate(central).await,
        Verb::Heal { a, b } => verbs::heal(layout, a.zip(b)).await,
        Verb::Snapshot { central, name } => {
            known(&verbs::file(layout).await?, &[central])?;
            databases::snapshot(layout, central, &name).await
        }
        Verb::Restore { postgres_only: true, .. } | Verb::Wipe { postgres_only: true, .. } => {
            let why =
                "in containers the services always end first: --postgres-only is for the lab of processes";
            Err(Usage(why.to_owned()).into())
        }
        Verb::Restore { central, name, .. } => {
            known(&verbs::file(layout).await?, &[central])?;
            databases::restore(layout, central, &name).await
        }
        Verb::Wipe { central, .. } => {
            known(&verbs::file(layout).await?, &[central])?;
            databases::wipe(layout, central).await
        }
        Verb::Scenario(_) => scenario::tell(&verbs::file(layout).await?).await,
        Verb::Traffic { rate, seconds, seed, unwatched, json } => {
            let file = verbs::file(layout).await?;
            let seed = seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
            let options =
                TrafficOptions { rate: pace(rate)?, seconds: length(seconds)?, seed, watch: !unwatched };
            traffic::verb(&file, layout, options, json).await
        }
        Verb::Compose { write, check } => compose(write, check),
        other => {
            let debug = format!("{other:?}");
            let name = debug.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase();
            Err(Usage(verbs::not_here(&name)).into())
        }
    }
}

/// Prints, writes or checks `docker-compose.yml` in the current folder.
fn compose(write: bool, check: bool) -> Result<()> {
    let (text, path) = (containers::compose::file(), Path::new("docker-compose.yml"));
    if write {
        std::fs::write(path, text)?;
    } else if check {
        let same = std::fs::read_to_string(path).is_ok_and(|old| old == text);
        anyhow::ensure!(same, "docker-compose.yml differs from the topology; run `./lab compose --write`");
    } else {
        output::line(text);
    }
    Ok(())
}

fn pace(rate: f64) -> Result<f64> {
    if rate > 0.0 && rate <= 20_000.0 {
        return Ok(rate);
    }
    Err(Usage("--rate is up to 20000 requests/s".to_owned()).into())
}

fn length(seconds: f64) -> Result<f64> {
    if seconds > 0.0 && seconds.is_finite() {
        return Ok(seconds);
    }
    Err(Usage("--seconds is more than none".to_owned()).into())
}

/// A JSON file, or the standard input.
fn read_json(file: &Path) -> Result<serde_json::Value> {
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let name = file.display();
    let text = text.map_err(|error| Usage(format!("cannot read {name}: {error}")))?;
    Ok(serde_json::from_str(&text).map_err(|error| Usage(format!("{name} is no JSON: {error}")))?)
}

/// The lab that runs in the folder.
fn running(layout: &Layout) -> Result<LabFile> {
    let file = LabFile::read(layout)?.filter(|_| is_running(layout));
    file.ok_or_else(|| NoLab.into())
}

/// Refuses centrals this lab does not have.
fn known(file: &LabFile, centrals: &[CentralId]) -> Result<()> {
    if let Some(unknown) = centrals.iter().find(|central| file.central(**central).is_none()) {
        return Err(Usage(format!("this lab has {} centrals and no {unknown}", file.centrals.len())).into());
    }
    Ok(())
}

/// Gives an order after checking the names in it.
async fn tell(layout: &Layout, centrals: &[CentralId], order: Order) -> Result<()> {
    let file = running(layout)?;
    known(&file, centrals)?;
    if let Order::Partition { a, b, .. } = &order
        && a == b
    {
        return Err(Usage(format!("{a} has no link to itself")).into());
    }
    control::order(layout, &order, |news| output::line(news)).await
}
