//! What goes wrong under a running ledger.

use std::collections::{BTreeMap, BTreeSet};

use wire::bus::command::CommandReply;
use wire::bus::events::{ApplyLane, Fetch, Fetched};
use wire::http::{Decision, Direction};

use crate::rig::{Central, Ledger, answer, enter, open, until};

const HOUR: i64 = 3_600_000;

async fn incarnations(c: &Central) -> BTreeSet<wire::id::Incarnation> {
    match c.fetch(&Fetch::Holdings { after: None, limit: 1000 }).await {
        Fetched::Holdings { streams, .. } => streams.into_iter().map(|s| s.stream.incarnation).collect(),
        other => panic!("{other:?}"),
    }
}

async fn kill_writer(c: &Central) -> bool {
    let mut pg = c.postgres.connect().await;
    let killed: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parkmesh-ledger-writer'",
    )
    .fetch_all(&mut pg)
    .await
    .unwrap();
    !killed.is_empty()
}

/// Repeats a request until it is acknowledged, as a lane does.
async fn insist(c: &Central, edge: &str, plate: &str, at: i64, key: &str) -> String {
    until("the command is acknowledged", || async {
        match c.command(&open(edge, Direction::Entry, plate, Some(at), Some(key))).await {
            Ok(r @ CommandReply::Answer { .. }) => answer::<Decision>(r).0.event_id,
            Ok(CommandReply::Refused(p)) => panic!("{p:?}"),
            Ok(CommandReply::Unavailable(_)) | Err(_) => None,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_loses_and_doubles_nothing() {
    let c = Central::start("central-1").await;
    // Apart in time, so that the lane's burst rules take no part.
    let at = kit::clock::now_ms() - 2 * HOUR;
    let load = async {
        let mut ids = BTreeMap::new();
        for i in 0..60 {
            let plates: Vec<String> = (0..8).map(|k| format!("29A-{i:03}.{k:02}")).collect();
            let all =
                plates.iter().zip(0..).map(|(p, k)| insist(&c, "edge-1", p, at + 80_000 * i + 10_000 * k, p));
            ids.extend(plates.iter().cloned().zip(futures_util::future::join_all(all).await));
        }
        ids
    };
    let faults = async {
        let mut kills = 0;
        let mut before = 0;
        while kills < 3 {
            // In the middle of the load, not before it.
            before = until("more is recorded", || async {
                let now = c.status().await.events;
                (now > before + 20).then_some(now)
            })
            .await;
            kills += usize::from(kill_writer(&c).await);
        }
    };
    let (ids, ()) = tokio::join!(load, faults);
    c.until_served().await;
    let rows = c.history(None).await;
    assert_eq!(rows.len(), 480);
    let held: BTreeSet<&str> = rows.iter().map(|r| r.event_id.as_str()).collect();
    assert!(ids.values().all(|id| held.contains(id.as_str())), "everything acknowledged is there");
    assert_eq!(c.status().await.events, 480, "nothing is there twice");
    assert!(incarnations(&c).await.len() >= 3, "each connection has its own incarnation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_replaced_by_an_older_copy_is_noticed() {
    let mut c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    enter(&c, "edge-1", "29A-000.01", at).await;
    let first = c.all_frames().await;
    c.postgres.stop("-INT").await;
    let older = c.postgres.copy_of_disk();
    c.postgres.run().await;
    insist(&c, "edge-1", "29A-000.02", at + 20_000, "two").await;
    let lost = c.all_frames().await;
    let position = c
        .ask::<wire::http::StreamPage>(&wire::bus::query::LedgerQuery::Stream { after: None, limit: 10 })
        .await
        .position;

    c.postgres.stop("-QUIT").await;
    c.postgres.replace_disk(&older);
    c.postgres.run().await;
    insist(&c, "edge-1", "29A-000.03", at + 40_000, "three").await;
    let new = c.all_frames().await;
    assert!(
        new.iter().all(|f| first.contains(f) || !lost.contains(f)),
        "the suffix is gone and none of it is written over"
    );
    // A reader's position from before the restore means nothing any more.
    let page: wire::http::StreamPage =
        c.ask(&wire::bus::query::LedgerQuery::Stream { after: Some(position), limit: 10 }).await;
    assert!(page.reset);
    // What the peers had comes back, into its own incarnation.
    let back = c.apply(ApplyLane::Backlog, &lost).await;
    assert_eq!((back.stored, back.known, back.forks), (1, 1, 0));
    assert_eq!(c.history(None).await.len(), 3);
    assert_eq!(incarnations(&c).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_put_back_under_a_live_connection_are_noticed() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    enter(&c, "edge-1", "29A-000.01", at).await;
    enter(&c, "edge-1", "29A-000.02", at + 20_000).await;
    let mut pg = c.postgres.connect().await;
    for sql in [
        "delete from events where seq = 2",
        "update streams set head = 1",
        "update writer_head set seq = 1, arrival = 1",
    ] {
        sqlx::query(sql).execute(&mut pg).await.unwrap();
    }
    insist(&c, "edge-1", "29A-000.03", at + 40_000, "three").await;
    assert_eq!(incarnations(&c).await.len(), 2, "the writer did not go on in the old stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over() {
    let mut c = Central::start("central-1").await;
    let standby = Ledger::start("central-1", &c.postgres, &c.nats).await;
    let at = kit::clock::now_ms() - HOUR;
    enter(&c, "edge-1", "29A-000.01", at).await;
    until("the standby waits for the lock", || async {
        (standby.health.missing() == ["writer"]).then_some(())
    })
    .await;
    c.ledger.take().unwrap().stop().await;
    let standby = standby.ready().await;
    insist(&c, "edge-1", "29A-000.02", at + 20_000, "two").await;
    assert_eq!(incarnations(&c).await.len(), 2);
    assert_eq!(c.status().await.events, 2);
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_it_says_so_and_comes_back() {
    let mut c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    enter(&c, "edge-1", "29A-000.01", at).await;
    c.postgres.stop("-QUIT").await;
    until("readiness is off", || async {
        c.ledger.as_ref().unwrap().health.missing().contains(&"writer").then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    let refused =
        c.command(&open("edge-1", Direction::Entry, "29A-000.02", Some(at + 20_000), Some("two"))).await;
    assert!(!matches!(refused, Ok(CommandReply::Answer { .. })));
    assert!(began.elapsed() < std::time::Duration::from_millis(500), "at once");
    c.postgres.run().await;
    insist(&c, "edge-1", "29A-000.02", at + 20_000, "two").await;
    assert_eq!(c.status().await.events, 2);
}
