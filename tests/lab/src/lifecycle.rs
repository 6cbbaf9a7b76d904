//! Starting, ending, freezing and waiting for the processes of a lab.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::future::{join_all, try_join_all};
use tokio::process::Child;

use crate::lab_file::{ServiceEntry, ServiceState};
use crate::process::{self, ProcessRef, Signal};
use crate::ready::{nats_greets, readyz, tail, until};
use crate::running::{Core, Lab};
use crate::spawner::Program;
use crate::topology::{CentralId, Instance, Service, Target};
use crate::{faketime, site};

/// How long a process may take to end when it is asked.
const END_PATIENCE: Duration = Duration::from_secs(10);

impl Lab {
    /// Starts everything and waits until every central sees all others.
    ///
    /// # Errors
    /// When something does not become ready in time; the message names it and holds its log's end.
    pub async fn bring_up(&self) -> Result<()> {
        let core = &self.core;
        let centrals: Vec<CentralId> = core.settings.centrals().collect();
        core.tell(format!("starting Postgres and NATS of {} centrals", centrals.len()));
        try_join_all(
            centrals.iter().map(|central| core.start_services((*central).into(), &Service::INFRASTRUCTURE)),
        )
        .await?;
        if !core.options.only_infrastructure {
            core.tell(format!("starting the services of {} centrals", centrals.len()));
            try_join_all(
                centrals.iter().map(|central| core.start_services((*central).into(), &Service::PROGRAMS)),
            )
            .await?;
            self.wait_meshed().await?;
        }
        core.change(|file| file.ready = true)?;
        core.tell("ready");
        Ok(())
    }

    /// Waits until every central sees all others.
    ///
    /// # Errors
    /// Which central sees how many, when the time is over.
    pub async fn wait_meshed(&self) -> Result<()> {
        let core = &self.core;
        let centrals: Vec<CentralId> = core.settings.centrals().collect();
        let wanted = u32::from(core.settings.centrals) - 1;
        core.tell("waiting until every central sees all others");
        let seen = until(core.options.patience, || async {
            let states = join_all(centrals.iter().map(|central| self.sees(*central, wanted))).await;
            let missing: Vec<String> = states.into_iter().filter_map(Result::err).collect();
            if missing.is_empty() { Ok(()) } else { Err(missing) }
        });
        seen.await.map_err(|missing| {
            let first = centrals.first().map(|central| tail(&core.layout.log(*central, Service::Mesh)));
            anyhow!("the mesh is not complete: {}{}", missing.join("; "), first.unwrap_or_default())
        })
    }

    async fn sees(&self, central: CentralId, wanted: u32) -> Result<(), String> {
        let status = self.admin(central).status().await.map_err(|error| format!("{central}: {error:#}"))?;
        if status.connected_peers == wanted {
            return Ok(());
        }
        Err(format!("{central} sees {} of {wanted} peers", status.connected_peers))
    }

    /// Starts what of the target does not run, and waits until it is ready.
    ///
    /// # Errors
    /// When something does not become ready in time.
    pub async fn start_target(&self, target: impl Into<Target>) -> Result<()> {
        let target = self.core.known(target.into())?;
        let wanted = target.services();
        for layer in [&Service::INFRASTRUCTURE[..], &Service::PROGRAMS[..]] {
            let services: Vec<Service> = layer.iter().copied().filter(|one| wanted.contains(one)).collect();
            let skip = self.core.options.only_infrastructure && target.service.is_none();
            if skip && services.iter().any(|service| service.is_program()) {
                continue;
            }
            self.core.start_services(target.of, &services).await?;
        }
        Ok(())
    }

    /// Sends a signal; after one that ends processes, waits until they have ended. `KILL` takes along
    /// what they started; for Postgres `TERM` is its fast shutdown, which does not wait for clients.
    ///
    /// # Errors
    /// When something does not end in time.
    pub async fn kill(&self, target: impl Into<Target>, signal: &Signal) -> Result<()> {
        self.core.kill(target.into(), signal).await
    }

