//! How far a peer's clock is from ours, estimated from heartbeat echoes.

use std::collections::VecDeque;

/// Above this the operator is warned, ms.
const WARN_MS: u64 = 300;
/// Above this it is an alarm, ms.
const ALARM_MS: u64 = 5_000;
/// So many echoes are looked at: with a beat every 30 s, the last four minutes.
const WINDOW: usize = 8;
/// A sample this far from the one before is a step of a clock, not jitter: the older ones say nothing any more, ms.
const STEP_MS: u64 = 1_000;

/// How bad a skew is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Within 300 ms.
    Fine,
    /// Above 300 ms.
    Warn,
    /// Above 5 s: events of one of the two are ranked wrongly.
    Alarm,
}

impl Level {
    /// The level of a skew in ms.
    pub fn of(skew_ms: i64) -> Self {
        match skew_ms.unsigned_abs() {
            s if s > ALARM_MS => Level::Alarm,
            s if s > WARN_MS => Level::Warn,
            _ => Level::Fine,
        }
    }
}

/// One echo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The peer's clock less ours, ms.
    pub skew_ms: i64,
    /// Round trip, ms.
    pub rtt_ms: f64,
}

impl Sample {
    /// Reads an echo: our clock when the beat left, the peer's clock in the echo (ms since the epoch), and the round trip by a
    /// monotonic clock. The peer's clock is taken to have been read half-way.
    pub fn of_echo(sent_ms: i64, peer_clock_ms: i64, rtt_ms: f64) -> Self {
        let rtt_ms = rtt_ms.max(0.0);
        let skew_ms = peer_clock_ms.saturating_sub(sent_ms).saturating_sub((rtt_ms / 2.0) as i64);
        Self { skew_ms, rtt_ms }
    }
}

/// The last echoes of one peer. The one with the shortest round trip tells the skew best, because its half-way error is the
/// smallest (as in NTP's clock filter).
#[derive(Debug, Clone, Default)]
pub struct SkewFilter {
    samples: VecDeque<Sample>,
}

impl SkewFilter {
    /// Takes an echo.
    pub fn add(&mut self, sample: Sample) {
        if self.samples.back().is_some_and(|last| is_step(last, &sample)) {
            self.samples.clear();
        }
        if self.samples.len() == WINDOW {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The peer's clock less ours, ms; none before the first echo.
    pub fn skew_ms(&self) -> Option<i64> {
        self.samples.iter().min_by(|a, b| a.rtt_ms.total_cmp(&b.rtt_ms)).map(|s| s.skew_ms)
    }

    /// The last round trip, ms.
    pub fn rtt_ms(&self) -> Option<f64> {
        self.samples.back().map(|s| s.rtt_ms)
    }
}

fn is_step(last: &Sample, now: &Sample) -> bool {
    let uncertain = ((last.rtt_ms + now.rtt_ms) / 2.0) as u64;
    last.skew_ms.abs_diff(now.skew_ms) > STEP_MS.saturating_add(uncertain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_are_those_of_the_operator() {
        let cases = [
            (0, Level::Fine),
            (300, Level::Fine),
            (-301, Level::Warn),
            (5_000, Level::Warn),
            (-5_001, Level::Alarm),
        ];
        for (skew, level) in cases {
            assert_eq!(Level::of(skew), level, "{skew}");
        }
    }

    #[test]
    fn the_shortest_round_trip_tells_best() {
        let mut f = SkewFilter::default();
        f.add(Sample { skew_ms: 120, rtt_ms: 240.0 });
        f.add(Sample { skew_ms: 2, rtt_ms: 1.0 });
        f.add(Sample { skew_ms: -60, rtt_ms: 130.0 });
        assert_eq!((f.skew_ms(), f.rtt_ms()), (Some(2), Some(130.0)));
    }

    #[test]
    fn a_stepped_clock_is_seen_at_once() {
        let mut f = SkewFilter::default();
        f.add(Sample { skew_ms: 0, rtt_ms: 0.2 });
        f.add(Sample { skew_ms: 7_200_000, rtt_ms: 9.0 });
        assert_eq!(f.skew_ms(), Some(7_200_000));
    }

    proptest! {
        #[test]
        fn an_echo_is_off_by_half_a_round_trip_at_most(
            skew in -10_000_000i64..10_000_000, out in 0u32..5_000, back in 0u32..5_000, sent in 0i64..4_000_000_000_000,
        ) {
            let rtt = f64::from(out) + f64::from(back);
            let s = Sample::of_echo(sent, sent + i64::from(out) + skew, rtt);
            prop_assert!(s.skew_ms.abs_diff(skew) <= (rtt / 2.0) as u64 + 1);
        }

        #[test]
        fn hostile_clocks_never_panic(sent: i64, clock: i64, rtt: f64) {
            let mut f = SkewFilter::default();
            f.add(Sample::of_echo(sent, clock, rtt));
            f.add(Sample::of_echo(clock, sent, rtt));
            let _ = Level::of(f.skew_ms().unwrap_or(i64::MIN));
        }
    }
}
