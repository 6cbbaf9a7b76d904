//! Processes: started, killed, frozen and cleared away for real.

use std::fs;
use std::time::Duration;

use lab::lab_file::{LabFile, ServiceState};
use lab::process::{Liveness, ProcessRef, Signal};
use lab::topology::Service;
use lab::{Lab, LabOptions, PortChoice, until};

use crate::support::{central, infrastructure};

fn process(lab: &Lab, number: u16, service: Service) -> ProcessRef {
    lab.file().central(central(number)).unwrap().processes[&service].process.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed_hard_starts_again_on_the_same_data() {
    let lab = infrastructure("postgres", 1).await;
    let before = process(&lab, 1, Service::Postgres);
    let data = fs::read_link(format!("/proc/{}/cwd", before.pid)).unwrap();
    lab.kill((central(1), Service::Postgres), &Signal::kill()).await.unwrap();
    assert!(!before.is_alive());
    assert!(data.join("postmaster.pid").exists(), "a crash leaves its pid file");
    assert_eq!(lab.file().centrals[0].pids[&Service::Postgres], None);

    lab.start_target((central(1), Service::Postgres)).await.unwrap();
    let after = process(&lab, 1, Service::Postgres);
    assert_ne!(before, after);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", after.pid)).unwrap(), data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_central_is_killed_and_comes_back() {
    let lab = infrastructure("central", 2).await;
    let doomed = [process(&lab, 2, Service::Postgres), process(&lab, 2, Service::Nats)];
    let others = process(&lab, 1, Service::Postgres);
    lab.kill(central(2), &Signal::kill()).await.unwrap();
    assert!(doomed.iter().all(|process| !process.is_alive()));
    assert!(others.is_alive());
    lab.start_target(central(2)).await.unwrap();
    assert!(process(&lab, 2, Service::Nats).is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_stands_still_until_it_is_resumed() {
    let lab = infrastructure("pause", 1).await;
    let nats = process(&lab, 1, Service::Nats);
    lab.pause(central(1)).await.unwrap();
    assert_eq!(nats.liveness(), Liveness::Stopped);
    assert_eq!(lab.file().centrals[0].processes[&Service::Nats].state, ServiceState::Paused);
    lab.resume(central(1)).await.unwrap();
    let running = async || if nats.liveness() == Liveness::Running { Ok(()) } else { Err("stopped") };
    until(Duration::from_secs(5), running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_the_lab_did_not_cause_is_reported_and_left_alone() {
    let lab = infrastructure("death", 1).await;
    lab::process::signal(&[process(&lab, 1, Service::Nats)], &Signal::kill()).unwrap();
    let reported = until(Duration::from_secs(5), async || {
        let file = LabFile::read(lab.layout()).unwrap().unwrap();
        let entry = file.centrals[0].processes[&Service::Nats].clone();
        if entry.state == ServiceState::Died { Ok(entry) } else { Err(entry) }
    });
    let entry = reported.await.unwrap();
    assert!(entry.ended.unwrap().contains("signal: 9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn down_leaves_no_process_and_no_data() {
    let lab = infrastructure("down", 2).await;
    let all: Vec<ProcessRef> = (1..=2)
        .flat_map(|number| [Service::Postgres, Service::Nats].map(|service| process(&lab, number, service)))
        .collect();
    lab.pause(central(2)).await.unwrap();
    lab.down(false).await.unwrap();
    assert!(all.iter().all(|process| !process.is_alive()));
    assert!(LabFile::read(lab.layout()).unwrap().is_none());
    assert!(!lab.layout().root().join("central-1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_lab_goes_on_with_its_secrets() {
    let lab = infrastructure("keep", 1).await;
    let before = lab.file();
    let options = LabOptions { only_infrastructure: true, ..LabOptions::new(lab.layout().root()) };
    lab.down(true).await.unwrap();
    drop(lab);
    let again = Lab::start(options).await.unwrap();
    assert_eq!(again.file().admin_token, before.admin_token);
    assert_eq!(again.file().centrals[0].database_url, before.centrals[0].database_url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_lab_in_the_folder_or_on_the_ports_is_refused() {
    let lab = infrastructure("second", 1).await;
    let here = LabOptions { only_infrastructure: true, ..LabOptions::new(lab.layout().root()) };
    let error = Lab::prepare(here).await.unwrap_err();
    assert!(format!("{error:#}").contains("a lab is running"), "{error:#}");

    let base = lab.file().port_base;
    let there = LabOptions {
        only_infrastructure: true,
        ports: PortChoice::Base(base),
        ..LabOptions::for_test("other", 1)
    };
    let error = Lab::prepare(there).await.unwrap_err();
    assert!(format!("{error:#}").contains(&format!("port {base} is taken")), "{error:#}");
}
