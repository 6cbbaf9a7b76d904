//! Lanes that people tell something, lanes that stand open or closed, and vehicles nothing was opened for.

use parking::decision::Reply;
use parking::lane_book::LaneBook;
use parking::unresolved;
use wire::bus::command::Command;
use wire::event::{Credential, Kind, LaneMode, LaneOrder, LaneOutcome};
use wire::hash::CommandId;
use wire::http::{
    BarrierWish, DecisionKind, Direction, LaneCommandState, LaneCommandView, LaneDecision, NextForLane,
    SessionStatus, UnresolvedKind,
};

use crate::central::{Central, Request, Said, close, entry_lane, exit_lane, lane, open};
use crate::log::T0;

const P: &str = "29A-123.45";

fn at(s: i64, command: Command) -> Request {
    Request { at: T0 + s * 1000, key: None, command }
}

fn tell(s: i64, edge: &str, order: LaneOrder, event_id: Option<&str>) -> Request {
    at(
        s,
        Command::TellLane {
            edge_id: edge.into(),
            order,
            event_id: event_id.map(str::to_owned),
            expires_in_ms: 10_000,
            staff_id: "s1".into(),
            pin: None,
            reason: "the driver has no ticket".into(),
        },
    )
}

fn ack(s: i64, edge: &str, id: &str, outcome: LaneOutcome) -> Request {
    let id = id.parse().unwrap();
    at(s, Command::EndLaneCommand { id, edge_id: edge.into(), outcome, detail: None })
}

fn mode(s: i64, edges: &[&str], mode: LaneMode) -> Request {
    let edges = edges.iter().map(|e| (*e).to_owned()).collect();
    let (staff_id, reason) = ("s1".into(), "fire drill".into());
    at(s, Command::SetLaneMode { edges, mode, staff_id, pin: None, reason })
}

fn command(said: Said) -> LaneCommandView {
    match said {
        Said::Reply(Reply::LaneCommand(c)) => *c,
        other => panic!("no command: {other:?}"),
    }
}

fn next(c: &mut Central, s: i64, edge: &str, told: &[&str]) -> Option<(String, String)> {
    let told: Vec<CommandId> = told.iter().map(|t| t.parse().unwrap()).collect();
    match c.tell(&at(s, Command::NextForLane { edge_id: edge.into(), told })) {
        Said::Reply(Reply::Next(n)) => {
            let NextForLane { command } = *n;
            command.map(|c| (c.command_id, c.command))
        }
        other => panic!("nothing next: {other:?}"),
    }
}

fn over(c: &mut Central, s: i64) -> usize {
    let (id, policies) = (c.id.clone(), parking::history::Policies::default());
    let reference = parking::reference::Reference::default();
    let site = parking::decision::Site {
        central: &id,
        operator_key: crate::log::KEY,
        clock_offset_ms: 0,
        reference: &reference,
        policies: &policies,
        rights: parking::rights::Rights::default(),
    };
    let book = LaneBook::of(&c.facts);
    let drafts = parking::decision::lane_control::over(&book, &site, T0 + s * 1000);
    let n = drafts.len();
    for d in drafts {
        c.append(d);
    }
    n
}

fn state(c: &Central, id: &str) -> LaneCommandState {
    LaneBook::of(&c.facts).fate(id.parse().unwrap()).state()
}

#[test]
fn an_open_goes_out_once_whatever_breaks() {
    let mut c = Central::new(1);
    let told = command(c.tell(&tell(0, "edge-3", LaneOrder::Open, None)));
    assert_eq!((told.state, told.command.as_str()), (LaneCommandState::Waiting, "open"));
    assert_eq!(next(&mut c, 1, "edge-1", &[]), None, "another lane's");
    let sent = next(&mut c, 1, "edge-3", &[]).unwrap();
    assert_eq!(sent, (told.command_id.clone(), "open".to_owned()));
    // The connection breaks: neither the same one nor a new one gets it again.
    assert_eq!(next(&mut c, 2, "edge-3", &[&told.command_id]), None);
    assert_eq!(next(&mut c, 3, "edge-3", &[]), None);
    assert_eq!(state(&c, &told.command_id), LaneCommandState::Sent);
}

