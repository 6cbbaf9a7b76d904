//! Heartbeats: who is alive, whose clock stands where, whose map differs.

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{Heartbeat, Message, Positions};

use super::Mesh;
use super::event::{LinkId, Note, Now, Output};
use super::link::Phase;
use crate::clock::{Level, Sample, SkewFilter, same_anchor};
use crate::link::{Echo, Tick, Verdict};

/// A digest read this recently still counts as ours when it is compared with a peer's, µs.
const FRESH_US: u64 = 500_000;

/// Our wall clock less the clock that never jumps, ms.
fn anchor_ms(now: Now) -> i64 {
    now.clock_ms.saturating_sub(i64::try_from(now.us / 1000).unwrap_or(i64::MAX))
}

impl Mesh {
    /// A beat is due; it waits for the digest that is read for it.
    pub(super) fn beat_due(&mut self, now: Now) {
        self.ledger.beat_waits = true;
        self.read_digest(now);
    }

    fn read_digest(&mut self, now: Now) {
        if let Some(fresh) = self.fresh_digest(now) {
            return self.digest_known(now, Some(fresh));
        }
        if !std::mem::replace(&mut self.ledger.reading, true) {
            self.outputs.push(Output::ReadDigest);
        }
    }

    fn fresh_digest(&self, now: Now) -> Option<Hash32> {
        self.ledger.digest.filter(|(at, _)| now.us.saturating_sub(*at) <= FRESH_US).map(|(_, d)| d)
    }

    /// The digest of the position map was read from Postgres; none when the ledger is away.
    pub fn digest_read(&mut self, now: Now, digest: Option<Hash32>) {
        self.ledger.reading = false;
        if let Some(d) = digest {
            self.ledger.digest = Some((now.us, d));
        }
        self.digest_known(now, digest);
    }

    fn digest_known(&mut self, now: Now, digest: Option<Hash32>) {
        for (peer, theirs) in std::mem::take(&mut self.ledger.compare) {
            if digest != Some(theirs) {
                self.tell_digest(peer, theirs);
            }
        }
        if std::mem::take(&mut self.ledger.beat_waits) {
            self.beat(now, digest);
        }
    }

    /// A beat told the digest of a peer's position map: when ours differs, sync is told, so that a loss is noticed even when
    /// nothing else flows.
    fn digest_came(&mut self, now: Now, peer: &CentralId, digest: Hash32) {
        if self.fresh_digest(now) != Some(digest) {
            self.ledger.compare.insert(peer.clone(), digest);
            self.read_digest(now);
        }
    }

    fn tell_digest(&mut self, from: CentralId, digest: Hash32) {
        let told = Positions { whole: false, more: false, please_answer: false, digest, streams: Vec::new() };
        if let Ok(message) = Message::Positions(told).encode() {
            self.outputs.push(Output::ToSync { from, message: message.into() });
        }
    }

    /// Sends every link its beat, and closes those that left three unanswered.
    fn beat(&mut self, now: Now, digest: Option<Hash32>) {
        for link in self.standing_links() {
            let Some(l) = self.links.get_mut(&link) else { continue };
            match l.beats.due(now.us, now.clock_ms) {
                Tick::Send(n) => self.send_beat(now, link, n, digest, true),
                Tick::Dead => self.silent(now, link, "three heartbeats in a row were not answered"),
            }
        }
    }

    /// Every link that stands, spare ones too.
    pub(super) fn standing_links(&self) -> Vec<LinkId> {
        self.links.values().filter(|l| l.phase == Phase::Up).map(|l| l.id).collect()
    }

    fn silent(&mut self, now: Now, link: LinkId, reason: &str) {
        if let Some(peer) = self.links.get(&link).and_then(|l| l.peer.clone()) {
            self.note(Note::Silent { peer, link });
        }
        self.close(now, link, reason);
    }

    /// A beat out of turn.
    pub(super) fn probe(&mut self, now: Now, link: LinkId) {
        let digest = self.fresh_digest(now);
        if let Some(l) = self.links.get_mut(&link) {
            let n = l.beats.extra(now.us, now.clock_ms);
            self.send_beat(now, link, n, digest, false);
        }
    }

    /// This central's ledger is another process now: every peer hears it at once.
    pub(super) fn tell_process(&mut self, now: Now) {
        for link in self.standing_links() {
            if let Some(l) = self.links.get_mut(&link) {
                let n = l.beats.extra(now.us, now.clock_ms);
                self.send_beat(now, link, n, None, true);
            }
        }
    }

    fn send_beat(&mut self, now: Now, link: LinkId, n: u64, positions_digest: Option<Hash32>, who: bool) {
        let process = self.ledger.speakers.current();
        let ledger_process = (who && !process.is_empty()).then(|| process.to_owned());
        let clock = now.clock_ms;
        self.hand_beat(link, &Heartbeat { n, clock, echo: None, positions_digest, ledger_process });
    }

