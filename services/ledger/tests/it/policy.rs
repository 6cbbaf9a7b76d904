//! Rules: set, listed, tried; and stamps of a wrong clock.

use wire::bus::command::{Command, CommandReply};
use wire::bus::events::ApplyLane;
use wire::bus::query::{LedgerQuery, OtherPolicy};
use wire::bus::state::{ClockMeasure, MeshState};
use wire::bus::subject::MESH_STATE;
use wire::http::{Conflict, Direction, Page, PolicyAnswer, PolicyList, Replay, SessionDetail, SessionStatus};

use crate::rig::{Central, answer, enter, envelope, open, until};

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

fn set(window: i64, valid_from: i64, key: Option<&str>) -> wire::bus::command::CommandEnvelope {
    let command = Command::SetPolicy {
        version: None,
        duplicate_window_ms: window,
        valid_from,
        staff_id: "s1".to_owned(),
        pin: None,
        reason: "slow gate".to_owned(),
    };
    envelope("admin", "/api/v1/parking/policies", key, command)
}

async fn statuses(c: &Central) -> Vec<SessionStatus> {
    let mut rows = c.history(None).await;
    rows.sort_by(|a, b| a.entry_time.cmp(&b.entry_time));
    rows.into_iter().map(|r| r.status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_tried_then_set_and_judges_what_was_before() {
    let c = Central::start("central-1").await;
    let at = kit::clock::now_ms() - 2 * HOUR;
    let first = enter(&c, "edge-1", "29A-123.45", at).await.event_id.unwrap();
    // Another central's lane saw it 90 s later: here, so that the decision's own window has no say.
    enter(&c, "edge-2", "29A-123.45", at + 90_000).await;
    enter(&c, "edge-1", "30A-999.99", at).await;
    assert_eq!(statuses(&c).await.len(), 3);
    let try_it =
        |policy| LedgerQuery::Replay { policy, from: at - MINUTE, to: at + HOUR, limit: 50, cursor: None };
    let tried: Replay = c.ask(&try_it(OtherPolicy::Window(120_000))).await;
    assert_eq!((tried.vehicles, tried.differing), (1, 2), "{tried:?}");
    assert_eq!(tried.items[0].event_id, first);
    assert_eq!(tried.items[1].after.duplicate_of.as_deref(), Some(first.as_str()));
    let same: Replay = c.ask(&try_it(OtherPolicy::Version(0))).await;
    assert_eq!(same.differing, 0);
    let before = c.status().await;
    assert_eq!(before.conflict_rows, 1, "nothing was changed");

    let (set_it, again): (PolicyAnswer, bool) =
        answer(c.command(&set(120_000, at - MINUTE, Some("k1"))).await.unwrap());
    let policy = set_it.policy.unwrap();
    assert_eq!((set_it.recorded, policy.version, again), (true, 1, false));
    assert!(policy.position.is_some());
    let (_, again): (PolicyAnswer, bool) =
        answer(c.command(&set(120_000, at - MINUTE, Some("k1"))).await.unwrap());
    assert!(again, "the same key is the same request");
    until("history is judged anew", || async {
        statuses(&c).await.contains(&SessionStatus::Duplicate).then_some(())
    })
    .await;
    let conflicts: Page<Conflict> = c.ask(&LedgerQuery::Conflicts { limit: 10, cursor: None }).await;
    let conflict = &conflicts.items[0];
    assert_eq!((conflict.kind.as_str(), conflict.policy_version), ("DUPLICATE_ENTRY", 1));
    assert_eq!(conflict.window_ms, Some(120_000));
    assert!(conflict.explanation.en.contains("policy version 1"), "{:?}", conflict.explanation);
    assert!(conflict.candidates.iter().all(|s| s.received_at.is_some() && s.corrected_ms == 0));
    let list: PolicyList = c.ask(&LedgerQuery::Policies).await;
    let told: Vec<_> = list.items.iter().map(|p| (p.version, p.in_force, p.reason.as_deref())).collect();
    assert_eq!(told, [(1, true, Some("slow gate")), (0, false, None)]);
    let undone: Replay = c.ask(&try_it(OtherPolicy::Version(0))).await;
    assert_eq!(undone.differing, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_out_of_bounds_is_refused_with_its_field() {
    let c = Central::start("central-1").await;
    for (window, valid_from, field) in
        [(-1, 0, "/duplicate_window_ms"), (HOUR + 1, 0, "/duplicate_window_ms"), (5, i64::MAX, "/valid_from")]
    {
        let CommandReply::Refused(p) = c.command(&set(window, valid_from, None)).await.unwrap() else {
            panic!("refused")
        };
        assert_eq!((p.status, p.errors[0].field.as_str()), (422, field));
    }
}

/// What mesh would say: measured against three others, `offset_ms` off.
async fn measured(c: &Central, offset_ms: i64) {
    let anchor_ms = kit::clock::now_ms() - kit::clock::since_boot_ms().unwrap();
    let state = MeshState {
        configured: 3,
        connected: Vec::new(),
        clock_offset_ms: offset_ms,
        clock: Some(ClockMeasure { offset_ms, peers: 3, anchor_ms }),
        unlinked: Vec::new(),
    };
    c.bus.publish_json(MESH_STATE, &state).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_made_before_the_clock_was_known_to_be_wrong_are_ranked_anew_everywhere() {
    let mut one = Central::start("central-1").await;
    let two = Central::start("central-2").await;
    let request = open("edge-1", Direction::Entry, "29A-123.45", None, None);
    let entered: wire::http::Decision = answer(one.command(&request).await.unwrap()).0;
    let id = entered.event_id.unwrap();
    let stamped: SessionDetail = one.ask(&LedgerQuery::Session { event_id: id.clone() }).await;
    // What was stamped is remembered by the machine, not by the process.
    one.restart().await;
    one.until_served().await;
    until("the offset is told", || async {
        measured(&one, 2 * HOUR).await;
        let s: SessionDetail = one.ask(&LedgerQuery::Session { event_id: id.clone() }).await;
        s.session.flags.contains(&"clock_corrected".to_owned()).then_some(())
    })
    .await;
    let frames = one.all_frames().await;
    // The offset comes first at the other central: order does not matter.
    let reversed: Vec<Vec<u8>> = frames.iter().rev().cloned().collect();
    two.apply(ApplyLane::Backlog, &reversed).await;
    for c in [&one, &two] {
        let s: SessionDetail = c.ask(&LedgerQuery::Session { event_id: id.clone() }).await;
        let moved = |text: &Option<String>| wire::time::parse_rfc3339(text.as_deref().unwrap()).unwrap();
        assert_eq!(moved(&stamped.session.entry_time) - moved(&s.session.entry_time), 2 * HOUR);
        assert_eq!(s.events[0].stamped_at, stamped.session.entry_time);
    }
    until("both agree", || async { (one.status().await.digest == two.status().await.digest).then_some(()) })
        .await;
    // What comes now is stamped right at once, and nothing more is told of it.
    let told = one.all_frames().await.len();
    let request = open("edge-1", Direction::Entry, "30A-999.99", None, None);
    let later: wire::http::Decision = answer(one.command(&request).await.unwrap()).0;
    let at = wire::time::parse_rfc3339(later.session.unwrap().entry_time.as_deref().unwrap()).unwrap();
    assert!((kit::clock::now_ms() - 2 * HOUR - at).abs() < 60_000);
    measured(&one, 2 * HOUR).await;
    assert_eq!(one.all_frames().await.len(), told + 1);
}