#[test]
fn a_close_that_was_lost_goes_out_again_until_it_is_acknowledged() {
    let mut c = Central::new(1);
    let id = command(c.tell(&tell(0, "edge-3", LaneOrder::Close, None))).command_id;
    assert_eq!(next(&mut c, 1, "edge-3", &[]).unwrap().0, id);
    assert_eq!(next(&mut c, 2, "edge-3", &[&id]), None, "told on this connection");
    assert_eq!(next(&mut c, 3, "edge-3", &[]).unwrap().0, id, "a new connection");
    let done = command(c.tell(&ack(4, "edge-3", &id, LaneOutcome::Done)));
    assert_eq!(done.state, LaneCommandState::Done);
    assert_eq!(next(&mut c, 5, "edge-3", &[]), None);
}

#[test]
fn nothing_goes_out_after_it_expired_and_silence_is_recorded_once() {
    let mut c = Central::new(1);
    let never = command(c.tell(&tell(0, "edge-3", LaneOrder::Open, None))).command_id;
    assert_eq!(next(&mut c, 10, "edge-3", &[]), None, "expired at the very moment");
    let sent = command(c.tell(&tell(20, "edge-3", LaneOrder::Open, None))).command_id;
    assert_eq!(next(&mut c, 21, "edge-3", &[]).unwrap().0, sent);
    assert_eq!((over(&mut c, 14), over(&mut c, 15), over(&mut c, 16)), (0, 1, 0));
    assert_eq!((over(&mut c, 34), over(&mut c, 35), over(&mut c, 99)), (0, 1, 0));
    assert_eq!(state(&c, &never), LaneCommandState::Expired);
    assert_eq!(state(&c, &sent), LaneCommandState::NoAnswer);
    // Better late than never: the lane's own word stands.
    let done = command(c.tell(&ack(40, "edge-3", &sent, LaneOutcome::Done)));
    assert_eq!((done.state, state(&c, &sent)), (LaneCommandState::Done, LaneCommandState::Done));
    let again = command(c.tell(&ack(41, "edge-3", &sent, LaneOutcome::Failed)));
    assert_eq!(again.state, LaneCommandState::Done, "the first word stands");
}

#[test]
fn only_the_central_that_gave_a_command_sends_it() {
    let mut one = Central::new(1);
    let id = command(one.tell(&tell(0, "edge-3", LaneOrder::Open, None))).command_id;
    let mut two = Central::new(2);
    two.hear(&one);
    assert_eq!((next(&mut two, 1, "edge-3", &[]), over(&mut two, 60)), (None, 0));
    assert_eq!(next(&mut one, 1, "edge-3", &[]).unwrap().0, id);
}

#[test]
fn an_acknowledgement_is_for_the_lanes_own_command() {
    let mut c = Central::new(1);
    let id = command(c.tell(&tell(0, "edge-3", LaneOrder::Open, None))).command_id;
    assert_eq!(c.tell(&ack(1, "edge-4", &id, LaneOutcome::Done)).code(), (403, "edge_mismatch".into()));
    let nobodys = "00".repeat(16);
    assert_eq!(
        c.tell(&ack(1, "edge-3", &nobodys, LaneOutcome::Done)).code(),
        (404, "unknown_command".into())
    );
    let mut wrong = tell(0, "edge-3", LaneOrder::Open, Some("nope"));
    assert_eq!(c.tell(&wrong).code(), (404, "unknown_session".into()));
    if let Command::TellLane { expires_in_ms, event_id, .. } = &mut wrong.command {
        (*expires_in_ms, *event_id) = (60_001, None);
    }
    assert_eq!(c.tell(&wrong).code(), (422, "invalid_fields".into()));
}

