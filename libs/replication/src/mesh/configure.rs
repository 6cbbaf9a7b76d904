//! The configuration, now and whenever it changes.

use wire::config::PeerCentral;
use wire::id::CentralId;

use super::event::{Note, Now};
use super::peer::Peer;
use super::{LinkId, Mesh};

impl Mesh {
    /// Takes the configured peers: links of those that did not change are not touched, those of removed, disabled or moved ones
    /// end at once.
    pub fn configure(&mut self, now: Now, peers: &[PeerCentral]) {
        self.order = peers.iter().map(|p| p.id.clone()).collect();
        let gone: Vec<CentralId> = self.peers.keys().filter(|id| !self.order.contains(id)).cloned().collect();
        for id in gone {
            if self.peers.remove(&id).is_some() {
                self.note(Note::PeerRemoved { peer: id.clone() });
                self.cut(now, &id, "this peer was removed from the configuration");
            }
        }
        for conf in peers {
            let (peer, disabled) = (conf.id.clone(), conf.disabled);
            match self.peers.remove(&conf.id) {
                Some(same) if same.conf == *conf => {
                    self.peers.insert(peer, same);
                    continue;
                }
                Some(_) => {
                    self.note(Note::PeerChanged { peer: peer.clone(), disabled });
                    let reason =
                        if disabled { "this peer is disabled here" } else { "this peer's address changed" };
                    self.cut(now, &peer, reason);
                }
                None => self.note(Note::PeerAdded { peer: peer.clone(), disabled }),
            }
            self.peers.insert(peer, Peer::new(now, conf.clone(), &self.limits));
        }
        self.arm(now.us);
        self.publish(now);
    }

    /// Ends every link of a peer that is no longer in the table, those that are greeting too.
    fn cut(&mut self, now: Now, id: &CentralId, reason: &str) {
        let links: Vec<LinkId> =
            self.links.values().filter(|l| l.peer.as_ref() == Some(id)).map(|l| l.id).collect();
        for link in links {
            self.close(now, link, reason);
        }
    }

    /// None = no peer, `Some(true)` = a peer, `Some(false)` = a disabled one.
    pub fn standing(&self, id: &CentralId) -> Option<bool> {
        self.peers.get(id).map(|p| !p.conf.disabled)
    }

    /// Ends every link: this central stops.
    pub fn close_all(&mut self, now: Now, reason: &str) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.close(now, link, reason);
        }
    }
}
