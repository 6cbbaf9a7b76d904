//! The alarms of one service.

use std::collections::BTreeMap;

use wire::alarm::{AlarmCode, AlarmNow};

/// Now, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock, ms since the epoch: for people.
    pub wall_ms: i64,
    /// A clock that never jumps, ms: waits are measured by it.
    pub steady_ms: i64,
}

/// A condition that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is wrong.
    pub code: AlarmCode,
    /// The peer it is about.
    pub peer: Option<String>,
    /// What exactly and why; begins with the cause. No plates.
    pub detail: String,
    /// It becomes an alarm once it has held for so long, ms.
    pub after_ms: i64,
}

/// What changed; to be logged once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An alarm began.
    Begins(AlarmNow),
    /// An alarm ended; as it stood last.
    Ends(AlarmNow),
}

#[derive(Debug, Clone)]
struct Entry {
    held_since: i64,
    raised: bool,
    now: AlarmNow,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Board {
    entries: BTreeMap<(AlarmCode, Option<String>), Entry>,
}

impl Board {
    /// Takes all conditions that hold now: what is not among them has ended.
    pub fn update(&mut self, at: Moment, standing: Vec<Standing>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut held = BTreeMap::new();
        for s in standing {
            let key = (s.code, s.peer.clone());
            let mut entry = self.entries.remove(&key).unwrap_or_else(|| Entry {
                held_since: at.steady_ms,
                raised: false,
                now: AlarmNow {
                    code: s.code,
                    since: at.wall_ms,
                    peer: s.peer.clone(),
                    detail: String::new(),
                },
            });
            entry.now.detail = s.detail;
            if !entry.raised && at.steady_ms.saturating_sub(entry.held_since) >= s.after_ms {
                entry.raised = true;
                changes.push(Change::Begins(entry.now.clone()));
            }
            held.insert(key, entry);
        }
        let ended = std::mem::replace(&mut self.entries, held);
        changes.extend(ended.into_values().filter(|e| e.raised).map(|e| Change::Ends(e.now)));
        changes
    }

    /// The alarms that stand.
    pub fn now(&self) -> Vec<AlarmNow> {
        self.entries.values().filter(|e| e.raised).map(|e| e.now.clone()).collect()
    }

    /// True while this alarm stands.
    pub fn stands(&self, code: AlarmCode, peer: Option<&str>) -> bool {
        self.entries.get(&(code, peer.map(str::to_owned))).is_some_and(|e| e.raised)
    }

    /// How many alarms of a code stand.
    pub fn count(&self, code: AlarmCode) -> u64 {
        self.entries.values().filter(|e| e.raised && e.now.code == code).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(peer: &str) -> Standing {
        Standing {
            code: AlarmCode::PeerGone,
            peer: Some(peer.to_owned()),
            detail: "peer_gone: connection refused".to_owned(),
            after_ms: 300_000,
        }
    }

    fn at(ms: i64) -> Moment {
        Moment { wall_ms: 1_000_000 + ms, steady_ms: ms }
    }

    #[test]
    fn a_condition_becomes_an_alarm_when_it_has_held_long_enough_and_is_told_once() {
        let mut b = Board::default();
        assert_eq!(b.update(at(0), vec![gone("c2")]), []);
        assert_eq!(b.update(at(299_999), vec![gone("c2")]), []);
        let begun = b.update(at(300_000), vec![gone("c2"), gone("c3")]);
        assert!(
            matches!(&begun[..], [Change::Begins(a)] if a.peer.as_deref() == Some("c2") && a.since == 1_000_000)
        );
        assert_eq!(b.update(at(301_000), vec![gone("c2"), gone("c3")]), []);
        assert_eq!((b.now().len(), b.count(AlarmCode::PeerGone)), (1, 1));
        let ended = b.update(at(302_000), vec![gone("c3")]);
        assert!(matches!(&ended[..], [Change::Ends(a)] if a.peer.as_deref() == Some("c2")));
        assert!(b.now().is_empty());
    }

    #[test]
    fn a_condition_that_comes_and_goes_begins_anew() {
        let mut b = Board::default();
        b.update(at(0), vec![gone("c2")]);
        b.update(at(200_000), vec![]);
        assert_eq!(b.update(at(400_000), vec![gone("c2")]), []);
    }

    #[test]
    fn a_step_of_the_wall_clock_raises_nothing() {
        let mut b = Board::default();
        b.update(at(0), vec![gone("c2")]);
        let later = Moment { wall_ms: 1_000_000 + 7_200_000, steady_ms: 1_000 };
        assert_eq!(b.update(later, vec![gone("c2")]), []);
    }
}
