//! What people put into the register at one central rules at every other.

use serde_json::Value;
use wire::bus::command::{Command, RegisterChange, SessionAction};
use wire::event::{Credential, LaneMode, ListKind, PassbackMode};
use wire::id::{CentralId, Incarnation};
use wire::position::{SeqRange, StreamId};

use super::super::question::card;
use super::{Ctx, Question, Want, entry};
use crate::traffic::ask;

const HOUR_MS: i64 = 3_600_000;

/// On the list here, kept out there; off the list here, let in there.
pub(super) fn blocked_elsewhere(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let id = format!("list-{}", ctx.scene.number);
    let list = |ended| RegisterChange::ListEntry {
        id: Some(id.clone()),
        kind: ListKind::Block,
        plate: plate.clone(),
        lots: Vec::new(),
        valid_from: None,
        valid_to: None,
        ended,
    };
    Some(match ctx.step() {
        0 => ctx.register(0, list(false)).wants(Want::acted().of_session("id", id)),
        1 => ctx.enter(1, ctx.sees(&plate)).wants(Want::denied("blocked")),
        2 => ctx.enter(0, ctx.sees(&ctx.plate(1))).wants(entry()),
        // Both at one central: what is said of one entry ranks by its clock.
        3 => ctx.register(0, list(true)).wants(Want::acted().of_session("id", id)),
        4 => ctx.enter(1, ctx.sees(&plate)).wants(entry()),
        _ => return None,
    })
}

/// A pass that ends in the middle of a stay: charged is what comes after, whoever of the two gave it.
pub(super) fn pass_given_elsewhere(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let (entered, ends) = (ctx.site.now - 10 * HOUR_MS, ctx.site.now - HOUR_MS);
    let pass = RegisterChange::Pass {
        id: Some(format!("pass-{}", ctx.scene.number)),
        plates: vec![plate.clone()],
        vehicle_class: "car".to_owned(),
        lots: Vec::new(),
        valid_from: entered - HOUR_MS,
        valid_to: ends,
        max_inside: 1,
        ended: false,
    };
    // Nine hours are covered; the tenth begins a stay of its own.
    const TENTH_HOUR: i64 = 25_000;
    Some(match ctx.step() {
        0 => ctx.register(0, pass).wants(Want::acted()),
        1 => ctx.enter(1, ctx.saw(&plate, entered)).wants(entry().late()),
        2 => ctx.leave(0, ctx.sees(&plate)).wants(
            Want::opens("EXIT").fee(TENTH_HOUR).session(1).of_session("session.flags", vec!["late", "pass"]),
        ),
        _ => return None,
    })
}

/// A plate corrected after the exit, at the other central: the charge stands, and the central that made it tells what it should have
/// been for the holder of a pass. Taken back, nothing is left of it.
pub(super) fn corrected_after_the_exit(ctx: &Ctx<'_>) -> Option<Question> {
    let (holder, read) = (ctx.plate(0), ctx.plate(1));
    let pass = RegisterChange::Pass {
        id: Some(format!("pass-{}", ctx.scene.number)),
        plates: vec![holder.clone()],
        vehicle_class: "car".to_owned(),
        lots: Vec::new(),
        valid_from: ctx.site.now - 20 * HOUR_MS,
        valid_to: ctx.site.now + 20 * HOUR_MS,
        max_inside: 1,
        ended: false,
    };
    let correct = |plate: &str| SessionAction::CorrectPlate { plate: plate.to_owned() };
    Some(match ctx.step() {
        0 => ctx.register(0, pass).wants(Want::acted()),
        1 => ctx.enter(1, ctx.saw(&read, ctx.site.now - HOUR_MS)).wants(entry().late()),
        2 => ctx.leave(0, ctx.sees(&read)).wants(Want::opens("EXIT").fee(25_000).session(1)),
        3 => ctx
            .act(1, 1, &correct(&holder))
            .wants(Want::acted().fee(25_000).of_session("plate", holder.as_str())),
        4 => ctx
            .act(0, 1, &SessionAction::Waive { amount: 1_000 })
            .wants(Want::acted().fee(24_000).of_session("difference", -25_000)),
        // Both at one central: what is said of one plate ranks by its clock.
        5 => ctx
            .act(1, 1, &correct(&read))
            .wants(Want::acted().fee(24_000).of_session("difference", Value::Null)),
        _ => return None,
    })
}

/// A card cannot bring in a second vehicle while its first is inside, once the car park says so; set to neutral, it can.
pub(super) fn card_handed_back(ctx: &Ctx<'_>) -> Option<Question> {
    let used = card(ctx, 0).unwrap_or(Credential { kind: String::new(), id: String::new() });
    let with_card = |n: usize| {
        let mut seen = ctx.sees(&ctx.plate(n));
        seen.credential = Some(used.clone());
        seen
    };
    // At the second vehicle's own lane, whose car park it is.
    let lot = ask::lot(ctx.site.nodes[1], &ctx.plate(1));
    let mode = |mode| RegisterChange::AntiPassbackMode { lot_id: lot.clone(), pass: None, mode };
    let neutral = RegisterChange::AntiPassbackReset { credential: Some(used.clone()), plate: None };
    Some(match ctx.step() {
        0 if lot.is_none() => return None,
        0 => ctx.register(0, mode(PassbackMode::Hard)).wants(Want::acted()),
        1 => ctx.enter(1, with_card(1)).wants(entry()),
        2 => ctx.close(1, false, 1, true).wants(Want::closed("CONFIRMED").session(1)),
        3 => ctx.register(1, neutral).wants(Want::acted()),
        4 => ctx.register(0, mode(PassbackMode::Off)).wants(Want::acted()),
        5 => ctx.enter(1, with_card(2)).wants(entry()),
        _ => return None,
    })
}

/// What nobody holds any more is given up, once and for all centrals: a gap that a destroyed disk left, or, as nearly every world
/// gets everything back, what a life of a central had written that nobody ever heard of.
pub(super) fn range_given_up(ctx: &Ctx<'_>) -> Option<Question> {
    let range = ctx.site.gap.clone().or_else(|| {
        let central = CentralId::new(&ctx.site.centrals[0]).ok()?;
        Some(SeqRange { stream: StreamId { central, incarnation: Incarnation(1) }, from: 1, to: 3 })
    })?;
    let command = Command::LoseRange {
        range: range.clone(),
        staff_id: "staff-1".to_owned(),
        pin: None,
        reason: "its disk is gone".to_owned(),
    };
    Some(match ctx.step() {
        0 => ctx
            .ask(0, command, ctx.site.now)
            .wants(Want::acted().of_session("from", range.from).of_session("to", range.to)),
        _ => return None,
    })
}

/// A lane that is closed lets nobody in, however often its central is asked; opened again, it does.
pub(super) fn lane_closed(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let mode = |mode| Command::SetLaneMode {
        edges: vec![ask::edge(ctx.site.nodes[1], false)],
        mode,
        staff_id: "staff-1".to_owned(),
        pin: None,
        reason: "because".to_owned(),
    };
    Some(match ctx.step() {
        0 => ctx.ask(1, mode(LaneMode::Closed), ctx.site.now).wants(Want::acted()),
        1 => ctx.enter(1, ctx.sees(&plate)).wants(Want::denied("lane_closed")),
        2 => ctx.ask(1, mode(LaneMode::Normal), ctx.site.now).wants(Want::acted()),
        3 => ctx.enter(1, ctx.sees(&plate)).wants(entry()),
        _ => return None,
    })
}
