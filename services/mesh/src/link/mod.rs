//! One link: a WebSocket that has passed HELLO.

pub(crate) mod hello;
mod outbox;
mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use replication::link::{Beats, LinkFacts, Liveness, Tick, Verdict};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::bus::events::Carried;
use wire::hash::Hash32;
use wire::id::CentralId;
use wire::mesh::{Heartbeat, Message};

use crate::relay::Inbox;
use outbox::Outbox;

pub(crate) use run::run;

/// A live link.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its number in this process.
    pub(crate) id: u64,
    /// The peer.
    pub(crate) peer: CentralId,
    /// True when the central with the lower id dialled.
    by_lower: bool,
    /// The peer's process.
    pub(crate) process: String,
    /// Where its live events go.
    pub(crate) inbox: Arc<Inbox>,
    /// Cancelled when nothing of it is to be read any more.
    stop: CancellationToken,
    outbox: Outbox,
    up_at: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    beats: Beats,
    liveness: Liveness,
    heard_at: Instant,
}

/// What an echo told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Echo {
    /// Our clock when the beat left, ms.
    pub(crate) sent_ms: i64,
    /// Round trip, ms.
    pub(crate) rtt_ms: f64,
}

impl Link {
    pub(crate) fn new(id: u64, peer: CentralId, process: String, by_lower: bool, inbox: Arc<Inbox>) -> Self {
        let now = Instant::now();
        let state = State { beats: Beats::default(), liveness: Liveness::default(), heard_at: now };
        Self {
            id,
            peer,
            by_lower,
            process,
            inbox,
            stop: CancellationToken::new(),
            outbox: Outbox::new(),
            up_at: now,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Monotonic µs since the link came up.
    fn age_us(&self) -> u64 {
        u64::try_from(self.up_at.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// For the rules about several links; times in µs since `base`.
    pub(crate) fn facts(&self, base: Instant) -> LinkFacts {
        let since = |t: Instant| u64::try_from(t.duration_since(base).as_micros()).unwrap_or(u64::MAX);
        let state = self.state();
        LinkFacts {
            id: self.id,
            by_lower: self.by_lower,
            process: self.process.clone(),
            proven: state.beats.proven(),
            up_at: since(self.up_at),
            heard_at: since(state.heard_at),
        }
    }

    /// Sends the beat that is due. False when the last three went unanswered.
    pub(crate) fn beat(&self, clock_ms: i64, digest: Option<Hash32>) -> bool {
        let tick = self.state().beats.due(self.age_us(), clock_ms);
        match tick {
            Tick::Send(n) => {
                self.send_beat(n, clock_ms, None, digest);
                true
            }
            Tick::Dead => false,
        }
    }

    /// Sends a beat out of turn.
    pub(crate) fn probe(&self, clock_ms: i64, digest: Option<Hash32>) {
        let n = self.state().beats.extra(self.age_us(), clock_ms);
        self.send_beat(n, clock_ms, None, digest);
    }

    /// Looks whether the peer still answers; asks it if in doubt. False when it does not.
    pub(crate) fn look(&self, clock_ms: i64) -> bool {
        let verdict = self.state().liveness.look(self.age_us() / 1000);
        match verdict {
            Verdict::Fine => true,
            Verdict::Ask => {
                self.probe(clock_ms, None);
                true
            }
            Verdict::Dead => false,
        }
    }

    fn send_beat(&self, n: u64, clock: i64, echo: Option<i64>, positions_digest: Option<Hash32>) {
        let beat = Message::Heartbeat(Heartbeat { n, clock, echo, positions_digest });
        if let Ok(bytes) = beat.encode() {
            self.outbox.beat(bytes);
        }
    }

    /// Something came from the peer.
    fn heard(&self) {
        let mut s = self.state();
        s.heard_at = Instant::now();
        s.liveness.heard();
    }

    /// The peer's beat: answers it.
    fn beat_came(&self, beat: &Heartbeat, clock_ms: i64) {
        self.state().beats.heard();
        self.send_beat(beat.n, clock_ms, Some(beat.clock), None);
    }

    /// The echo of a beat of ours.
    fn echo_came(&self, n: u64) -> Option<Echo> {
        let now = self.age_us();
        let (sent_ms, rtt_ms) = self.state().beats.echoed(n, now)?;
        Some(Echo { sent_ms, rtt_ms })
    }

    fn sent(&self) {
        let now = self.age_us() / 1000;
        self.state().liveness.sent(now);
    }

    /// Queues live events.
    pub(crate) fn send_live(&self, events: &[Arc<Carried>]) {
        self.sent();
        self.outbox.live(events);
    }

    /// Queues an encoded message; pages wait behind everything else.
    pub(crate) fn send(&self, message: Vec<u8>) {
        self.sent();
        if Message::is_sync_response(&message) {
            self.outbox.backlog(message)
        } else {
            self.outbox.control(message)
        }
    }

    /// Ends a spare link: what is queued still goes out, what comes is still read.
    pub(crate) fn retire(&self) {
        self.outbox.drain("spare link");
    }

    /// Ends the link now.
    pub(crate) fn close(&self, reason: &str) {
        self.outbox.end(reason);
        self.stop.cancel();
    }

    /// What the queues dropped since the last call.
    pub(crate) fn take_dropped(&self) -> Vec<(&'static str, u64)> {
        self.outbox.take_dropped()
    }
}
