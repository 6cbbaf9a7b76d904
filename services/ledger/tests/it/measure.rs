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

/// What is in both tables before anything is measured: 400 days.
const OLD_ROWS: i64 = 300_000;
/// Events of one transaction.
const ROUND: usize = 64;

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

/// The same rows, one table against months, in turn: the ratio is what months cost the writer's insert.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_months() {
    use ledger::store::round::{self, Lines};
    use ledger::store::{events, head, months};
    use sqlx::Connection;

    let mut c = Central::start("central-1").await;
    c.ledger.take().unwrap().stop().await;
    let options = c.postgres.url().parse().unwrap();
    let mut pg = ledger::writer::lock::connect(&options).await.unwrap();
    let now = kit::clock::now_ms();
    let mut drawers = months::load(&mut pg).await.unwrap();
    let wanted = (0..=400).map(|day| replication::keeping::month_of(now - day * 86_400_000, now)).collect();
    months::ensure(&mut pg, &mut drawers, wanted).await.unwrap();
    for text in [
        "create table one (like events)".to_owned(),
        "create unique index one_position on one (stream, seq, branch)".to_owned(),
        "create unique index one_arrival on one (arrival)".to_owned(),
        "create index one_plate on one (plate_tag) where plate_tag is not null".to_owned(),
        "create index one_opening on one (opening_stream, opening_seq) where opening_seq is not null".to_owned(),
        "create index one_command on one (command_id) where command_id is not null".to_owned(),
        "create index one_rules on one (arrival) where kind in (20, 21)".to_owned(),
        format!(
            "insert into one select 1, n, 0, sha256(n::text::bytea), 4, {now} - at, substr(sha256(n::text::bytea), 1, 16), 1, n,
                 substr(sha256(('c' || n)::bytea), 1, 16), n, {now}, convert_to(repeat(md5(n::text), 10), 'UTF8'), null,
                 (extract(year from t)::int - 2000) * 12 + extract(month from t)::int
             from (select n, at, to_timestamp(({now} - at) / 1000.0) at time zone 'UTC' as t
                   from (select n, (({OLD_ROWS} - n) * 400.0 * 86400000 / {OLD_ROWS})::int8 as at
                         from generate_series(1, {OLD_ROWS}) n) a) b"
        ),
        "insert into events select * from one".to_owned(),
        "insert into stream_months select stream, month, min(seq), max(seq), count(*) from events group by 1, 2".to_owned(),
        "analyze".to_owned(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut pg).await.unwrap();
    }
    let new: Vec<::writer::NewEvent> = stays(4_000)
        .into_iter()
        .zip(OLD_ROWS + 1..)
        .map(|(bytes, arrival)| {
            let frame = Frame::parse(bytes.into()).unwrap();
            let fact = ::writer::fact(&frame).map(std::sync::Arc::new);
            ::writer::NewEvent { frame, fact, branch: 0, arrival }
        })
        .collect();
    let head = head::load(&mut pg).await.unwrap();
    let (mut flat, mut by_month) = (Vec::new(), Vec::new());
    for round in new.chunks(ROUND) {
        let rows: Vec<events::Row<'_>> = round
            .iter()
            .map(|event| {
                let opening = event.frame.header().opening.as_ref().map(|o| (2, o.seq as i64));
                events::Row { event, stream: 2, opening }
            })
            .collect();
        let began = Instant::now();
        let mut tx = pg.begin().await.unwrap();
        into_one(&mut tx, &rows, now).await;
        tx.commit().await.unwrap();
        flat.push(began.elapsed());
        let began = Instant::now();
        let mut tx = pg.begin().await.unwrap();
        let lines = Lines { events: &rows, received_at: now, ..Lines::only_head(&head, &head) };
        round::write(&mut tx, &lines).await.unwrap();
        tx.commit().await.unwrap();
        by_month.push(began.elapsed());
    }
    let median = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 9 / 10])
    };
    let (one, months) = (median(&mut flat), median(&mut by_month));
    eprintln!(
        "a transaction of {ROUND} events, median and p90 of {}: one table {one:?}, months {months:?}, ratio of medians {:.2}",
        flat.len(),
        months.0.as_secs_f64() / one.0.as_secs_f64()
    );
}

/// As the release before wrote.
async fn into_one(conn: &mut sqlx::PgConnection, new: &[ledger::store::events::Row<'_>], received_at: i64) {
    macro_rules! column {
        ($f:expr) => {
            new.iter().map($f).collect::<Vec<_>>()
        };
    }
    sqlx::query(
        "insert into one (stream, seq, branch, hash, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id, arrival,
                          received_at, frame, poison, month)
         select *, 0 from unnest($1::int4[], $2::int8[], $3::int2[], $4::bytea[], $5::int4[], $6::int8[], $7::bytea[], $8::int4[],
                                 $9::int8[], $10::bytea[], $11::int8[], $12::int8[], $13::bytea[], $14::text[])",
    )
    .bind(column!(|e| e.stream))
    .bind(column!(|e| e.event.frame.header().position.seq as i64))
    .bind(column!(|e| e.event.branch as i16))
    .bind(column!(|e| e.event.frame.hash().0))
    .bind(column!(|e| i32::from(e.event.frame.header().kind.code())))
    .bind(column!(|e| e.event.frame.header().occurred_at))
    .bind(column!(|e| e.event.frame.header().plate_tag.map(|t| t.0)))
    .bind(column!(|e| e.opening.map(|o| o.0)))
    .bind(column!(|e| e.opening.map(|o| o.1)))
    .bind(column!(|e| e.event.frame.header().command_id.map(|c| c.0)))
    .bind(column!(|e| e.event.arrival))
    .bind(vec![received_at; new.len()])
    .bind(column!(|e| &e.event.frame.bytes()[..]))
    .bind(column!(|e| e.event.fact.as_ref().err().map(String::as_str)))
    .execute(conn)
    .await
    .unwrap();
}
