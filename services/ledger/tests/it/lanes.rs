//! Lanes over real Postgres: what they are told survives a restart and goes out once; modes, explanations, heartbeats.

use std::time::Duration;

use serde_json::Value;
use wire::bus::command::{Command, CommandReply};
use wire::bus::events::ApplyLane;
use wire::bus::lanes::{LaneHeard, LaneModeNow, LanesHeard};
use wire::bus::query::LedgerQuery;
use wire::bus::subject;
use wire::event::{LaneMode, LaneOrder, LaneOutcome};
use wire::http::{
    Decision, Direction, LaneCommandState, LaneCommandView, NextForLane, Page, Session, Unresolved,
};

use crate::rig::{Central, answer, enter, envelope, open, pass, until};

async fn tell(c: &Central, command: Command) -> CommandReply {
    c.command(&envelope("edge-3", "lanes", None, command)).await.unwrap()
}

fn vend(event_id: Option<&str>) -> Command {
    Command::TellLane {
        edge_id: "edge-3".into(),
        order: LaneOrder::Open,
        event_id: event_id.map(str::to_owned),
        expires_in_ms: 60_000,
        staff_id: "anna".into(),
        pin: None,
        reason: "lost ticket".into(),
    }
}

fn mode(mode: LaneMode) -> Command {
    let (staff_id, reason) = ("anna".into(), "fire".into());
    Command::SetLaneMode { edges: vec!["edge-3".into()], mode, staff_id, pin: None, reason }
}

async fn next(c: &Central) -> Option<String> {
    let ask = Command::NextForLane { edge_id: "edge-3".into(), told: Vec::new() };
    let (n, _): (NextForLane, _) = answer(tell(c, ask).await);
    n.command.map(|c| c.command_id)
}

async fn commands(c: &Central) -> Vec<LaneCommandView> {
    let page: Page<LaneCommandView> =
        c.ask(&LedgerQuery::LaneCommands { edge_id: "edge-3".into(), limit: 50 }).await;
    page.items
}

async fn unresolved(c: &Central) -> Unresolved {
    c.ask(&LedgerQuery::Unresolved { days: 1, central: None, limit: 50 }).await
}

#[tokio::test]
async fn an_open_goes_out_once_over_a_restart_and_is_explained_everywhere() {
    let mut c = Central::start("central-1").await;
    let (told, _): (LaneCommandView, _) = answer(tell(&c, vend(None)).await);
    c.restart().await;
    assert_eq!(next(&c).await.as_deref(), Some(told.command_id.as_str()));
    c.restart().await;
    assert_eq!(next(&c).await, None, "it went out, and nobody knows what became of it");
    assert_eq!(commands(&c).await[0].state, LaneCommandState::Sent);
    let id = told.command_id.parse().unwrap();
    let ack =
        Command::EndLaneCommand { id, edge_id: "edge-3".into(), outcome: LaneOutcome::Done, detail: None };
    let (done, replayed): (LaneCommandView, _) = answer(tell(&c, ack.clone()).await);
    assert_eq!((done.state, replayed), (LaneCommandState::Done, false));
    let (again, replayed): (LaneCommandView, _) = answer(tell(&c, ack).await);
    assert_eq!((again, replayed), (done, true));

    // Another central that heard of it lists it too, and may explain it.
    let now = kit::clock::now_ms();
    let d = enter(&c, "edge-1", "29A-123.45", now - 60_000).await;
    let event_id = d.event_id.unwrap();
    let five = Central::start("central-5").await;
    let frames = c.all_frames().await;
    assert_eq!(five.apply(ApplyLane::Live, &frames).await.stored as usize, frames.len());
    let all = unresolved(&five).await;
    assert_eq!((all.total, all.items[0].id.as_str()), (1, told.command_id.as_str()));
    assert_eq!(all.items[0].staff_id.as_deref(), Some("anna"));
    let explain = Command::Resolve {
        id,
        event_id: Some(event_id.clone()),
        staff_id: "bob".into(),
        pin: None,
        reason: "seen on the picture".into(),
    };
    let (r, _): (Value, _) = answer(tell(&five, explain).await);
    assert_eq!(r["event_id"], event_id.as_str());
    assert_eq!(unresolved(&five).await.total, 0);
    c.apply(ApplyLane::Live, &five.all_frames().await).await;
    assert_eq!(unresolved(&c).await.total, 0);
    let detail: Value = c.ask(&LedgerQuery::Session { event_id }).await;
    let last = detail["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["staff_id"]), (&"PASSAGE_RESOLVED".into(), &"bob".into()));
    assert_eq!(last["reason"], "seen on the picture");
    assert!(detail["flags"].to_string().contains("passage_bound"));
    assert_eq!(c.status().await.digest, five.status().await.digest);
}

#[tokio::test]
async fn a_mode_is_obeyed_at_every_central_and_over_a_restart() {
    let mut c = Central::start("central-1").await;
    let now = kit::clock::now_ms();
    let id = enter(&c, "edge-1", "29A-123.45", now - 3_600_000).await.event_id.unwrap();
    pass(&c, "edge-1", Direction::Entry, &id).await;
    let (set, _): (Value, _) = answer(tell(&c, mode(LaneMode::Emergency)).await);
    assert_eq!(set["mode"], "emergency");
    c.restart().await;
    let (d, _): (Decision, _) =
        answer(c.command(&open("edge-3", Direction::Exit, "29A-123.45", None, None)).await.unwrap());
    assert_eq!((d.fee, d.event_id.as_deref()), (Some(0), Some(id.as_str())));
    assert!(d.session.unwrap().flags.contains(&"emergency".to_owned()));
    let flagged: Page<Session> = c
        .ask(&LedgerQuery::History {
            plate: None,
            statuses: Vec::new(),
            from: None,
            to: None,
            central: None,
            lot_id: None,
            flags: vec!["emergency".into(), "held_open".into()],
            limit: 50,
            cursor: None,
        })
        .await;
    assert_eq!(flagged.items.iter().map(|s| &s.event_id).collect::<Vec<_>>(), [&id]);
    // The lane may be registered at another central.
    let five = Central::start("central-5").await;
    five.apply(ApplyLane::Live, &c.all_frames().await).await;
    let modes: Vec<LaneModeNow> = five.ask(&LedgerQuery::LaneModes).await;
    assert_eq!((modes[0].edge_id.as_str(), modes[0].mode), ("edge-3", LaneMode::Emergency));
    let (d, _): (Decision, _) =
        answer(five.command(&open("edge-3", Direction::Exit, "51F-970.22", None, None)).await.unwrap());
    assert_eq!((d.fee, d.recorded), (Some(0), true));
}

#[tokio::test]
async fn heartbeats_are_written_down() {
    let mut c = Central::start("central-1").await;
    let beat = |queue| LaneHeard {
        edge_id: "edge-1".into(),
        heard_at: 1_000 + queue,
        queue: Some(queue),
        ..LaneHeard::default()
    };
    let kept = async |c: &Central, queue: i64| {
        c.bus.publish_json(subject::LANES_HEARD, &LanesHeard { lanes: vec![beat(queue)] }).await.unwrap();
        let wanted = async || {
            let now: LanesHeard = c.ask(&LedgerQuery::LanesHeard).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            (now.lanes.first().and_then(|l| l.queue) == Some(queue)).then_some(())
        };
        until("it is written", wanted).await;
    };
    kept(&c, 3).await;
    kept(&c, 4).await;
    c.restart().await;
    let now: LanesHeard = c.ask(&LedgerQuery::LanesHeard).await;
    assert_eq!(now.lanes, [beat(4)]);
}
