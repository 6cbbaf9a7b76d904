//! A process without file handles left: it says so once, those it serves are served on, and it goes on by itself when there are some again.

use std::fs;
use std::process::Command;
use std::time::Duration;

use lab::lab_file::LabFile;
use lab::topology::{Service, Target};
use lab::{CutMode, Lab, until};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::support::{assert_passed, central, lab, settled, traffic};

const PATIENCE: Duration = Duration::from_secs(30);

fn pid(file: &LabFile, service: Service) -> u32 {
    file.central(central(2)).unwrap().pids[&service].unwrap()
}

/// Bounds the handles of one of central-2's processes; how many it may have otherwise stays as it was.
fn limit(lab: &Lab, service: Service, handles: &str) {
    let pid = pid(&lab.file(), service).to_string();
    let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={handles}:")]).status();
    assert!(set.unwrap().success(), "prlimit");
}

/// The soft limit now.
fn limit_of(lab: &Lab, service: Service) -> String {
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid(&lab.file(), service))).unwrap();
    let line = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().to_owned()
}

/// How often a service of central-2 said something.
fn said(lab: &Lab, service: Service, what: &str) -> usize {
    let log = fs::read_to_string(lab.layout().log(central(2), service)).unwrap();
    log.lines().filter(|l| l.contains(what)).count()
}

/// Waits until it was said so often.
async fn heard(lab: &Lab, service: Service, what: &str, times: usize) {
    let heard = until(PATIENCE, async || {
        let n = said(lab, service, what);
        anyhow::ensure!(n == times, "{what:?} stands {n} times in the log of {service}");
        Ok(())
    });
    heard.await.unwrap();
}

const OUT: &str = "no connection can be taken";
const BACK: &str = "connections are taken again";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute on a busy machine; ./test full runs it"]
async fn a_gateway_without_handles_serves_whom_it_has_and_goes_on() {
    let lab = lab("handles-gateway", 3).await;
    let before = pid(&lab.file(), Service::EdgeGateway);
    let (usual, address) = {
        let file = lab.file();
        let gateway = file.central(central(2)).unwrap().gateway.clone();
        (limit_of(&lab, Service::EdgeGateway), gateway.trim_start_matches("http://").to_owned())
    };
    let fault = async {
        sleep(Duration::from_secs(2)).await;
        // Fewer than are open: not even one that is given back makes room.
        limit(&lab, Service::EdgeGateway, "8");
        let mut knocking = Vec::new();
        for _ in 0..20 {
            knocking.push(TcpStream::connect(&address).await.unwrap());
        }
        heard(&lab, Service::EdgeGateway, OUT, 1).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(said(&lab, Service::EdgeGateway, OUT), 1, "once");
        assert_eq!(said(&lab, Service::EdgeGateway, BACK), 0);
        limit(&lab, Service::EdgeGateway, &usual);
        heard(&lab, Service::EdgeGateway, BACK, 1).await;
        drop(knocking);
    };
    let (report, ()) = tokio::join!(traffic(&lab, 40.0, 10.0), fault);
    assert_passed(&report);
    settled(&lab).await;
    assert_eq!(pid(&lab.file(), Service::EdgeGateway), before, "nothing was started again");
    let log = fs::read_to_string(lab.layout().log(central(2), Service::EdgeGateway)).unwrap();
    let changes: Vec<_> =
        log.lines().filter(|l| l.contains("readiness changed") && l.contains("file_handles")).collect();
    assert_eq!(changes.len(), 1, "the need is met again: {changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute on a busy machine; ./test full runs it"]
async fn a_mesh_without_handles_keeps_its_links_and_gets_lost_ones_back() {
    let lab = lab("handles-mesh", 3).await;
    let (before, usual) = (pid(&lab.file(), Service::Mesh), limit_of(&lab, Service::Mesh));
    let fault = async {
        sleep(Duration::from_secs(1)).await;
        limit(&lab, Service::Mesh, "8");
        // One link is lost and cannot be had again; the other stands.
        lab.partition(central(1), central(2), CutMode::Reset, false).unwrap();
        sleep(Duration::from_secs(1)).await;
        lab.heal(None).unwrap();
        heard(&lab, Service::Mesh, OUT, 1).await;
        sleep(Duration::from_secs(3)).await;
        assert_eq!(said(&lab, Service::Mesh, OUT), 1, "once");
        limit(&lab, Service::Mesh, &usual);
        heard(&lab, Service::Mesh, BACK, 1).await;
    };
    let (report, ()) = tokio::join!(traffic(&lab, 40.0, 10.0), fault);
    assert_passed(&report);
    lab.wait_meshed().await.unwrap();
    settled(&lab).await;
    assert_eq!(pid(&lab.file(), Service::Mesh), before, "nothing was started again");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute on a busy machine; ./test full runs it"]
async fn a_ledger_and_a_sync_without_handles_lose_nothing_when_their_bus_starts_again() {
    let lab = lab("handles-bus", 3).await;
    let services = [Service::Ledger, Service::Sync];
    let usual = services.map(|s| limit_of(&lab, s));
    let fault = async {
        sleep(Duration::from_secs(1)).await;
        services.iter().for_each(|s| limit(&lab, *s, "8"));
        let nats = Target::from((central(2), Service::Nats));
        lab.kill(nats, &lab::process::Signal::kill()).await.unwrap();
        lab.start_target(nats).await.unwrap();
        sleep(Duration::from_secs(3)).await;
        services.iter().zip(&usual).for_each(|(s, n)| limit(&lab, *s, n));
    };
    let (report, ()) = tokio::join!(traffic(&lab, 40.0, 10.0), fault);
    assert_passed(&report);
    settled(&lab).await;
}
