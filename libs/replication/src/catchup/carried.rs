//! News of peers that came by file instead of by a link.

use wire::id::CentralId;
use wire::position::StreamHoldings;

use super::Catchup;
use crate::positions::Positions;

impl Catchup {
    /// What a peer is known to hold; none while it never told its whole map.
    pub fn held_by(&self, peer: &CentralId) -> Option<&Positions> {
        self.peers.get(peer).filter(|p| p.known).map(|p| &p.map)
    }

    /// The whole map a peer put into a signed bundle. Only growth counts, so that an old bundle takes nothing back. Where it says
    /// more than the peer still holds (its disk was lost since), the next digest over a link shows it and the whole map is asked for.
    pub fn map_carried(&mut self, now: i64, from: &CentralId, streams: Vec<StreamHoldings>) {
        let Some(p) = self.peers.get_mut(from) else { return };
        p.known = true;
        let at_once = p.linked_at.is_none();
        self.take_changes(now, from, streams, at_once);
        self.advance(now);
    }
}
