//! What is held of one stream.

use std::collections::{BTreeMap, BTreeSet};

use wire::hash::Hash32;
use wire::position::{StreamHoldings, StreamId};

use super::ranges::{self, Range};

/// No sequence number is higher: positions are stored as signed 64-bit numbers.
pub const MAX_SEQ: u64 = i64::MAX as u64;
/// A peer may tell at most so many gaps and forks of one stream; what is beyond is treated as not held by it.
const MAX_TOLD: usize = 100_000;

/// Head, gaps and forks of one stream.
///
/// A *fork* is a position with more than one hash. It is listed with the hashes held; it is listed with one hash only while a
/// successor held here names another (the branch it continues is still missing here).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamPositions {
    head: u64,
    head_hash: Hash32,
    gaps: Vec<Range>,
    forks: BTreeMap<u64, BTreeSet<Hash32>>,
}

impl StreamPositions {
    /// Takes what was told, put right where it is malformed: gaps sorted, joined and below the head; no more than the bound.
    pub fn from_holdings(told: StreamHoldings) -> (StreamId, Self) {
        let mut head = told.head.min(MAX_SEQ);
        let mut gaps = ranges::normalise(told.gaps, head);
        if gaps.len() > MAX_TOLD {
            head = gaps[MAX_TOLD].0.saturating_sub(1);
            gaps.truncate(MAX_TOLD);
        }
        // A gap that reaches the head lowers the head: nothing is held there.
        while let Some(&(from, to)) = gaps.last() {
            if to < head {
                break;
            }
            head = from - 1;
            gaps.pop();
        }
        let mut s = Self {
            head,
            head_hash: if head == told.head { told.head_hash } else { Hash32::default() },
            gaps,
            forks: BTreeMap::new(),
        };
        for (seq, hashes) in told.forks.into_iter().take(MAX_TOLD) {
            if s.holds(seq) && !hashes.is_empty() {
                s.forks.insert(seq, hashes.into_iter().collect());
            }
        }
        (told.stream, s)
    }

    /// As it travels.
    pub fn to_holdings(&self, stream: &StreamId) -> StreamHoldings {
        StreamHoldings {
            stream: stream.clone(),
            head: self.head,
            head_hash: self.head_hash,
            gaps: self.gaps.clone(),
            forks: self.forks.iter().map(|(seq, h)| (*seq, h.iter().copied().collect())).collect(),
        }
    }

    /// The highest seq held; 0 when nothing is.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The hash at the head, the lowest where it is forked; all zero when nothing is held.
    pub fn head_hash(&self) -> Hash32 {
        self.head_hash
    }

    /// Missing ranges below the head.
    pub fn gaps(&self) -> &[(u64, u64)] {
        &self.gaps
    }

    /// Forked positions with the hashes held there.
    pub fn forks(&self) -> &BTreeMap<u64, BTreeSet<Hash32>> {
        &self.forks
    }

    /// True when an event stands at `seq`.
    pub fn holds(&self, seq: u64) -> bool {
        (1..=self.head).contains(&seq) && self.gap_at(seq).is_none()
    }

    /// How many positions are held (a fork counts once).
    pub fn held(&self) -> u64 {
        self.head.saturating_sub(self.gap_count())
    }

    /// How many positions are missing below the head.
    pub fn gap_count(&self) -> u64 {
        ranges::len(&self.gaps)
    }

    fn gap_at(&self, seq: u64) -> Option<usize> {
        let i = self.gaps.partition_point(|&(_, to)| to < seq);
        self.gaps.get(i).filter(|&&(from, _)| from <= seq).map(|_| i)
    }

    /// Takes an event in. True when its position was not held before.
    ///
    /// The map knows hashes only at the head and at forks: an event at another held position counts as known. Who stores the
    /// events sees the other hash and says so with [`Self::mark_forked`].
    pub fn insert(&mut self, seq: u64, hash: Hash32) -> bool {
        if seq == 0 || seq > MAX_SEQ {
            return false;
        }
        if seq > self.head {
            if seq > self.head + 1 {
                self.gaps.push((self.head + 1, seq - 1));
            }
            (self.head, self.head_hash) = (seq, hash);
            return true;
        }
        if let Some(i) = self.gap_at(seq) {
            let (from, to) = self.gaps[i];
            let left = (from < seq).then(|| (from, seq - 1));
            let right = (seq < to).then(|| (seq + 1, to));
            self.gaps.splice(i..=i, left.into_iter().chain(right));
            return true;
        }
        if seq == self.head && hash != self.head_hash {
            self.mark_forked(seq, [hash, self.head_hash]);
        } else if let Some(held) = self.forks.get_mut(&seq) {
            held.insert(hash);
        }
        false
    }

    /// Says that `seq`, a held position, is forked: `held` are hashes held there. One hash alone means that a successor names a
    /// branch that is not held yet.
    pub fn mark_forked(&mut self, seq: u64, held: impl IntoIterator<Item = Hash32>) {
        if !self.holds(seq) {
            return;
        }
        let all = self.forks.entry(seq).or_default();
        all.extend(held);
        if all.is_empty() {
            self.forks.remove(&seq);
        } else if seq == self.head
            && let Some(lowest) = all.first()
        {
            self.head_hash = *lowest;
        }
    }

    /// Takes in all that another map of the same stream holds.
    pub fn merge(&mut self, other: &Self) {
        if other.head == 0 {
            return;
        }
        if self.head == 0 {
            *self = other.clone();
            return;
        }
        let fork_at_head = self.head == other.head && self.head_hash != other.head_hash;
        let heads = [self.head_hash, other.head_hash];
        let last = self.head.max(other.head);
        let gaps = ranges::intersect(&self.lacking(last), &other.lacking(last));
        if other.head > self.head {
            (self.head, self.head_hash) = (other.head, other.head_hash);
        }
        self.gaps = gaps;
        for (seq, hashes) in &other.forks {
            self.mark_forked(*seq, hashes.iter().copied());
        }
        if fork_at_head {
            self.mark_forked(last, heads);
        }
    }

    /// Positions of `1..=last` that are not held.
    pub(crate) fn lacking(&self, last: u64) -> Vec<Range> {
        let mut all = self.gaps.clone();
        if self.head < last {
            all.push((self.head + 1, last));
        }
        // The range above the head may touch no gap: a gap never reaches the head.
        all
    }

    /// Positions held.
    pub(crate) fn holding(&self) -> Vec<Range> {
        ranges::complement(&self.gaps, self.head)
    }
}
