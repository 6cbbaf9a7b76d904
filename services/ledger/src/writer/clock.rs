//! The clock witness at work: looked at before every round, kept beside the log.

use std::time::Instant;

use ::writer::State;
use replication::clock::{Cover, Measure, Reading, Witness};
use replication::positions::{Positions, StreamPositions};
use sqlx::PgConnection;
use wire::id::{CentralId, Incarnation};
use wire::position::StreamId;

use crate::shared::Shared;
use crate::store::{StoreError, witness};

/// What of it is kept already.
#[derive(Debug)]
pub(super) struct Clock {
    saved: u64,
    began: Instant,
}

impl Clock {
    /// Goes on where the last writer on this machine stopped.
    pub(super) async fn load(
        conn: &mut PgConnection,
        central: &CentralId,
        positions: &Positions,
    ) -> Result<(Self, Witness), StoreError> {
        let boot = kit::clock::boot_id().unwrap_or_default();
        let head = |incarnation: Incarnation| {
            let stream = StreamId { central: central.clone(), incarnation };
            positions.get(&stream).map_or(0, StreamPositions::head)
        };
        let witness = match witness::load(conn).await? {
            // Without a name of the boot nobody knows whether the machine is the same.
            Some(kept) if !boot.is_empty() => kept.resume(&boot, head),
            _ => Witness::new(&boot),
        };
        Ok((Self { saved: witness.changes(), began: Instant::now() }, witness))
    }

    /// Looks at the clocks, and tells everybody here how far this one is off. Returns own stamps that are now known to be wrong.
    pub(super) fn look(&self, witness: &mut Witness, shared: &Shared, wall_ms: i64) -> Vec<Cover> {
        let now = Reading { wall_ms, steady_ms: kit::clock::steady_ms(self.began) };
        let measure = shared.mesh.borrow().clock.map(|m| Measure {
            offset_ms: m.offset_ms,
            peers: m.peers,
            anchor_ms: m.anchor_ms,
        });
        let covers = witness.observe(now, measure);
        shared.set_clock_offset_ms(witness.offset_ms());
        covers
    }

    /// True when there is nothing new to keep.
    pub(super) fn is_saved(&self, state: &State) -> bool {
        state.clock.changes() == self.saved
    }

    /// Writes what is worth keeping, within the round's transaction.
    pub(super) async fn save(&self, conn: &mut PgConnection, state: &State) -> Result<(), StoreError> {
        if self.is_saved(state) { Ok(()) } else { witness::save(conn, &state.clock).await }
    }

    /// The transaction was committed.
    pub(super) fn saved(&mut self, state: &State) {
        self.saved = state.clock.changes();
    }
}
