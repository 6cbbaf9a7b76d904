//! What the tests of the system share.

use std::fs::File;
use std::ops::Deref;
use std::time::Duration;

use lab::api::Api;
use lab::topology::CentralId;
use lab::traffic::{self, Report, TrafficOptions};
use lab::{Lab, LabOptions, destroyed, scenario, until};

/// A lab of a test. One runs at a time: each is a crowd of processes, and timing is part of the tests.
pub(crate) struct TestLab {
    lab: Lab,
    _turn: File,
}

impl Deref for TestLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// Starts a lab with the four services.
pub(crate) async fn lab(name: &str, centrals: u16) -> TestLab {
    start(LabOptions { patience: Duration::from_secs(30), ..LabOptions::for_test(name, centrals) }).await
}

/// Starts a lab without our services.
pub(crate) async fn infrastructure(name: &str, centrals: u16) -> TestLab {
    start(LabOptions { only_infrastructure: true, ..LabOptions::for_test(name, centrals) }).await
}

/// Starts a lab when it is this test's turn.
pub(crate) async fn start(options: LabOptions) -> TestLab {
    let turn = tokio::task::spawn_blocking(|| {
        let file = File::create(std::env::temp_dir().join("parkmesh-lab-tests.lock")).unwrap();
        file.lock().unwrap();
        file
    });
    let turn = turn.await.unwrap();
    TestLab { lab: Lab::start(options).await.unwrap(), _turn: turn }
}

/// `central-<number>`.
pub(crate) fn central(number: u16) -> CentralId {
    CentralId::new(number).unwrap()
}

/// Traffic of a few seconds, checked to the end.
pub(crate) async fn traffic(lab: &Lab, rate: f64, seconds: f64) -> Report {
    let options = TrafficOptions { rate, seconds, seed: 1, watch: true };
    traffic::make(&lab.file(), options, |text| eprintln!("{text}")).await.unwrap()
}

/// The same where disks are destroyed meanwhile: what only they held is exempt, exactly.
pub(crate) async fn traffic_over_ruins(lab: &Lab, rate: f64, seconds: f64) -> Report {
    let options = TrafficOptions { rate, seconds, seed: 1, watch: true };
    let gone = || destroyed::so_far(lab.layout());
    traffic::make_but(&lab.file(), options, &gone, |text| eprintln!("{text}")).await.unwrap()
}

/// One number a central's Postgres answers.
pub(crate) async fn number(lab: &Lab, of: CentralId, statement: &str) -> u64 {
    let rows = lab.sql(of, statement).await.unwrap();
    rows.first().and_then(|row| row.first()?.parse().ok()).unwrap_or_else(|| panic!("{statement}: {rows:?}"))
}

/// Nobody has ever seen two events at one position.
pub(crate) async fn assert_no_forks(lab: &Lab) {
    for entry in &lab.file().centrals {
        let forked = number(lab, entry.id, "select count(*) from streams where forks <> '[]'").await;
        assert_eq!(forked, 0, "{}", entry.id);
    }
}

/// Waits until all centrals agree and none is getting anything back.
pub(crate) async fn settled(lab: &Lab) {
    let http = Api::http(Duration::from_secs(5)).unwrap();
    let agreed = until(Duration::from_secs(60), async || {
        scenario::equal_digests(&lab.file(), &http).await?;
        for entry in &lab.file().centrals {
            let recovery = lab.admin(entry.id).status().await?.recovery.unwrap_or_default();
            anyhow::ensure!(recovery.state == "none", "{}: {recovery:?}", entry.id);
        }
        Ok(())
    });
    agreed.await.unwrap();
}

/// The checks of a traffic run, with its report as the message.
pub(crate) fn assert_passed(report: &Report) {
    assert!(report.passed(), "{}", report.render());
}
