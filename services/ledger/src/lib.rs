//! The ledger: owns Postgres, decides and records.
//!
//! Follow a command: [`bus`] (read and queued) → [`mod@writer`] (a round of the library `writer`: decide, append, project; then the
//! commit) → [`outbox`] (answered after the commit, told to mesh and sync). Follow an event of another central: [`bus`] → [`mod@writer`] → the
//! same round. Questions and catch-up reads ([`query`], [`fetch`]) go past the writer, through a small read pool.

pub mod access;
pub mod audit;
pub mod bus;
pub mod digest;
pub mod fetch;
pub mod outbox;
mod pause;
pub mod pins;
pub mod query;
pub mod queue;
pub mod reference;
pub mod shared;
pub mod storage;
pub mod store;
pub mod verify;
pub mod writer;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kit::Service;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{Semaphore, watch};
use wire::bus::subject;

/// Connections for reading.
const READERS: u32 = 6;
/// Questions worked on at once; more wait on the bus.
const QUESTIONS: usize = 32;

/// Runs the service until the stop.
pub async fn run(svc: Service) -> anyhow::Result<()> {
    for need in ["postgres", "writer"] {
        svc.health.set(need, false);
    }
    let options = database(&svc.settings)?;
    let shared =
        shared::Shared::new(&svc.settings, svc.config.clone(), svc.bus.clone(), svc.shutdown.clone())?;
    let outbox = outbox::start(svc.bus.clone(), &svc.shutdown);
    let (lanes, queue) = queue::queue();
    let digests = digest::Digests::default();
    let (status, writer_status) = watch::channel(writer::WriterStatus::default());
    let pool = PgPoolOptions::new()
        .min_connections(0)
        .max_connections(READERS)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(
            options
                .clone()
                .application_name("parkmesh-ledger-reader")
                // An index costs what it does on a disk without moving parts.
                .options([("jit", "off"), ("random_page_cost", "1.1")])
                .disable_statement_logging(),
        );
    let keeper = reference::Keeper::new(shared.clone(), pool.clone(), lanes.clone());
    let access = access::Access::new(pool.clone(), lanes.clone());
    let writer = writer::Writer {
        shared: shared.clone(),
        options,
        queue,
        lanes: lanes.clone(),
        outbox,
        health: svc.health.clone(),
        status,
        digests: digests.clone(),
        keeper,
        access,
    };
    svc.shutdown.spawn("writer", writer.run());
    let audit = audit::Auditor::new(shared.clone(), pool.clone(), lanes, writer_status.clone());
    audit.start();
    let budget = storage::Budget::of(&svc.settings);
    let disk = storage::watch_disk(pool.clone(), budget, writer_status.clone(), &svc.shutdown);
    let reader = query::Reader {
        shared,
        process: svc.settings.instance_id.simple().to_string().into(),
        audit,
        pool: pool.clone(),
        writer: writer_status,
        digests,
        replays: Arc::new(Semaphore::new(1)),
        budget,
        disk,
    };
    serve_reads(&svc, reader, pool.clone());
    svc.shutdown.token().cancelled().await;
    pool.close().await;
    Ok(())
}

/// `DATABASE_URL`.
pub fn database(settings: &kit::Settings) -> anyhow::Result<PgConnectOptions> {
    let url = settings.database_url.as_ref().context("DATABASE_URL is not set")?;
    // The error would show the URL and with it the password.
    PgConnectOptions::from_str(url.expose())
        .map_err(|_| anyhow::anyhow!("DATABASE_URL=***: is no Postgres URL"))
}

/// Answers questions and catch-up reads from the first time the writer was here: the tables exist then.
fn serve_reads(svc: &Service, reader: query::Reader, pool: sqlx::PgPool) {
    let (bus, token, tracker) = (svc.bus.clone(), svc.shutdown.token(), svc.shutdown.tracker());
    let shutdown = svc.shutdown.clone();
    svc.shutdown.spawn("reads", async move {
        let mut writer = reader.writer.clone();
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            seen = writer.wait_for(|w| w.writing) => { seen?; }
        }
        tracker.spawn(query::occupancy::tell(reader.clone(), token.clone()));
        let mut questions = bus.serve(subject::LEDGER_QUERY, subject::LEDGER_GROUP).await?;
        let mut fetches = bus.serve(subject::LEDGER_FETCH, subject::LEDGER_GROUP).await?;
        let (asking, fetching) = (Arc::new(Semaphore::new(QUESTIONS)), Arc::new(Semaphore::new(QUESTIONS)));
        let fetch_token = token.clone();
        let fetch_tracker = tracker.clone();
        shutdown.spawn("fetches", async move {
            loop {
                let next = tokio::select! {
                    () = fetch_token.cancelled() => return Ok(()),
                    m = fetches.next() => m,
                };
                let Some(m) = next else { return Ok(()) };
                let place = fetching.clone().acquire_owned().await?;
                let pool = pool.clone();
                fetch_tracker.spawn(async move {
                    fetch::answer(&pool, m).await;
                    drop(place);
                });
            }
        });
        loop {
            let next = tokio::select! {
                () = token.cancelled() => return Ok(()),
                m = questions.next() => m,
            };
            let Some(m) = next else { return Ok(()) };
            let place = asking.clone().acquire_owned().await?;
            let reader = reader.clone();
            tracker.spawn(async move {
                reader.answer(m).await;
                drop(place);
            });
        }
    });
}