    /// Freezes processes (`SIGSTOP`).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn pause(&self, target: impl Into<Target>) -> Result<()> {
        self.core.freeze(target.into(), ServiceState::Running, ServiceState::Paused, Signal::stop()).await
    }

    /// Lets frozen processes go on (`SIGCONT`).
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn resume(&self, target: impl Into<Target>) -> Result<()> {
        self.core.freeze(target.into(), ServiceState::Paused, ServiceState::Running, Signal::resume()).await
    }

    /// Ends everything; removes the data unless it is to be kept.
    ///
    /// # Errors
    /// When a process survives or files cannot be removed.
    pub async fn down(&self, keep: bool) -> Result<()> {
        let core = &self.core;
        let _turn = core.going_down.lock().await;
        if core.set_down() {
            return Ok(());
        }
        core.tell("stopping");
        let of = |services: &[Service]| -> Vec<ProcessRef> {
            let file = core.file();
            let entries = file.everything().flat_map(|(_, entry)| entry.processes.iter());
            entries.filter(|(name, _)| services.contains(name)).filter_map(|(_, one)| one.process).collect()
        };
        end(of(&Service::PROGRAMS), Signal::term(), Duration::from_secs(5)).await?;
        end(of(&[Service::Nats]), Signal::term(), Duration::from_secs(2)).await?;
        // Postgres' fast shutdown, or the immediate one when nobody will read the cluster again.
        let shutdown = if keep { Signal::interrupt() } else { Signal::quit() };
        end(of(&[Service::Postgres]), shutdown, END_PATIENCE).await?;
        core.links.close();
        let layout = core.layout.clone();
        tokio::task::spawn_blocking(move || -> Result<()> {
            let _ = std::fs::remove_file(layout.control_socket());
            if keep {
                std::fs::remove_file(layout.lab_json()).context("cannot remove lab.json")
            } else {
                layout.remove_data()
            }
        })
        .await??;
        core.tell("down");
        Ok(())
    }
}

impl Core {
    /// The target, if this lab has the central.
    pub(crate) fn known(&self, target: Target) -> Result<Target> {
        if target.of.central.number() > self.settings.centrals {
            bail!("this lab has {} centrals and no {}", self.settings.centrals, target.of.central);
        }
        if self.file().instance(target.of).is_none() {
            bail!("{} has no clone; `./lab clone {}` makes one", target.of.central, target.of.central);
        }
        Ok(target)
    }

    /// Starts what does not run, then waits for all of them.
    pub(crate) async fn start_services(self: &Arc<Self>, of: Instance, services: &[Service]) -> Result<()> {
        for service in services {
            let entry = self.service(of, *service);
            let alive = entry.process.is_some_and(ProcessRef::is_alive);
            match entry.state {
                ServiceState::Paused if alive => bail!("{of}/{service} is paused; resume it"),
                _ if alive => {}
                _ => self.start_service(of, *service).await?,
            }
        }
        try_join_all(services.iter().map(|service| self.wait_ready(of, *service))).await?;
        Ok(())
    }

    async fn start_service(self: &Arc<Self>, of: Instance, service: Service) -> Result<()> {
        if self.is_down() {
            bail!("the lab is going down");
        }
        if service == Service::Postgres {
            let postgres = self.postgres.clone();
            tokio::task::spawn_blocking(move || postgres.clear_stale(of)).await??;
        }
        let child = self.spawner.spawn(self.program(of, service)?).await?;
        let pid = child.id().with_context(|| format!("{of}/{service} ended at once"))?;
        let process = ProcessRef::of(pid).with_context(|| format!("{of}/{service} ended at once"))?;
        let entry = ServiceEntry { state: ServiceState::Running, process: Some(process), ended: None };
        self.set_service(of, service, entry)?;
        tokio::spawn(watch(Arc::clone(self), of, service, process, child));
        Ok(())
    }

