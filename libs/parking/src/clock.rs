//! When something happened: from the camera's, the edge's and this central's clock to one stamp.

use wire::event::ClockFacts;

/// A lane clock off by more is worth a warning, ms.
pub const SKEW_WARN_MS: i64 = 2_000;
/// A lane clock off by more is not believed, ms.
pub const SKEW_LIMIT_MS: i64 = 30_000;
/// A time further ahead of the receive time is not believed, ms.
pub const FUTURE_LIMIT_MS: i64 = 30_000;
/// A delivery later than this never opens a barrier, ms.
pub const LATE_MS: i64 = 30_000;
/// This central's own clock is corrected when it is off its peers' median by more, ms.
pub const OWN_OFFSET_LIMIT_MS: i64 = 5_000;

/// When a passage happened, and what is known about the clocks involved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When it happened, ms since the epoch. Ranks the event; entry, exit, fees and windows use it.
    pub occurred_at: i64,
    /// Received − sent, ms; none when the edge did not say when it sent.
    pub skew_ms: Option<i64>,
    /// Sent − captured, ms; none when one of them is not known.
    pub delay_ms: Option<i64>,
    /// A late delivery: recorded, never opens.
    pub late: bool,
    /// `clock_anomaly`, `unsynced`, `late`.
    pub flags: Vec<&'static str>,
    /// For the event's body.
    pub clock: ClockFacts,
}

/// The stamp of a request. All times ms since the epoch; `own_offset` is this central's clock less the median of its
/// peers' (0 when it has none).
///
/// The receive time is first corrected by `own_offset` when that is above 5 s. Then: no `captured` → the receive time;
/// no `sent` → `captured` as it is, `unsynced`; skew up to 2 s → `captured`; up to 30 s → `captured` shifted by it; beyond, or
/// more than 30 s in the future → the receive time, `clock_anomaly`.
#[must_use]
pub fn occurred(captured: Option<i64>, sent: Option<i64>, received: i64, own_offset: i64) -> Stamp {
    let offset_ms = if own_offset.saturating_abs() > OWN_OFFSET_LIMIT_MS { own_offset } else { 0 };
    let received_at = received;
    let received = received_at.saturating_sub(offset_ms);
    let skew_ms = sent.map(|s| received.saturating_sub(s));
    let delay_ms = sent.zip(captured).map(|(s, c)| s.saturating_sub(c));
    let late = delay_ms.is_some_and(|d| d > LATE_MS);
    let mut flags = Vec::new();
    let believed = match (captured, skew_ms) {
        (None, _) => None,
        (Some(c), None) => {
            flags.push("unsynced");
            Some(c)
        }
        (Some(c), Some(skew)) if skew.saturating_abs() <= SKEW_WARN_MS => Some(c),
        (Some(c), Some(skew)) if skew.saturating_abs() <= SKEW_LIMIT_MS => Some(c.saturating_add(skew)),
        (Some(_), Some(_)) => {
            flags.push("clock_anomaly");
            None
        }
    };
    let occurred_at = match believed {
        Some(t) if t.saturating_sub(received) > FUTURE_LIMIT_MS => {
            flags.push("clock_anomaly");
            received
        }
        Some(t) => t,
        None => received,
    };
    if late {
        flags.push("late");
    }
    flags.sort_unstable();
    // The receive time stays as this clock showed it: time-outs count from it by the same clock.
    let clock = ClockFacts { received_at, captured_at: captured, skew_ms, offset_ms };
    Stamp { occurred_at, skew_ms, delay_ms, late, flags, clock }
}

