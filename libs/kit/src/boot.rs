//! From `main` to a running service and back out.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use wire::config::P2pConfig;

use crate::bus::Bus;
use crate::config::ConfigWatch;
use crate::files;
use crate::health::Health;
use crate::settings::{BadSetting, Role, Settings};
use crate::shutdown::Shutdown;
use crate::telemetry::Telemetry;
use crate::tls;

/// Exit code of bad settings or a bad configuration file.
const BAD_SETTINGS: u8 = 64;

/// All a service is given.
#[derive(Debug, Clone)]
pub struct Service {
    /// Which one it is.
    pub role: Role,
    /// The environment.
    pub settings: Settings,
    /// The configuration file.
    pub config: ConfigWatch,
    /// The central's bus.
    pub bus: Bus,
    /// Probes.
    pub health: Health,
    /// Stop.
    pub shutdown: Shutdown,
}

fn say(to_stderr: bool, text: &str) {
    // Before logging exists, or instead of it: a command's own output.
    let line = format!("{text}\n");
    drop(if to_stderr {
        std::io::stderr().write_all(line.as_bytes())
    } else {
        std::io::stdout().write_all(line.as_bytes())
    });
}

fn usage(role: Role) -> String {
    let n = role.name();
    format!(
        "parkmesh {n} {v}\n\nUsage: {n} [healthcheck | --help | --version]\n\n\
         Runs until SIGTERM. Configuration: P2P_CONFIG_FILE (default config/p2p_config.json) and the environment\n\
         (P2P_PORT, API_PORT, HEALTH_PORT, LISTEN_HOST, DATABASE_URL, NATS_URL, NATS_USER, NATS_PASSWORD_FILE, HEARTBEAT_INTERVAL, SYNC_LIMIT, SYNC_WINDOW_DAYS,\n\
         ADMIN_TOKEN_FILE, PLATE_KEY_FILE, MESH_TLS_CA_FILE, MESH_TLS_CERT_FILE, MESH_TLS_KEY_FILE, OTEL_*).\n\
         healthcheck: exit 0 when /readyz on HEALTH_PORT says ready, else 1.\n\
         Exit 64: a setting or the configuration file cannot be used; the reason is one line on stderr.",
        v = env!("CARGO_PKG_VERSION")
    )
}

/// Checks what only the service itself can judge (certificates, key files), before any port is bound.
pub type Check = fn(&Settings, &P2pConfig) -> Result<(), BadSetting>;

/// Runs a service: the whole of its `main`. Returns 0 after a clean stop, 1 after a failure, 64 for bad settings.
pub fn service<F, Fut>(role: Role, run: F) -> ExitCode
where
    F: FnOnce(Service) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    service_checked(role, |_, _| Ok(()), run)
}

/// [`service`] with a check of its own.
pub fn service_checked<F, Fut>(role: Role, check: Check, run: F) -> ExitCode
where
    F: FnOnce(Service) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h" | "help") => {
            say(false, &usage(role));
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-V") => {
            say(false, &format!("{} {}", role.name(), env!("CARGO_PKG_VERSION")));
            return ExitCode::SUCCESS;
        }
        Some("healthcheck") => return healthcheck(role),
        Some(other) => {
            say(true, &format!("{}: unknown argument {other:?}; try --help", role.name()));
            return ExitCode::from(2);
        }
    }
    let settings = match Settings::from_env(role) {
        Ok(s) => s,
        Err(e) => {
            say(true, &format!("{}: {e}", role.name()));
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    tls::use_ring();
    let file_handles = files::raise();
    let runtime = match runtime(role) {
        Ok(r) => r,
        Err(e) => {
            say(true, &format!("{}: runtime cannot start: {e}", role.name()));
            return ExitCode::FAILURE;
        }
    };
    let shutdown = Shutdown::new();
    let config = {
        let _in_runtime = runtime.enter();
        match ConfigWatch::start(settings.config_file.clone(), &shutdown) {
            Ok(c) => c,
            Err(e) => {
                say(true, &format!("{}: {e}", role.name()));
                return ExitCode::from(BAD_SETTINGS);
            }
        }
    };
    if let Err(e) = check(&settings, &config.current()) {
        say(true, &format!("{}: {e}", role.name()));
        return ExitCode::from(BAD_SETTINGS);
    }
    let central = config.current().this_central.id.to_string();
    let telemetry = match Telemetry::start(role, &settings, &central) {
        Ok(t) => t,
        Err(e) => {
            say(true, &format!("{}: telemetry cannot start: {e:#}", role.name()));
            return ExitCode::FAILURE;
        }
    };
    tracing::debug!(file_handles, "file handles of this process");
    let result = runtime.block_on(live(role, settings, config, shutdown, run));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    telemetry.stop();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let bad = e.downcast_ref::<BadSetting>().is_some();
            say(true, &format!("{}: {e:#}", role.name()));
            if bad { ExitCode::from(BAD_SETTINGS) } else { ExitCode::FAILURE }
        }
    }
}

/// Mesh and sync hand on what others made, in small pieces: one thread does it with fewer wake-ups (a seventh of sync's CPU under load, a
/// twentieth of mesh's). The others answer people and lanes while something long is read.
fn runtime(role: Role) -> std::io::Result<tokio::runtime::Runtime> {
    match role {
        Role::Mesh | Role::Sync => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        Role::EdgeGateway | Role::Ledger => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
        }
    }
}

async fn live<F, Fut>(
    role: Role,
    settings: Settings,
    config: ConfigWatch,
    shutdown: Shutdown,
    run: F,
) -> anyhow::Result<()>
where
    F: FnOnce(Service) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let health = Health::default();
    health.serve(SocketAddr::new(settings.listen_host, settings.health_port), &shutdown).await?;
    let bus = Bus::connect_as(settings.nats_login.clone(), settings.nats_url.expose(), role.name(), &health)
        .await
        .context("NATS_URL")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), instance = %settings.instance_id, "service starts");
    let stop = shutdown.clone();
    let stopping = health.clone();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("stop asked for");
        // Readiness goes first, so that nobody sends anything new.
        stopping.set("running", false);
        stop.begin();
    });
    let service = Service { role, settings, config, bus: bus.clone(), health, shutdown: shutdown.clone() };
    let result = run(service).await;
    shutdown.begin();
    if !shutdown.drained().await {
        tracing::warn!("some tasks did not end in time");
    }
    bus.flush().await;
    tracing::info!("service ended");
    result
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        // Without handlers the default action ends the process anyway.
        _ => std::future::pending().await,
    }
}

/// `healthcheck`: asks the own `/readyz`. Plain TCP, so that an image needs no HTTP client.
fn healthcheck(role: Role) -> ExitCode {
    use std::io::Read;
    let Ok(settings) = Settings::from_env(role) else { return ExitCode::from(BAD_SETTINGS) };
    let host = if settings.listen_host.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        settings.listen_host
    };
    let ask = || -> std::io::Result<String> {
        let limit = std::time::Duration::from_secs(2);
        let mut s =
            std::net::TcpStream::connect_timeout(&SocketAddr::new(host, settings.health_port), limit)?;
        s.set_read_timeout(Some(limit))?;
        s.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        s.take(16 * 1024).read_to_string(&mut text)?;
        Ok(text)
    };
    match ask() {
        Ok(t) if t.starts_with("HTTP/1.1 200") => ExitCode::SUCCESS,
        Ok(t) => {
            say(true, t.lines().last().unwrap_or("not ready"));
            ExitCode::FAILURE
        }
        Err(e) => {
            say(true, &format!("not reachable: {e}"));
            ExitCode::FAILURE
        }
    }
}
