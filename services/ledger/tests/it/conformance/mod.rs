//! One suite for both stores: what the simulator's worlds ask of their simulated disks, asked of Postgres too. Every transaction that
//! a central of a simulated world made is made here again, on both, and everything a writer, a peer or a restarted ledger reads
//! is read from both: the same is refused, the same is read, and a crash takes nothing that was committed.

mod seen;

use std::collections::BTreeSet;

use parking::decision::Site;
use parking::reference::Reference;
use sim::plan::Plan;
use sim::store::{Asked, Refused, Store};
use sim::world::{OPERATOR_KEY, World};
use sqlx::Row;
use sqlx::postgres::PgConnectOptions;
use wire::id::CentralId;

use ledger::store::StoreError;
use ledger::writer::disk::Disk;

use crate::rig::Postgres;
use seen::{Questions, Seen};

/// Transactions of one record at most.
const MOST: usize = 300;
/// Seeds looked at at most.
const MOST_SEEDS: u64 = 240;

/// A central's transactions, as a world made them.
struct Recorded {
    central: CentralId,
    asked: Vec<Asked>,
}

/// The longest record of a disk in the world of this seed, cut to so many transactions.
fn record(seed: u64, most: usize) -> Recorded {
    let mut world = World::new(Plan::of(seed), false).unwrap();
    for n in &mut world.nodes {
        n.store.journal = Some(Vec::new());
    }
    world.run(&mut |_| true).unwrap();
    let longest =
        world.nodes.iter_mut().max_by_key(|n| n.store.journal.as_ref().map_or(0, Vec::len)).unwrap();
    let mut asked = longest.store.journal.take().unwrap_or_default();
    asked.truncate(most);
    Recorded { central: longest.central.clone(), asked }
}

/// Both stores, side by side.
struct Both {
    central: CentralId,
    reference: Reference,
    simulated: Store,
    postgres: Postgres,
    disk: Option<Disk>,
}

impl Both {
    async fn new(central: CentralId) -> Self {
        let postgres = Postgres::start().await;
        let mut both = Self {
            central,
            reference: Reference::default(),
            simulated: Store::default(),
            postgres,
            disk: None,
        };
        both.open().await;
        both
    }

    async fn open(&mut self) {
        let options: PgConnectOptions = self.postgres.url().parse().unwrap();
        self.disk = Some(Disk::open(&options, &self.central).await.unwrap());
    }

    /// The server dies at once and recovers from its log.
    async fn crash(&mut self) {
        self.postgres.stop("-QUIT").await;
        self.disk = None;
        self.postgres.run().await;
        self.open().await;
    }

    fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().unwrap()
    }

    /// Asks both for a transaction. Both do it, or both refuse it for the same reason.
    async fn commit(&mut self, what: &Asked) -> Result<(), Refused> {
        let policies = parking::history::Policies::default();
        let site = Site {
            central: &self.central,
            operator_key: OPERATOR_KEY,
            clock_offset_ms: 0,
            reference: &self.reference,
            policies: &policies,
            rights: parking::rights::Rights::default(),
        };
        let disk = self.disk.as_mut().unwrap();
        let real = disk.commit(&site, &what.writes).await;
        let simulated = self.simulated.commit(&what.writes, &self.central);
        match (&simulated, &real) {
            (Ok(()), Ok(())) | (Err(Refused::HeadMoved), Err(StoreError::HeadMoved)) => {}
            (Err(Refused::Unique(_)), Err(StoreError::Sql(sqlx::Error::Database(e))))
                if e.is_unique_violation() => {}
            _ => panic!("the stores differ: {simulated:?} here, {real:?} there"),
        }
        simulated
    }

    /// Reads everything these questions ask for, from both.
    async fn compare(&mut self, at: &str, questions: &Questions) {
        let simulated = seen::simulated(&self.simulated, questions);
        let real = Seen::read(&mut self.disk().log(), questions).await.unwrap();
        assert_eq!(real, simulated, "{at}: read by the writer (Postgres left, simulated right)");
        let real = seen::fetched(self.disk().conn(), questions).await;
        assert_eq!(real, seen::fetched_simulated(&self.simulated, questions), "{at}: read for peers");
    }

    /// Every row of both tables, by its hash.
    async fn compare_rows(&mut self, at: &str) {
        let mut simulated: Vec<(String, Vec<u8>, Option<i64>)> = self
            .simulated
            .rows
            .history()
            .map(|r| (r.row.event_id.clone(), r.hash.as_bytes().to_vec(), r.due_at))
            .collect();
        simulated.sort();
        let rows = sqlx::query("select event_id, row_hash, due_at from history")
            .fetch_all(self.disk().conn())
            .await
            .unwrap();
        let mut real: Vec<(String, Vec<u8>, Option<i64>)> =
            rows.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
        real.sort();
        assert_eq!(real, simulated, "{at}: history");
        let mut simulated: Vec<(Vec<u8>, Vec<u8>)> = self
            .simulated
            .rows
            .conflicts()
            .map(|c| (c.row.id.as_bytes().to_vec(), c.hash.as_bytes().to_vec()))
            .collect();
        simulated.sort();
        let rows =
            sqlx::query("select id, row_hash from conflicts").fetch_all(self.disk().conn()).await.unwrap();
        let mut real: Vec<(Vec<u8>, Vec<u8>)> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
        real.sort();
        assert_eq!(real, simulated, "{at}: conflicts");
    }
}

