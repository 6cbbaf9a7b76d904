//! What the writer keeps in memory: a copy of what it committed.

use std::collections::HashSet;

use parking::fact::Fact;
use parking::history::{Policies, PROJECTION_VERSION};
use replication::log::Head;
use replication::positions::Positions;
use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::{StreamHoldings, StreamId};

use super::LaneRows;
use super::lanes;
use crate::store::{Store, WriterHead};

/// See the module.
#[derive(Debug, Clone)]
pub struct State {
    /// What is held.
    pub positions: Positions,
    /// What was committed last.
    pub committed: WriterHead,
    /// This connection's own stream, opened by its first append.
    pub own: Option<Head>,
    /// Rules of the projection.
    pub policies: Policies,
    policy_facts: Vec<Fact>,
    /// Recent passages by lane.
    pub lanes: LaneRows,
}

impl State {
    /// Loads everything; the lock is held.
    pub fn load(store: &Store, edges: &HashSet<String>, now: i64) -> Self {
        let policy_facts = store.policies();
        let mut state = Self {
            positions: store.streams.clone(),
            committed: store.head,
            own: None,
            policies: Policies::of(&policy_facts),
            policy_facts,
            lanes: LaneRows::default(),
        };
        let recent: Vec<_> = store
            .rows
            .history()
            .filter(|r| r.row.received_at > now - lanes::KEPT_MS || r.row.exit_time.is_some_and(|t| t > now - lanes::KEPT_MS))
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

    /// The head to append to; opens a new incarnation on the first call of this connection.
    pub fn own_head(&mut self, central: &CentralId, fresh: impl FnOnce() -> u128) -> &mut Head {
        self.own.get_or_insert_with(|| Head::start(StreamId { central: central.clone(), incarnation: Incarnation(fresh()) }))
    }

    /// The head after what was appended so far.
    pub fn next_head(&self, arrival: i64) -> WriterHead {
        let arrival = arrival.max(self.committed.arrival);
        match &self.own {
            Some(own) if own.seq > 0 => {
                WriterHead { incarnation: Some(own.stream.incarnation), seq: own.seq, hash: own.hash, arrival }
            }
            _ => WriterHead { arrival, ..self.committed },
        }
    }

    /// What is held of a stream, as it travels.
    pub fn holdings(&self, stream: &StreamId) -> StreamHoldings {
        self.positions.get(stream).map_or_else(
            || StreamHoldings { stream: stream.clone(), head: 0, head_hash: Hash32::default(), gaps: Vec::new(), forks: Vec::new() },
            |s| s.to_holdings(stream),
        )
    }
}

/// The version the rows of this release carry.
pub const VERSION: u32 = PROJECTION_VERSION;
