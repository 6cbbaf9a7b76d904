//! What the writer keeps in memory: a copy of what it committed. After anything unexpected all of it is thrown away and
//! loaded anew from Postgres.

use std::collections::{BTreeSet, HashMap, HashSet};

use parking::fact::Fact;
use parking::history::Policies;
use parking::lanes::{self, LaneRows};
use replication::log::{Head, Writer, WriterHead};
use replication::positions::Positions;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::event::Kind;
use wire::id::{CentralId, Incarnation};
use wire::position::{StreamHoldings, StreamId};

use crate::store::closure::{self, StreamNumbers};
use crate::store::head;
use crate::store::{StoreError, events, streams};
use parking::world::World;

/// Arrivals looked through for recent passages at most.
const LANE_EVENTS: i64 = 20_000;

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    /// The stretch of arrival numbers this connection gives.
    pub(super) epoch: String,
    /// Numbers of streams here.
    numbers: HashMap<StreamId, i32>,
    next_number: i32,
    /// What is held.
    pub(super) positions: Positions,
    /// What was committed last, and this connection's own stream.
    pub(super) writer: Writer,
    /// Rules of the projection.
    pub(super) policies: Policies,
    policy_facts: Vec<Fact>,
    /// Recent passages by lane.
    pub(super) lanes: LaneRows,
}

impl StreamNumbers for State {
    fn number(&self, stream: &StreamId) -> Option<i32> {
        self.numbers.get(stream).copied()
    }
}

impl State {
    /// Loads everything; the lock is held. Opens a new epoch of arrival numbers.
    pub(super) async fn load(
        conn: &mut PgConnection,
        central: &CentralId,
        edges: &HashSet<String>,
        now: i64,
    ) -> Result<Self, StoreError> {
        let committed = head::load(conn).await?;
        let epoch = Uuid::new_v4();
        head::open_epoch(conn, epoch, committed.arrival, now).await?;
        let mut state = Self {
            epoch: epoch.simple().to_string(),
            numbers: HashMap::new(),
            next_number: 1,
            positions: Positions::new(),
            writer: Writer::take_over(central.clone(), committed),
            policies: Policies::default(),
            policy_facts: Vec::new(),
            lanes: LaneRows::default(),
        };
        for (id, h) in streams::load_all(conn).await? {
            state.numbers.insert(h.stream.clone(), id);
            state.next_number = state.next_number.max(id + 1);
            state.positions.set(h);
        }
        let policies = sqlx::query(events::POLICIES).fetch_all(&mut *conn).await?;
        for row in policies {
            if let Ok(f) = crate::event::fact(&events::frame(&row, 0)?) {
                state.policy_facts.push(f);
            }
        }
        state.policies = Policies::of(&state.policy_facts);
        state.load_lanes(conn, edges, now).await?;
        Ok(state)
    }

    /// Passages at lanes here: those of the last hour among the newest arrivals, and all that wait for a time-out.
    async fn load_lanes(
        &mut self,
        conn: &mut PgConnection,
        edges: &HashSet<String>,
        now: i64,
    ) -> Result<(), StoreError> {
        let rows = sqlx::query(
            "select plate_tag from history where due_at is not null
             union
             select plate_tag from events where arrival > $1 and kind in ($2, $3) and plate_tag is not null and received_at > $4",
        )
        .bind(self.committed().arrival - LANE_EVENTS)
        .bind(i32::from(Kind::EntryPending.code()))
        .bind(i32::from(Kind::Exit.code()))
        .bind(now - lanes::KEPT_MS)
        .fetch_all(&mut *conn)
        .await?;
        let mut tags = BTreeSet::new();
        for r in rows {
            tags.extend(wire::hash::PlateTag::from_slice(r.try_get(0)?));
        }
        let mut world = World::new(self.policies.clone());
        for f in closure::load(conn, self, tags, Vec::new()).await? {
            world.add(f, true);
        }
        self.lanes.note(&world.finish().rows, edges, now);
        Ok(())
    }

    /// A policy came in. True when rows already made may change.
    pub(super) fn add_policy(&mut self, fact: Fact) {
        self.policy_facts.push(fact);
        self.policies = Policies::of(&self.policy_facts);
    }

    /// The number of a stream; a new one is given, and noted in `new`, where it has none.
    pub(super) fn number_or_new(&mut self, stream: &StreamId, new: &mut BTreeSet<StreamId>) -> i32 {
        if let Some(n) = self.numbers.get(stream) {
            return *n;
        }
        let n = self.next_number;
        self.next_number += 1;
        self.numbers.insert(stream.clone(), n);
        new.insert(stream.clone());
        n
    }

    /// What was committed last.
    pub(super) fn committed(&self) -> &WriterHead {
        self.writer.committed()
    }

    /// The head to append to; opens a new incarnation on the first call of this connection.
    pub(super) fn own_head(&mut self) -> &mut Head {
        self.writer.head(|| {
            let incarnation = Incarnation(rand::random());
            tracing::info!(%incarnation, "new incarnation");
            incarnation
        })
    }

    /// What is held of a stream, as it travels.
    pub(super) fn holdings(&self, stream: &StreamId) -> StreamHoldings {
        self.positions.get(stream).map_or_else(
            || StreamHoldings {
                stream: stream.clone(),
                head: 0,
                head_hash: wire::hash::Hash32::default(),
                gaps: Vec::new(),
                forks: Vec::new(),
            },
            |s| s.to_holdings(stream),
        )
    }
}