    fn program(&self, of: Instance, service: Service) -> Result<Program> {
        let log = self.layout.log(of, service);
        Ok(match service {
            Service::Postgres => self.postgres.program(&self.layout, of, self.settings.ports().postgres(of)),
            Service::Nats => Program {
                executable: find_nats()?,
                arguments: vec!["-c".to_owned(), self.layout.nats_conf(of).to_string_lossy().into_owned()],
                environment: bus_environment(),
                directory: self.layout.working_directory(of, service),
                log,
                user: None,
            },
            Service::EdgeGateway | Service::Ledger | Service::Mesh | Service::Sync => {
                let mut environment = site::environment(&self.layout, &self.settings, of, service);
                if let Some(url) = &self.options.otlp {
                    environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), url.clone()));
                    environment.push(("OTEL_EXPORTER_OTLP_PROTOCOL".to_owned(), "http/protobuf".to_owned()));
                }
                environment.extend(faketime::environment(&self.layout, of)?);
                environment.extend(self.options.environment.iter().cloned());
                Program {
                    executable: self.executable(of, service),
                    arguments: Vec::new(),
                    environment,
                    directory: self.layout.working_directory(of, service),
                    log,
                    user: None,
                }
            }
        })
    }

    async fn wait_ready(&self, of: Instance, service: Service) -> Result<()> {
        let ports = self.settings.ports();
        let health = ports.health(of, service).map(|port| format!("http://127.0.0.1:{port}"));
        // Ok(Err(..)) ends the waiting: what has died does not become ready any more.
        let ready = until(self.options.patience, || async {
            let entry = self.service(of, service);
            let Some(process) = entry.process.filter(|process| process.is_alive()) else {
                return Ok(Err(entry.ended.unwrap_or_else(|| "ended".to_owned())));
            };
            let answer = match (service, &health) {
                (Service::Postgres, _) if self.postgres.is_ready(of, process) => Ok(()),
                (Service::Nats, _) if nats_greets(ports.nats(of)).await => Ok(()),
                (_, Some(health)) => readyz(&self.http, health).await,
                _ => Err("does not accept connections".to_owned()),
            };
            answer.map(Ok)
        });
        match ready.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) | Err(reason) => {
                bail!("{of}/{service} is not ready: {reason}{}", tail(&self.layout.log(of, service)))
            }
        }
    }

    async fn kill(&self, target: Target, signal: &Signal) -> Result<()> {
        let target = self.known(target)?;
        let ends = matches!(signal.name(), "KILL" | "TERM" | "INT" | "QUIT" | "ABRT");
        let mut doomed = Vec::new();
        for service in target.services() {
            let entry = self.service(target.of, service);
            let Some(process) = entry.process.filter(|process| process.is_alive()) else { continue };
            if ends {
                // Before the signal, so that the watcher does not take it for a death of its own.
                let killed = ServiceEntry { state: ServiceState::Killed, ..entry };
                self.set_service(target.of, service, killed)?;
            }
            let fast = service == Service::Postgres && signal.name() == "TERM";
            doomed.push((process, if fast { Signal::interrupt() } else { signal.clone() }));
        }
        let signal = signal.clone();
        tokio::task::spawn_blocking(move || -> Result<()> {
            let processes: Vec<ProcessRef> = doomed.iter().map(|(process, _)| *process).collect();
            if signal == Signal::kill() {
                return process::kill_all(&processes);
            }
            for (process, signal) in doomed {
                process::signal(&[process], &signal)?;
            }
            if ends && !process::wait_gone(&processes, END_PATIENCE) {
                bail!("{target} does not end on SIG{} within {} s", signal.name(), END_PATIENCE.as_secs());
            }
            Ok(())
        })
        .await?
    }

    async fn freeze(
        &self,
        target: Target,
        from: ServiceState,
        to: ServiceState,
        signal: Signal,
    ) -> Result<()> {
        let target = self.known(target)?;
        let mut roots = Vec::new();
        for service in target.services() {
            let entry = self.service(target.of, service);
            let Some(process) = entry.process.filter(|process| process.is_alive()) else { continue };
            if entry.state == from {
                self.set_service(target.of, service, ServiceEntry { state: to, ..entry })?;
            }
            roots.push(process);
        }
        tokio::task::spawn_blocking(move || -> Result<()> {
            // Twice: a Postgres may start a backend between looking and stopping its postmaster.
            for _ in 0..2 {
                process::signal(&process::with_descendants(&roots), &signal)?;
            }
            Ok(())
        })
        .await?
    }
}

/// Collects a child and notes how it ended.
async fn watch(core: Arc<Core>, of: Instance, service: Service, process: ProcessRef, mut child: Child) {
    let ended = match child.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => format!("cannot be waited for: {error}"),
    };
    let entry = core.service(of, service);
    if entry.process != Some(process) || core.is_down() {
        return;
    }
    let state = if entry.state == ServiceState::Killed { ServiceState::Killed } else { ServiceState::Died };
    if state == ServiceState::Died {
        core.tell(format!("{of}/{service} died: {ended}"));
    }
    let entry = ServiceEntry { state, process: Some(process), ended: Some(ended) };
    // The disk is full or the folder gone; the next change will say so to somebody.
    let _ = core.set_service(of, service, entry);
}

/// Asks processes to end, then makes them.
async fn end(processes: Vec<ProcessRef>, signal: Signal, patience: Duration) -> Result<()> {
    tokio::task::spawn_blocking(move || -> Result<()> {
        // What is frozen takes no notice of a request to end.
        process::signal(&process::with_descendants(&processes), &Signal::resume())?;
        process::signal(&processes, &signal)?;
        process::wait_gone(&processes, patience);
        process::kill_all(&processes)
    })
    .await?
}

/// One core is plenty for a central's bus, and its scheduler takes a quarter less of it when it does not look for work on others. It tidies its
/// memory up four times as rarely as by itself, which is an eighth of its work under load, unless that grows.
fn bus_environment() -> Vec<(String, String)> {
    let mut environment = site::inherited_environment();
    environment.push(("GOMAXPROCS".to_owned(), "1".to_owned()));
    environment.push(("GOGC".to_owned(), "400".to_owned()));
    environment.push(("GOMEMLIMIT".to_owned(), "48MiB".to_owned()));
    environment
}

fn find_nats() -> Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/bin".into()])
        .map(|folder| folder.join("nats-server"))
        .find(|program| program.exists())
        .context(
            "no nats-server here; scripts/install-deps installs it (Debian: apt-get install nats-server)",
        )
}
