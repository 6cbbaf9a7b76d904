//! Wrong PINs: who guesses waits, longer with every try.

use std::collections::HashMap;

/// Tries of one person at one lane (or by one caller) before the first wait.
const TOGETHER: u32 = 5;
/// Tries for one person, wherever; tries by one caller, for whomever.
const ALONE: u32 = 15;
/// The first wait; it doubles with every further try.
const FIRST_WAIT_MS: i64 = 15_000;
/// The longest wait.
const LONGEST_WAIT_MS: i64 = 15 * 60_000;
/// Tries are forgotten after so long without one.
const FORGOTTEN_MS: i64 = 2 * 3_600_000;
/// Counters kept at most.
const COUNTERS: usize = 8_192;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Together(String, String),
    Staff(String),
    Caller(String),
}

#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    count: u32,
    last: i64,
    wait_until: i64,
}

/// Counts tries since the last right PIN. A try counts as wrong from its beginning until it is known to be right, so that many at
/// once gain nothing.
#[derive(Debug, Clone, Default)]
pub struct PinThrottle {
    tries: HashMap<Key, Tries>,
}

fn keys(staff: &str, caller: &str) -> [(Key, u32); 3] {
    [
        (Key::Together(staff.to_owned(), caller.to_owned()), TOGETHER),
        (Key::Staff(staff.to_owned()), ALONE),
        (Key::Caller(caller.to_owned()), ALONE),
    ]
}

impl PinThrottle {
    /// A try begins at `now`, ms.
    ///
    /// # Errors
    /// So many ms are to be waited first; the try must not be made.
    pub fn begin(&mut self, staff: &str, caller: &str, now: i64) -> Result<(), i64> {
        let keys = keys(staff, caller);
        let until = keys.iter().filter_map(|(k, _)| self.tries.get(k)).map(|t| t.wait_until).max();
        if let Some(wait) = until.map(|u| u.saturating_sub(now)).filter(|w| *w > 0) {
            return Err(wait);
        }
        self.make_room(now);
        for (key, free) in keys {
            let t = self.tries.entry(key).or_default();
            if now.saturating_sub(t.last) > FORGOTTEN_MS {
                *t = Tries::default();
            }
            t.count = t.count.saturating_add(1);
            t.last = now;
            if let Some(over) = t.count.checked_sub(free) {
                let wait = FIRST_WAIT_MS.saturating_mul(1 << over.min(10)).min(LONGEST_WAIT_MS);
                t.wait_until = now.saturating_add(wait);
            }
        }
        Ok(())
    }

    /// The PIN of that try was right.
    pub fn was_right(&mut self, staff: &str, caller: &str) {
        for (key, _) in keys(staff, caller) {
            self.tries.remove(&key);
        }
    }

    fn make_room(&mut self, now: i64) {
        if self.tries.len() + 3 <= COUNTERS {
            return;
        }
        self.tries.retain(|_, t| now.saturating_sub(t.last) <= FORGOTTEN_MS);
        if self.tries.len() + 3 > COUNTERS {
            // Who waits stays: room is made by those that were tried least.
            let mut order: Vec<(u32, i64)> = self.tries.values().map(|t| (t.count, t.last)).collect();
            let (_, quarter, _) = order.select_nth_unstable(COUNTERS / 4);
            let least = *quarter;
            self.tries.retain(|_, t| (t.count, t.last) > least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tries made in so many seconds by somebody who never waits longer than told.
    fn guesses(
        t: &mut PinThrottle,
        staff: impl Fn(usize) -> String,
        caller: impl Fn(usize) -> String,
        seconds: i64,
    ) -> usize {
        let mut made = 0;
        for now in 0..seconds {
            if t.begin(&staff(made), &caller(made), now * 1000).is_ok() {
                made += 1;
            }
        }
        made
    }

    #[test]
    fn five_tries_are_free_and_then_the_waits_double() {
        let mut t = PinThrottle::default();
        for _ in 0..5 {
            assert_eq!(t.begin("s", "edge-1", 0), Ok(()));
        }
        assert_eq!(t.begin("s", "edge-1", 0), Err(15_000));
        assert_eq!(t.begin("s", "edge-1", 14_999), Err(1));
        assert_eq!(t.begin("s", "edge-1", 15_000), Ok(()));
        assert_eq!(t.begin("s", "edge-1", 15_000), Err(30_000));
        // Another person at the same lane, the same person at another lane.
        assert_eq!(t.begin("other", "edge-1", 15_000), Ok(()));
        assert_eq!(t.begin("s", "edge-2", 15_000), Ok(()));
    }

    #[test]
    fn a_right_pin_begins_anew() {
        let mut t = PinThrottle::default();
        for _ in 0..4 {
            t.begin("s", "edge-1", 0).unwrap();
        }
        t.was_right("s", "edge-1");
        for _ in 0..5 {
            assert_eq!(t.begin("s", "edge-1", 1), Ok(()));
        }
    }

    #[test]
    fn nobody_tries_ten_thousand_pins_in_a_day() {
        let day = 86_400;
        let one = guesses(&mut PinThrottle::default(), |_| "s".into(), |_| "edge-1".into(), day);
        assert!(one < 150, "one lane: {one}");
        let lanes = guesses(&mut PinThrottle::default(), |_| "s".into(), |n| format!("edge-{}", n % 40), day);
        assert!(lanes < 150, "forty lanes: {lanes}");
        let people = guesses(&mut PinThrottle::default(), |n| format!("s{n}"), |_| "edge-1".into(), day);
        assert!(people < 150, "every person: {people}");
    }

    #[test]
    fn counters_are_bounded() {
        let mut t = PinThrottle::default();
        for n in 0..20_000 {
            t.begin(&format!("s{n}"), &format!("e{n}"), n).unwrap();
        }
        assert!(t.tries.len() <= COUNTERS);
    }
}
