//! Out to the peers: live events right after their commit, and what sync wants sent.

use bytes::Bytes;
use wire::bus::events::Carried;
use wire::event::MAX_FRAME_BYTES;
use wire::id::CentralId;

use super::event::{LinkId, Now, Output};
use super::outbox::{Batch, Next};
use super::{Mesh, link::Phase};

impl Mesh {
    /// Own events, committed: they go into every peer's queue; whatever was committed together leaves together. Returns how many
    /// links take them.
    pub fn committed(&mut self, now: Now, mut events: Vec<Carried>) -> usize {
        let links = self.primaries(None);
        events.retain(|e| e.frame.len() <= MAX_FRAME_BYTES);
        // More than may wait at once: the oldest would be dropped at every link, and a batch stays whole.
        let before = events.len().saturating_sub(self.limits.live);
        events.drain(..before);
        let batches = Batch::of(events);
        for link in &links {
            if let Some(l) = self.links.get_mut(link) {
                l.liveness.sent(now.us / 1000);
                l.outbox.live(&batches, before);
                self.outputs.push(Output::Wake(*link));
            }
        }
        links.len()
    }

    /// Sends an encoded message to one peer, or to every connected one.
    pub fn send(&mut self, now: Now, to: Option<&CentralId>, message: &Bytes) {
        for link in self.primaries(to) {
            self.hand(now, link, message.clone());
        }
    }

    /// Queues an encoded message on a link; pages wait behind everything else.
    pub(super) fn hand(&mut self, now: Now, link: LinkId, message: Bytes) {
        if let Some(l) = self.links.get_mut(&link).filter(|l| l.phase != Phase::Closed) {
            l.liveness.sent(now.us / 1000);
            l.outbox.message(message);
            self.outputs.push(Output::Wake(link));
        }
    }

    /// The links to send on: of one peer, or of all.
    pub(super) fn primaries(&self, to: Option<&CentralId>) -> Vec<LinkId> {
        match to {
            Some(id) => self.peers.get(id).map(|p| p.primaries.clone()).unwrap_or_default(),
            None => self.peers.values().flat_map(|p| p.primaries.iter().copied()).collect(),
        }
    }

    /// What to send next on a link; none when nothing waits. After [`Next::End`] the connection is to be closed.
    pub fn next(&mut self, link: LinkId) -> Option<Next> {
        match self.links.get_mut(&link) {
            Some(l) => l.outbox.pop(),
            None => Some(Next::End("closed".to_owned())),
        }
    }
}