#[test]
fn a_vend_for_a_session_is_the_sessions_and_one_for_none_is_to_be_explained() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&id), true)).closed();
    command(c.tell(&tell(100, "edge-3", LaneOrder::Open, Some(&id))));
    next(&mut c, 101, "edge-3", &[]).unwrap();
    let row = &c.project().rows[0];
    assert!(row.flags.contains(&"manual_vend".to_owned()), "{:?}", row.flags);
    assert_eq!(unresolved::list(&c.facts), []);

    let vend = command(c.tell(&tell(200, "edge-3", LaneOrder::Open, None))).command_id;
    assert_eq!(unresolved::list(&c.facts), [], "the lane was not told yet");
    next(&mut c, 201, "edge-3", &[]).unwrap();
    let open_items = unresolved::list(&c.facts);
    assert_eq!(open_items.len(), 1);
    assert_eq!(
        (open_items[0].kind, open_items[0].id.to_string()),
        (UnresolvedKind::ManualVend, vend.clone())
    );
    assert_eq!(open_items[0].staff.as_ref().map(|s| s.id.as_str()), Some("s1"));

    let resolve = |event_id: Option<&str>| {
        let event_id = event_id.map(str::to_owned);
        let (id, staff_id, reason) = (vend.parse().unwrap(), "s2".into(), "seen on the picture".into());
        at(300, Command::Resolve { id, event_id, staff_id, pin: None, reason })
    };
    assert_eq!(c.tell(&resolve(Some("nope"))).code(), (404, "unknown_session".into()));
    let Said::Reply(Reply::Resolved(done)) = c.tell(&resolve(Some(&id))) else { panic!("not resolved") };
    assert_eq!((done.event_id.as_deref(), done.staff_id.as_str()), (Some(id.as_str()), "s2"));
    assert_eq!(unresolved::list(&c.facts), []);
    assert!(c.project().rows[0].flags.contains(&"passage_bound".to_owned()));
    let facts = c.facts.len();
    assert!(matches!(c.tell(&resolve(Some(&id))), Said::Reply(Reply::Resolved(_))), "a repetition");
    assert_eq!(c.tell(&resolve(None)).code(), (409, "wrong_state".into()));
    assert_eq!(c.facts.len(), facts);
}

#[test]
fn a_vend_the_lane_could_not_do_leaves_nothing_to_explain() {
    let mut c = Central::new(1);
    let id = command(c.tell(&tell(0, "edge-3", LaneOrder::Open, None))).command_id;
    next(&mut c, 1, "edge-3", &[]).unwrap();
    command(c.tell(&ack(2, "edge-3", &id, LaneOutcome::Failed)));
    assert_eq!(unresolved::list(&c.facts), []);
}

#[test]
fn the_book_does_not_care_for_order_or_repetition() {
    let mut c = Central::new(1);
    let id = command(c.tell(&tell(0, "edge-3", LaneOrder::Close, None))).command_id;
    next(&mut c, 1, "edge-3", &[]).unwrap();
    over(&mut c, 20);
    command(c.tell(&ack(30, "edge-3", &id, LaneOutcome::Failed)));
    c.tell(&mode(40, &["edge-3"], LaneMode::Closed));
    c.tell(&mode(41, &["edge-3", "edge-4"], LaneMode::HeldOpen));
    let shown = |facts: &[parking::fact::Fact]| {
        let book = LaneBook::of(facts);
        (book.fate(id.parse().unwrap()), book.mode("edge-3"), book.mode("edge-4"), book.mode("edge-1"))
    };
    let first = shown(&c.facts);
    assert_eq!((first.1, first.2, first.3), (LaneMode::HeldOpen, LaneMode::HeldOpen, LaneMode::Normal));
    for turn in 0..c.facts.len() {
        let mut facts = c.facts.clone();
        facts.rotate_left(turn);
        facts.extend(c.facts.iter().rev().cloned());
        assert_eq!(shown(&facts), first);
    }
}

