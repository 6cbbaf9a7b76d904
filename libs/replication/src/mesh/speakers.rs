//! Which ledger processes speak for one central. One after the other are restarts; one that comes back after another spoke is
//! alive beside it: a machine or a disk was copied.

use super::Now;

/// Earlier processes remembered.
const REMEMBERED: usize = 8;
/// After the last change of speaker the alarm stands for so long, µs.
const HOLD_US: u64 = 180_000_000;
/// So many returns within that time are an alarm. A single one may be a standby that had the lock for a moment.
const RETURNS: usize = 2;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Speakers {
    current: String,
    before: Vec<String>,
    returned_at: Vec<u64>,
}

impl Speakers {
    /// A process spoke. True when it is another one than before.
    pub(super) fn heard(&mut self, process: &str, now: Now) -> bool {
        if process.is_empty() || process == self.current {
            return false;
        }
        if self.before.iter().any(|p| p == process) {
            self.returned_at.push(now.us);
            let surplus = self.returned_at.len().saturating_sub(RETURNS);
            self.returned_at.drain(..surplus);
        }
        let old = std::mem::replace(&mut self.current, process.to_owned());
        if !old.is_empty() {
            self.before.retain(|p| *p != old && *p != process);
            self.before.push(old);
            if self.before.len() > REMEMBERED {
                self.before.remove(0);
            }
        }
        true
    }

    /// Who spoke last; empty before anybody did.
    pub(super) fn current(&self) -> &str {
        &self.current
    }

    /// The two that speak in turns.
    pub(super) fn two(&self, now: Now) -> Option<(&str, &str)> {
        let first = (self.returned_at.len() >= RETURNS).then(|| self.returned_at.first()).flatten()?;
        let other = self.before.last()?;
        (now.us.saturating_sub(*first) <= HOLD_US).then_some((other.as_str(), self.current.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Now {
        Now { us: s * 1_000_000, clock_ms: 0 }
    }

    #[test]
    fn restarts_are_no_clone_and_turns_are() {
        let mut s = Speakers::default();
        for (i, p) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert!(s.heard(p, at(i as u64)));
            assert!(!s.heard(p, at(i as u64)));
        }
        assert_eq!(s.two(at(9)), None);
        s.heard("c", at(10));
        assert_eq!(s.two(at(10)), None, "a standby had the lock for a moment");
        s.heard("d", at(11));
        assert_eq!(s.two(at(12)), Some(("c", "d")));
        assert_eq!(s.two(at(500)), None, "it is over");
        assert!(!s.heard("", at(500)), "a ledger that is away says nothing");
    }
}
