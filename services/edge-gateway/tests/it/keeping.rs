//! What is kept, and what is given up.

use serde_json::{Value, json};
use wire::bus::command::Command;

use crate::harness::Rig;

fn range(central: &str, from: i64, to: i64) -> Value {
    json!({"central": central, "incarnation": format!("{:032x}", 5), "from": from, "to": to, "staff_id": "s-1",
        "reason": "the disk is gone"})
}

#[tokio::test]
async fn a_range_is_closed_only_when_nobody_holds_it() {
    let rig = Rig::start().await;
    let path = "/api/p2p/lost-ranges";
    assert_eq!(rig.get(path).await.body, json!({"items": []}));
    for (body, status, code) in [
        (range("central-2", 1, 9), 409, "range_held"),
        (range("central-4", 1, 9), 409, "range_held"),
        (range("central-3", 1, 9), 409, "range_not_missing"),
        (range("central-9", 9, 1), 422, "invalid_fields"),
        (range("central-9", 0, 1), 422, "invalid_fields"),
        (range("no name", 1, 1), 422, "invalid_fields"),
        (
            json!({"central": "central-9", "incarnation": "xyz", "from": 1, "to": 2, "staff_id": "s"}),
            422,
            "invalid_fields",
        ),
    ] {
        let got = rig.post(path, &body).await;
        assert_eq!((got.status, got.code()), (status, code), "{body}");
    }
    assert!(rig.stand_ins.commands().is_empty(), "nothing was recorded");
    let got = rig.post(path, &range("central-9", 3, 9)).await;
    assert_eq!(
        (got.status, &got.body["from"], &got.body["reason"]),
        (200, &json!(3), &json!("the disk is gone"))
    );
    let commands = rig.stand_ins.commands();
    let Command::LoseRange { range, staff_id, .. } = &commands[0].command else { panic!("{commands:?}") };
    assert_eq!((range.stream.central.as_str(), range.to, staff_id.as_str()), ("central-9", 9, "s-1"));
    rig.stand_ins.answer(true, true, false);
    assert_eq!(rig.post(path, &range_of_nine()).await.code(), "no_sync");
}

fn range_of_nine() -> Value {
    range("central-9", 3, 9)
}

#[tokio::test]
async fn the_storage_is_put_together() {
    let rig = Rig::start().await;
    let s = rig.get("/api/p2p/storage").await.body;
    assert_eq!((&s["disk"]["keep_days"], &s["spread"]["not_everywhere"]), (&json!(400), &json!(4)));
    rig.stand_ins.answer(false, true, false);
    assert_eq!(rig.get("/api/p2p/storage").await.body, json!({"disk": null, "spread": null}));
}
