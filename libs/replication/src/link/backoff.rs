//! When to dial again.

use std::time::Duration;

const FIRST_MS: u64 = 200;
/// The pause of the first minutes: whoever lost a link wants it back within seconds of the network's return.
const CAP_MS: u64 = 5_000;
/// The pause once a peer has been away for long, or refuses us.
const LONG_CAP_MS: u64 = 30_000;
/// With pauses of 2.5 to 5 s, about ten minutes.
const LONG_AFTER: u32 = 160;
/// A link that lived shorter than this counts as one more failure: a peer that hangs up on us must not be dialled in a loop.
const SETTLED_MS: u64 = 5_000;

/// The schedule of one peer: at once, then exponential with jitter, never above 30 s.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait before the next dial. `jitter` is uniform in 0..1 and spreads the pause over its upper half, so that
    /// ten centrals that lost one peer do not all come back in the same instant.
    pub fn pause(&self, jitter: f64) -> Duration {
        if self.failures == 0 {
            return Duration::ZERO;
        }
        let cap = if self.failures > LONG_AFTER { LONG_CAP_MS } else { CAP_MS };
        let full = FIRST_MS.saturating_mul(1 << (self.failures - 1).min(10)).min(cap);
        Duration::from_millis(full / 2 + (full as f64 / 2.0 * jitter.clamp(0.0, 1.0)) as u64)
    }

    /// A dial failed.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The peer refused us, or we it: only a person can change that, so the long pause holds at once.
    pub fn refused(&mut self) {
        self.failures = self.failures.max(LONG_AFTER).saturating_add(1);
    }

    /// A link ended after so long.
    pub fn link_ended(&mut self, lived: Duration) {
        if lived.as_millis() as u64 >= SETTLED_MS { self.reset() } else { self.failed() }
    }

    /// The peer is known to be there.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_dial_is_at_once_and_pauses_grow() {
        let mut b = Backoff::default();
        let mut full = Vec::new();
        for _ in 0..7 {
            full.push(b.pause(1.0).as_millis());
            b.failed();
        }
        assert_eq!(full, [0, 200, 400, 800, 1_600, 3_200, 5_000]);
    }

    #[test]
    fn a_refusal_takes_the_long_pause_and_a_settled_link_forgets() {
        let mut b = Backoff::default();
        b.refused();
        b.refused();
        assert_eq!(b.pause(1.0), Duration::from_secs(30));
        b.link_ended(Duration::from_secs(60));
        assert_eq!(b.pause(1.0), Duration::ZERO);
        b.link_ended(Duration::from_millis(3));
        assert!(b.pause(0.0) > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn never_above_thirty_seconds(failures in 0u32..5_000, jitter: f64) {
            let b = Backoff { failures };
            prop_assert!(b.pause(jitter) <= Duration::from_secs(30));
        }
    }
}
