//! What came from whom: for display, so it is written down once a second and not with every event.

use std::collections::BTreeMap;

use ::writer::CameFrom;
use wire::id::CentralId;

/// How long it may wait, ms.
const WAIT_MS: i64 = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Peers {
    waiting: BTreeMap<CentralId, CameFrom>,
    /// When something was last written down, ms.
    written_at: i64,
}

impl Peers {
    /// Takes in what came in a round at `now`, ms; gives what is to be written down with it, and forgets it.
    pub(super) fn due(&mut self, came: &[CameFrom], now: i64) -> Vec<CameFrom> {
        for c in came {
            let all =
                self.waiting.entry(c.peer.clone()).or_insert_with(|| CameFrom { stored: 0, ..c.clone() });
            all.newest = all.newest.max(c.newest);
            all.stored += c.stored;
        }
        // A clock that was set back must not stop it.
        if (now - self.written_at).abs() < WAIT_MS {
            return Vec::new();
        }
        self.rest(now)
    }

    /// All that waits.
    pub(super) fn rest(&mut self, now: i64) -> Vec<CameFrom> {
        if !self.waiting.is_empty() {
            self.written_at = now;
        }
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(peer: &str, newest: i64, stored: i64) -> CameFrom {
        CameFrom { peer: CentralId::new(peer).unwrap(), newest, stored }
    }

    #[test]
    fn what_came_within_a_second_is_written_together() {
        let mut p = Peers::default();
        let first = p.due(&[came("central-2", 5, 1)], 10_000);
        assert_eq!((first.len(), first[0].stored), (1, 1));
        assert!(p.due(&[came("central-2", 9, 2), came("central-3", 1, 1)], 10_500).is_empty());
        assert!(p.due(&[came("central-2", 7, 1)], 10_999).is_empty());
        let all = p.due(&[], 11_000);
        let told: Vec<_> = all.iter().map(|c| (c.peer.as_str(), c.newest, c.stored)).collect();
        assert_eq!(told, [("central-2", 9, 3), ("central-3", 1, 1)]);
        assert!(p.due(&[], 20_000).is_empty());
    }
}
