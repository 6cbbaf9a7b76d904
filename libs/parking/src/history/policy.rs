//! The rules in force. Whatever rules is an event, so that every central judges alike.

use wire::event::{Body, PolicyRule};

use super::offsets::Offsets;
use crate::fact::Fact;

/// What holds for every vehicle: policies by moment, and the clocks that were wrong.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// Ascending by rank.
    by_rank: Vec<Policy>,
    offsets: Offsets,
}

/// A policy as it judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Version, for people.
    pub version: i64,
    /// First moment it judges, ms since the epoch.
    pub from: i64,
    /// First moment it judges no more; none for an event, which judges until another one does.
    pub until: Option<i64>,
    /// The rules.
    pub rule: PolicyRule,
}

/// The built-in policy's version.
pub const BUILT_IN_VERSION: i64 = 0;

impl Policies {
    /// Reads the `POLICY_SET` and `CLOCK_OFFSET` events among the facts, in any order, with any duplication.
    pub fn of(facts: &[Fact]) -> Self {
        let offsets = Offsets::of(facts);
        let by_rank = in_rank(facts, &offsets)
            .iter()
            .filter_map(|f| match f.body.as_deref() {
                Some(Body::PolicySet(p)) => {
                    Some(Policy { version: p.version, from: p.valid_from, until: None, rule: p.rule.clone() })
                }
                _ => None,
            })
            .collect();
        Self { by_rank, offsets }
    }

    /// The same with one more policy, ranked above all others.
    #[must_use]
    pub fn and(mut self, policy: Policy) -> Self {
        self.by_rank.push(policy);
        self
    }

    /// The rule for an opening at this moment, ms since the epoch: the highest-ranked policy valid then, else the
    /// built-in one. With its version.
    pub fn at(&self, occurred_at: i64) -> (i64, PolicyRule) {
        self.by_rank
            .iter()
            .rev()
            .find(|p| p.from <= occurred_at && p.until.is_none_or(|until| occurred_at < until))
            .map_or_else(|| (BUILT_IN_VERSION, PolicyRule::default()), |p| (p.version, p.rule.clone()))
    }

    /// The highest version among them.
    pub fn newest_version(&self) -> i64 {
        self.by_rank.iter().map(|p| p.version).fold(BUILT_IN_VERSION, i64::max)
    }

    /// The policy of this version; of several the highest-ranked.
    pub fn of_version(&self, version: i64) -> Option<PolicyRule> {
        let set = self.by_rank.iter().rev().find(|p| p.version == version).map(|p| p.rule.clone());
        set.or_else(|| (version == BUILT_IN_VERSION).then(PolicyRule::default))
    }

    /// The longest duplicate window of any of them, the built-in one's included, ms.
    pub fn longest_window_ms(&self) -> i64 {
        let built_in = PolicyRule::default().duplicate_window_ms;
        self.by_rank.iter().map(|p| p.rule.duplicate_window_ms).fold(built_in, i64::max)
    }

    /// The clocks that were wrong.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }
}

/// The policies among the facts, each once, ascending by rank. One that a wrong clock stamped ranks where it belongs.
pub fn in_rank<'f>(facts: &'f [Fact], offsets: &Offsets) -> Vec<&'f Fact> {
    let set = |f: &&Fact| !f.foreign && matches!(f.body.as_deref(), Some(Body::PolicySet(_)));
    let mut sets: Vec<(i64, &Fact)> = facts.iter().filter(set).map(|f| (offsets.occurred_at(f), f)).collect();
    sets.sort_by(|(a, f), (b, g)| (a, f.position(), f.hash).cmp(&(b, g.position(), g.hash)));
    sets.dedup_by(|(_, later), (_, first)| later.rank() == first.rank());
    sets.into_iter().map(|(_, f)| f).collect()
}
