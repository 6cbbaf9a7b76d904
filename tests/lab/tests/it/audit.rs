//! A byte is flipped in one central's table by hand; within a minute it is found, located and repaired from a holder.

use std::process::Command;
use std::time::{Duration, Instant};

use lab::api::{Answer, Api};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{TestLab, assert_passed, central, lab, traffic};

/// What the requirement gives.
const WITHIN: Duration = Duration::from_secs(60);

fn sql(lab: &TestLab, number: u16, text: &str) -> String {
    let url = lab.file().central(central(number)).unwrap().database_url.clone();
    let out = Command::new("psql").args([&url, "-v", "ON_ERROR_STOP=1", "-Atqc", text]).output().unwrap();
    assert!(out.status.success(), "{text}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn api(lab: &TestLab, number: u16) -> Api {
    let file = lab.file();
    let gateway = &file.central(central(number)).unwrap().gateway;
    Api::new(Api::http(Duration::from_secs(10)).unwrap(), gateway, &file.admin_token)
}

async fn audit(lab: &TestLab, number: u16) -> Value {
    api(lab, number).get("/api/p2p/audit").await.and_then(Answer::ok).unwrap()
}

/// Waits until the audit of a central says so.
async fn until(lab: &TestLab, number: u16, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + WITHIN;
    loop {
        let v = audit(lab, number).await;
        if is(&v) {
            return v;
        }
        assert!(Instant::now() < end, "not within {WITHIN:?}: {what}\n{v:#}");
        sleep(Duration::from_millis(200)).await;
    }
}

fn all_same(v: &Value) -> bool {
    let days = v["days"].as_array().unwrap();
    !days.is_empty() && days.iter().all(|d| d["state"] == "same")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found_located_and_repaired_from_a_holder_within_a_minute() {
    let lab = lab("audit", 3).await;
    let report = traffic(&lab, 30.0, 4.0).await;
    assert_passed(&report);
    for n in 1..=3 {
        until(&lab, n, "every day is compared and the same", all_same).await;
    }
    let damage = [
        "update events set frame = set_byte(frame, length(frame) - 3, get_byte(frame, length(frame) - 3) # 1) where (tableoid, ctid) =
         (select tableoid, ctid from events where branch = 0 and kind = 4 order by seq limit 1) returning (select central || '/' || replace(incarnation::text, '-', '')
         from streams where id = stream) || '/' || seq",
        "delete from events where (tableoid, ctid) = (select tableoid, ctid from events where branch = 0 order by seq desc limit 1)
         returning (select central || '/' || replace(incarnation::text, '-', '') from streams where id = stream) || '/' || seq",
    ];
    for text in damage {
        let place = sql(&lab, 2, text);
        let begun = Instant::now();
        let repaired = |v: &Value| {
            let all = v["findings"].as_array().unwrap();
            v["open_findings"] == 0
                && all.iter().any(|f| f["place"] == place.as_str() && f["state"] == "repaired")
        };
        let v = until(&lab, 2, "found at the right place and repaired", repaired).await;
        eprintln!("{place} was found and repaired in {:?}: {}", begun.elapsed(), v["findings"][0]);
        for n in 1..=3 {
            until(&lab, n, "every day is the same again", all_same).await;
        }
        // Central 1 was never damaged. Time-outs still end passages: both are read until they are of one moment.
        let end = Instant::now() + WITHIN;
        let digest = async |n| api(&lab, n).status().await.unwrap().digest;
        while digest(1).await != digest(2).await {
            assert!(Instant::now() < end, "the digests differ");
            sleep(Duration::from_millis(200)).await;
        }
        let digests =
            |v: &Value| v["days"].as_array().unwrap().iter().map(|d| d["digest"].clone()).collect::<Vec<_>>();
        let end = Instant::now() + WITHIN;
        while digests(&audit(&lab, 1).await) != digests(&audit(&lab, 2).await) {
            assert!(Instant::now() < end, "the digests of the days differ");
            sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(sql(&lab, 2, "select count(*) from audit_findings where evidence is null"), "0");
    }
    // Nobody but the damaged one found anything, and the mesh goes on.
    assert_eq!(audit(&lab, 1).await["findings"], serde_json::json!([]));
    assert_passed(&traffic(&lab, 30.0, 3.0).await);
}
