//! Heartbeats: who is alive, whose clock stands where, whose map differs.

use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{Beat, BeatEcho, Heartbeat, Message, ShortDigest};

use super::Mesh;
use super::event::{LinkId, Note, Now, Output};
use super::link::{Link, Phase};
use crate::clock::{Level, Sample, SkewFilter, same_anchor};
use crate::link::{Echo, Tick, Verdict};

/// A digest read this recently still counts as ours, µs.
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
        if std::mem::take(&mut self.ledger.beat_waits) {
            self.beat(now, digest);
        }
    }

    /// A beat told the digest of a peer's position map. Sync knows what the peer said it holds: when that is something else, a loss
    /// is noticed even when nothing else flows.
    fn digest_came(&mut self, from: CentralId, digest: ShortDigest) {
        let told = Beat { positions_digest: Some(digest), ..Beat::default() };
        if let Ok(message) = Message::Beat(told).encode() {
            self.outputs.push(Output::ToSync { from, message: message.into() });
        }
    }

    /// Sends every link its beat, and closes those that left three unanswered.
    fn beat(&mut self, now: Now, digest: Option<Hash32>) {
        for link in self.standing_links() {
            let Some(l) = self.links.get_mut(&link) else { continue };
            // The peer beats less often than we do, or one was lost: it is asked to say something now.
            let please_answer = l.beats.unanswered();
            match l.beats.due(now.us, now.clock_ms) {
                Tick::Send(n) => self.send_beat(now, link, n, digest, true, please_answer),
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
            let n = Self::out_of_turn(l, now);
            self.send_beat(now, link, n, digest, false, true);
        }
    }

    /// The number of a beat out of turn. Echoes of protocol 2 come late, so an older beat is often on its way; they forgive it.
    fn out_of_turn(l: &mut Link, now: Now) -> u64 {
        if l.is_compact() { l.beats.fresh(now.us, now.clock_ms) } else { l.beats.extra(now.us, now.clock_ms) }
    }

    /// This central's ledger is another process now: every peer hears it at once.
    pub(super) fn tell_process(&mut self, now: Now) {
        for link in self.standing_links() {
            if let Some(l) = self.links.get_mut(&link) {
                let n = Self::out_of_turn(l, now);
                self.send_beat(now, link, n, None, true, true);
            }
        }
    }

    fn send_beat(
        &mut self,
        now: Now,
        link: LinkId,
        n: u64,
        digest: Option<Hash32>,
        who: bool,
        please_answer: bool,
    ) {
        let process = self.ledger.speakers.current();
        let process = (who && !process.is_empty()).then(|| process.to_owned());
        let Some(l) = self.links.get_mut(&link) else { return };
        let message = if l.is_compact() {
            let news = process.filter(|p| *p != l.told_process);
            if let Some(process) = &news {
                l.told_process.clone_from(process);
            }
            Message::Beat(Beat {
                n: Some(n as u8),
                clock: now.clock_ms,
                please_answer,
                echo: Self::echo(l, now),
                positions_digest: digest.as_ref().map(ShortDigest::of),
                ledger_process: news,
            })
        } else {
            Message::Heartbeat(Heartbeat {
                n,
                clock: now.clock_ms,
                echo: None,
                positions_digest: digest,
                ledger_process: process,
            })
        };
        self.hand_beat(link, &message);
    }

    /// Says which beat of the peer came last, once.
    fn echo(l: &mut Link, now: Now) -> Option<BeatEcho> {
        let (n, came) = l.last_beat.take()?;
        let held_us = u32::try_from(now.us.saturating_sub(came)).ok()?;
        Some(BeatEcho { n, held_us })
    }

    fn hand_beat(&mut self, link: LinkId, beat: &Message) {
        if let Some(l) = self.links.get_mut(&link)
            && let Ok(bytes) = beat.encode()
        {
            l.outbox.beat(bytes.into());
            self.outputs.push(Output::Wake(link));
        }
    }

    /// The beat of a peer that speaks protocol 1, or the echo of ours.
    pub(super) fn beat_came(&mut self, now: Now, link: LinkId, beat: &Heartbeat) {
        let Some(l) = self.links.get_mut(&link) else { return };
        let mut sample = None;
        if beat.echo.is_some() {
            sample = l.beats.echoed(beat.n, now.us);
        } else {
            l.beats.heard();
            let echo = Heartbeat {
                n: beat.n,
                clock: now.clock_ms,
                echo: Some(beat.clock),
                positions_digest: None,
                ledger_process: None,
            };
            self.hand_beat(link, &Message::Heartbeat(echo));
        }
        let digest = beat.positions_digest.as_ref().map(ShortDigest::of);
        self.beat_says(now, link, sample, beat.clock, beat.ledger_process.as_deref(), digest);
    }

    /// The beat of a peer that speaks protocol 2; the echo of ours is in it.
    pub(super) fn compact_beat_came(&mut self, now: Now, link: LinkId, beat: &Beat) {
        let Some(l) = self.links.get_mut(&link) else { return };
        if let Some(n) = beat.n {
            l.beats.heard();
            l.last_beat = Some((n, now.us));
        }
        let sample = beat.echo.and_then(|e| l.beats.echoed_late(e.n, now.us, e.held_us.into()));
        if beat.please_answer {
            let answer = Beat { clock: now.clock_ms, echo: Self::echo(l, now), ..Beat::default() };
            self.hand_beat(link, &Message::Beat(answer));
        }
        self.beat_says(now, link, sample, beat.clock, beat.ledger_process.as_deref(), beat.positions_digest);
    }

    fn beat_says(
        &mut self,
        now: Now,
        link: LinkId,
        sample: Option<Echo>,
        clock: i64,
        process: Option<&str>,
        digest: Option<ShortDigest>,
    ) {
        let Some(l) = self.links.get(&link).filter(|l| !l.opened.test) else { return };
        let Some(peer) = l.peer.clone() else { return };
        if let Some(echo) = sample {
            self.measured(now, &peer, echo, clock);
        }
        if let Some(process) = process
            && let Some(p) = self.peers.get_mut(&peer)
        {
            p.speakers.heard(process, now);
        }
        if let Some(digest) = digest {
            self.digest_came(peer.clone(), digest);
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
        // As if it had left so much later as it was kept on the other side.
        let sample = Sample::of_echo(echo.sent_ms + echo.held_ms, peer_clock_ms, echo.rtt_ms);
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
                    self.send_beat(now, link, n, digest, false, true);
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
