//! Dials peers that have no link.

use wire::id::CentralId;

use super::Mesh;
use super::event::{Note, Now, Output, Unlinked};
use super::peer::{Dialling, Peer};

impl Mesh {
    /// Begins the dials that are due.
    pub(super) fn dial_due(&mut self, now: Now) {
        let due: Vec<CentralId> = self
            .peers
            .iter()
            .filter(|(_, p)| p.dial_at().is_some_and(|at| at <= now.us))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            let dial = self.number();
            if let Some(p) = self.peers.get_mut(&id) {
                p.dialling = Dialling::UnderWay(dial);
                let peer = Box::new(p.conf.clone());
                self.outputs.push(Output::Dial { dial, peer });
            }
        }
    }

    /// A dial did not come to a connection. `refused`: somebody said no (certificate, id), so trying again soon is no use.
    pub fn dial_failed(&mut self, now: Now, dial: u64, refused: bool, reason: &str) {
        let of = |p: &&mut Peer| p.dialling == Dialling::UnderWay(dial);
        let Some(p) = self.peers.values_mut().find(of) else { return };
        let how = if refused {
            p.backoff.refused();
            Unlinked::Refused
        } else {
            p.backoff.failed();
            Unlinked::Down
        };
        let id = p.conf.id.clone();
        if p.failed(now, how, reason) {
            let reason = reason.to_owned();
            self.note(Note::NoLink { peer: id.clone(), refused, reason });
        }
        self.dial_later(now, &id);
    }

    /// An incoming connection was refused before anything was said. `peer`: the one its certificate names.
    pub fn incoming_refused(&mut self, now: Now, peer: Option<CentralId>, reason: &str) {
        if let Some(p) = peer.as_ref().and_then(|id| self.peers.get_mut(id)) {
            p.failed(now, Unlinked::Refused, &format!("it dialled us: {reason}"));
        }
        self.note(Note::Incoming { peer, reason: reason.to_owned() });
    }

    /// Plans the next dial of a peer after the pause its failures ask for.
    pub(super) fn dial_later(&mut self, now: Now, id: &CentralId) {
        let jitter = self.jitter.fraction();
        let Some(p) = self.peers.get_mut(id).filter(|p| !p.conf.disabled) else { return };
        let pause = u64::try_from(p.backoff.pause(jitter).as_micros()).unwrap_or(u64::MAX);
        let at = now.us.saturating_add(pause);
        p.dialling = Dialling::At(at);
        if !p.is_linked() {
            self.arm(at);
        }
    }

    /// Has every peer without a link dialled now.
    pub fn redial(&mut self, now: Now) {
        for p in self.peers.values_mut() {
            if p.dial_at().is_some() {
                p.dialling = Dialling::At(now.us);
            }
        }
        self.arm(now.us);
    }
}
