//! Clocks that were wrong: what an origin said later about the stamps of its own events.

use std::collections::BTreeMap;

use wire::event::{Body, ClockFacts, ClockOffset};
use wire::position::{Position, StreamId};

use crate::clock::restamped;
use crate::fact::Fact;

/// What all `CLOCK_OFFSET` events together say. A pure function of the set of them.
#[derive(Debug, Clone, Default)]
pub struct Offsets {
    /// Per stream, ascending by rank: of two that cover one position the highest-ranked stands.
    by_stream: BTreeMap<StreamId, Vec<ClockOffset>>,
    /// The furthest any of them moves a stamp, ms.
    furthest: u64,
}

impl Offsets {
    /// Reads the `CLOCK_OFFSET` events among the facts, in any order, with any duplication. An event speaks of its own
    /// central's streams and of no other's: whose clock was wrong is nobody else's to say.
    pub fn of(facts: &[Fact]) -> Self {
        let told = |f: &&Fact| !f.foreign && matches!(f.body.as_deref(), Some(Body::ClockOffset(_)));
        let mut told: Vec<&Fact> = facts.iter().filter(told).collect();
        told.sort_by(|a, b| a.rank().cmp(&b.rank()));
        told.dedup_by(|a, b| a.rank() == b.rank());
        let mut out = Self::default();
        for fact in told {
            let Some(Body::ClockOffset(b)) = fact.body.as_deref() else { continue };
            out.furthest = out.furthest.max(b.offset_ms.abs_diff(b.applied_ms));
            out.by_stream.entry(covered_stream(fact, b)).or_default().push(b.clone());
        }
        out
    }

    /// What was said about the stamp at this position; none where nothing was.
    pub fn at(&self, position: &Position) -> Option<&ClockOffset> {
        let told = self.by_stream.get(&position.stream)?;
        told.iter().rev().find(|o| (o.from_seq..=o.to_seq).contains(&position.seq))
    }

    /// When an event happened, ms since the epoch: as its origin stamped it, or as it would have, had it known its clock.
    pub fn occurred_at(&self, fact: &Fact) -> i64 {
        let stamped = fact.header.occurred_at;
        match self.at(&fact.header.position) {
            Some(o) => restamped(stamped, clock_facts(fact), o.applied_ms, o.offset_ms),
            None => stamped,
        }
    }

    /// The furthest any stamp may be moved, ms.
    pub fn furthest_ms(&self) -> i64 {
        i64::try_from(self.furthest).unwrap_or(i64::MAX)
    }
}

/// The stream whose stamps an event corrects.
pub fn covered_stream(fact: &Fact, told: &ClockOffset) -> StreamId {
    StreamId { central: fact.header.position.stream.central.clone(), incarnation: told.incarnation }
}

/// What a body says of clocks; none where it says nothing, or is gone.
pub(crate) fn clock_facts(fact: &Fact) -> Option<&ClockFacts> {
    let clock = match fact.body.as_deref()? {
        Body::EntryPending(b) => &b.clock,
        Body::Exit(b) => &b.clock,
        Body::EntryConfirmed(b) | Body::ExitConfirmed(b) => &b.clock,
        Body::EntryAbandoned(b) | Body::ExitAbandoned(b) => &b.clock,
        _ => return None,
    };
    (clock.received_at != 0).then_some(clock)
}
