//! Replays are marked.

use serde_json::json;

use crate::harness::Rig;
use crate::stand_ins::LedgerMood;

#[tokio::test]
async fn a_replay_says_so() {
    let rig = Rig::start().await;
    rig.stand_ins.mood(LedgerMood::Replays);
    let got = rig.post("/api/edge/barrier/open", &json!({"edge_id": "edge-in", "plate": "29A12345"})).await;
    assert_eq!((got.status, got.headers["idempotency-replayed"].to_str().unwrap()), (200, "true"));
}
