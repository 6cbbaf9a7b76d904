//! What the audit remembers. Nothing here is needed for the truth: after a restart it is read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use replication::audit::{Book, Compared, Exchange};
use wire::alarm::{AlarmCode, AlarmNow};
use wire::hash::PlateTag;
use wire::id::CentralId;
use wire::position::Position;

/// Alarms of one kind named at most; the last one counts the rest.
const NAMED: usize = 10;

/// A finding that stands.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) id: i64,
    pub(super) since: i64,
    pub(super) detail: String,
    pub(super) at: Option<Position>,
    pub(super) tag: Option<PlateTag>,
}

/// A finding's name: what and where.
pub(super) type Name = (String, String);

/// What is asked of holders, and of whom.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) asked_at: Option<i64>,
    pub(super) tried: BTreeSet<CentralId>,
}

/// A row that was repaired, and how often in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Contested {
    times: u32,
    pass: u64,
}

impl Contested {
    /// Repaired in this pass. A pass that found it whole in between begins the count again.
    pub(super) fn again(&mut self, pass: u64) {
        if pass > self.pass + 1 {
            self.times = 0;
        }
        self.times += 1;
        self.pass = pass;
    }

    /// How often, pass after pass.
    pub(super) fn times(self) -> u32 {
        self.times
    }
}

/// The end of a stream as the passes over what is recent found it.
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// The highest seq held then.
    head: u64,
    /// When its last chunk was looked at, ms on a clock that does not go back.
    looked: i64,
}

/// The chunk at the end of each stream. It is read whole whenever it has changed, so one that grows is left until it has rested for a pass, is
/// full, or this long was not looked at, ms.
#[derive(Debug, Default)]
pub(super) struct Tails(HashMap<i32, Tail>);

impl Tails {
    /// At least so often is a growing chunk looked at, ms: what is damaged in it is found and repaired within a minute.
    pub(super) const EVERY_MS: i64 = 40_000;

    /// True when the last chunk of this stream is left for a later pass. To be asked once a pass; `all`: nothing is left.
    pub(super) fn leave(&mut self, number: i32, head: u64, now: i64, all: bool) -> bool {
        let Some(tail) = self.0.get_mut(&number) else {
            self.0.insert(number, Tail { head, looked: now });
            return false;
        };
        let grows = std::mem::replace(&mut tail.head, head) != head;
        let left = grows && !all && now - tail.looked < Self::EVERY_MS;
        if !left {
            tail.looked = now;
        }
        left
    }
}

/// Where the passes stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) recent_at: Option<i64>,
    pub(super) recent_ms: Option<u64>,
    pub(super) recent_chunks: u64,
    pub(super) full_at: Option<i64>,
    pub(super) full_s: Option<u64>,
    pub(super) vehicles: u64,
    pub(super) rows_at: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    pub(super) book: Book,
    pub(super) exchange: Exchange,
    pub(super) open: BTreeMap<Name, Open>,
    pub(super) wanted: BTreeMap<Position, Wanted>,
    /// Per peer: a print of what was told last, and when (ms).
    pub(super) told: BTreeMap<CentralId, (u64, i64)>,
    /// The ends of streams.
    pub(super) tails: Tails,
    /// Per vehicle with recent rows: the print its rows had when they were compared.
    pub(super) rows: HashMap<PlateTag, i64>,
    /// Rows repaired in pass after pass: two vehicles share a name, and neither is wrong.
    pub(super) contested: BTreeMap<Name, Contested>,
    /// Passes over the last two days begun so far.
    pub(super) passes: u64,
    pub(super) progress: Progress,
}

impl State {
    pub(super) fn new(first_question: u64) -> Self {
        Self {
            book: Book::default(),
            exchange: Exchange::new(first_question),
            open: BTreeMap::new(),
            wanted: BTreeMap::new(),
            told: BTreeMap::new(),
            tails: Tails::default(),
            rows: HashMap::new(),
            contested: BTreeMap::new(),
            passes: 0,
            progress: Progress::default(),
        }
    }

    /// Alarms that stand.
    pub(super) fn alarms(&self) -> Vec<AlarmNow> {
        let damaged = self.open.iter().map(|((what, place), o)| AlarmNow {
            code: AlarmCode::Damaged,
            since: o.since,
            peer: None,
            detail: format!("{what} at {place}: {}", o.detail),
        });
        let mut out = named(damaged.collect(), self.open.len());
        let differs: Vec<AlarmNow> = self
            .exchange
            .standings()
            .filter(|(_, _, s)| s.state == Compared::Differs)
            .map(|(site, peer, s)| AlarmNow {
                code: AlarmCode::Diverged,
                since: s.since,
                peer: Some(peer.to_string()),
                detail: format!("events of {site}: the same positions are held, and something differs"),
            })
            .collect();
        let all = differs.len();
        out.extend(named(differs, all));
        out
    }
}

fn named(mut alarms: Vec<AlarmNow>, all: usize) -> Vec<AlarmNow> {
    alarms.truncate(NAMED);
    if let Some(last) = alarms.last_mut()
        && all > NAMED
    {
        last.detail = format!("{}; and {} more", last.detail, all - NAMED);
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_end_is_looked_at_when_it_rests_or_after_a_while() {
        let mut tails = Tails::default();
        let pass = 12_000;
        assert!(!tails.leave(1, 10, 0, false), "never seen");
        assert!(!tails.leave(1, 10, pass, false), "it rests");
        assert!(tails.leave(1, 11, 2 * pass, false), "it grows");
        assert!(!tails.leave(2, 11, 2 * pass, false), "another one was never seen");
        assert!(!tails.leave(1, 12, 2 * pass + 1, true), "somebody asked");
        assert!(tails.leave(1, 13, 3 * pass, false));
        assert!(!tails.leave(1, 13, 4 * pass, false), "it rests");
        for seq in 1..=3 {
            assert!(tails.leave(1, 20 + seq, (4 + seq as i64) * pass, false));
        }
        assert!(!tails.leave(1, 24, 8 * pass, false), "it grows and grows");
        assert!(tails.leave(1, 25, 9 * pass, false));
    }
}
