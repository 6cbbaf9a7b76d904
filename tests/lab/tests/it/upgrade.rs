//! A release takes another's place, one central after another under traffic, and the way back. docs/KUBERNETES.md tells people to do it
//! like this.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::process::Signal;
use lab::topology::{CentralId, Service, Target};
use lab::{Exchange, Lab, LabOptions, until};
use tokio::time::sleep;

use crate::support::{
    TestLab, assert_no_forks, assert_passed, central, settled, start, traffic, traffic_over_ruins,
};

const BEFORE: &str = "before-upgrade";

/// Asks services to end, as an orchestrator does, and starts those of another folder.
async fn exchange(lab: &Lab, target: impl Into<Target>, to: &Path) -> anyhow::Result<()> {
    let target = target.into();
    for service in target.services().into_iter().filter(|service| service.is_program()) {
        lab.kill((target.of.central, service), &Signal::term()).await?;
    }
    lab.use_programs(target, to)?;
    lab.start_target(target).await
}

/// A central has its new release when every one of its services runs from there and all centrals see each other again.
async fn whole_again(lab: &Lab, of: CentralId, folder: &Path) {
    for service in Service::PROGRAMS {
        let entry = lab.file().central(of).unwrap().processes[&service].clone();
        let runs = std::fs::read_link(format!("/proc/{}/exe", entry.process.unwrap().pid)).unwrap();
        assert_eq!(runs, std::fs::canonicalize(folder.join(service.name())).unwrap(), "{of}/{service}");
    }
    lab.wait_meshed().await.unwrap();
}

/// One service after another at the first central, so that both releases talk over one bus; then whole centrals.
async fn roll(lab: &Lab, to: &Path, order: [Service; 4]) {
    for service in order {
        exchange(lab, (central(1), service), to).await.unwrap();
        sleep(Duration::from_millis(500)).await;
    }
    whole_again(lab, central(1), to).await;
    for number in [2, 3] {
        exchange(lab, central(number), to).await.unwrap();
        whole_again(lab, central(number), to).await;
    }
    eprintln!("all run from {}", to.display());
}

/// Cars all along, and some seconds more on the new release.
async fn under_traffic(lab: &Lab, seconds: f64, work: impl Future<Output = ()>) {
    let work = async {
        sleep(Duration::from_secs(2)).await;
        work.await;
    };
    let (report, ()) = tokio::join!(traffic_over_ruins(lab, 40.0, seconds), work);
    eprintln!("{}", report.render());
    assert_passed(&report);
    settled(lab).await;
    assert_no_forks(lab).await;
}

fn options(name: &str, bin_dir: PathBuf) -> LabOptions {
    LabOptions { patience: Duration::from_secs(20), bin_dir: Some(bin_dir), ..LabOptions::for_test(name, 3) }
}

fn these() -> PathBuf {
    LabOptions::new("").programs().unwrap()
}

/// What the release that is gone back from did to the tables: migrations only add.
const LATER: [&str; 5] = [
    "alter table history add column a_later_column text",
    "alter table events add column a_later_column bigint",
    "create index a_later_index on history (a_later_column) where a_later_column is not null",
    "create table a_later_table (id bigint primary key)",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
     values (9001, 'a later table', true, 'checksum', 1)",
];

async fn tables_of_a_later_release(lab: &Lab) {
    for number in 1..=3 {
        for statement in LATER {
            lab.sql(central(number), statement).await.unwrap();
        }
    }
}

/// The same programs in another folder: what a rolling restart itself may lose or double, and the way back on tables that have changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_into_another_folder_and_back_loses_nothing() {
    let folder = std::env::temp_dir().join(format!("parkmesh-other-programs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let here = these();
    for service in Service::PROGRAMS {
        let (from, to) = (here.join(service.name()), folder.join(service.name()));
        std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(drop)).unwrap();
    }
    let lab = start(options("rolling", here.clone())).await;
    let [gateway, ledger, mesh, sync] = Service::PROGRAMS;
    under_traffic(&lab, 18.0, roll(&lab, &folder, [gateway, ledger, mesh, sync])).await;
    tables_of_a_later_release(&lab).await;
    under_traffic(&lab, 18.0, roll(&lab, &here, [sync, mesh, ledger, gateway])).await;
    std::fs::remove_dir_all(folder).unwrap();
}

/// The release before this one, from `LAB_OTHER_BIN_DIR`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the release before this one: scripts/previous builds it; ./test full runs it"]
async fn the_release_before_this_one_is_upgraded_and_gone_back_to() {
    let folder =
        std::env::var_os("LAB_OTHER_BIN_DIR").expect("LAB_OTHER_BIN_DIR: scripts/previous prints it");
    let before = std::path::absolute(folder).unwrap();
    let lab = start(options("upgrade", before.clone())).await;
    assert_passed(&traffic(&lab, 40.0, 4.0).await);
    for number in 1..=3 {
        lab.snapshot(central(number), BEFORE).await.unwrap();
    }
    let [gateway, ledger, mesh, sync] = Service::PROGRAMS;
    under_traffic(&lab, 30.0, roll(&lab, &these(), [gateway, ledger, mesh, sync])).await;
    under_traffic(&lab, 100.0, back(&lab, &before)).await;
    assert_passed(&traffic(&lab, 40.0, 4.0).await);
}

/// The way back of docs/KUBERNETES.md: the old release on the database as it is; where it does not take that, the dump from before.
async fn back(lab: &TestLab, before: &Path) {
    for number in 1..=3 {
        let of = central(number);
        let Err(refused) = exchange(lab, of, before).await else {
            eprintln!("{of} went back on its database");
            continue;
        };
        let why = format!("{refused:#}");
        assert!(why.contains("migration"), "{why}");
        eprintln!("{of}: the old ledger does not take the new tables; the dump from before");
        nothing_is_held_here_alone(lab, of).await;
        lab.restore(of, BEFORE, Exchange::WholeCentral).await.unwrap();
        whole_again(lab, of, before).await;
    }
}

/// What the peers hold comes back from them.
async fn nothing_is_held_here_alone(lab: &Lab, of: CentralId) {
    let peer = lab.file().centrals.iter().map(|entry| entry.id).find(|id| *id != of).unwrap();
    let count = "select coalesce(sum(head), 0)::text from streams s where s.central = ";
    let heads =
        async |at: CentralId| lab.sql(at, &format!("{count}'{of}'")).await.map(|rows| rows[0][0].clone());
    let spread = until(Duration::from_secs(10), async || {
        let (here, there) = (heads(of).await?, heads(peer).await?);
        anyhow::ensure!(here == there, "{of} wrote {here}, {peer} holds {there}");
        Ok(())
    });
    spread.await.unwrap();
}
