//! Live events of one peer on their way to the ledger. While one request is under way the next events gather, so a burst becomes
//! few transactions and a slow ledger never stops a link's reader.

use wire::bus::events::{ApplyReply, Carried};
use wire::id::CentralId;

use super::Mesh;
use super::event::{Note, Output};
use super::outbox::EVENT_EXTRA;

const MAX_BATCH: usize = 512;
const MAX_BATCH_BYTES: usize = 512 * 1024;

impl Mesh {
    /// Live events came from a peer.
    pub(super) fn events_came(&mut self, id: &CentralId, events: Vec<Carried>) {
        let Some(p) = self.peers.get_mut(id) else { return };
        for e in events {
            p.inbox.push(e.frame.len() + EVENT_EXTRA, e);
        }
        if let Some((queue, count)) = p.inbox.take_dropped() {
            self.note(Note::Dropped { peer: id.clone(), queue, count });
        }
        self.serve_inbox(id);
    }

    /// Hands what gathered to the ledger, one request at a time.
    fn serve_inbox(&mut self, id: &CentralId) {
        let Some(p) = self.peers.get_mut(id).filter(|p| p.applying.is_none()) else { return };
        let events = p.inbox.pop_many(MAX_BATCH, MAX_BATCH_BYTES);
        if events.is_empty() {
            return;
        }
        let request = self.number();
        if let Some(p) = self.peers.get_mut(id) {
            p.applying = Some(request);
        }
        self.outputs.push(Output::Apply { request, peer: id.clone(), events });
    }

    /// A request to store events came to its end. What could not be stored is left: catch-up brings it.
    pub fn applied(&mut self, request: u64, outcome: &Result<ApplyReply, String>) {
        let of = self.peers.iter_mut().find(|(_, p)| p.applying == Some(request));
        let Some((id, p)) = of else { return self.answer_applied(request, outcome) };
        let id = id.clone();
        p.applying = None;
        let failed = outcome.is_err();
        let news = failed && !std::mem::replace(&mut p.failing, failed);
        p.failing = failed;
        if let (Err(reason), true) = (outcome, news) {
            self.note(Note::NotApplied { peer: id.clone(), reason: reason.clone() });
        }
        self.serve_inbox(&id);
    }
}
