//! Heartbeats of one link: numbers, echoes, misses. Monotonic times in microseconds, because a round trip in one site takes less
//! than a millisecond.

/// So many beats in a row without an echo, and the link is dead.
pub const DEAD_AFTER_MISSES: u64 = 3;

/// What to do when a beat is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Send the beat with this number.
    Send(u64),
    /// The last three were not echoed: close.
    Dead,
}

/// The beats of one link, and whether the link is proven: HELLO and a beat have passed both ways.
#[derive(Debug, Clone, Default)]
pub struct Beats {
    last_sent: u64,
    last_echoed: u64,
    /// Number, monotonic µs and wall clock ms of the beats still waiting for their echo, oldest first.
    waiting: Vec<(u64, u64, i64)>,
    heard: bool,
}

/// An echo that was waited for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Echo {
    /// When its beat left, monotonic µs.
    pub sent_us: u64,
    /// What our clock showed then, ms since the epoch.
    pub sent_ms: i64,
    /// How long the other side kept it, ms: its next beat carried it.
    pub held_ms: i64,
    /// Round trip, ms.
    pub rtt_ms: f64,
}

impl Beats {
    /// A beat is due.
    pub fn due(&mut self, now_us: u64, clock_ms: i64) -> Tick {
        if self.last_sent - self.last_echoed >= DEAD_AFTER_MISSES {
            return Tick::Dead;
        }
        Tick::Send(self.send(now_us, clock_ms))
    }

    /// A beat out of turn (the first one, or a probe); never condemns the link.
    pub fn extra(&mut self, now_us: u64, clock_ms: i64) -> u64 {
        if let (Some(first), true) = (self.waiting.first(), self.last_sent > self.last_echoed) {
            // A probe repeats the oldest unanswered number instead of adding to the misses.
            return first.0;
        }
        self.send(now_us, clock_ms)
    }

    /// A beat out of turn with a number of its own: our clock was set, and an older beat's echo says nothing of it.
    pub fn fresh(&mut self, now_us: u64, clock_ms: i64) -> u64 {
        self.send(now_us, clock_ms)
    }

    fn send(&mut self, now_us: u64, clock_ms: i64) -> u64 {
        self.last_sent += 1;
        self.waiting.push((self.last_sent, now_us, clock_ms));
        self.last_sent
    }

    /// The echo of a beat; none for one that was not asked for.
    pub fn echoed(&mut self, n: u64, now_us: u64) -> Option<Echo> {
        let at = self.waiting.iter().position(|w| w.0 == n)?;
        Some(self.take(at, now_us, 0))
    }

    /// The same where only the number's last bits came back, and the other side kept the echo for so long.
    pub fn echoed_late(&mut self, n: u8, now_us: u64, held_us: u64) -> Option<Echo> {
        let at = self.waiting.iter().rposition(|w| w.0 as u8 == n)?;
        Some(self.take(at, now_us, held_us))
    }

    fn take(&mut self, at: usize, now_us: u64, held_us: u64) -> Echo {
        let (n, sent_us, sent_ms) = self.waiting[at];
        self.waiting.drain(..=at);
        self.last_echoed = n;
        let rtt_us = now_us.saturating_sub(sent_us).saturating_sub(held_us);
        Echo {
            sent_us,
            sent_ms,
            held_ms: (held_us.saturating_add(500) / 1000) as i64,
            rtt_ms: rtt_us as f64 / 1000.0,
        }
    }

    /// True while a beat has not come back.
    pub fn unanswered(&self) -> bool {
        self.last_sent > self.last_echoed
    }

    /// The peer's own beat was heard.
    pub fn heard(&mut self) {
        self.heard = true;
    }

    /// True once a beat has passed each way.
    pub fn proven(&self) -> bool {
        self.heard && self.last_echoed > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_missed_echoes_are_death() {
        let mut b = Beats::default();
        assert_eq!([b.due(0, 0), b.due(1, 1), b.due(2, 2)], [Tick::Send(1), Tick::Send(2), Tick::Send(3)]);
        assert_eq!(b.due(3, 3), Tick::Dead);
    }

    #[test]
    fn one_echo_forgives_the_misses_before_it() {
        let mut b = Beats::default();
        for t in 0..3 {
            b.due(t * 10, t as i64 * 10 + 1_000);
        }
        assert_eq!(b.echoed(3, 25), Some(Echo { sent_us: 20, sent_ms: 1_020, held_ms: 0, rtt_ms: 0.005 }));
        assert_eq!(b.due(30, 0), Tick::Send(4));
        assert_eq!(b.echoed(2, 31), None, "an echo older than one already heard says nothing");
    }

    #[test]
    fn an_echo_that_was_kept_tells_the_same_round_trip() {
        let mut b = Beats::default();
        for t in 0..300 {
            b.due(t * 30_000_000, 0);
            let echo = b.echoed_late((t + 1) as u8, t * 30_000_000 + 12_000_700, 12_000_000).unwrap();
            assert_eq!((echo.rtt_ms, echo.held_ms), (0.7, 12_000));
            assert!(!b.unanswered());
        }
        assert_eq!(b.echoed_late(7, 0, 0), None, "nothing was sent since");
    }

    #[test]
    fn proven_needs_both_ways() {
        let mut b = Beats::default();
        b.due(0, 0);
        b.heard();
        assert!(!b.proven());
        b.echoed(1, 1);
        assert!(b.proven());
        let mut deaf = Beats::default();
        deaf.due(0, 0);
        deaf.echoed(1, 1);
        assert!(!deaf.proven());
    }

    proptest! {
        #[test]
        fn any_order_of_beats_and_echoes_is_survived(steps in proptest::collection::vec((0u8..4, 0u64..20), 0..200)) {
            let mut b = Beats::default();
            for (i, (what, n)) in steps.into_iter().enumerate() {
                match what {
                    0 => { b.due(i as u64, 0); }
                    1 => { b.extra(i as u64, 0); }
                    2 => { b.echoed(n, i as u64); }
                    _ => b.heard(),
                }
                prop_assert!(b.waiting.len() as u64 <= DEAD_AFTER_MISSES);
            }
        }
    }
}