    fn hand_beat(&mut self, link: LinkId, beat: &Heartbeat) {
        if let Some(l) = self.links.get_mut(&link)
            && let Ok(bytes) = Message::Heartbeat(beat.clone()).encode()
        {
            l.outbox.beat(bytes.into());
            self.outputs.push(Output::Wake(link));
        }
    }

    /// The peer's beat, or the echo of ours.
    pub(super) fn beat_came(&mut self, now: Now, link: LinkId, beat: &Heartbeat) {
        let Some(l) = self.links.get_mut(&link) else { return };
        let peer = l.peer.clone();
        if beat.echo.is_none() {
            l.beats.heard();
            let echo = Heartbeat {
                n: beat.n,
                clock: now.clock_ms,
                echo: Some(beat.clock),
                positions_digest: None,
                ledger_process: None,
            };
            self.hand_beat(link, &echo);
        }
        let sample = match beat.echo {
            Some(_) => self.links.get_mut(&link).and_then(|l| l.beats.echoed(beat.n, now.us)),
            None => None,
        };
        let Some(peer) = peer.filter(|_| self.links.get(&link).is_some_and(|l| !l.opened.test)) else {
            return;
        };
        if let Some(echo) = sample {
            self.measured(now, &peer, echo, beat.clock);
        }
        if let Some(process) = &beat.ledger_process
            && let Some(p) = self.peers.get_mut(&peer)
        {
            p.speakers.heard(process, now);
        }
        if let Some(digest) = beat.positions_digest {
            self.digest_came(now, &peer, digest);
        }
        self.settle(now, &peer);
    }

    /// Takes an echo with the peer's clock, ms. One whose beat left before our clock was set says nothing of our clock now.
    fn measured(&mut self, now: Now, id: &CentralId, echo: Echo, peer_clock_ms: i64) {
        let Some(p) = self.peers.get_mut(id) else { return };
        let anchor = anchor_ms(now);
        if !same_anchor(anchor_ms(Now { us: echo.sent_us, clock_ms: echo.sent_ms }), anchor) {
            return;
        }
        let sample = Sample::of_echo(echo.sent_ms, peer_clock_ms, echo.rtt_ms);
        if !same_anchor(p.skew_anchor_ms, anchor) {
            p.skew = SkewFilter::default();
        }
        p.skew_anchor_ms = anchor;
        p.skew.add(sample);
        let skew_ms = p.skew.skew_ms();
        let level = skew_ms.map_or(Level::Fine, Level::of);
        if std::mem::replace(&mut p.level, level) != level {
            self.note(Note::Skew { peer: id.clone(), level, skew_ms });
        }
    }

    /// Looks at every link: does HELLO take too long, is the other end alive, is it one process, did queues drop something?
    pub(super) fn look(&mut self, now: Now) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            let Some(l) = self.links.get_mut(&link) else { continue };
            if l.is_late(now) {
                self.close(now, link, "hello: no answer within 5 s");
                continue;
            }
            if l.phase != Phase::Up {
                continue;
            }
            match l.liveness.look(now.us / 1000) {
                Verdict::Fine => {}
                Verdict::Ask => self.probe(now, link),
                Verdict::Dead => self.silent(now, link, "the peer does not answer"),
            }
            self.take_dropped(link);
        }
        let ids: Vec<CentralId> = self
            .peers
            .iter()
            .filter(|(_, p)| p.links.len() > 1 || p.cloned.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.settle(now, &id);
        }
        self.watch_own_clone(now);
        self.watch_own_clock(now);
        self.watch_conditions(now);
    }

    /// Our clock was set: what is known of the others' is of no use, they are asked at once.
    fn watch_own_clock(&mut self, now: Now) {
        let anchor = anchor_ms(now);
        let stepped = self.anchor_ms.is_some_and(|a| !same_anchor(a, anchor));
        if stepped {
            let digest = self.fresh_digest(now);
            for link in self.standing_links() {
                if let Some(l) = self.links.get_mut(&link) {
                    let n = l.beats.fresh(now.us, now.clock_ms);
                    self.send_beat(now, link, n, digest, false);
                }
            }
        }
        if stepped || self.anchor_ms.is_none() {
            self.anchor_ms = Some(anchor);
        }
    }

    /// Reports what a link's queues dropped.
    pub(super) fn take_dropped(&mut self, link: LinkId) {
        let Some(l) = self.links.get_mut(&link) else { return };
        let Some(peer) = &l.peer else { return };
        for (queue, count) in l.outbox.take_dropped() {
            self.outputs.push(Output::Note(Note::Dropped { peer: peer.clone(), queue, count }));
        }
    }
}
