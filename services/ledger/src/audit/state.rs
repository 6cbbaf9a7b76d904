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