#[test]
fn the_last_word_on_a_mode_counts_even_when_the_clock_went_back() {
    let mut c = Central::new(1);
    c.tell(&mode(100, &["edge-3"], LaneMode::Emergency));
    c.tell(&mode(50, &["edge-3"], LaneMode::Normal));
    assert_eq!(LaneBook::of(&c.facts).mode("edge-3"), LaneMode::Normal);
}

#[test]
fn a_lane_is_told_its_mode_on_every_connection() {
    let mut c = Central::new(1);
    assert_eq!(next(&mut c, 0, "edge-3", &[]), None, "nobody ever set one");
    c.tell(&mode(1, &["edge-3"], LaneMode::Emergency));
    let (id, how) = next(&mut c, 2, "edge-3", &[]).unwrap();
    assert_eq!(how, "hold_open");
    assert_eq!(next(&mut c, 3, "edge-3", &[&id]), None);
    assert_eq!(next(&mut c, 4, "edge-3", &[]).unwrap().0, id, "a new connection");
    assert_eq!(command(c.tell(&ack(5, "edge-3", &id, LaneOutcome::Done))).state, LaneCommandState::Done);
    c.tell(&mode(6, &["edge-3"], LaneMode::Normal));
    assert_eq!(next(&mut c, 7, "edge-3", &[&id]).unwrap().1, "normal");
}

/// A person lets a car out by hand; the loop tells that it passed.
#[test]
fn who_is_let_out_by_hand_has_left_and_is_charged() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&id), true)).closed();
    let passed = close(exit_lane(), 3600, Some(&id), true);
    assert_eq!(c.tell(&passed).code(), (422, "not_this_lane".into()), "nobody let it out");
    let vend = command(c.tell(&tell(3590, "edge-3", LaneOrder::Open, Some(&id)))).command_id;
    assert_eq!(c.tell(&passed).code(), (422, "not_this_lane".into()), "the lane was not told yet");
    next(&mut c, 3591, "edge-3", &[]).unwrap();
    c.tell(&ack(3592, "edge-3", &vend, LaneOutcome::Done));
    for _ in 0..2 {
        let closed = c.tell(&passed).closed();
        assert_eq!((closed.kind.as_str(), closed.event_id.as_deref()), ("EXIT_CONFIRMED", Some(id.as_str())));
    }
    let projection = c.project();
    let row = &projection.rows[0];
    assert_eq!(
        (row.status, row.fee, row.exit_edge.as_deref()),
        (SessionStatus::Exited, Some(25_000), Some("edge-3"))
    );
    assert_eq!((projection.rows.len(), row.exits.len()), (1, 1), "told twice, left once");
    assert!(row.flags.contains(&"manual_vend".to_owned()));
    let detail = c.view().detail(row, &projection, &c.facts);
    let exit = detail.events.iter().find(|e| e.kind == "VEHICLE_EXIT").unwrap();
    assert_eq!(
        (exit.staff_id.as_deref(), exit.reason.as_deref()),
        (Some("s1"), Some("the driver has no ticket"))
    );
}

#[test]
fn a_vend_that_the_lane_refused_lets_nobody_out() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    let vend = command(c.tell(&tell(100, "edge-3", LaneOrder::Open, Some(&id)))).command_id;
    next(&mut c, 101, "edge-3", &[]).unwrap();
    c.tell(&ack(102, "edge-3", &vend, LaneOutcome::Failed));
    let passed = close(exit_lane(), 110, Some(&id), true);
    assert_eq!(c.tell(&passed).code(), (422, "not_this_lane".into()));
}

