//! Entries and their barriers.

use super::{Ctx, Question, Want, entry, there};

pub(super) fn in_here_out_there(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let [here, away] = ctx.site.centrals.clone();
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(
            entry()
                .of_session("session.plate", plate)
                .of_session("session.source_central", here)
                .of_session("session.vehicle_class", "car"),
        ),
        1 => {
            ctx.close(0, false, 0, true).wants(Want::closed("CONFIRMED").session(0).status("INSIDE", "LOCAL"))
        }
        2 => ctx.leave(1, ctx.sees(&plate)).wants(
            Want::opens("EXIT")
                .fee(0)
                .session(0)
                .status("EXITED", there(ctx))
                .of_session("session.source_central", here)
                .of_session("session.exit_central", away)
                .of_session("session.fee", 0)
                .of_session("session.flags", Vec::<String>::new()),
        ),
        3 => ctx
            .close(1, true, 0, true)
            .wants(Want::closed("EXIT_CONFIRMED").session(0).status("EXITED", there(ctx))),
        // The loop tells once more: the same answer.
        4 => ctx.close(1, true, 0, true).wants(Want::again(3)),
        _ => return None,
    })
}

pub(super) fn asked_again(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 => ctx.enter(0, ctx.sees(&plate)).with_key_of(ctx, 0).wants(Want::again(0)),
        // The same lane's request, carried to another central.
        2 => {
            let mut q = ctx.enter(0, ctx.sees(&plate)).with_key_of(ctx, 0);
            q.at = 1;
            let want = Want::opens("ENTRY").no_fee().session(0).status("PENDING", there(ctx)).replayed();
            q.wants(want)
        }
        3 => ctx.leave(1, ctx.sees(&plate)).wants(Want::opens("EXIT").fee(0).session(0)),
        4 => {
            let mut q = ctx.leave(1, ctx.sees(&plate)).with_key_of(ctx, 3);
            q.at = 0;
            q.wants(Want::opens("EXIT").fee(0).session(0).status("EXITED", "LOCAL").replayed())
        }
        5 => ctx.leave(1, ctx.sees(&plate)).with_key_of(ctx, 3).wants(Want::again(3)),
        _ => return None,
    })
}

pub(super) fn another_plate(ctx: &Ctx<'_>) -> Option<Question> {
    let (plate, other) = (ctx.plate(0), ctx.plate(1));
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 | 2 => {
            let mut q = ctx.enter(0, ctx.sees(&other)).with_key_of(ctx, 0);
            q.at = ctx.step() - 1;
            q.wants(Want::refused("idempotency_key_reused"))
        }
        3 => ctx.close(0, false, 0, true).wants(Want::closed("CONFIRMED").session(0)),
        _ => return None,
    })
}

pub(super) fn window_ends(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let window = ctx.site.window_ms;
    let first = ctx.heard.first().map_or(ctx.site.now - window - 35_000, |h| h.at);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.saw(&plate, first)).wants(entry().late()),
        // The last moment of the window: the same passage. It is inside already, somewhere else or here.
        1 => {
            let want = match there(ctx) {
                "SYNCED" => Want::duplicate("ask_staff", "keep_closed", "already_inside"),
                _ => Want::duplicate("open", "keep_closed", "duplicate"),
            };
            ctx.enter(1, ctx.saw(&plate, first + window)).wants(want.session(0))
        }
        // At the same lane it would be the vehicle that still waits there.
        2 if there(ctx) == "LOCAL" => return None,
        // The first one after it: another.
        2 => {
            let q = ctx.enter(1, ctx.saw(&plate, first + window + 1));
            q.wants(Want::opens("ENTRY").no_fee().late())
        }
        3 => ctx.leave(1, ctx.sees(&plate)).wants(Want::opens("EXIT").session(2)),
        _ => return None,
    })
}

pub(super) fn backs_out(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 => ctx
            .close(0, false, 0, false)
            .wants(Want::closed("ABANDONED").session(0).status("ABANDONED", "LOCAL")),
        // Not there: an exit finds no entry.
        2 => ctx.leave(1, ctx.sees(&plate)).wants(Want::asks("no_entry").fee(25_000)),
        // It comes again, and is another passage.
        3 => ctx.enter(1, ctx.sees(&plate)).wants(entry()),
        4 => ctx.close(1, false, 3, true).wants(Want::closed("CONFIRMED").session(3)),
        _ => return None,
    })
}

pub(super) fn delivered_late(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    let entered = ctx.heard.first().map_or(ctx.site.now - 60_000, |h| h.at);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.saw(&plate, entered)).wants(entry().late()),
        // Half a minute is not late, a millisecond more is.
        1 => ctx
            .leave(1, ctx.saw(&plate, ctx.site.now - 30_001))
            .wants(Want::opens("EXIT").fee(0).session(0).late().status("EXITED", there(ctx))),
        2 => ctx.enter(0, ctx.saw(&ctx.plate(1), ctx.site.now - 30_000)).wants(entry()),
        3 => ctx.close(0, false, 2, true).wants(Want::closed("CONFIRMED").session(2)),
        _ => return None,
    })
}

pub(super) fn closed_without_a_name(ctx: &Ctx<'_>) -> Option<Question> {
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&ctx.plate(0))).wants(entry()),
        1 => ctx.close_unnamed(0, true),
        _ => return None,
    })
}

pub(super) fn read_twice(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        // It waits before this barrier: opened again, nothing is recorded twice.
        1 => ctx
            .enter(0, ctx.sees(&plate))
            .wants(Want::duplicate("open", "open", "duplicate").session(0).status("PENDING", "LOCAL")),
        2 => ctx.close(0, false, 0, true).wants(Want::closed("CONFIRMED").session(0)),
        // It has passed: not opened again.
        3 => ctx
            .enter(0, ctx.sees(&plate))
            .wants(Want::duplicate("deny", "keep_closed", "duplicate").session(0)),
        _ => return None,
    })
}
