//! What the writer keeps in memory: the state of the rounds, and the numbers and months this database gave to streams.

use std::collections::HashSet;

use ::writer::State;
use opentelemetry::metrics::Histogram;
use sqlx::PgConnection;
use uuid::Uuid;
use wire::id::CentralId;

use super::clock::Clock;
use super::log::PgLog;
use super::numbers::Numbers;
use crate::store::months::{self, Months};
use crate::store::{StoreError, head, streams};

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) state: State,
    pub(super) numbers: Numbers,
    pub(super) clock: Clock,
    /// A rule came in: every row is to be made anew.
    pub(super) rules_changed: bool,
    /// Months with a drawer.
    pub(super) months: Months,
    /// How long a round's transaction took, s.
    pub(super) commit_seconds: Histogram<f64>,
}

/// Bounds of its buckets: a good disk takes a millisecond, a poor one ten.
const COMMIT_SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

fn commit_seconds() -> Histogram<f64> {
    kit::meter(kit::Role::Ledger)
        .f64_histogram("parkmesh_ledger_commit_seconds")
        .with_unit("s")
        .with_description("Time of one transaction of the writer, from begin to commit")
        .with_boundaries(COMMIT_SECONDS.to_vec())
        .build()
}

impl Memory {
    /// Loads everything; the lock is held. Opens a new epoch of arrival numbers.
    pub(super) async fn load(
        conn: &mut PgConnection,
        central: &CentralId,
        lanes: &HashSet<String>,
        now: i64,
    ) -> Result<Self, StoreError> {
        let epoch = Uuid::new_v4();
        let committed = head::load(conn).await?;
        head::open_epoch(conn, epoch, committed.arrival, now).await?;
        let numbers = Numbers::of(streams::numbers(conn).await?);
        let mut log = PgLog::new(conn, &numbers);
        let epoch = epoch.simple().to_string();
        let mut state = State::load(&mut log, central, epoch, lanes, now).await?;
        let (clock, witness) = Clock::load(&mut *conn, central, &state.positions).await?;
        state.clock = witness;
        let months = months::load(conn).await?;
        Ok(Self { state, numbers, months, clock, rules_changed: false, commit_seconds: commit_seconds() })
    }
}