#[test]
fn in_an_emergency_all_go_and_nothing_is_charged() {
    let mut c = Central::new(1);
    let inside = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&inside), true)).closed();
    c.tell(&mode(3000, &["edge-1", "edge-3"], LaneMode::Emergency));
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    assert_eq!(
        (d.barrier, d.fee, d.event_id.as_deref()),
        (BarrierWish::Open, Some(0), Some(inside.as_str()))
    );
    let s = d.session.unwrap();
    assert_eq!((s.status, s.fee), (SessionStatus::Exited, Some(0)));
    assert!(s.flags.contains(&"emergency".to_owned()), "{:?}", s.flags);
    // Neither a strange plate nor a near one holds anybody.
    for plate in ["51F-970.22", "29A-123.46", "", "29-AA 002.33"] {
        let d = c.tell(&open(exit_lane(), 3700, plate)).decision();
        assert_eq!(
            (d.decision, d.barrier, d.fee),
            (LaneDecision::Open, BarrierWish::Open, Some(0)),
            "{plate}"
        );
        assert!(!d.session.unwrap().flags.contains(&"uncollected".to_owned()));
    }
    let d = c.tell(&open(entry_lane(), 3800, "30A-999.99")).decision();
    assert_eq!((d.barrier, d.kind), (BarrierWish::Open, DecisionKind::Entry));
    assert!(d.session.unwrap().flags.contains(&"emergency".to_owned()));
    c.tell(&mode(4000, &["edge-1", "edge-3"], LaneMode::Normal));
    assert_eq!(c.tell(&open(exit_lane(), 4100, "77C-111.11")).decision().decision, LaneDecision::AskStaff);
}

#[test]
fn a_lane_held_open_charges_and_asks_nobody() {
    let mut c = Central::new(1);
    let inside = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&mode(10, &["edge-3"], LaneMode::HeldOpen));
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    assert_eq!((d.barrier, d.fee, d.event_id), (BarrierWish::Open, Some(25_000), Some(inside)));
    assert!(d.session.unwrap().flags.contains(&"held_open".to_owned()));
    let d = c.tell(&open(exit_lane(), 3700, "51F-970.22")).decision();
    assert_eq!((d.decision, d.recorded, d.fee), (LaneDecision::Open, true, Some(25_000)));
    assert!(d.session.unwrap().flags.contains(&"uncollected".to_owned()));
    // A fee that staff would have had to confirm is nobody's money yet.
    c.tell(&open(entry_lane(), 4000, "30A-555.55")).decision();
    let d = c.tell(&open(exit_lane(), 4000 + 10 * 86_400, "30A-555.55")).decision();
    let flags = d.session.unwrap().flags;
    assert!(
        flags.contains(&"review_above".to_owned()) && flags.contains(&"uncollected".to_owned()),
        "{flags:?}"
    );
}

#[test]
fn at_a_closed_lane_nobody_enters_and_who_leaves_is_for_staff() {
    let mut c = Central::new(1);
    let inside = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    c.tell(&mode(10, &["edge-1", "edge-3"], LaneMode::Closed));
    let d = c.tell(&open(entry_lane(), 100, "30A-999.99")).decision();
    assert_eq!(
        (d.decision, d.barrier, d.reason.as_str()),
        (LaneDecision::Deny, BarrierWish::KeepClosed, "lane_closed")
    );
    let d = c.tell(&open(exit_lane(), 3600, P)).decision();
    assert_eq!((d.decision, d.reason.as_str(), d.recorded), (LaneDecision::AskStaff, "lane_closed", false));
    let d = c.tell(&open(exit_lane(), 3610, P).staff(None)).decision();
    assert_eq!((d.barrier, d.fee, d.event_id), (BarrierWish::Open, Some(25_000), inside));
}

fn seen_at(mut r: Request, captured: i64) -> Request {
    if let Command::Close { captured_at, .. } = &mut r.command {
        *captured_at = Some(T0 + captured);
    }
    r
}

