//! `parkctl doctor` at a central that is well, and with one thing after another broken: it finds it and says what to do.

use std::process::Command;
use std::time::Duration;

use lab::process::Signal;
use lab::topology::Service;
use lab::{CutMode, Lab, LabOptions, until};

use crate::support::{central, lab};

/// What the doctor says of central-1 of a lab.
async fn doctor(lab: &Lab) -> (bool, String) {
    let program = LabOptions::new("").programs().unwrap().join("parkctl");
    let (root, of) = (lab.layout().root().to_owned(), central(1));
    let url = lab.file().central(of).unwrap().gateway.clone();
    let asked = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(["doctor", "--url", &url])
            .arg("--config")
            .arg(root.join("central-1/p2p_config.json"))
            .arg("--cert-file")
            .arg(root.join("tls/central-1.pem"))
            .arg("--key-file")
            .arg(root.join("tls/central-1-key.pem"))
            .arg("--ca-file")
            .arg(root.join("tls/ca.pem"))
            .arg("--token-file")
            .arg(root.join("secrets/admin-token"))
            .output()
            .unwrap()
    });
    let output = asked.await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Until it says so; what it says then.
async fn says(lab: &Lab, wanted: &str, advice: &str) {
    let said = until(Duration::from_secs(20), async || {
        let (_, text) = doctor(lab).await;
        let lines: Vec<&str> = text.lines().collect();
        let found = lines.windows(2).any(|pair| {
            pair[0].contains(wanted) && pair[1].trim_start().starts_with('→') && pair[1].contains(advice)
        });
        anyhow::ensure!(found, "no {wanted:?} with {advice:?} in:\n{text}");
        Ok(())
    });
    said.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_broken_and_says_what_to_do() {
    let lab = lab("doctor", 3).await;
    let well = until(Duration::from_secs(20), async || {
        let (_, text) = doctor(&lab).await;
        // The machine's own clock is not the lab's to set.
        let bad = text.lines().find(|line| line.starts_with("BAD") && !line.contains(" clock "));
        anyhow::ensure!(bad.is_none(), "{text}");
        Ok(text)
    });
    let text = well.await.unwrap();
    for what in
        ["ok       certificate", "ok       key", "ok       gateway", "ok       link           central-2"]
    {
        assert!(text.contains(what), "no {what:?} in:\n{text}");
    }

    for (service, wanted, advice) in [
        (Service::Ledger, "nothing can be recorded", "is ledger running"),
        (Service::Mesh, "mesh does not answer", "is mesh running"),
        (Service::Sync, "sync does not answer", "is sync running"),
        (Service::Postgres, "nothing can be recorded", "Postgres"),
        (Service::EdgeGateway, "does not answer", "is edge-gateway running there?"),
    ] {
        lab.kill((central(1), service), &Signal::kill()).await.unwrap();
        says(&lab, wanted, advice).await;
        assert!(!doctor(&lab).await.0, "{service} is away and the exit code is 0");
        lab.start_target((central(1), service)).await.unwrap();
    }

    lab.partition(central(1), central(2), CutMode::Reset, false).unwrap();
    says(&lab, "central-2 ", "is that site up").await;
    lab.heal(None).unwrap();
    lab.set_clock(central(2), 7200).await.unwrap();
    says(&lab, "central-2 is 7", "docs/RUNBOOK.md#clock-wrong").await;
}
