//! Events are filed by month, whatever their stamps say, and a database of the release before is converted.

use replication::log::Head;
use sqlx::{PgConnection, Row};
use wire::bus::command::{Command, CommandEnvelope};
use wire::bus::events::{ApplyLane, Fetch, Fetched};
use wire::bus::query::LedgerQuery;
use wire::event::{Frame, Kind};
use wire::hash::PlateTag;
use wire::http::{LostRange, LostRanges, LostState, StorageView};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

use crate::audit::{Holder, look, sql, view};
use crate::rig::{Central, KEY, Ledger, Nats, Postgres, answer, until};

const DAY: i64 = 86_400_000;

fn stream() -> StreamId {
    StreamId { central: CentralId::new("central-7").unwrap(), incarnation: Incarnation(77) }
}

/// One event (of a kind of a later version) for each stamp.
fn frames(stamps: &[i64]) -> Vec<Vec<u8>> {
    let mut head = Head::start(stream());
    let mut out = Vec::new();
    for at in stamps {
        let h = head.next(Kind::Unknown(900), *at, None, None, Some(PlateTag::of(KEY, "29A12345")));
        let f = Frame::write(h, &[7; 16], b"{}").unwrap();
        head.advance(&f).unwrap();
        out.push(f.bytes().to_vec());
    }
    out
}

async fn verify(pg: &mut PgConnection) -> ledger::verify::Report {
    ledger::verify::run(pg, &CentralId::new("central-1").unwrap(), KEY).await.unwrap()
}

