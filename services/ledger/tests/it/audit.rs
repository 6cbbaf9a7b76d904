//! Somebody edits the tables by hand: it is found, located, kept as evidence and repaired.

use std::collections::BTreeMap;

use ledger::verify;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use wire::alarm::AlarmCode;
use wire::audit::{AuditAbout, AuditAnswer, AuditAsk, AuditFound, AuditSay};
use wire::bus::events::{ApplyLane, decode, encode};
use wire::bus::query::LedgerQuery;
use wire::bus::subject;
use wire::event::Frame;
use wire::http::{AuditStarted, AuditView, Direction};
use wire::id::CentralId;
use wire::mesh::Message;
use wire::page;
use wire::position::Position;

use crate::rig::{Central, KEY, PATIENCE, enter, leave, pass, until};

const HOUR: i64 = 3_600_000;

/// Cars that came and went, and one conflict.
async fn cars(c: &Central, n: i64) {
    let at = kit::clock::now_ms() - HOUR;
    for i in 0..n {
        let plate = format!("29A-{i:03}.11");
        let id = enter(c, "edge-1", &plate, at + 20_000 * i).await.event_id.unwrap();
        pass(c, "edge-1", Direction::Entry, &id).await;
        if i % 2 == 0 {
            leave(c, "edge-3", &plate).await;
        }
    }
    let id = enter(c, "edge-2", "29A-001.11", at + 600_000).await.event_id.unwrap();
    // Nothing waits for a time-out: what the rows say stays.
    pass(c, "edge-2", Direction::Entry, &id).await;
}

pub(crate) async fn view(c: &Central) -> AuditView {
    c.ask(&LedgerQuery::Audit { site: None, days: 30, findings: 500 }).await
}

/// A pass over all of it, from now on: the one under way may have begun before, so two are waited for.
pub(crate) async fn look(c: &Central) -> AuditView {
    let mut last = view(c).await;
    for _ in 0..2 {
        let _: AuditStarted = c.ask(&LedgerQuery::AuditNow).await;
        last = until("a pass ends", || async {
            let v = view(c).await;
            (v.progress.recent_at.is_some() && v.progress.recent_at != last.progress.recent_at).then_some(v)
        })
        .await;
    }
    last
}

pub(crate) async fn sql(pg: &mut PgConnection, text: &str) -> u64 {
    sqlx::query(AssertSqlSafe(text.to_owned())).execute(pg).await.unwrap().rows_affected()
}

/// A peer that holds what was here before the damage, carried by a sync.
pub(crate) struct Holder {
    id: CentralId,
    frames: BTreeMap<Position, Frame>,
}

impl Holder {
    pub(crate) async fn of(c: &Central) -> Self {
        let frames = c.all_frames().await.into_iter().map(|b| Frame::parse(b.into()).unwrap());
        Self {
            id: CentralId::new("central-9").unwrap(),
            frames: frames.map(|f| (f.header().position.clone(), f)).collect(),
        }
    }

    async fn say(&self, c: &Central, ask: &AuditAsk) -> Vec<Message> {
        let b = c.bus.request(subject::LEDGER_AUDIT, encode(ask).unwrap(), PATIENCE).await.unwrap();
        let said: AuditSay = decode(&b).unwrap();
        said.send.iter().map(|m| Message::decode(&m.message).unwrap()).collect()
    }

    /// Time passes; questions for events are answered. True when one was.
    pub(crate) async fn answer(&self, c: &Central, forge: impl Fn(&Frame) -> Frame) -> bool {
        let mut asked = false;
        for m in self.say(c, &AuditAsk::Tick { connected: vec![self.id.clone()] }).await {
            let Message::AuditQuestion(q) = m else { continue };
            let AuditAbout::Frames { positions } = q.about else { continue };
            asked = true;
            let frames: Vec<Frame> =
                positions.iter().filter_map(|p| self.frames.get(p)).map(&forge).collect();
            let found = AuditFound::Frames(page::pack(&frames).unwrap().0);
            let answer = Message::AuditAnswer(AuditAnswer { id: q.id, found }).encode().unwrap();
            self.say(c, &AuditAsk::Heard { from: self.id.clone(), message: answer }).await;
        }
        asked
    }
}

