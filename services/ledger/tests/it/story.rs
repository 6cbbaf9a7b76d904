//! What a lane sees.

use wire::bus::command::CommandReply;
use wire::bus::query::LedgerQuery;
use wire::http::{BarrierWish, Decision, DecisionKind, Direction, SessionDetail, SessionStatus, StreamPage};

use crate::rig::{Central, answer, enter, leave, open, pass, until};

const HOUR: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_car_enters_and_leaves() {
    let c = Central::start("central-1").await;
    let start: StreamPage = c.ask(&LedgerQuery::Stream { after: None, limit: 100 }).await;
    let at = kit::clock::now_ms() - HOUR;
    let entry = enter(&c, "edge-1", "29A-123.45", at).await;
    assert_eq!((entry.kind, entry.barrier), (DecisionKind::Entry, BarrierWish::Open));
    let id = entry.event_id.unwrap();
    assert_eq!(id, format!("central-1_{at}_29A12345"));
    let closed = pass(&c, "edge-1", Direction::Entry, &id).await;
    assert_eq!((closed.kind.as_str(), closed.event_id.as_deref()), ("CONFIRMED", Some(id.as_str())));
    let exit = leave(&c, "edge-3", "29a12345").await;
    assert_eq!((exit.kind, exit.barrier), (DecisionKind::Exit, BarrierWish::Open));
    assert_eq!((exit.event_id.as_deref(), exit.fee), (Some(id.as_str()), Some(25_000)));

    let rows = c.history(Some("29A 12345")).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (row.event_id.as_str(), row.status, row.fee),
        (id.as_str(), SessionStatus::Exited, Some(25_000))
    );
    assert_eq!((row.sync_status.as_str(), row.source_central.as_str()), ("LOCAL", "central-1"));
    assert_eq!(row.exit_edge.as_deref(), Some("edge-3"));

    let detail: SessionDetail = c.ask(&LedgerQuery::Session { event_id: id.clone() }).await;
    let kinds: Vec<&str> = detail.events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(detail.session, *row);

    let news: StreamPage = c.ask(&LedgerQuery::Stream { after: Some(start.position), limit: 100 }).await;
    let told: Vec<_> = news.events.iter().map(|e| (e.kind.as_str(), e.event_id.as_deref())).collect();
    let id = Some(id.as_str());
    assert_eq!(told, [("VEHICLE_ENTRY_PENDING", id), ("VEHICLE_ENTRY_CONFIRMED", id), ("VEHICLE_EXIT", id)]);
    assert!(!news.reset);
    assert_eq!(c.status().await.history_rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_first_answer_also_after_a_restart() {
    let mut c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    let request = open("edge-1", Direction::Entry, "29A-123.45", Some(at), Some("key-1"));
    let (first, replayed): (Decision, bool) = answer(c.command(&request).await.unwrap());
    assert!(!replayed);
    let again: (Decision, bool) = answer(c.command(&request).await.unwrap());
    assert_eq!(again, (first.clone(), true));
    c.restart().await;
    assert_eq!(answer::<Decision>(c.command(&request).await.unwrap()), (first.clone(), true));

    // The answer is gone, as after a restore: it is made again from the event.
    let mut pg = c.postgres.connect().await;
    sqlx::query("delete from idempotency").execute(&mut pg).await.unwrap();
    let (rebuilt, replayed): (Decision, bool) = answer(c.command(&request).await.unwrap());
    assert!(replayed);
    assert_eq!(
        (rebuilt.event_id, rebuilt.kind, rebuilt.recorded),
        (first.event_id, first.kind, first.recorded)
    );
    assert_eq!(c.status().await.events, 1);

    let other = open("edge-1", Direction::Entry, "30A-111.11", Some(at), Some("key-1"));
    match c.command(&other).await.unwrap() {
        CommandReply::Refused(p) => assert_eq!((p.status, p.code.as_str()), (422, "idempotency_key_reused")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_one_round_see_each_other() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    let requests: Vec<_> = (0..40i64)
        .map(|i| {
            open(
                "edge-1",
                Direction::Entry,
                &format!("29A-{:03}.00", i / 2),
                Some(at + 20_000 * (i / 2)),
                Some(&format!("k{}", i / 2)),
            )
        })
        .collect();
    let replies = futures_util::future::join_all(requests.iter().map(|r| c.command(r))).await;
    let mut ids: Vec<_> =
        replies.into_iter().map(|r| answer::<Decision>(r.unwrap()).0.event_id.unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert_eq!(c.status().await.events, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_deadline_nothing_is_recorded() {
    let c = Central::start("central-1").await;
    let mut late = open("edge-1", Direction::Entry, "29A-123.45", None, None);
    late.deadline = kit::clock::now_ms() - 1;
    assert!(matches!(c.command(&late).await.unwrap(), CommandReply::Unavailable(_)));
    assert_eq!(c.status().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_confirms_is_ended_by_the_time_out() {
    let c = Central::start("central-1").await;
    let received = kit::clock::now_ms() - 100_000;
    for (plate, edge, assumed) in [("29A-000.01", "edge-1", false), ("29A-555.77", "edge-2", true)] {
        let mut request = open(edge, Direction::Entry, plate, None, None);
        request.received_at = received;
        if let wire::bus::command::Command::Open { lane, .. } = &mut request.command {
            lane.assumed = assumed;
        }
        answer::<Decision>(c.command(&request).await.unwrap());
    }
    let of = async |plate: &str| c.history(Some(plate)).await[0].status;
    until("both are ended", async || (c.status().await.events == 4).then_some(())).await;
    assert_eq!(of("29A-000.01").await, SessionStatus::Abandoned);
    assert_eq!(of("29A-555.77").await, SessionStatus::Inside);
}