async fn filed(pg: &mut PgConnection) -> Vec<i32> {
    let rows =
        sqlx::query("select month from events order by stream, seq, branch").fetch_all(pg).await.unwrap();
    rows.iter().map(|r| r.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stamp_finds_its_drawer_and_is_found_there() {
    let c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let stamps =
        [now - 400 * DAY, now - 31 * DAY, now, i64::MIN, i64::MAX, 0, now - 5 * 366 * DAY, now + 200 * DAY];
    let all = frames(&stamps);
    // The last first: neighbours are looked up in other months.
    for f in all.iter().rev() {
        let r = c.apply(ApplyLane::Live, std::slice::from_ref(f)).await;
        assert_eq!((r.stored, r.error), (1, None));
    }
    let again = c.apply(ApplyLane::Backlog, &all).await;
    assert_eq!((again.stored, again.known, again.error), (0, 8, None));
    let fetch = Fetch::Ranges {
        ranges: vec![SeqRange { stream: stream(), from: 1, to: 8 }],
        max_events: 100,
        max_bytes: 100_000,
    };
    let Fetched::Events { frames: got, more } = c.fetch(&fetch).await else { panic!("no events") };
    assert_eq!((got.into_iter().map(serde_bytes::ByteBuf::into_vec).collect::<Vec<_>>(), more), (all, false));
    let mut pg = c.postgres.connect().await;
    let months = filed(&mut pg).await;
    assert!(months[0] > 0 && months[0] < months[1] && months[1] < months[2], "{months:?}");
    assert_eq!(months[3..], [0; 5]);
    let report = verify(&mut pg).await;
    assert!(report.is_clean(), "{}", report.text());

    // What a sample is taken for: of a new month as of the first, which the migration made.
    let told: Vec<String> = sqlx::query_scalar(
        "select distinct c.reloptions::text || string_agg(a.attname || a.attstattarget, ' ' order by a.attname)
         from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
         where i.inhparent = 'events'::regclass group by c.oid, c.reloptions::text",
    )
    .fetch_all(&mut pg)
    .await
    .unwrap();
    assert!(
        told.len() == 1 && told[0].contains("frame0") && told[0].contains("scale_factor=0.3"),
        "{told:?}"
    );
}

/// Copies the rows of one month into another.
fn copied(from: i32, to: i32) -> String {
    format!(
        "insert into events select stream, seq, branch, hash, kind, occurred_at, plate_tag, opening_stream, opening_seq, command_id,
         arrival, received_at, frame, poison, {to} from events where month = {from}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_wrong_month_is_found_and_put_right() {
    let c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let all = frames(&[now - 90 * DAY, now - 50 * DAY, now - 90 * DAY + 1, now, now - 1, i64::MAX]);
    assert_eq!(c.apply(ApplyLane::Live, &all).await.stored, 6);
    let mut pg = c.postgres.connect().await;
    let months = filed(&mut pg).await;
    let (old, new) = (months[0], months[3]);
    assert!(old < months[1] && months[1] < new && months[5] == 0, "{months:?}");
    let clean = look(&c).await;
    assert_eq!((clean.open_findings, clean.findings.len(), clean.progress.events), (0, 0, 6), "{clean:?}");

    let (twice, copy) = (copied(new, old), copied(0, new));
    let damaged = format!(
        "update events set frame = set_byte(frame, length(frame) - 1, 33), month = {old} where seq = 2"
    );
    let damage: [(&str, &str); 8] = [
        // In another month a look for the position passes it by, or finds two.
        (&format!("update events set month = {new} where seq = 1"), "event_columns"),
        (&format!("update events set month = {old} where month = {new}"), "event_columns"),
        (&twice, "event_twice"),
        (&copy, "event_twice"),
        // What says where to look is as good as the rows.
        ("update stream_months set last_seq = 1 where month <> 0", "event_columns"),
        ("update stream_months set events = events + 3", "stream_months"),
        (
            "insert into stream_months select stream, month + 1000, 1, 9, 9 from stream_months",
            "stream_months",
        ),
        // Damaged bytes say no month any more: those of a holder do.
        (&damaged, "event_bytes"),
    ];
    let holder = Holder::of(&c).await;
    for (text, what) in damage {
        let last = view(&c).await.findings.iter().map(|f| f.id).max().unwrap_or(0);
        assert!(sql(&mut pg, text).await > 0, "{text}");
        until(&format!("found and repaired: {text}"), || async {
            let v = look(&c).await;
            if v.open_findings > 0 {
                holder.answer(&c, Frame::clone).await;
            }
            let new: Vec<_> = v.findings.iter().filter(|f| f.id > last).collect();
            (v.open_findings == 0 && new.iter().any(|f| f.what == what)).then_some(())
        })
        .await;
        let report = verify(&mut pg).await;
        assert!(report.is_clean(), "after {text}\n{}", report.text());
        assert_eq!(filed(&mut pg).await, months, "{text}");
    }
    let kept =
        "select count(*) from audit_findings where jsonb_array_length(evidence) = 2 and what = 'event_twice'";
    assert!(sqlx::query(kept).fetch_one(&mut pg).await.unwrap().get::<i64, _>(0) >= 2, "both rows are kept");
    // The drawers are where the writer believes them to be.
    assert_eq!(c.apply(ApplyLane::Backlog, &all).await.known, 6);
}

/// What a seal will do with a month whose events are all below the floors; nothing that is shipped does it.
async fn drop_month(pg: &mut PgConnection, month: i32) {
    let mut tx = sqlx::Connection::begin(pg).await.unwrap();
    for text in [
        format!("alter table events detach partition events_m{month}"),
        format!("drop table events_m{month}"),
        format!("delete from stream_months where month = {month}"),
    ] {
        sql(&mut tx, &text).await;
    }
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_month_goes_as_a_file_and_the_others_stay() {
    let mut c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let stamps: Vec<i64> =
        (0..400).map(|i| if i < 300 { now - 400 * DAY + i } else { now - 400 + i }).collect();
    assert_eq!(c.apply(ApplyLane::Backlog, &frames(&stamps)).await.stored, 400);
    // Without a seal the audit would rightly ask for what is gone.
    c.ledger.take().unwrap().stop().await;

    let mut pg = c.postgres.connect().await;
    let months = filed(&mut pg).await;
    let (old, new) = (months[0], months[399]);
    let size = "select pg_total_relation_size($1::regclass)";
    let bytes: i64 =
        sqlx::query(size).bind(format!("events_m{old}")).fetch_one(&mut pg).await.unwrap().get(0);
    assert!(bytes > 100_000, "{bytes}");
    drop_month(&mut pg, old).await;
    assert_eq!(filed(&mut pg).await, vec![new; 100]);
    let gone = "select to_regclass('events_m' || $1) is null";
    assert!(sqlx::query(gone).bind(old.to_string()).fetch_one(&mut pg).await.unwrap().get::<bool, _>(0));
    let there =
        ledger::store::events::held_at(&mut pg, &[(1, 5), (1, 300), (1, 301), (1, 400)]).await.unwrap();
    assert_eq!(there.iter().map(|h| h.seq).collect::<Vec<_>>(), [301, 400]);
    let disk = ledger::storage::Disk::read(&mut pg).await.unwrap();
    assert_eq!(disk.months.iter().map(|m| m.events).sum::<u64>(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_range_is_recorded_and_undone_by_what_surfaces() {
    let c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let all = frames(&[now; 30]);
    let known: Vec<_> = all[..10].iter().chain(&all[20..]).cloned().collect();
    assert_eq!(c.apply(ApplyLane::Backlog, &known).await.stored, 20);
    let range = SeqRange { stream: stream(), from: 11, to: 20 };
    let envelope = CommandEnvelope {
        principal: "admin".to_owned(),
        path: "/api/v1/p2p/lost-ranges".to_owned(),
        idempotency_key: Some("once".to_owned()),
        received_at: now,
        deadline: now + 60_000,
        degraded: Vec::new(),
        command: Command::LoseRange {
            range: range.clone(),
            staff_id: "s-1".to_owned(),
            pin: None,
            reason: "the disk is gone".to_owned(),
        },
    };
    let (told, replayed): (LostRange, bool) = answer(c.command(&envelope).await.unwrap());
    assert_eq!((told.from, told.to, told.reason.as_str(), replayed), (11, 20, "the disk is gone", false));
    let (again, replayed): (LostRange, bool) = answer(c.command(&envelope).await.unwrap());
    assert_eq!((&again, replayed), (&told, true));
    // The answer is rebuilt from the event where it is not kept any more.
    let mut pg = c.postgres.connect().await;
    sqlx::query("delete from idempotency").execute(&mut pg).await.unwrap();
    let (again, _): (LostRange, bool) = answer(c.command(&envelope).await.unwrap());
    assert_eq!(again, told);

    let state = async || {
        let all: LostRanges = c.ask(&LedgerQuery::LostRanges).await;
        assert_eq!(all.items.len(), 1);
        (all.items[0].missing, all.items[0].state)
    };
    assert_eq!(state().await, (Some(10), Some(LostState::Lost)));
    assert_eq!(c.apply(ApplyLane::Backlog, &all[10..14]).await.stored, 4);
    assert_eq!(state().await, (Some(6), Some(LostState::PartlyFound)));
    assert_eq!(c.apply(ApplyLane::Backlog, &all).await.stored, 6);
    assert_eq!(state().await, (Some(0), Some(LostState::Found)));
    let report = verify(&mut pg).await;
    assert!(report.is_clean(), "{}", report.text());

    let disk: StorageView = c.ask(&LedgerQuery::Storage).await;
    assert_eq!((disk.events, disk.keep_days, disk.budget_bytes, disk.days_left), (31, 400, None, None));
    assert!(
        disk.database_bytes > disk.history_bytes + disk.other_bytes && disk.events_per_day > 30.0,
        "{disk:?}"
    );
    let full: Vec<(u64, bool)> = disk
        .months
        .iter()
        .filter(|m| m.events > 0)
        .map(|m| (m.events, m.bytes > 0 && m.index_bytes > 0))
        .collect();
    assert_eq!(full, [(31, true)], "{disk:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_release_before_is_filed_by_month() {
    let (postgres, nats) = tokio::join!(Postgres::start(), Nats::start());
    let mut pg = postgres.connect().await;
    let all = sqlx::migrate!("../../migrations");
    let before = sqlx::migrate::Migrator {
        migrations: all.iter().filter(|m| m.version < 7).cloned().collect(),
        ..sqlx::migrate!("../../migrations")
    };
    before.run_direct(None, &mut pg, false).await.unwrap();
    let now = kit::clock::now_ms();
    let stamps =
        [now, now - 100 * DAY, now - 40 * 31 * DAY, i64::MIN, i64::MAX, now + DAY, -1, 951_782_399_999];
    let frames = frames(&stamps);
    let streams =
        "insert into streams (id, central, incarnation, head, head_hash) values (1, 'central-7', $1, $2, $3)";
    let last = Frame::parse(frames.last().unwrap().clone().into()).unwrap();
    sqlx::query(streams)
        .bind(uuid::Uuid::from_u128(77))
        .bind(frames.len() as i64)
        .bind(last.hash().0)
        .execute(&mut pg)
        .await
        .unwrap();
    for (i, f) in frames.iter().enumerate() {
        let f = Frame::parse(f.clone().into()).unwrap();
        sqlx::query(
            "insert into events (stream, seq, branch, hash, kind, occurred_at, plate_tag, arrival, received_at, frame)
             values (1, $1, 0, $2, 900, $3, $4, $1, $5, $6)",
        )
        .bind(i as i64 + 1)
        .bind(f.hash().0)
        .bind(f.header().occurred_at)
        .bind(f.header().plate_tag.unwrap().0)
        .bind(now)
        .bind(&f.bytes()[..])
        .execute(&mut pg)
        .await
        .unwrap();
    }
    sqlx::query("update writer_head set arrival = $1")
        .bind(frames.len() as i64)
        .execute(&mut pg)
        .await
        .unwrap();

    let ledger = Ledger::start("central-1", &postgres, &nats).await.ready().await;
    let wanted: Vec<i32> = stamps.iter().map(|at| replication::keeping::month_of(*at, now)).collect();
    assert_eq!(filed(&mut pg).await, wanted);
    let report = verify(&mut pg).await;
    assert!(report.is_clean(), "{}", report.text());
    ledger.stop().await;

    // The release before goes on writing, should somebody go back to it.
    let f = Frame::parse(frames[0].clone().into()).unwrap();
    sqlx::query(
        "insert into events (stream, seq, branch, hash, kind, occurred_at, plate_tag, arrival, received_at, frame)
         values (1, 1, 1, $1, 900, $2, null, 99, $2, $3)",
    )
    .bind(f.hash().0)
    .bind(now)
    .bind(&f.bytes()[..])
    .execute(&mut pg)
    .await
    .unwrap();
}
