//! Rights across centrals: a pass that ends at midnight, and a vehicle that was blocked somewhere else.

use std::time::Duration;

use anyhow::ensure;
use lab::{Lab, until};
use serde_json::{Value, json};

use crate::support::{central, lab};

const PATIENCE: Duration = Duration::from_secs(45);
const OPEN: &str = "/api/edge/barrier/open";

async fn open(lab: &Lab, number: u16, edge: &str, more: Value) -> Value {
    let mut body = json!({"edge_id": edge});
    for (k, v) in more.as_object().unwrap() {
        body[k] = v.clone();
    }
    lab.lane(central(number), edge).post(OPEN, None, &body).await.unwrap().body
}

/// 31 October 20:00 → 1 November 09:00 with a pass until midnight, out at another central: 95 000, and everybody can say why.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_ends_at_midnight_is_charged_from_midnight_wherever_the_car_leaves() {
    let lab = lab("rights-pass", 2).await;
    let plate = "29A-701.01";
    lab.external_put(&json!({"subscriptions": {"version": 2, "items": [
        {"id": "p-7", "plates": [plate], "vehicle_class": "car", "lots": ["*"], "valid_from": "2026-10-01T00:00:00+07:00",
         "valid_to": "2026-11-01T00:00:00+07:00", "max_inside": 1}]}}))
    .unwrap();
    let entered =
        open(&lab, 1, "edge-1", json!({"plate": plate, "captured_at": "2026-10-31T20:00:00+07:00"})).await;
    assert_eq!(entered["kind"], "ENTRY", "{entered}");
    let known = until(PATIENCE, async || {
        let admin = lab.admin(central(2));
        let passes = admin.get("/api/rights/passes?all=true").await?.ok()?;
        ensure!(passes["items"][0]["version"] == 2, "{passes}");
        let history = admin.get("/api/parking/history?plate=29a70101").await?.ok()?;
        ensure!(
            history["items"][0]["status"] == "PENDING" || history["items"][0]["status"] == "INSIDE",
            "{history}"
        );
        Ok(())
    });
    known.await.unwrap();
    let left =
        open(&lab, 2, "edge-7", json!({"plate": plate, "captured_at": "2026-11-01T09:00:00+07:00"})).await;
    assert_eq!((&left["kind"], &left["fee"]), (&json!("EXIT"), &json!(95_000)), "{left}");
    let told = until(PATIENCE, async || {
        let path = format!("/api/parking/sessions/{}", left["event_id"].as_str().unwrap());
        let session = lab.admin(central(1)).get(&path).await?.ok()?;
        ensure!(session["status"] == "EXITED", "{session}");
        Ok(session)
    });
    let told = told.await.unwrap();
    assert_eq!((&told["fee"], &told["rights"][0]["id"]), (&json!(95_000), &json!("p-7")), "{told}");
    assert_eq!(told["rights"][0]["version"], 2);
    assert_eq!(told["fee_lines"][0]["text"], "Vé tháng p-7");
    assert_eq!(told["fee_lines"][0]["text_en"], "Covered by pass p-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vehicle_blocked_at_one_central_is_denied_at_another_also_after_a_restart() {
    let lab = lab("rights-block", 2).await;
    let plate = "29A-702.02";
    let block = json!({"kind": "block", "plate": plate, "staff_id": "s1", "reason": "unpaid bills"});
    let entry = lab.admin(central(1)).post("/api/rights/lists", None, &block).await.unwrap().ok().unwrap();
    let known = until(PATIENCE, async || {
        let lists = lab.admin(central(2)).get("/api/rights/lists?plate=29A70202").await?.ok()?;
        ensure!(lists["items"][0]["id"] == entry["id"], "{lists}");
        Ok(())
    });
    known.await.unwrap();
    let denied = open(&lab, 2, "edge-5", json!({"plate": plate})).await;
    assert_eq!(
        (&denied["decision"], &denied["barrier"]),
        (&json!("deny"), &json!("keep_closed")),
        "{denied}"
    );
    lab.kill(central(2), &lab::process::Signal::kill()).await.unwrap();
    lab.start_target(central(2)).await.unwrap();
    let d = open(&lab, 2, "edge-5", json!({"plate": plate})).await;
    assert_eq!(d["reason"], "blocked", "{d}");
    // Staff let it in; it leaves like everybody.
    let d = open(&lab, 2, "edge-5", json!({"plate": plate, "staff_id": "s1", "reason": "it paid"})).await;
    assert_eq!((&d["decision"], &d["recorded"]), (&json!("open"), &json!(true)), "{d}");
    let d = open(&lab, 2, "edge-7", json!({"plate": plate})).await;
    assert_eq!((&d["decision"], &d["barrier"]), (&json!("open"), &json!("open")), "{d}");
    // The entry ends everywhere.
    let mut ended = block.clone();
    (ended["id"], ended["ended"]) = (entry["id"].clone(), json!(true));
    lab.admin(central(2)).post("/api/rights/lists", None, &ended).await.unwrap().ok().unwrap();
    let free = until(PATIENCE, async || {
        let lists = lab.admin(central(1)).get("/api/rights/lists?plate=29A70202").await?.ok()?;
        ensure!(lists["items"] == json!([]), "{lists}");
        Ok(())
    });
    free.await.unwrap();
}
