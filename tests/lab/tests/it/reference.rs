//! The external API: documents reach every central, also one without access; gone, everything goes on; who works here is checked.

use std::time::Duration;

use anyhow::ensure;
use lab::api::Api;
use lab::{Documents, Lab, until};
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(45);
const OPEN: &str = "/api/edge/barrier/open";
const STAFF: &str = include_str!("../../data/staff.json");

async fn page(lab: &Lab, number: u16, document: &str) -> Value {
    lab.admin(central(number)).get(&format!("/api/v1/reference/{document}")).await.unwrap().ok().unwrap()
}

/// Waits until every central has this version of a document.
async fn until_all_have(lab: &Lab, document: &str, version: i64) {
    let reached = until(PATIENCE, async || {
        for entry in &lab.file().centrals {
            let p = lab.admin(entry.id).get(&format!("/api/v1/reference/{document}")).await?.ok()?;
            ensure!(p["version"] == version, "{} has version {} of {document}", entry.id, p["version"]);
        }
        Ok(())
    });
    reached.await.unwrap();
}

async fn open(lane: &Api, body: &Value) -> Value {
    lane.post(OPEN, None, body).await.unwrap().body
}

/// The usual tables, cars at another price.
fn dearer(version: i64, price: i64) -> Value {
    let mut config = serde_json::to_value(Documents::usual().unwrap()).unwrap()["fee-config"].clone();
    config["version"] = json!(version);
    config["items"][0]["version"] = json!(7 + version);
    config["items"][0]["collections"][0]["lines"][0]["value"] = json!(price);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_reaches_a_central_without_access_and_a_bad_one_nobody() {
    let lab = lab("reference", 3).await;
    until_all_have(&lab, "rate-tables", 1).await;
    until_all_have(&lab, "subscriptions", 1).await;
    lab.external_down(Some(central(3)));
    lab.external_put(&json!({"fee-config": dearer(2, 30_000)})).unwrap();
    until_all_have(&lab, "rate-tables", 2).await;
    let third = page(&lab, 3, "rate-tables").await;
    assert_eq!((&third["source"], &third["behind"]), (&json!("peer"), &json!(false)), "{third}");
    assert_eq!(page(&lab, 1, "rate-tables").await["hash"], third["hash"]);

    // A car is charged by it where nobody could fetch it: an hour, delivered late.
    let (hour_ago, now) = (hours_ago(1), hours_ago(0));
    let body = json!({"edge_id": "edge-1", "plate": "29A-700.01", "captured_at": hour_ago, "sent_at": now});
    assert_eq!(open(&lab.lane(central(1), "edge-1"), &body).await["recorded"], true);
    let left = until(PATIENCE, async || {
        let d = open(&lab.lane(central(3), "edge-11"), &json!({"edge_id": "edge-11", "plate": "29A-700.01"}))
            .await;
        ensure!(d["kind"] == "EXIT", "{d}");
        Ok(d)
    });
    let left = left.await.unwrap();
    assert_eq!(
        (&left["fee"], &left["session"]["rate_table"]["version"]),
        (&json!(30_000), &json!(9)),
        "{left}"
    );

    // A bad one is refused whole, with the reason, everywhere; the last good one stays.
    let mut bad = dearer(3, 31_000);
    bad["items"][0]["collections"][0]["lines"][1]["increment"] = json!("an hour");
    lab.external_put(&json!({"fee-config": bad})).unwrap();
    let refused = until(PATIENCE, async || {
        let p = lab.admin(central(1)).get("/api/v1/reference/rate-tables").await?.ok()?;
        ensure!(!p["last_error"].is_null(), "not refused yet");
        Ok(p)
    });
    let refused = refused.await.unwrap();
    let field = &refused["last_error"]["errors"][0]["field"];
    assert_eq!((field, &refused["version"]), (&json!("/items/0/collections/0/lines/1/increment"), &json!(2)));
}

fn hours_ago(hours: i64) -> String {
    #[expect(clippy::disallowed_methods, reason = "what a lane's clock shows")]
    let now = jiff::Timestamp::now();
    now.saturating_sub(jiff::SignedDuration::from_hours(hours)).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_external_api_lanes_go_on_and_answers_say_so() {
    let lab = lab("reference-down", 2).await;
    until_all_have(&lab, "rate-tables", 1).await;
    lab.external_down(None);
    let lane = lab.lane(central(1), "edge-1");
    let named = |d: &Value| d["degraded"].as_array().is_some_and(|d| d.contains(&json!("no_external_api")));
    let cars = std::sync::atomic::AtomicU32::new(0);
    let gone = until(PATIENCE, async || {
        let n = cars.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let d = open(&lane, &json!({"edge_id": "edge-1", "plate": format!("29A-{n:03}.02")})).await;
        ensure!(d["decision"] == "open" && named(&d), "{d}");
        Ok(d)
    });
    let d = gone.await.unwrap();
    assert!(d["session"]["flags"].as_array().unwrap().contains(&json!("no_external_api")), "{d}");
    let p = page(&lab, 1, "rate-tables").await;
    assert_eq!((&p["version"], &p["stale"]), (&json!(1), &json!(true)));
    lab.external_up(None).await.unwrap();
    let back = until(PATIENCE, async || {
        let n = cars.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let d = open(&lane, &json!({"edge_id": "edge-1", "plate": format!("29A-{n:03}.03")})).await;
        ensure!(!named(&d), "{d}");
        Ok(())
    });
    back.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_on_a_list_need_their_pin_and_their_role() {
    let lab = lab("reference-staff", 2).await;
    lab.external_down(Some(central(2)));
    let staff: Value = serde_json::from_str(STAFF).unwrap();
    lab.external_put(&staff).unwrap();
    until_all_have(&lab, "staff", 1).await;
    let shown = page(&lab, 2, "staff").await;
    assert_eq!(shown["items"][0]["role"], "attendant");
    assert!(!shown.to_string().contains("argon2"), "{shown}");

    let admin = lab.admin(central(2));
    let lane = lab.lane(central(2), "edge-7");
    let exit = |pin: Option<&str>| json!({"edge_id": "edge-7", "plate": "29A-800.01", "staff_id": "attendant", "pin": pin, "reason": "no ticket"});
    let missing = open(&lane, &exit(None)).await;
    assert_eq!(
        (&missing["status"], &missing["errors"][0]["field"]),
        (&json!(422), &json!("/pin")),
        "{missing}"
    );
    let wrong = open(&lane, &exit(Some("0000"))).await;
    assert_eq!((&wrong["status"], &wrong["code"]), (&json!(403), &json!("wrong_pin")), "{wrong}");
    let left = open(&lane, &exit(Some("1111"))).await;
    assert_eq!(left["recorded"], true, "{left}");
    let id = left["event_id"].as_str().unwrap();
    let act = async |path: &str, body: &Value| {
        admin.post(&format!("/api/parking/sessions/{id}/{path}"), None, body).await.unwrap().body
    };
    let waive =
        |staff: &str, pin: &str| json!({"staff_id": staff, "pin": pin, "reason": "rain", "amount": 25_000});
    assert_eq!(act("waive", &waive("attendant", "1111")).await["code"], "role_insufficient");
    assert_eq!(act("waive", &waive("nobody", "1111")).await["code"], "unknown_staff");
    let waived = act("waive", &waive("supervisor", "2222")).await;
    assert_eq!(waived["fee"], 0, "{waived}");
    let kinds: Vec<&Value> = waived["events"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert!(kinds.contains(&&json!("FEE_WAIVED")), "{kinds:?}");

    // A price by hand, before the exit.
    let entered =
        open(&lab.lane(central(2), "edge-5"), &json!({"edge_id": "edge-5", "plate": "29A-800.02"})).await;
    let path = format!("/api/parking/sessions/{}/price", entered["event_id"].as_str().unwrap());
    let price = json!({"staff_id": "supervisor", "pin": "2222", "reason": "a wedding", "fee": 7_000});
    let priced = admin.post(&path, None, &price).await.unwrap();
    assert_eq!(priced.status, 200, "{priced:?}");
    let left = open(&lane, &json!({"edge_id": "edge-7", "plate": "29A-800.02"})).await;
    assert_eq!((&left["fee"], &left["kind"]), (&json!(7_000), &json!("EXIT")), "{left}");
}
