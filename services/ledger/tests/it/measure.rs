//! Measurements, run by hand: `cargo test --release -p ledger --test it -- --ignored --nocapture measure`.

use std::time::Instant;

use replication::log::Head;
use wire::bus::events::ApplyLane;
use wire::event::{Body, ClockFacts, Confirmed, EntryOpened, Exited, Frame, PlateFacts};
use wire::hash::PlateTag;
use wire::http::Direction;
use wire::id::{CentralId, Incarnation};
use wire::position::{Position, StreamId};

use crate::rig::{Central, KEY, open};

/// Four events for each of so many cars, in the order they happened.
pub(crate) fn stays(cars: usize) -> Vec<Vec<u8>> {
    let stream = StreamId { central: CentralId::new("central-7").unwrap(), incarnation: Incarnation(77) };
    let mut head = Head::start(stream.clone());
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut inside: std::collections::VecDeque<(usize, Position, i64)> = std::collections::VecDeque::new();
    let start = kit::clock::now_ms() - 40_000_000;
    let mut write = |at: i64, opening: Option<Position>, key: &str, body: &Body| {
        let h = head.next(body.kind(), at, None, opening, Some(PlateTag::of(KEY, key)));
        let position = h.position.clone();
        let f = Frame::write(h, &rand::random(), &body.encode().unwrap()).unwrap();
        head.advance(&f).unwrap();
        out.push(f.bytes().to_vec());
        position
    };
    let plate = |i: usize| {
        let key = format!("{:02}A{:05}", 29 + i / 100_000, i % 100_000);
        let display = format!("{}-{}.{}", &key[..3], &key[3..6], &key[6..]);
        PlateFacts { raw: display.clone(), key, display, kind: "car".to_owned(), flags: Vec::new() }
    };
    let clock =
        |at: i64| ClockFacts { received_at: at, captured_at: Some(at), skew_ms: Some(3), offset_ms: 0 };
    for i in 0..cars + 50 {
        let at = start + 100 * i as i64;
        if i < cars {
            let p = plate(i);
            let body = Body::EntryPending(Box::new(EntryOpened {
                plate: p.clone(),
                edge_id: "edge-25".to_owned(),
                lot_id: Some("P07".to_owned()),
                vehicle_class: "car".to_owned(),
                clock: clock(at),
                confidence_pm: Some(970),
                image_ref: Some(format!("img/{i:08x}.jpg")),
                ..EntryOpened::default()
            }));
            let opening = write(at, None, &p.key, &body);
            let body = Body::EntryConfirmed(Confirmed {
                edge_id: "edge-25".to_owned(),
                clock: clock(at + 5),
                by: "loop".to_owned(),
            });
            write(at + 5, Some(opening.clone()), &p.key, &body);
            inside.push_back((i, opening, at));
        }
        if i >= 50
            && let Some((car, opening, entered)) = inside.pop_front()
        {
            let p = plate(car);
            let body = Body::Exit(Box::new(Exited {
                plate: p.clone(),
                edge_id: "edge-27".to_owned(),
                lot_id: Some("P07".to_owned()),
                vehicle_class: "car".to_owned(),
                clock: clock(at + 10),
                basis: Some(wire::event::Basis {
                    event_id: format!("central-7_{entered}_{}", p.key),
                    entry_time: entered,
                }),
                fee: 25_000,
                currency: "VND".to_owned(),
                ..Exited::default()
            }));
            write(at + 10, Some(opening.clone()), &p.key, &body);
            let body = Body::ExitConfirmed(Confirmed {
                edge_id: "edge-27".to_owned(),
                clock: clock(at + 15),
                by: "loop".to_owned(),
            });
            write(at + 15, Some(opening), &p.key, &body);
        }
    }
    out
}

async fn create_statements(c: &Central) {
    let mut pg = c.postgres.connect().await;
    sqlx::query("create extension if not exists pg_stat_statements").execute(&mut pg).await.ok();
}

/// What Postgres spent its time on (`LEDGER_IT_STATEMENTS=1` loads the extension).
async fn statements(c: &Central) {
    use sqlx::Row;
    let mut pg = c.postgres.connect().await;
    let sql = "select round(total_exec_time)::int8, calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 70)
               from pg_stat_statements order by total_exec_time desc limit 14";
    for row in sqlx::query(sql).fetch_all(&mut pg).await.unwrap_or_default() {
        let (ms, calls, query): (i64, i64, String) = (row.get(0), row.get(1), row.get(2));
        eprintln!("{ms:6} ms {calls:6} × {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_backlog() {
    let c = Central::start("central-1").await;
    let frames = stays(15_000);
    create_statements(&c).await;
    let began = Instant::now();
    // Two pages on their way, as sync asks.
    let pages: Vec<&[Vec<u8>]> = frames.chunks(1500).collect();
    let mut waiting = Vec::new();
    for pair in pages.chunks(2) {
        waiting.clear();
        waiting.extend(pair.iter().map(|p| c.apply(ApplyLane::Backlog, p)));
        for r in futures_util::future::join_all(std::mem::take(&mut waiting)).await {
            assert_eq!(r.error, None);
        }
    }
    let took = began.elapsed();
    eprintln!(
        "backlog: {} events in {took:?}: {:.0}/s",
        frames.len(),
        frames.len() as f64 / took.as_secs_f64()
    );
    let s = c.status().await;
    eprintln!("{} rows, {} conflicts", s.history_rows, s.conflict_rows);
    statements(&c).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_commands() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - 40_000_000;
    let requests: Vec<_> = (0..20_000i64)
        .map(|i| {
            open(
                "edge-1",
                Direction::Entry,
                &format!("{}A-{:03}.{:02}", 29 + i / 100_000, i / 100 % 1000, i % 100),
                Some(at + 20 * i),
                None,
            )
        })
        .collect();
    create_statements(&c).await;
    let began = Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    for round in requests.chunks(64) {
        let one = Instant::now();
        let replies = futures_util::future::join_all(round.iter().map(|r| c.command(r))).await;
        assert!(replies.iter().all(Result::is_ok));
        slowest = slowest.max(one.elapsed());
    }
    let took = began.elapsed();
    eprintln!(
        "commands: {} in {took:?}: {:.0}/s, slowest round {slowest:?}",
        requests.len(),
        requests.len() as f64 / took.as_secs_f64()
    );
    let one = Instant::now();
    for r in &requests[..200] {
        c.command(r).await.unwrap();
    }
    eprintln!("one at a time (replays): {:?} each", one.elapsed() / 200);
    statements(&c).await;
}