#[test]
fn a_passage_without_an_opening_is_counted_and_still_refused() {
    let mut c = Central::new(1);
    let nothing = seen_at(close(entry_lane(), 100, None, true), 100_000);
    assert_eq!(c.tell(&nothing).code(), (404, "nothing_pending".into()));
    assert_eq!(c.tell(&nothing).code(), (404, "nothing_pending".into()), "a repetition");
    let items = unresolved::list(&c.facts);
    assert_eq!((items.len(), items[0].kind), (1, UnresolvedKind::PassageWithoutOpening));
    assert_eq!((items[0].edge_id.as_str(), items[0].direction), ("edge-1", Some(Direction::Entry)));
    // What cannot be told from a repetition, and what did not pass, is not counted.
    assert_eq!(c.tell(&close(entry_lane(), 110, None, true)).code().0, 404);
    assert_eq!(c.tell(&seen_at(close(entry_lane(), 120, None, false), 120_000)).code().0, 404);
    assert_eq!(c.facts.len(), 1);
}

#[test]
fn who_follows_on_anothers_opening_is_a_tailgater() {
    let mut c = Central::new(1);
    let id = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&id), true)).closed();
    // The loop counts another one at once.
    assert_eq!(c.tell(&seen_at(close(entry_lane(), 9, None, true), 9_000)).code().0, 404);
    let items = unresolved::list(&c.facts);
    assert_eq!((items[0].kind, items[0].event_id.as_deref()), (UnresolvedKind::Tailgate, Some(id.as_str())));
    assert!(c.project().rows[0].flags.contains(&"tailgate".to_owned()));
    // A minute later it is just a passage.
    assert_eq!(c.tell(&seen_at(close(entry_lane(), 70, None, true), 70_000)).code().0, 404);
    assert_eq!(unresolved::list(&c.facts)[0].kind, UnresolvedKind::PassageWithoutOpening);
}

#[test]
fn a_lane_that_says_tailgate_never_takes_the_next_cars_opening() {
    let mut c = Central::new(1);
    let a = c.tell(&open(entry_lane(), 0, P)).decision().event_id.unwrap();
    c.tell(&close(entry_lane(), 5, Some(&a), true)).closed();
    let b = c.tell(&open(entry_lane(), 20, "30A-999.99")).decision().event_id.unwrap();
    let mut said = close(entry_lane(), 25, Some(&a), true).key("k1");
    if let Command::Close { tailgate, .. } = &mut said.command {
        *tailgate = true;
    }
    let closed = c.tell(&said).closed();
    assert_eq!((closed.kind.as_str(), closed.event_id.as_deref()), ("TAILGATE", Some(a.as_str())));
    assert_eq!(c.tell(&said).closed(), closed, "a repetition");
    assert_eq!(c.facts.iter().filter(|f| f.kind() == Kind::UnopenedPassage).count(), 1);
    assert_eq!(c.tell(&close(entry_lane(), 30, None, true)).closed().event_id.as_deref(), Some(b.as_str()));
}

#[test]
fn a_repeated_close_without_a_name_never_confirms_the_next_car() {
    let mut c = Central::new(1);
    let a = c.tell(&open(entry_lane(), 0, P)).decision().event_id;
    let b = c.tell(&open(entry_lane(), 20, "30A-999.99")).decision().event_id;
    let first = seen_at(close(entry_lane(), 25, None, true), 25_000);
    assert_eq!(c.tell(&first).closed().event_id, a);
    assert_eq!(c.tell(&first).closed().event_id, a, "the same request");
    assert_eq!(c.tell(&seen_at(close(entry_lane(), 30, None, true), 30_000)).closed().event_id, b);
}

#[test]
fn what_a_lane_spooled_is_late_however_soon_it_comes() {
    let mut c = Central::new(1);
    let mut r = open(entry_lane(), 10, P).seen(|s| s.captured_at = Some(T0 + 9_000));
    if let Command::Open { spooled, .. } = &mut r.command {
        *spooled = true;
    }
    let d = c.tell(&r).decision();
    assert_eq!((d.barrier, d.reason.as_str(), d.recorded), (BarrierWish::KeepClosed, "late_delivery", true));
    assert!(d.session.unwrap().flags.contains(&"late".to_owned()));
}

