//! A long catch-up: events first, then the rows of each vehicle once; and the digest that keeps up with them day by day.

use ledger::digest::Digests;
use sqlx::Connection;
use wire::bus::events::ApplyLane;
use wire::event::{Frame, Header, Kind};
use wire::hash::Hash32;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use crate::measure::stays;
use crate::rig::{Central, enter, leave, pass, until};
use wire::http::Direction;

async fn behind(c: &Central) -> Option<i64> {
    let mut pg = c.postgres.connect().await;
    sqlx::query_scalar("select behind from projection_state").fetch_one(&mut pg).await.unwrap()
}

async fn same_rows(a: &Central, b: &Central) {
    until("both have the same rows", || async {
        let (x, y) = (a.status().await, b.status().await);
        (x.digest == y.digest && x.history_rows == y.history_rows && behind(a).await.is_none()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_long_page_are_made_after_its_events_and_if_need_be_by_the_next_process() {
    let (mut a, b) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    let frames = stays(150);
    let stored = a.apply(ApplyLane::Backlog, &frames).await;
    assert_eq!((stored.stored as usize, stored.error), (frames.len(), None));
    for page in frames.chunks(100) {
        assert_eq!(b.apply(ApplyLane::Backlog, page).await.error, None);
    }
    assert_eq!(behind(&b).await, None, "short pages need no second look");
    same_rows(&a, &b).await;
    assert_eq!(a.status().await.history_rows, 150);

    // The process ends before it has made them all.
    let mut pg = a.postgres.connect().await;
    let mut tx = pg.begin().await.unwrap();
    sqlx::query("delete from history where sorted_at % 3 = 0").execute(&mut *tx).await.unwrap();
    sqlx::query("update projection_state set behind = 0").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    a.restart().await;
    same_rows(&a, &b).await;
}

/// All that is stored of the events and of their months but the moment of storing, as Postgres writes it.
async fn stored(c: &Central) -> Vec<String> {
    let mut pg = c.postgres.connect().await;
    let events = "select (stream, seq, month, branch, hash, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id, arrival,
                          frame, poison)::text from events order by arrival";
    let mut all: Vec<String> = sqlx::query_scalar(events).fetch_all(&mut pg).await.unwrap();
    let months = "select m::text from stream_months m order by stream, month";
    all.extend(sqlx::query_scalar::<_, String>(months).fetch_all(&mut pg).await.unwrap());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_is_what_would_have_been_inserted() {
    let (a, b) = tokio::join!(Central::start("central-1"), Central::start("central-2"));
    let mut frames = stays(80);
    // One that says nothing of what its kind says.
    let stream = StreamId { central: CentralId::new("central-9").unwrap(), incarnation: Incarnation(9) };
    let header = Header {
        kind: Kind::EntryPending,
        position: Position { stream, seq: 1 },
        occurred_at: kit::clock::now_ms(),
        prev_hash: Hash32::default(),
        command_id: None,
        opening: None,
        plate_tag: None,
    };
    frames.push(Frame::write(header, &[0; 16], b"{}").unwrap().bytes().to_vec());
    assert!(frames.len() > ledger::store::copied::MANY);
    assert_eq!(a.apply(ApplyLane::Backlog, &frames).await.stored as usize, frames.len());
    for page in frames.chunks(ledger::store::copied::MANY - 1) {
        assert_eq!(b.apply(ApplyLane::Backlog, page).await.error, None);
    }
    let (copied, inserted) = (stored(&a).await, stored(&b).await);
    assert_eq!(copied, inserted);
    let mut pg = a.postgres.connect().await;
    let left_out = sqlx::query_scalar::<_, i64>("select count(*) from events where poison is not null");
    assert_eq!(left_out.fetch_one(&mut pg).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_digest_keeps_day_by_day_is_what_the_tables_say() {
    let c = Central::start("central-1").await;
    let whole = async || {
        let mut pg = c.postgres.connect().await;
        Digests::default().now(&mut pg).await.unwrap()
    };
    let now = kit::clock::now_ms();
    let mut seen = vec![c.status().await.digest];
    for (days, plate) in [(0, "29A-111.11"), (1, "29A-222.22"), (9, "29A-333.33")] {
        let entered = enter(&c, "edge-1", plate, now - 600_000 - 86_400_000 * days).await;
        seen.push(c.status().await.digest);
        pass(&c, "edge-1", Direction::Entry, &entered.event_id.unwrap()).await;
        seen.push(c.status().await.digest);
        // Inside already: a conflict of today about a session of another day.
        enter(&c, "edge-2", plate, now - 300_000).await;
        seen.push(c.status().await.digest);
        leave(&c, "edge-3", plate).await;
        let status = c.status().await;
        seen.push(status.digest.clone());
        let whole = whole().await;
        assert_eq!((whole.digest, whole.history_rows), (status.digest, status.history_rows));
        assert_eq!(whole.conflict_rows, status.conflict_rows);
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "every change shows");
}
