//! The rules in force. A policy is an event, so that every central judges alike.

use wire::event::{Body, PolicyRule};

use crate::fact::Fact;

/// Policies in force, by moment.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// Ascending by rank: (valid_from, version, rule).
    by_rank: Vec<(i64, i64, PolicyRule)>,
}

/// The built-in policy's version.
pub const BUILT_IN_VERSION: i64 = 0;

impl Policies {
    /// Reads the `POLICY_SET` events among the facts, in any order, with any duplication.
    pub fn of(facts: &[Fact]) -> Self {
        let mut sets: Vec<&Fact> =
            facts.iter().filter(|f| !f.foreign && matches!(f.body, Some(Body::PolicySet(_)))).collect();
        sets.sort_by(|a, b| a.rank().cmp(&b.rank()));
        sets.dedup_by(|a, b| a.rank() == b.rank());
        let by_rank = sets
            .iter()
            .filter_map(|f| match &f.body {
                Some(Body::PolicySet(p)) => Some((p.valid_from, p.version, p.rule.clone())),
                _ => None,
            })
            .collect();
        Self { by_rank }
    }

    /// The rule for an opening at this moment, ms since the epoch: the highest-ranked policy valid then, else the
    /// built-in one. With its version.
    pub fn at(&self, occurred_at: i64) -> (i64, PolicyRule) {
        self.by_rank
            .iter()
            .rev()
            .find(|(from, ..)| *from <= occurred_at)
            .map_or_else(|| (BUILT_IN_VERSION, PolicyRule::default()), |(_, v, r)| (*v, r.clone()))
    }
}
