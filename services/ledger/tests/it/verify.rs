//! `ledger verify` finds what does not agree.

use ledger::verify::{self, Report};
use wire::http::Direction;

use crate::rig::{Central, KEY, enter, leave, pass};

const HOUR: i64 = 3_600_000;

async fn look(c: &Central) -> Report {
    let mut pg = c.postgres.connect().await;
    verify::run(&mut pg, &c.id, KEY).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_anywhere_is_found() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - HOUR;
    for i in 0..6 {
        let plate = format!("29A-{i:03}.11");
        let id = enter(&c, "edge-1", &plate, at + 20_000 * i).await.event_id.unwrap();
        pass(&c, "edge-1", Direction::Entry, &id).await;
        if i % 2 == 0 {
            leave(&c, "edge-3", &plate).await;
        }
    }
    // The same car again while it is inside: a conflict row.
    enter(&c, "edge-2", "29A-001.11", at + 600_000).await;
    let clean = look(&c).await;
    assert!(clean.is_clean(), "{}", clean.text());
    assert_eq!((clean.events, clean.history, clean.conflicts), (16, 7, 1), "{}", clean.text());

    let mut pg = c.postgres.connect().await;
    let damage = [
        ("update events set frame = set_byte(frame, length(frame) - 3, 33) where seq = 2", "event hash"),
        ("update events set frame = set_byte(frame, 5, get_byte(frame, 5) # 1) where seq = 4", "event hash"),
        ("update events set hash = set_byte(hash, 0, get_byte(hash, 0) # 1) where seq = 2", "event hash"),
        ("delete from events where seq = 3", "stream gaps"),
        ("update streams set head = head + 1", "stream head"),
        ("update writer_head set seq = seq - 1", "writer head"),
        ("update history set fee = fee + 1 where fee > 0", "history row differs"),
        ("delete from history where fee > 0", "history row missing"),
        ("insert into history select 'x_1_y', plate_tag, source_central, edge_id, sync_status, lot_id, plate, plate_key,
          vehicle_class, status, entry_time, confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency,
          rate_table, rate_table_version, flags, sorted_at, due_at, credential, row_hash from history limit 1", "history row too many"),
        ("update conflicts set row_hash = set_byte(row_hash, 0, get_byte(row_hash, 0) # 1)", "conflict row differs"),
        ("delete from conflicts", "conflict row missing"),
    ];
    for (sql, kind) in damage {
        sqlx::query("create table kept as table events").execute(&mut pg).await.unwrap();
        for t in ["streams", "stream_months", "writer_head", "history", "conflicts"] {
            let sql = format!("create table kept_{t} as table {t}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut pg).await.unwrap();
        }
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut pg).await.unwrap();
        let report = look(&c).await;
        assert!(report.counts.contains_key(kind), "{sql}\n{}", report.text());
        assert!(!report.text().contains("29A"), "no plates in a report");
        for t in ["streams", "stream_months", "writer_head", "history", "conflicts", "events"] {
            let kept = if t == "events" { "kept".to_owned() } else { format!("kept_{t}") };
            for sql in [
                format!("delete from {t}"),
                format!("insert into {t} select * from {kept}"),
                format!("drop table {kept}"),
            ] {
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut pg).await.unwrap();
            }
        }
        assert!(look(&c).await.is_clean());
    }
}
