//! The position map: what a central holds, per stream, as head, gaps and forks.
//!
//! It is a summary of the set of events held: two centrals with the same events have the same map and the same
//! [`Positions::digest`], whatever the order the events came in. What one can give another is [`missing`], a pure function of
//! both maps; any central can fill any origin's gap.

mod closed;
mod missing;
pub(crate) mod ranges;
mod stream;

use std::collections::BTreeMap;
use std::ops::Bound;

use sha2::{Digest, Sha256};
use wire::hash::Hash32;
use wire::position::{Position, StreamHoldings, StreamId};

pub use closed::{Closed, missing_within};
pub use missing::{count, missing, missing_of, suspected, suspected_of};
pub use stream::{MAX_SEQ, StreamPositions};

#[cfg(test)]
mod tests;

/// What a central holds of every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    streams: BTreeMap<StreamId, StreamPositions>,
}

impl Positions {
    /// A map of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A map of what was told; malformed parts are put right (see [`StreamPositions::from_holdings`]).
    pub fn from_holdings(told: impl IntoIterator<Item = StreamHoldings>) -> Self {
        let mut all = Self::new();
        for h in told {
            all.set(h);
        }
        all
    }

    /// Replaces what is known of one stream by what was told.
    pub fn set(&mut self, told: StreamHoldings) {
        let (stream, positions) = StreamPositions::from_holdings(told);
        if positions.head() == 0 {
            self.streams.remove(&stream);
        } else {
            self.streams.insert(stream, positions);
        }
    }

    /// What is held of a stream.
    pub fn get(&self, stream: &StreamId) -> Option<&StreamPositions> {
        self.streams.get(stream)
    }

    /// What is held of a stream, to change it.
    pub fn entry(&mut self, stream: &StreamId) -> &mut StreamPositions {
        self.streams.entry(stream.clone()).or_default()
    }

    /// Takes an event in. True when its position was not held before.
    pub fn insert(&mut self, position: &Position, hash: Hash32) -> bool {
        self.entry(&position.stream).insert(position.seq, hash)
    }

    /// True when an event stands at this position.
    pub fn holds(&self, position: &Position) -> bool {
        self.get(&position.stream).is_some_and(|s| s.holds(position.seq))
    }

    /// Takes in all that another map holds.
    pub fn merge(&mut self, other: &Self) {
        for (stream, theirs) in &other.streams {
            self.entry(stream).merge(theirs);
        }
    }

    /// How many positions are held (a fork counts once).
    pub fn held(&self) -> u64 {
        self.streams.values().fold(0, |n, s| n.saturating_add(s.held()))
    }

    /// How many positions are missing below the heads.
    pub fn gap_count(&self) -> u64 {
        self.streams.values().fold(0, |n, s| n.saturating_add(s.gap_count()))
    }

    /// The streams in (central, incarnation) order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&StreamId, &StreamPositions)> {
        self.streams.iter()
    }

    /// Number of streams.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The map as it travels.
    pub fn holdings(&self) -> impl Iterator<Item = StreamHoldings> {
        self.streams.iter().map(|(id, s)| s.to_holdings(id))
    }

    /// A page of the map: at most `limit` streams after `after`, and whether more follow.
    pub fn page(&self, after: Option<&StreamId>, limit: usize) -> (Vec<StreamHoldings>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.streams.range::<StreamId, _>((from, Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(limit).map(|(id, s)| s.to_holdings(id)).collect();
        (page, rest.next().is_some())
    }

    /// SHA-256 over the sorted entries. Equal exactly where the maps are equal.
    pub fn digest(&self) -> Hash32 {
        let mut h = Sha256::new();
        h.update(b"parkmesh/positions/1");
        for (id, s) in &self.streams {
            let name = id.central.as_str().as_bytes();
            h.update((name.len() as u32).to_be_bytes());
            h.update(name);
            h.update(id.incarnation.0.to_be_bytes());
            h.update(s.head().to_be_bytes());
            h.update(s.head_hash().as_bytes());
            h.update((s.gaps().len() as u32).to_be_bytes());
            for (from, to) in s.gaps() {
                h.update(from.to_be_bytes());
                h.update(to.to_be_bytes());
            }
            h.update((s.forks().len() as u32).to_be_bytes());
            for (seq, hashes) in s.forks() {
                h.update(seq.to_be_bytes());
                h.update((hashes.len() as u32).to_be_bytes());
                for hash in hashes {
                    h.update(hash.as_bytes());
                }
            }
        }
        Hash32(h.finalize().into())
    }
}
