//! Which link of a peer counts, and how links end.

use std::time::Duration;

use wire::id::CentralId;

use super::Mesh;
use super::event::{LinkId, Note, Now, Output, Unlinked};
use super::link::Phase;
use super::peer::Dialling;
use crate::link::{LinkFacts, clones, primaries, spares};

impl Mesh {
    /// Retires spare links of a peer, chooses the ones to send on, looks for a second process.
    pub(super) fn settle(&mut self, now: Now, id: &CentralId) {
        let Some(p) = self.peers.get_mut(id) else { return };
        if p.links.len() <= 1 {
            p.primaries.clone_from(&p.links);
            return self.watch_clone(now, id, None);
        }
        let facts: Vec<LinkFacts> =
            p.links.iter().filter_map(|l| self.links.get(l)).map(super::link::Link::facts).collect();
        let (spare, chosen) = (spares(&facts), primaries(&facts));
        p.links.retain(|l| !spare.contains(&l.0));
        p.primaries = p.links.iter().copied().filter(|l| chosen.contains(&l.0)).collect();
        for n in spare {
            let link = LinkId(n);
            if let Some(l) = self.links.get_mut(&link) {
                l.phase = Phase::Draining;
                l.outbox.drain("spare link");
                self.outputs.push(Output::Note(Note::Spare { peer: id.clone(), link }));
                self.outputs.push(Output::Wake(link));
            }
        }
        let two = clones(&facts).then(|| self.link_ends(id));
        self.watch_clone(now, id, two);
    }

    /// Process and address of each of a peer's links, for people.
    fn link_ends(&self, id: &CentralId) -> String {
        let Some(p) = self.peers.get(id) else { return String::new() };
        let mut ends: Vec<String> = p
            .links
            .iter()
            .filter_map(|l| self.links.get(l))
            .map(|l| format!("process {} at {}", short(&l.process), l.opened.address))
            .collect();
        ends.sort_unstable();
        ends.dedup();
        ends.join(", ")
    }

    /// Ends a link now: what is queued is thrown away, the other side is told why.
    pub(super) fn close(&mut self, now: Now, link: LinkId, reason: &str) {
        self.over(now, link, reason);
        if let Some(l) = self.links.get_mut(&link) {
            l.outbox.end(reason);
            self.outputs.push(Output::Wake(link));
            self.outputs.push(Output::Close(link));
        }
    }

    /// Nothing more can come on a link; its last words are still to be sent, then [`Self::ended`].
    pub fn broken(&mut self, now: Now, link: LinkId, reason: &str) {
        self.close(now, link, reason);
    }

    /// The socket of a link is gone, for this reason unless the link had one of its own.
    pub fn ended(&mut self, now: Now, link: LinkId, reason: &str) {
        self.over(now, link, reason);
        self.links.remove(&link);
    }

    /// What the end of a link means to its peer.
    fn over(&mut self, now: Now, link: LinkId, reason: &str) {
        let Some(l) = self.links.get_mut(&link) else { return };
        let was = std::mem::replace(&mut l.phase, Phase::Closed);
        match was {
            Phase::Closed => {}
            Phase::Greeting | Phase::Checked | Phase::Answered => {
                self.end_greeting(now, link, false, reason);
            }
            Phase::Draining => self.take_dropped(link),
            Phase::Up => {
                self.take_dropped(link);
                self.down(now, link, reason);
            }
        }
    }

    fn down(&mut self, now: Now, link: LinkId, reason: &str) {
        let Some(peer) = self.links.get(&link).and_then(|l| l.peer.clone()) else { return };
        let Some(p) = self.peers.get_mut(&peer) else { return };
        let before = p.links.len();
        p.links.retain(|l| *l != link);
        if p.links.len() == before {
            return;
        }
        if p.is_linked() {
            self.settle(now, &peer);
        } else {
            p.primaries.clear();
            p.unlinked = Unlinked::Down;
            p.since_ms = now.clock_ms;
            p.last_error = Some(reason.to_owned());
            let lived = now.us.saturating_sub(p.linked_at.take().unwrap_or(now.us));
            p.backoff.link_ended(Duration::from_micros(lived));
            let under_way = matches!(p.dialling, Dialling::UnderWay(_));
            self.note(Note::Unlinked { peer: peer.clone(), link, reason: reason.to_owned() });
            self.settle(now, &peer);
            if !under_way {
                self.dial_later(now, &peer);
            }
        }
        self.publish(now);
    }
}

/// Enough of a random id to tell two apart.
pub(super) fn short(process: &str) -> &str {
    process.get(..12).unwrap_or(process)
}
