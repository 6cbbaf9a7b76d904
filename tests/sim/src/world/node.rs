//! One central: a disk, three processes, a clock.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use parking::view::View;
use wire::id::CentralId;

use super::mesh::Mesh;
use super::sync::Sync;
use super::{BEGIN, Service};
use crate::ledger::{Ledger, Release, Round};
use crate::store::Store;
use crate::traffic::ask;

/// The name of a central.
pub(super) fn central(n: usize) -> CentralId {
    // Made of characters a name may have.
    CentralId::new(&format!("central-{}", n + 1)).unwrap_or_else(|_| unreachable!("a plain name"))
}

/// A wall clock that may be wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Off by, ms.
    pub off_ms: i64,
    /// Fast by, parts per million, since `since`.
    pub ppm: i64,
    /// When the drift began.
    pub since: i64,
}

impl Clock {
    /// What it shows, ms since the epoch.
    pub fn shows(&self, now: i64) -> i64 {
        BEGIN + now + self.off_ms + (now - self.since) * self.ppm / 1_000_000
    }
}

/// See the module.
#[derive(Debug)]
pub struct Node {
    /// Its number here.
    pub slot: usize,
    /// Its name; a copy has the original's.
    pub central: CentralId,
    /// What its Postgres holds.
    pub store: Store,
    /// The last backup of the disk, and when.
    pub snapshot: Option<(i64, Store)>,
    /// The machine is on.
    pub on: bool,
    /// Names the boot of the machine, which its steady clock belongs to.
    pub boot: String,
    /// Processes are stopped in their tracks until then.
    pub paused_to: i64,
    /// What arrived meanwhile.
    pub held: Vec<super::Moment>,
    /// Destroyed for good.
    pub gone: bool,
    /// No database before this moment.
    pub no_database_to: i64,
    /// No transaction that writes goes through before this moment.
    pub disk_full_to: i64,
    /// Transactions are slow before this moment.
    pub slow_disk_to: i64,
    /// What a writer has in hand that lost its session and does not know it.
    pub old: Option<Box<Round>>,
    /// Something was wrong up to this moment.
    pub trouble_to: i64,
    /// The last round took backlog.
    pub backlog_turn: bool,
    /// Lives of the three processes; a message to an earlier one is lost.
    pub lives: [u64; 3],
    /// The ledger's memory.
    pub ledger: Option<Ledger>,
    /// The mesh's memory.
    pub mesh: Option<Mesh>,
    /// Sync's memory.
    pub sync: Option<Sync>,
    /// Its clock.
    pub clock: Clock,
    /// Peers in its configuration; false = disabled.
    pub peers: BTreeMap<CentralId, bool>,
    /// What its release can read.
    pub release: Release,
    /// Kill the ledger at this effect, and how long it stays down.
    pub kill_at: Option<(u32, i64)>,
    /// Edges of its lanes.
    pub edges: HashSet<String>,
    /// The same, in order.
    pub lanes: [String; 2],
    /// How its rows are shown.
    pub view: View,
    /// When its disk was last replaced, ms.
    pub disk_changed_at: Option<i64>,
    /// Commits so far; every so many the map is counted anew.
    pub commits: u64,
    /// Its disk lost events by a restore or wipe that peers should bring back.
    pub to_heal: Option<bool>,
}

impl Node {
    pub(super) fn new(slot: usize, central: CentralId, peers: BTreeSet<CentralId>) -> Self {
        let lanes = [ask::edge(slot, false), ask::edge(slot, true)];
        Self {
            slot,
            store: Store::default(),
            snapshot: None,
            on: true,
            boot: format!("{slot}-0"),
            paused_to: 0,
            held: Vec::new(),
            gone: false,
            no_database_to: 0,
            disk_full_to: 0,
            slow_disk_to: 0,
            old: None,
            trouble_to: 0,
            backlog_turn: false,
            lives: [0; 3],
            ledger: None,
            mesh: None,
            sync: None,
            clock: Clock::default(),
            peers: peers.into_iter().map(|p| (p, true)).collect(),
            release: Release { old: false },
            kill_at: None,
            edges: lanes.iter().cloned().collect(),
            lanes,
            view: View { central: central.clone(), tz: jiff::tz::TimeZone::fixed(jiff::tz::offset(7)) },
            disk_changed_at: None,
            commits: 0,
            to_heal: None,
            central,
        }
    }

    /// The life of a process.
    pub fn life(&self, service: Service) -> u64 {
        self.lives[service as usize]
    }

    /// True when a process of this life runs.
    pub fn lives(&self, service: Service, life: u64) -> bool {
        let there = match service {
            Service::Ledger => self.ledger.is_some(),
            Service::Mesh => self.mesh.is_some(),
            Service::Sync => self.sync.is_some(),
        };
        self.on && there && self.life(service) == life
    }

    /// True when its disk has no space left.
    pub fn is_full(&self, now: i64) -> bool {
        now < self.disk_full_to
    }

    /// True when the database can be reached.
    pub fn has_database(&self, now: i64) -> bool {
        self.on && now >= self.no_database_to
    }
}
