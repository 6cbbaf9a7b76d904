//! Who was not let in: counted every time, logged the first time and then now and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The same refusal is logged again after so long, with how often it came meanwhile.
const AGAIN: Duration = Duration::from_secs(600);
/// Kinds of refusals remembered; beyond them the log is quiet and the counter goes on.
const REMEMBERED: usize = 256;

/// Who, and the word for why.
type Case = (String, &'static str);

/// See the module. Of each case: when it was logged last, and how often it came since.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Case, (Instant, u64)>>);

impl Refusals {
    /// How often it came unlogged since the last time, where it is to be logged now; none where it is not.
    pub(crate) fn to_log(&self, who: &str, kind: &'static str, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, (logged, _)| now.duration_since(*logged) < AGAIN);
        }
        if let Some((logged, quiet)) = all.get_mut(&(who.to_owned(), kind)) {
            if now.duration_since(*logged) < AGAIN {
                *quiet += 1;
                return None;
            }
            *logged = now;
            return Some(std::mem::take(quiet));
        }
        if all.len() >= REMEMBERED {
            return None;
        }
        all.insert((who.to_owned(), kind), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_logged_once_and_told_with_its_number_later() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let at = |s| began + Duration::from_secs(s);
        assert_eq!(refusals.to_log("10.0.0.9", "foreign", at(0)), Some(0));
        for s in 1..100 {
            assert_eq!(refusals.to_log("10.0.0.9", "foreign", at(s)), None);
        }
        assert_eq!(refusals.to_log("10.0.0.9", "expired", at(5)), Some(0), "another reason");
        assert_eq!(refusals.to_log("10.0.0.8", "foreign", at(5)), Some(0), "somebody else");
        assert_eq!(refusals.to_log("10.0.0.9", "foreign", at(601)), Some(99));
    }

    #[test]
    fn strangers_without_number_fill_no_memory() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for n in 0..10_000 {
            refusals.to_log(&format!("10.0.{}.{}", n / 250, n % 250), "foreign", now);
        }
        assert_eq!(refusals.0.lock().unwrap().len(), REMEMBERED);
        assert_eq!(refusals.to_log("late", "foreign", now), None);
        assert_eq!(refusals.to_log("late", "foreign", now + AGAIN), Some(0), "the old ones are forgotten");
    }
}