fn with_card(r: Request, kind: &str, id: &str) -> Request {
    r.seen(|s| s.credential = Some(Credential { kind: kind.into(), id: id.into() }))
}

fn class(mut r: Request, class: &str) -> Request {
    if let Command::Open { lane, .. } = &mut r.command {
        lane.vehicle_classes = vec![class.into()];
    }
    r
}

#[test]
fn by_card_alone() {
    // class, plate at the entry, at the exit, what is asked
    let cases = [
        ("car", P, "", None),
        ("car", "", P, None),
        ("bicycle", "", "", Some("no_rate_table")),
        ("motorbike", "", "", None),
        ("motorbike", "29-H1 123.45", "", Some("plate_unreadable")),
        ("motorbike", "", "29-H1 123.45", Some("plate_unreadable")),
        ("motorbike", "29-H1 123.45", "29-H1 999.99", Some("plate_card_mismatch")),
        ("car", P, "51F-970.22", Some("plate_card_mismatch")),
    ];
    for (kind, there, here, asked) in cases {
        let mut c = Central::new(1);
        let id = c
            .tell(&class(with_card(open(entry_lane(), 0, there), "card", "c1"), kind))
            .decision()
            .event_id
            .unwrap();
        let leaves = class(with_card(open(exit_lane(), 3600, here), "card", "c1"), kind);
        let d = c.tell(&leaves).decision();
        match asked {
            Some(reason) => {
                assert_eq!((d.reason.as_str(), d.recorded), (reason, false), "{kind} {there} {here}");
                assert_eq!(d.candidates[0].session.event_id, id);
                let d = c.tell(&leaves.staff(Some(&id))).decision();
                assert_eq!((d.event_id, d.recorded), (Some(id), true), "{kind} {there} {here}");
            }
            None => {
                assert_eq!((d.event_id, d.barrier), (Some(id), BarrierWish::Open), "{kind} {there} {here}");
                assert!(d.session.unwrap().flags.contains(&"by_credential".to_owned()));
                assert_eq!(c.project().rows.len(), 1);
            }
        }
    }
}

#[test]
fn the_cameras_other_reading_satisfies_the_card() {
    let mut c = Central::new(1);
    let id = c.tell(&with_card(open(entry_lane(), 0, P), "card", "c1")).decision().event_id;
    let r = with_card(open(exit_lane(), 3600, "51F-970.22"), "card", "c1");
    let d = c.tell(&r.seen(|s| s.candidates = vec![P.into()])).decision();
    assert_eq!((d.event_id, d.recorded), (id, true));
}

#[test]
fn staff_compare_both_pictures() {
    let mut c = Central::new(1);
    c.tell(&open(entry_lane(), 0, P).seen(|s| s.image_ref = Some("in.jpg".into()))).decision();
    let d = c.tell(&open(exit_lane(), 3600, "29A-123.46").seen(|s| s.image_ref = Some("out.jpg".into())));
    let d = d.decision();
    assert_eq!((d.reason.as_str(), d.image_ref.as_deref()), ("similar_plate", Some("out.jpg")));
    let candidate = &d.candidates[0];
    assert_eq!(candidate.image_ref.as_deref(), Some("in.jpg"));
    assert_eq!(candidate.session.plate.as_deref(), Some(P));
    assert!(candidate.session.entry_time.is_some());
}

#[test]
fn another_lane_is_another_lane() {
    let mut c = Central::new(1);
    c.tell(&mode(0, &["edge-2"], LaneMode::Closed));
    assert_eq!(c.tell(&open(entry_lane(), 1, P)).decision().decision, LaneDecision::Open);
    let d = c.tell(&open(lane("edge-2", Direction::Entry), 100, "30A-999.99")).decision();
    assert_eq!(d.decision, LaneDecision::Deny);
}