async fn assert_clean(c: &Central, pg: &mut PgConnection, after: &str) {
    let report = verify::run(pg, &c.id, KEY).await.unwrap();
    assert!(report.is_clean(), "after {after}\n{}", report.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_columns_edited_by_hand_are_found_and_made_again_from_the_events() {
    let c = Central::start("central-1").await;
    cars(&c, 6).await;
    let clean = look(&c).await;
    assert_eq!((clean.open_findings, clean.findings.len()), (0, 0), "{clean:?}");
    assert_eq!(clean.progress.events, 17);
    assert_eq!(clean.days.iter().map(|d| d.charged).sum::<i64>(), sums(&c).await);
    let digest = c.status().await.digest;
    let mut pg = c.postgres.connect().await;
    let damage = [
        ("update events set hash = set_byte(hash, 0, get_byte(hash, 0) # 1) where seq = 2", "event_hash"),
        ("update events set hash = '' where seq = 3", "event_hash"),
        ("update events set kind = kind + 1 where seq = 4", "event_columns"),
        ("update events set occurred_at = occurred_at - 7776000000 where seq = 5", "event_columns"),
        ("update events set plate_tag = set_byte(plate_tag, 3, get_byte(plate_tag, 3) # 8) where seq = 5", "event_columns"),
        ("update events set plate_tag = null where seq = 6", "event_columns"),
        ("update events set opening_seq = opening_seq + 1 where seq = 2", "event_columns"),
        ("update events set opening_stream = null where seq = 2", "event_columns"),
        ("update events set command_id = '\\x00' where seq = 1", "event_columns"),
        ("update events set arrival = 1000000 where seq = 1", "event_columns"),
        ("update events set poison = 'bad' where seq = 1", "event_columns"),
        ("update events set seq = 1000 where seq = 7", "event_misplaced"),
        ("update events set branch = 3 where seq = 7", "event_branch"),
        ("update stream_months set last_seq = 3", "event_columns"),
        ("update stream_months set first_seq = 100", "event_columns"),
        ("delete from stream_months", "event_columns"),
        ("update streams set head = head + 5", "event_missing"),
        ("update streams set head = head - 2", "stream"),
        ("update streams set gaps = '[[2,4]]'", "stream"),
        ("update streams set forks = '[[3, [\"0000000000000000000000000000000000000000000000000000000000000000\",
          \"1100000000000000000000000000000000000000000000000000000000000000\"]]]'", "stream"),
        ("update streams set forks = '5'", "stream"),
        ("update streams set head_hash = set_byte(head_hash, 4, 7)", "event_chain"),
        ("update streams set incarnation = '00000000-0000-0000-0000-000000000001' where head > 0", "stream"),
        ("update streams set central = 'central-7' where head > 0", "stream"),
        ("update streams set id = id + 7", "stream"),
        ("delete from streams", "stream"),
        ("update history set fee = fee + 1 where fee > 0", "history_row"),
        ("update history set status = 'INSIDE' where fee > 0", "history_row"),
        ("update history set flags = array['x']", "history_row"),
        ("update history set row_hash = '\\x01' where fee > 0", "history_row"),
        ("update history set sorted_at = 5 where fee > 0", "history_row"),
        ("update history set plate_tag = set_byte(plate_tag, 0, get_byte(plate_tag, 0) # 1) where fee > 0", "history_row"),
        ("update history set plate_tag = '\\x00' where fee > 0", "history_row"),
        ("update history set event_id = event_id || 'x' where fee > 0", "history_row"),
        ("delete from history where fee > 0", "history_row"),
        ("insert into history select 'x_1_y', plate_tag, source_central, edge_id, sync_status, lot_id, plate, plate_key,
          vehicle_class, status, entry_time, confirmed_time, exit_time, exit_central, exit_edge, duration_s, fee, currency,
          rate_table, rate_table_version, flags, sorted_at, due_at, credential, row_hash from history limit 1", "history_row"),
        ("update conflicts set row_hash = set_byte(row_hash, 0, get_byte(row_hash, 0) # 1)", "conflict_row"),
        ("update conflicts set detected_at = detected_at + 1", "conflict_row"),
        ("update conflicts set kind = 'X'", "conflict_row"),
        ("update conflicts set body = '{}'", "conflict_row"),
        ("delete from conflicts", "conflict_row"),
    ];
    for (text, what) in damage {
        let last = view(&c).await.findings.iter().map(|f| f.id).max().unwrap_or(0);
        assert!(sql(&mut pg, text).await > 0, "{text}");
        let mut now = until(&format!("found: {text}"), || async {
            let v = look(&c).await;
            let seen = what == "event_branch" || v.findings.iter().any(|f| f.id > last && f.what == what);
            seen.then_some(v)
        })
        .await;
        if now.open_findings > 0 {
            now = until(&format!("repaired: {text}"), || async {
                let v = look(&c).await;
                (v.open_findings == 0).then_some(v)
            })
            .await;
        }
        let new: Vec<_> = now.findings.iter().filter(|f| f.id > last).collect();
        assert!(what == "event_branch" || new.iter().any(|f| f.what == what), "{text}\n{new:?}");
        assert!(new.iter().all(|f| f.state == "repaired" && f.repaired_by.is_some()), "{text}\n{new:?}");
        assert!(!format!("{new:?}").contains("29A"), "no plates in findings");
        assert_clean(&c, &mut pg, text).await;
        assert_eq!(c.status().await.digest, digest, "{text}");
        assert!(c.status().await.alarms.is_empty(), "{text}");
    }
    // The rows as they were found are kept.
    let kept: i64 = sqlx::query(
        "select count(*) from audit_findings where what = 'history_row' and evidence->>'fee' is not null",
    )
    .fetch_one(&mut pg)
    .await
    .unwrap()
    .get(0);
    assert!(kept > 0);
    // The writer goes on.
    cars(&c, 1).await;
}

/// A finding that is repaired between two statements of a view was listed as open, and counted as closed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_view_counts_as_open_is_what_it_lists_as_open() {
    let c = Central::start("central-1").await;
    let mut pg = c.postgres.connect().await;
    let text = "insert into audit_findings (found_at, what, place, detail, state) values (1, 'event_chain', 'x', '', 'open')";
    assert_eq!(sql(&mut pg, text).await, 1);
    let done = tokio_util::sync::CancellationToken::new();
    let stop = done.clone();
    let flips = tokio::spawn(async move {
        let mut flips = 0;
        while !stop.is_cancelled() {
            for state in ["repaired", "open"] {
                flips += sql(&mut pg, &format!("update audit_findings set state = '{state}'")).await;
            }
        }
        flips
    });
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..400 {
        let v = view(&c).await;
        let listed = v.findings.iter().filter(|f| f.state == "open").count() as u64;
        assert_eq!(v.open_findings, listed, "{v:?}");
        seen.insert(listed);
    }
    done.cancel();
    assert!(flips.await.unwrap() > 10);
    assert_eq!(seen.len(), 2, "both were met");
}

async fn sums(c: &Central) -> i64 {
    c.history(None).await.iter().filter_map(|s| s.fee).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_come_back_from_a_holder_and_only_proven_ones() {
    let c = Central::start("central-1").await;
    cars(&c, 6).await;
    look(&c).await;
    let holder = Holder::of(&c).await;
    let before = c.all_frames().await;
    let digest = c.status().await.digest;
    let mut pg = c.postgres.connect().await;
    let last = before.len();
    let damage = [
        "update events set frame = set_byte(frame, length(frame) - 3, get_byte(frame, length(frame) - 3) # 1) where seq = 2".to_owned(),
        "update events set frame = set_byte(frame, 5, get_byte(frame, 5) # 1) where seq = 4".to_owned(),
        "update events set frame = '' where seq = 3".to_owned(),
        "update events set frame = (select frame from events where seq = 6) where seq = 5".to_owned(),
        "update events set frame = set_byte(frame, 0, 9), hash = '\\x00' where seq = 1".to_owned(),
        format!("update events set frame = set_byte(frame, 180, get_byte(frame, 180) # 1) where seq = {last}"),
        format!("update events set frame = set_byte(frame, 60, get_byte(frame, 60) # 1), hash = '\\x' where seq = {last}"),
    ];
    for text in damage {
        assert_eq!(sql(&mut pg, &text).await, 1, "{text}");
        let found = look(&c).await;
        assert_eq!(
            found.findings.iter().filter(|f| f.state == "open").count(),
            1,
            "{text}\n{:?}",
            found.findings
        );
        let place = &found.findings[0].place;
        assert!(
            c.status().await.alarms.iter().any(|a| a.code == AlarmCode::Damaged && a.detail.contains(place))
        );
        // Bytes that are whole and not the ones that were written are refused.
        let forged = |f: &Frame| Frame::write(f.header().clone(), &[7; 16], b"{}").unwrap();
        assert!(holder.answer(&c, forged).await, "{text}");
        assert_ne!(
            c.all_frames().await,
            before,
            "{text}: forged bytes are no cure, and these are not the ones"
        );
        until(&format!("repaired: {text}"), || async {
            holder.answer(&c, Clone::clone).await;
            (view(&c).await.open_findings == 0).then_some(())
        })
        .await;
        assert_eq!(c.all_frames().await, before, "{text}");
        assert_clean(&c, &mut pg, &text).await;
        let after = look(&c).await;
        assert_eq!(after.open_findings, 0, "{text}\n{after:?}");
        assert_eq!(c.status().await.digest, digest, "{text}");
        assert!(c.status().await.alarms.is_empty(), "{text}");
    }
    let evidence: i64 =
        sqlx::query("select count(*) from audit_findings where what = 'event_bytes' and evidence ? 'frame'")
            .fetch_one(&mut pg)
            .await
            .unwrap()
            .get(0);
    assert!(evidence >= 7, "{evidence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_rewritten_with_its_hash_is_told_from_the_one_that_was_written_by_its_neighbours() {
    let c = Central::start("central-1").await;
    cars(&c, 3).await;
    look(&c).await;
    let holder = Holder::of(&c).await;
    let before = c.all_frames().await;
    let mut pg = c.postgres.connect().await;
    for seq in [2, before.len()] {
        let f = Frame::parse(before[seq - 1].clone().into()).unwrap();
        let forged =
            Frame::write(f.header().clone(), &[7; 16], b"{\"edge_id\":\"edge-9\",\"by\":\"loop\"}").unwrap();
        sqlx::query("update events set frame = $1, hash = $2 where seq = $3")
            .bind(&forged.bytes()[..])
            .bind(forged.hash().0)
            .bind(seq as i64)
            .execute(&mut pg)
            .await
            .unwrap();
        let v = look(&c).await;
        assert!(v.findings.iter().any(|f| f.state == "open" && f.what == "event_chain"), "{:?}", v.findings);
        until("repaired", || async {
            holder.answer(&c, Clone::clone).await;
            (look(&c).await.open_findings == 0).then_some(())
        })
        .await;
        assert_eq!(c.all_frames().await, before);
        assert_clean(&c, &mut pg, "a forged event").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_events_become_gaps_that_catch_up_fills() {
    let c = Central::start("central-1").await;
    cars(&c, 6).await;
    look(&c).await;
    let before = c.all_frames().await;
    let digest = c.status().await.digest;
    let mut pg = c.postgres.connect().await;
    for text in ["delete from events where seq in (3, 4, 9)", "delete from events where seq > 12"] {
        assert!(sql(&mut pg, text).await >= 3);
        let v = look(&c).await;
        assert!(
            v.findings.iter().any(|f| f.state == "open" && f.what == "event_missing"),
            "{:?}",
            v.findings
        );
        assert!(c.status().await.alarms.iter().any(|a| a.code == AlarmCode::Damaged));
        // The map says now what is so: what is missing can be had from any peer.
        let report = verify::run(&mut pg, &c.id, KEY).await.unwrap();
        assert!(!report.counts.keys().any(|k| k.starts_with("stream")), "{}", report.text());
        c.apply(ApplyLane::Backlog, &before).await;
        until("closed", || async { (look(&c).await.open_findings == 0).then_some(()) }).await;
        assert_eq!(c.all_frames().await, before);
        assert_eq!(c.status().await.digest, digest);
        assert_clean(&c, &mut pg, text).await;
    }
    // All of it, and the writer goes on meanwhile.
    sql(&mut pg, "delete from events").await;
    look(&c).await;
    cars(&c, 2).await;
    c.apply(ApplyLane::Backlog, &before).await;
    until("closed", || async { (look(&c).await.open_findings == 0).then_some(()) }).await;
    assert_clean(&c, &mut pg, "everything was deleted").await;
    assert!(c.all_frames().await.len() > before.len());
}