/// What a transaction that may not go through does to both: nothing.
async fn refuse(both: &mut Both, what: &Asked, why: Refused) {
    let before = Questions::all(&both.simulated);
    let refused = both.commit(what).await.unwrap_err();
    assert_eq!(std::mem::discriminant(&refused), std::mem::discriminant(&why), "{refused:?}");
    both.compare("after a refusal", &before).await;
}

/// What is rare, and in these records.
fn rare(asked: &[Asked]) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    for a in asked {
        let w = &a.writes;
        let mut saw = |what, is: bool| is.then(|| seen.insert(what));
        saw("erased", !w.erased.is_empty());
        saw("rows later", !w.later.is_empty());
        saw("conflict", !w.projection.conflicts.is_empty());
        for e in &w.new {
            saw("branch", e.branch > 0);
            saw("poison", e.fact.is_err());
            saw("not known to this release", e.fact.as_ref().is_ok_and(|f| f.foreign));
            saw("rule", e.frame.header().kind.is_rule());
            saw("register", e.frame.header().kind.is_register());
            saw("lane", e.frame.header().kind.is_of_lane());
        }
    }
    seen
}

async fn conform(seed: u64, recorded: Recorded) {
    assert!(recorded.asked.len() >= 100, "seed {seed}: {} transactions", recorded.asked.len());
    let mut both = Both::new(recorded.central).await;
    let (mut events, mut last) = (0, None);
    for (n, what) in recorded.asked.iter().enumerate() {
        let at = format!("seed {seed}, transaction {n}");
        let done = both.commit(what).await;
        // The recorder's disk may hold what a standby wrote meanwhile; the order of the record is the order of the disk.
        assert_eq!(done.is_err(), what.refused.is_some(), "{at}: {done:?}");
        events += what.writes.new.len();
        if n % 4 == 0 {
            both.compare(&at, &Questions::of(&both.simulated, &what.writes)).await;
        }
        if n % 64 == 63 {
            both.compare(&at, &Questions::all(&both.simulated)).await;
            both.compare_rows(&at).await;
        }
        if n % 200 == 150 {
            both.crash().await;
            both.compare(&format!("{at}, after a crash"), &Questions::all(&both.simulated)).await;
        }
        if done.is_ok() && !what.writes.new.is_empty() {
            last = Some(what.clone());
        }
    }
    both.compare("at the end", &Questions::all(&both.simulated)).await;
    both.compare_rows("at the end").await;
    assert!(events > 100, "seed {seed}: {events} events");
    // Once more: its head is no longer the stored one.
    let again = last.unwrap();
    refuse(&mut both, &again, Refused::HeadMoved).await;
    // With the right head: its positions stand already.
    let mut stolen = again.clone();
    (stolen.writes.from, stolen.writes.to) = (both.simulated.head, both.simulated.head);
    refuse(&mut both, &stolen, Refused::Unique(String::new())).await;
    both.compare_rows("after refusals").await;
}

/// The first seeds of the simulator, as many as it takes until everything rare has been asked of both.
#[tokio::test]
async fn postgres_and_the_simulated_disk_are_one() {
    let mut wanted = BTreeSet::from([
        "branch",
        "conflict",
        "erased",
        "lane",
        "not known to this release",
        "poison",
        "register",
        "rows later",
        "rule",
    ]);
    for seed in 0..MOST_SEEDS {
        let recorded = record(seed, MOST);
        let rare = rare(&recorded.asked);
        if wanted.is_disjoint(&rare) {
            continue;
        }
        wanted.retain(|what| !rare.contains(what));
        conform(seed, recorded).await;
        if wanted.is_empty() {
            return;
        }
    }
    panic!("in {MOST_SEEDS} seeds never: {wanted:?}");
}
