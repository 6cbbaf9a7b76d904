//! The one writer. It owns the direct connection that holds the session advisory lock; every write of this central goes
//! through here, in rounds of one transaction each.
//!
//! [`lock`] gets the connection → [`memory`] is loaded → rounds follow each other ([`serve`]) until something unexpected happens;
//! then everything in flight is answered `Unavailable` and it begins again, in a new incarnation. What a round decides stands in
//! the library `writer`, which the simulator runs too; here are Postgres, the one transaction and the spans.

mod clock;
mod commit;
pub mod disk;
pub mod lock;
mod log;
mod memory;
mod metrics;
mod numbers;
mod peers;
mod rebuild;
pub mod repair;
mod round;
mod serve;
mod trouble;

pub(crate) use log::{TAGS, next_tags};
pub use trouble::Trouble;

use std::sync::Arc;
use std::time::Duration;

use kit::Health;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use wire::bus::reason;
use wire::bus::state::Stored;

use crate::access::Access;
use crate::digest::{Days, Digests};
use crate::outbox::{Out, Outbox};
use crate::queue::{Lanes, Queue};
use crate::reference::Keeper;
use crate::shared::Shared;
use crate::{bus, store};

/// First and longest wait before the next try.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// What readers want to know of the writer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterStatus {
    /// It holds the lock.
    pub writing: bool,
    /// Why it does not write, or did not until now.
    pub trouble: Option<Trouble>,
}

/// The writer and what it works with.
#[derive(Debug)]
pub struct Writer {
    /// Everybody's.
    pub shared: Shared,
    /// Where Postgres is.
    pub options: PgConnectOptions,
    /// What is to do.
    pub queue: Queue,
    /// To queue a command again.
    pub lanes: Arc<Lanes>,
    /// Answers and news.
    pub outbox: Outbox,
    /// Probes.
    pub health: Health,
    /// For readers.
    pub status: watch::Sender<WriterStatus>,
    /// Reference documents.
    pub keeper: Keeper,
    /// Tokens and keys.
    pub access: Access,
    /// Hears which rows changed.
    pub digests: Digests,
}

impl Writer {
    /// Runs until the stop.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let token = self.shared.shutdown.token();
        let mut wait = BACK_OFF.0;
        while !token.is_cancelled() {
            let began = tokio::time::Instant::now();
            let ended = self.session().await;
            self.status.send_modify(|s| s.writing = false);
            self.health.set("writer", false);
            self.refuse_queued();
            if let Err(e) = ended {
                tracing::error!(error = %format!("{e:#}"), "writer lost its connection, beginning again");
                self.health.set("postgres", false);
                self.status.send_modify(|s| s.trouble = Trouble::of(&e, s.trouble));
            }
            if began.elapsed() > Duration::from_secs(5) {
                wait = BACK_OFF.0;
            }
            tokio::select! {
                () = token.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(BACK_OFF.1);
        }
        Ok(())
    }

    /// From the connection to its end.
    async fn session(&mut self) -> anyhow::Result<()> {
        let token = self.shared.shutdown.token();
        let mut conn = lock::connect(&self.options).await?;
        self.health.set("postgres", true);
        tokio::select! {
            () = token.cancelled() => return Ok(()),
            taken = lock::take(&mut conn) => taken?,
        }
        lock::migrate(&mut conn).await?;
        let now = kit::clock::now_ms();
        let (central, lanes) = (&self.shared.central, self.shared.lanes_here());
        let mut memory = memory::Memory::load(&mut conn, central, &lanes, now).await?;
        rebuild::if_needed(&mut conn, &mut memory, &self.shared).await?;
        self.keeper.load(&mut conn).await?;
        self.access.load(&mut conn).await?;
        // Only while the lock is held: a standby must not take commands away from the writer.
        let intake = bus::intake(&self.shared, &self.lanes, &self.outbox, &self.keeper, &self.access).await?;
        self.digests.changed(Days::all());
        self.status.send_modify(|s| s.writing = true);
        self.health.set("writer", true);
        let held = &memory.state.positions;
        tracing::info!(streams = held.len(), events = held.held(), "writer lock taken");
        // Whoever asked the writer before this one is answered no more, and what that one committed last was perhaps never told.
        self.outbox.send(Out::Stored(Stored {
            epoch: memory.state.epoch.clone(),
            after: memory.state.writer.committed().arrival.unsigned_abs(),
            events: Vec::new(),
            holdings: Vec::new(),
            brought: false,
        }));
        let ended = self.serve(&mut conn, &mut memory).await;
        intake.stop().await;
        if ended.is_ok() {
            lock::release(conn).await;
        }
        Ok(ended?)
    }
}

/// What a round answers when it failed.
pub(crate) fn unavailable_because(e: &store::StoreError) -> &'static str {
    match e {
        store::StoreError::Timeout => reason::SLOW,
        store::StoreError::Sql(e) => of_postgres(e),
        _ => reason::LOST,
    }
}

/// The words for what Postgres said.
fn of_postgres(e: &sqlx::Error) -> &'static str {
    of_code(e.as_database_error().and_then(|e| e.code()).as_deref())
}

/// The words for Postgres's own code: what people must do differs.
fn of_code(code: Option<&str>) -> &'static str {
    match code {
        // disk_full; io_error, which a full disk can look like too
        Some("53100" | "58030") => reason::DISK_FULL,
        // read_only_sql_transaction
        Some("25006") => reason::READ_ONLY,
        _ => reason::LOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_called_one() {
        for (code, words) in [
            (Some("53100"), reason::DISK_FULL),
            (Some("25006"), reason::READ_ONLY),
            (Some("57P01"), reason::LOST),
            (None, reason::LOST),
        ] {
            assert_eq!(of_code(code), words, "{code:?}");
        }
    }
}
