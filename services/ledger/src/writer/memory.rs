//! What the writer keeps in memory: the state of the rounds, and the numbers and months this database gave to streams.

use std::collections::HashSet;

use ::writer::State;
use sqlx::PgConnection;
use uuid::Uuid;
use wire::id::CentralId;

use super::clock::Clock;
use super::log::PgLog;
use super::metrics::Metrics;
use super::numbers::Numbers;
use super::peers::Peers;
use crate::store::months::{self, Months};
use crate::store::projection::Recent;
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
    /// Rows of the vehicles of the last rounds.
    pub(super) rows: Recent,
    /// What came from whom and is not written down yet.
    pub(super) peers: Peers,
    /// What is counted.
    pub(super) metrics: Metrics,
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
        Ok(Self {
            state,
            numbers,
            months,
            clock,
            rules_changed: false,
            rows: Recent::default(),
            peers: Peers::default(),
            metrics: Metrics::new(),
        })
    }

    /// Tables were written otherwise than by a round.
    pub(super) fn distrust(&mut self) {
        self.state.distrust();
        self.rows = Recent::default();
    }
}
