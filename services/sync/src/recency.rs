//! How new the newest event of each peer is, and when something last came from it. For people; nothing is decided by it.

use std::collections::BTreeMap;

use replication::positions::{Positions, StreamPositions};
use wire::bus::query::PeerTimes;
use wire::bus::state::Stored;
use wire::event::Frame;
use wire::id::CentralId;
use wire::position::{SeqRange, StreamId};

/// Streams looked at when the service starts; the newest of a central is in one of its last ones.
const LOOKED_AT: usize = 256;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    /// `occurred_at` of the newest event of this origin held here, ms.
    pub(crate) newest: Option<i64>,
    /// When something of or from this central was last stored, ms.
    pub(crate) stored_at: Option<i64>,
}

/// Per central.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    of: BTreeMap<CentralId, Recent>,
}

impl Recency {
    pub(crate) fn of(&self, central: &CentralId) -> Recent {
        self.of.get(central).copied().unwrap_or_default()
    }

    /// Events were stored.
    pub(crate) fn stored(&mut self, now: i64, stored: &Stored) {
        for e in &stored.events {
            self.happened(&e.position.stream.central, e.occurred_at);
            self.of.entry(e.position.stream.central.clone()).or_default().stored_at = Some(now);
        }
    }

    /// Events came through this peer.
    pub(crate) fn came_from(&mut self, now: i64, peer: &CentralId) {
        self.of.entry(peer.clone()).or_default().stored_at = Some(now);
    }

    /// Events read back from the log.
    pub(crate) fn read(&mut self, frames: &[Frame]) {
        for f in frames {
            self.happened(&f.header().position.stream.central, f.header().occurred_at);
        }
    }

    /// When something last came through each peer, as kept over restarts. What this process saw itself is newer.
    pub(crate) fn were_stored(&mut self, times: &[PeerTimes]) {
        for t in times {
            let at = &mut self.of.entry(t.peer.clone()).or_default().stored_at;
            *at = (*at).max(Some(t.last_sync_at));
        }
    }

    fn happened(&mut self, central: &CentralId, at: i64) {
        let r = self.of.entry(central.clone()).or_default();
        r.newest = r.newest.max(Some(at));
    }
}

/// The last event of each stream: what to read to know how new everything is.
pub(crate) fn heads(held: &Positions) -> Vec<SeqRange> {
    let head = |(stream, s): (&StreamId, &StreamPositions)| SeqRange {
        stream: stream.clone(),
        from: s.head(),
        to: s.head(),
    };
    held.iter().take(LOOKED_AT).map(head).collect()
}
