//! HELLO both ways: the dialler speaks first, the accepting side answers once it knows who asks.

use wire::id::CentralId;
use wire::mesh::{Hello, Message, PROTOCOL_MAX, PROTOCOL_MIN};

use super::event::{HelloFacts, LinkId, Note, Now, Opened, Output, Unlinked};
use super::link::{Link, Phase};
use super::peer::Dialling;
use super::{Mesh, Peer};
use crate::clock::SkewFilter;
use crate::link::{Expected, Refusal, check_hello};

/// Version of the event format this release writes.
const WIRE_VERSION: u16 = 1;
/// Connections from outside whose HELLO is awaited, at most: of more, the one that waits longest is ended.
const GREETED_AT_ONCE: usize = 64;

impl Mesh {
    /// A connection can carry messages. None: the dialled peer is not wanted any more.
    pub fn opened(&mut self, now: Now, opened: Opened) -> Option<LinkId> {
        let peer = match opened.dial {
            None => None,
            Some(dial) => {
                let of = |p: &&Peer| p.dialling == Dialling::UnderWay(dial);
                Some(self.peers.values().find(of)?.conf.id.clone())
            }
        };
        if opened.dial.is_none() {
            self.bound_greetings(now);
        }
        let id = LinkId(self.number());
        if let Some(peer) = &peer {
            self.outputs.push(Output::ReadHello { link: id, peer: peer.clone() });
        }
        self.links.insert(id, Link::new(now, id, peer, opened, &self.limits));
        Some(id)
    }

    /// Makes room for one more connection from outside.
    fn bound_greetings(&mut self, now: Now) {
        let waiting = self.links.values().filter(|l| l.opened.dial.is_none() && l.is_greeting());
        let waiting: Vec<(u64, LinkId)> = waiting.map(|l| (l.opened_us, l.id)).collect();
        if waiting.len() >= GREETED_AT_ONCE
            && let Some((_, oldest)) = waiting.into_iter().min()
        {
            self.close(now, oldest, "too many connections without HELLO");
        }
    }

    /// HELLO for a peer.
    pub fn hello(&self, now: Now, facts: HelloFacts) -> Hello {
        Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            central: self.me.clone(),
            ledger_process: self.ledger.speakers.current().to_owned(),
            mesh_process: self.process.clone(),
            holding_of_you: facts.holding_of_you,
            positions_digest: self.ledger.digest.map(|(_, d)| d).unwrap_or_default(),
            clock: now.clock_ms,
            wire_version: WIRE_VERSION,
            projection_version: self.ledger.projection_version,
        }
    }

    /// Judges a HELLO: the protocol to speak. Errors: why its sender may not come in.
    pub fn judge(
        &self,
        hello: &Hello,
        certified: Option<CentralId>,
        dialled: Option<CentralId>,
    ) -> Result<u16, Refusal> {
        let expected = Expected { me: self.me.clone(), certified, dialled };
        check_hello(hello, &expected, |c| self.standing(c))
    }

    /// The ledger was asked what HELLO says of the peer's streams.
    pub fn hello_ready(&mut self, now: Now, link: LinkId, facts: HelloFacts) {
        let hello = self.hello(now, facts);
        let process = hello.ledger_process.clone();
        let Some(l) = self.links.get_mut(&link).filter(|l| l.is_greeting()) else { return };
        let Ok(bytes) = Message::Hello(hello).encode() else { return };
        l.told_process = process;
        l.outbox.message(bytes.into());
        if l.phase == Phase::Checked {
            l.phase = Phase::Answered;
        }
        self.outputs.push(Output::Wake(link));
    }

    /// The peer's HELLO.
    pub(super) fn greeted(&mut self, now: Now, link: LinkId, hello: &Hello) {
        let Some(l) = self.links.get(&link) else { return };
        let dialled = l.opened.dial.is_some().then(|| l.peer.clone()).flatten();
        let protocol = match self.judge(hello, l.opened.certified.clone(), dialled) {
            Ok(protocol) => protocol,
            Err(refusal) => return self.refuse(now, link, &refusal),
        };
        let Some(l) = self.links.get_mut(&link) else { return };
        l.protocol = protocol;
        l.outbox.speak(l.is_compact());
        let peer = hello.central.clone();
        l.peer = Some(peer.clone());
        l.process.clone_from(if hello.mesh_process.is_empty() {
            &hello.ledger_process
        } else {
            &hello.mesh_process
        });
        l.ledger_process.clone_from(&hello.ledger_process);
        let dialled_here = l.opened.dial.is_some();
        l.by_lower = dialled_here == (self.me < peer);
        if dialled_here {
            self.up(now, link);
        } else {
            l.phase = Phase::Checked;
            self.outputs.push(Output::ReadHello { link, peer });
        }
    }

    /// We say no; the other side's operator should read the reason too.
    fn refuse(&mut self, now: Now, link: LinkId, refusal: &Refusal) {
        self.end_greeting(now, link, true, &format!("hello: {refusal}"));
        if let Some(l) = self.links.get_mut(&link) {
            l.phase = Phase::Closed;
            l.outbox.end(&refusal.to_string());
        }
        self.outputs.push(Output::Wake(link));
    }

    /// A connection ends before HELLO has passed both ways.
    pub(super) fn end_greeting(&mut self, now: Now, link: LinkId, refused: bool, reason: &str) {
        let Some(l) = self.links.get(&link) else { return };
        match l.opened.dial {
            Some(dial) => self.dial_failed(now, dial, refused, reason),
            None if refused => self.incoming_refused(now, l.opened.certified.clone(), reason),
            // A port scan, a health check of a load balancer, a peer that went away: nothing to act on.
            None => {}
        }
    }

    /// HELLO has passed: the link stands.
    pub(super) fn up(&mut self, now: Now, link: LinkId) {
        let Some(l) = self.links.get_mut(&link) else { return };
        let (dial, test) = (l.opened.dial, l.opened.test);
        if test {
            return;
        }
        let Some(peer) = l.peer.clone() else { return };
        let Some(p) = self.peers.get_mut(&peer).filter(|p| !p.conf.disabled) else {
            // Removed or disabled since it was greeted.
            return self.close(now, link, "this peer is not wanted here any more");
        };
        l.phase = Phase::Up;
        l.up_us = now.us;
        l.heard(now);
        let (process, ledger_process) = (l.process.clone(), l.ledger_process.clone());
        p.speakers.heard(&ledger_process, now);
        if dial.is_some() {
            // Until the link has lived for a while: one that ends at once must not be dialled in a loop.
            p.backoff.failed();
            p.dialling = Dialling::No;
        }
        if !p.is_linked() {
            p.since_ms = now.clock_ms;
            p.last_error = None;
            p.unlinked = Unlinked::Connecting;
            p.linked_at = Some(now.us);
            // Another process or another machine may answer now.
            p.skew = SkewFilter::default();
            self.outputs.push(Output::Note(Note::Linked { peer: peer.clone(), link, process }));
        }
        p.links.push(link);
        self.settle(now, &peer);
        self.probe(now, link);
        self.publish(now);
    }
}
