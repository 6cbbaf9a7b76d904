//! A machine copied with its memory writes a second event at a position: both are kept and shown, and people are told.

use std::time::Duration;

use lab::{Lab, until};
use serde_json::json;
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, decode, encode};
use wire::bus::subject::LEDGER_APPLY;
use wire::event::{Content, Frame};

use crate::support::{central, lab, number, settled};

const STREAMS: &str = "select count(*) from streams where central = 'central-1'";
const ROWS: &str = "select count(*) from history";

async fn enter(lab: &Lab, plate: &str) {
    let body = json!({"edge_id": "edge-1", "plate": plate});
    let answer = lab.lane(central(1), "edge-1").post("/api/edge/barrier/open", None, &body).await;
    assert_eq!(answer.unwrap().ok().unwrap()["recorded"], json!(true));
}

/// What the copied machine wrote: the same position, other bytes, told to central-2.
async fn write_a_second_branch(lab: &Lab) {
    let frame =
        lab.sql(central(1), "select encode(frame, 'hex') from events order by arrival desc limit 1").await;
    let hex = frame.unwrap()[0][0].clone();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let first = Frame::parse(bytes.into()).unwrap();
    let Content::Full { body, .. } = first.content() else { panic!("not erased") };
    let second = Frame::write(first.header().clone(), &[9; 16], body).unwrap();
    let apply = Apply {
        from: wire::id::CentralId::new("central-1").unwrap(),
        lane: ApplyLane::Live,
        events: vec![Carried { trace: None, committed_at: 0, frame: second.bytes().to_vec() }],
    };
    let bus = lab::bus::connect(&lab.file().centrals[1].nats_url).await.unwrap();
    let answer = bus.request(LEDGER_APPLY, encode(&apply).unwrap().into()).await.unwrap();
    let reply: ApplyReply = decode(&answer.payload).unwrap();
    assert_eq!((reply.stored, reply.forks), (1, 1), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes on a busy machine; ./test full runs it"]
async fn both_branches_of_a_fork_are_everywhere_and_its_origin_begins_anew() {
    let lab = lab("fork", 3).await;
    enter(&lab, "51F-970.22").await;
    settled(&lab).await;
    write_a_second_branch(&lab).await;

    for each in 1..=3 {
        let alarmed = until(Duration::from_secs(45), async || {
            let status = lab.admin(central(each)).status().await?;
            let fork = status.alarms.iter().find(|alarm| alarm.code == "fork");
            anyhow::ensure!(
                fork.is_some_and(|alarm| alarm.detail.contains("central-1/")),
                "{:?}",
                status.alarms
            );
            anyhow::ensure!(number(&lab, central(each), ROWS).await == 2, "both openings are shown");
            Ok(())
        });
        alarmed.await.unwrap();
    }
    assert_eq!(number(&lab, central(1), STREAMS).await, 1);
    // Nothing like the first: that would be one car seen twice at one lane.
    enter(&lab, "30K-123.45").await;
    assert_eq!(number(&lab, central(1), STREAMS).await, 2, "the origin goes on in a new incarnation");
    settled(&lab).await;
}
