//! What the writer keeps in memory: a copy of what it committed.

use std::collections::HashSet;

use parking::fact::Fact;
use parking::history::Policies;
use parking::lanes::{self, LaneRows};
use replication::log::Writer;
use replication::positions::Positions;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::position::{StreamHoldings, StreamId};

use crate::store::Store;

/// See the module.
#[derive(Debug, Clone)]
pub struct State {
    /// What is held.
    pub positions: Positions,
    /// What was committed last, and this connection's own stream.
    pub writer: Writer,
    /// Rules of the projection.
    pub policies: Policies,
    policy_facts: Vec<Fact>,
    /// Recent passages by lane.
    pub lanes: LaneRows,
}

impl State {
    /// Loads everything; the lock is held.
    pub fn load(store: &Store, central: &CentralId, edges: &HashSet<String>, now: i64) -> Self {
        let policy_facts = store.policies();
        let mut state = Self {
            positions: store.streams.clone(),
            writer: Writer::take_over(central.clone(), store.head),
            policies: Policies::of(&policy_facts),
            policy_facts,
            lanes: LaneRows::default(),
        };
        let recent: Vec<_> = store
            .rows
            .history()
            .filter(|r| {
                r.row.received_at > now - lanes::KEPT_MS
                    || r.row.exit_time.is_some_and(|t| t > now - lanes::KEPT_MS)
            })
            .map(|r| (*r.row).clone())
            .collect();
        state.lanes.note(&recent, edges, now);
        state
    }

    /// A policy came in.
    pub fn add_policy(&mut self, fact: Fact) {
        self.policy_facts.push(fact);
        self.policies = Policies::of(&self.policy_facts);
    }

    /// What is held of a stream, as it travels.
    pub fn holdings(&self, stream: &StreamId) -> StreamHoldings {
        self.positions.get(stream).map_or_else(
            || StreamHoldings {
                stream: stream.clone(),
                head: 0,
                head_hash: Hash32::default(),
                gaps: Vec::new(),
                forks: Vec::new(),
            },
            |s| s.to_holdings(stream),
        )
    }
}
