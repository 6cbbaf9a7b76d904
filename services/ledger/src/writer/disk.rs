//! The writer's disk alone: its transactions and its reads without the rounds. The suite that the simulated store passes too runs
//! over it (`tests/it/conformance`); the service itself goes the way of [`super::Writer`].

use std::collections::HashSet;

use ::writer::{Log, Writes};
use anyhow::Context;
use parking::decision::Site;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use wire::id::CentralId;

use super::commit::commit;
use super::lock;
use super::log::PgLog;
use super::memory::Memory;
use crate::store::StoreError;
use crate::store::projection::Stored;

/// See the module.
#[derive(Debug)]
pub struct Disk {
    conn: PgConnection,
    central: CentralId,
    memory: Memory,
}

impl Disk {
    /// Takes the lock, brings the tables up to date and loads what the writer keeps in memory. Errors: no connection in time, or
    /// what is stored cannot be read.
    pub async fn open(options: &PgConnectOptions, central: &CentralId) -> anyhow::Result<Self> {
        let mut conn = lock::connect(options).await?;
        lock::take(&mut conn).await?;
        lock::migrate(&mut conn).await?;
        let memory = load(&mut conn, central).await.context("what is stored")?;
        Ok(Self { conn, central: central.clone(), memory })
    }

    /// Commits what a round writes. Errors: nothing of it was committed (or, with the connection lost, nobody knows).
    pub async fn commit(&mut self, site: &Site<'_>, writes: &Writes) -> Result<(), StoreError> {
        let done = commit(&mut self.conn, &mut self.memory, site, writes, Stored::default()).await;
        if done.is_err() {
            // As the writer does: nothing in memory may be trusted.
            self.memory = load(&mut self.conn, &self.central).await?;
        }
        done.map(drop)
    }

    /// What a round reads.
    pub fn log(&mut self) -> impl Log<Error = StoreError> + '_ {
        PgLog::new(&mut self.conn, &self.memory.numbers)
    }

    /// The connection, for other reads.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

async fn load(conn: &mut PgConnection, central: &CentralId) -> Result<Memory, StoreError> {
    Memory::load(conn, central, &HashSet::new(), kit::clock::now_ms()).await
}
