//! How far the events held here have spread: what some peer still lacks, and from where on.

use std::collections::BTreeMap;

use wire::id::CentralId;
use wire::position::{Position, StreamId};

use super::Catchup;
use crate::positions::ranges::{Range, len, subtract, union};

/// Streams looked at for the oldest event a peer lacks: more than a restart an hour for a year.
const STREAMS: usize = 10_000;

/// What one peer still lacks of what is held here: its low-water mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowWater {
    /// The peer.
    pub id: CentralId,
    /// True once it told its whole map; without that, nothing is known of it and it counts for nothing here.
    pub known: bool,
    /// Events held here that it lacks.
    pub lacks: u64,
    /// The first position it lacks of each stream. The oldest event it lacks is one of them, where stamps grow within a stream.
    pub first: Vec<Position>,
}

/// How far the events held here have spread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// Events held here that some configured peer lacks, as far as they told.
    pub not_everywhere: u64,
    /// Per configured peer.
    pub peers: Vec<LowWater>,
}

impl Catchup {
    /// How far the events held here have spread. Peers that are not configured (any more) hold nothing up.
    pub fn spread(&self) -> Spread {
        let mut lacked: BTreeMap<&StreamId, Vec<Range>> = BTreeMap::new();
        let mut peers = Vec::with_capacity(self.peers.len());
        for (id, p) in &self.peers {
            let mut one = LowWater { id: id.clone(), known: p.known, lacks: 0, first: Vec::new() };
            for (stream, mine) in self.mine.iter().filter(|_| p.known) {
                let lacks = subtract(&mine.holding(), &p.holding(stream));
                let Some(&(first, _)) = lacks.first() else { continue };
                one.lacks = one.lacks.saturating_add(len(&lacks));
                if one.first.len() < STREAMS {
                    one.first.push(Position { stream: stream.clone(), seq: first });
                }
                let of = lacked.entry(stream).or_default();
                *of = if of.is_empty() { lacks } else { union(of, &lacks) };
            }
            peers.push(one);
        }
        let not_everywhere = lacked.values().fold(0, |n, r| len(r).saturating_add(n));
        Spread { not_everywhere, peers }
    }
}