/// When an event happened, had its origin known its `offset_ms` while stamping it. `stamped`: its `occurred_at`; `facts`: what its
/// body says of clocks; `applied_ms`: what the origin had taken off, for a body that does not say.
///
/// The stamp is made anew, so that a lane whose own clock was right keeps it. What the facts do not lead to (there are none, or
/// another version made the stamp) is moved by the difference.
#[must_use]
pub fn restamped(stamped: i64, facts: Option<&ClockFacts>, applied_ms: i64, offset_ms: i64) -> i64 {
    if let Some(f) = facts {
        let sent = f.skew_ms.map(|skew| f.received_at.saturating_sub(f.offset_ms).saturating_sub(skew));
        let again = |offset| occurred(f.captured_at, sent, f.received_at, offset).occurred_at;
        if again(f.offset_ms) == stamped {
            return again(offset_ms);
        }
    }
    let counted = |ms: i64| if ms.saturating_abs() > OWN_OFFSET_LIMIT_MS { ms } else { 0 };
    stamped.saturating_sub(counted(offset_ms).saturating_sub(counted(applied_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn the_stamp_follows_the_table_of_the_contract() {
        // captured, sent, own offset → occurred_at − NOW, late, flags
        type Case = (&'static str, Option<i64>, Option<i64>, i64, i64, bool, &'static [&'static str]);
        let cases: [Case; 14] = [
            ("nothing sent", None, None, 0, 0, false, &[]),
            ("only sent", None, Some(-500), 0, 0, false, &[]),
            ("in step", Some(-300), Some(-100), 0, -300, false, &[]),
            ("no sent_at", Some(-300), None, 0, -300, false, &["unsynced"]),
            ("skew of 2 s counts as none", Some(-2_300), Some(-2_000), 0, -2_300, false, &[]),
            ("skew above 2 s shifts", Some(-3_300), Some(-3_000), 0, -300, false, &[]),
            ("skew of −30 s shifts", Some(29_900), Some(30_000), 0, -100, false, &[]),
            (
                "skew above 30 s is not believed",
                Some(-40_000),
                Some(-39_000),
                0,
                0,
                false,
                &["clock_anomaly"],
            ),
            ("future without sent_at", Some(30_001), None, 0, 0, false, &["clock_anomaly", "unsynced"]),
            ("delay of 30 s is not late", Some(-30_000), Some(0), 0, -30_000, false, &[]),
            ("delay above 30 s is late", Some(-30_001), Some(0), 0, -30_001, true, &["late"]),
            ("late by hours", Some(-7_200_000), Some(-5_000), 0, -7_195_000, true, &["late"]),
            ("own clock 5 s ahead is left alone", None, None, 5_000, 0, false, &[]),
            (
                "own clock two hours ahead",
                Some(-7_200_100),
                Some(-7_200_000),
                7_200_000,
                -7_200_100,
                false,
                &[],
            ),
        ];
        for (name, captured, sent, own, occurred_at, late, flags) in cases {
            let s = occurred(captured.map(|c| NOW + c), sent.map(|s| NOW + s), NOW, own);
            assert_eq!((s.occurred_at - NOW, s.late, &s.flags[..]), (occurred_at, late, flags), "{name}");
        }
    }

    #[test]
    fn a_stamp_made_anew_is_the_one_of_an_origin_that_knew() {
        const AHEAD: i64 = 7_200_000;
        // captured, sent by the lane's clock, less the right time; what is right less NOW, which this clock shows.
        let lanes: [(&str, Option<i64>, Option<i64>); 5] = [
            ("no lane clock", None, None),
            ("the lane is right", Some(-300), Some(-100)),
            ("the lane is right and says no sent_at", Some(-300), None),
            ("the lane follows this central", Some(AHEAD - 300), Some(AHEAD - 100)),
            ("the lane is 10 s behind", Some(-10_300), Some(-10_000)),
        ];
        for (name, captured, sent) in lanes {
            let right = NOW - AHEAD;
            let at = |t: Option<i64>| t.map(|t| right + t);
            let unknown = occurred(at(captured), at(sent), NOW, 0);
            let knew = occurred(at(captured), at(sent), NOW, AHEAD);
            let again = restamped(unknown.occurred_at, Some(&unknown.clock), 0, AHEAD);
            assert_eq!(again, knew.occurred_at, "{name}");
            // And the other way round: what was taken off by mistake is put back.
            assert_eq!(
                restamped(knew.occurred_at, Some(&knew.clock), AHEAD, 0),
                unknown.occurred_at,
                "{name}"
            );
        }
        assert_eq!(restamped(NOW, None, 0, AHEAD), NOW - AHEAD, "nothing is known of clocks");
        assert_eq!(restamped(NOW, None, 10_000, AHEAD), NOW - AHEAD + 10_000);
        assert_eq!(restamped(NOW, None, 0, 4_000), NOW, "5 s are left alone, as when stamping");
        assert_eq!(restamped(i64::MIN, None, i64::MIN, i64::MAX), i64::MIN, "whatever is claimed");
    }
}
