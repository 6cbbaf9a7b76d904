//! Exits: whose session is it?

use super::super::question::card;
use super::{Ctx, Question, Want, entry, there};
use crate::traffic::ask::Opening;

pub(super) fn no_entry(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.leave(0, ctx.sees(&plate)).wants(Want::asks("no_entry").fee(25_000)),
        // The same request, with staff behind it.
        1 => {
            let opening = Opening { seen: ctx.sees(&plate), staff: true, ..Opening::default() };
            let want = Want::opens("EXIT").reason("staff").fee(25_000).status("EXITED", "LOCAL");
            ctx.leave_with(0, opening).with_key_of(ctx, 0).wants(want)
        }
        2 => {
            let opening = Opening { seen: ctx.sees(&plate), staff: true, ..Opening::default() };
            ctx.leave_with(0, opening).with_key_of(ctx, 0).wants(Want::again(1))
        }
        _ => return None,
    })
}

pub(super) fn another_card(ctx: &Ctx<'_>) -> Option<Question> {
    let mut seen = ctx.sees(&ctx.plate(0));
    Some(match ctx.step() {
        0 => {
            seen.credential = card(ctx, 0);
            ctx.enter(0, seen).wants(entry())
        }
        1 => {
            seen.credential = card(ctx, 1);
            ctx.leave(1, seen).wants(Want::asks("plate_card_mismatch").candidate(0))
        }
        2 => {
            seen.credential = card(ctx, 0);
            ctx.leave(1, seen).wants(Want::opens("EXIT").fee(0).session(0))
        }
        _ => return None,
    })
}

pub(super) fn card_is_right(ctx: &Ctx<'_>) -> Option<Question> {
    let (plate, other) = (ctx.plate(0), ctx.plate(1));
    let with = |plate: &str| {
        let mut seen = ctx.sees(plate);
        seen.credential = card(ctx, 0);
        seen
    };
    Some(match ctx.step() {
        0 => ctx.enter(0, with(&plate)).wants(entry()),
        // The card of one vehicle with the plate of another: a person looks.
        1 => ctx.leave(1, with(&other)).wants(Want::asks("plate_card_mismatch").candidate(0)),
        2 => {
            let event_id = ctx.heard[0].event_id.clone();
            let opening = Opening { seen: with(&other), staff: true, event_id, ..Opening::default() };
            ctx.leave_with(1, opening)
                .with_key_of(ctx, 1)
                .wants(Want::opens("EXIT").reason("staff").fee(0).session(0))
        }
        _ => return None,
    })
}

pub(super) fn no_plate_with_card(ctx: &Ctx<'_>) -> Option<Question> {
    let mut seen = ctx.sees("");
    seen.credential = card(ctx, 0);
    Some(match ctx.step() {
        0 => ctx.enter(0, seen).wants(entry()),
        // Neither camera could read it: nothing contradicts the card.
        1 => ctx.leave(1, seen).wants(Want::opens("EXIT").fee(0).session(0).status("EXITED", there(ctx))),
        2 => ctx.close(1, true, 0, true).wants(Want::closed("EXIT_CONFIRMED").session(0)),
        _ => return None,
    })
}

pub(super) fn no_plate(ctx: &Ctx<'_>) -> Option<Question> {
    let seen = ctx.sees("");
    Some(match ctx.step() {
        0 => ctx.enter(0, seen).wants(entry()),
        1 => ctx.leave(1, seen).wants(Want::asks("no_plate").candidate(0)),
        2 => {
            let event_id = ctx.heard[0].event_id.clone();
            let opening = Opening { seen, staff: true, event_id, ..Opening::default() };
            let want = Want::opens("EXIT").reason("staff").fee(0).session(0);
            ctx.leave_with(1, opening).with_key_of(ctx, 1).wants(want)
        }
        3 => ctx.close(1, true, 0, true).wants(Want::closed("EXIT_CONFIRMED").session(0)),
        _ => return None,
    })
}

pub(super) fn reverses(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 => ctx.leave(1, ctx.sees(&plate)).wants(Want::opens("EXIT").fee(0).session(0)),
        2 => ctx
            .close(1, true, 0, false)
            .wants(Want::closed("EXIT_ABANDONED").session(0).status("INSIDE", there(ctx))),
        // Its charge waits for it.
        3 => ctx
            .leave(0, ctx.sees(&plate))
            .wants(Want::opens("EXIT").fee(0).session(0).status("EXITED", "LOCAL")),
        4 => ctx.close(0, true, 0, true).wants(Want::closed("EXIT_CONFIRMED").session(0)),
        _ => return None,
    })
}

pub(super) fn leaves_twice(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 => ctx.leave(0, ctx.sees(&plate)).wants(Want::opens("EXIT").fee(0).session(0)),
        // It never passed: the charge stands, the barrier opens.
        2 => ctx
            .leave(0, ctx.sees(&plate))
            .wants(Want::duplicate("open", "open", "standing_charge").fee(0).session(0)),
        3 => ctx.close(0, true, 0, true).wants(Want::closed("EXIT_CONFIRMED").session(0)),
        // It has passed.
        4 => ctx
            .leave(0, ctx.sees(&plate))
            .wants(Want::duplicate("deny", "keep_closed", "duplicate").fee(0).session(0)),
        _ => return None,
    })
}

pub(super) fn similar(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        // One character away is for a person; one that looks alike is not.
        1 => ctx.leave(1, ctx.sees(&one_away(&plate))).wants(Want::asks("similar_plate").candidate(0)),
        2 => ctx.leave(1, ctx.sees(&plate)).wants(Want::opens("EXIT").fee(0).session(0)),
        _ => return None,
    })
}

/// Another last digit, one that looks nothing like it.
fn one_away(plate: &str) -> String {
    let (rest, last) = plate.split_at(plate.len() - 1);
    format!("{rest}{}", if last == "3" { '4' } else { '3' })
}
