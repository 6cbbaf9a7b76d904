//! What people do to sessions.

use wire::bus::command::SessionAction;

use super::{Ctx, Question, Want, entry};

pub(super) fn act(ctx: &Ctx<'_>) -> Option<Question> {
    let (plate, right) = (ctx.plate(0), ctx.plate(1));
    Some(match ctx.step() {
        0 => ctx.enter(0, ctx.sees(&plate)).wants(entry()),
        1 => {
            let act = SessionAction::CorrectPlate { plate: right.clone() };
            ctx.act(1, 0, &act).wants(Want::acted().of_session("plate", right))
        }
        2 => ctx
            .act(0, 1, &SessionAction::Price { fee: 7_000 })
            .wants(Want::acted().of_session("status", "PENDING")),
        3 => ctx.leave(1, ctx.sees(&right)).wants(Want::opens("EXIT").fee(7_000).session(1)),
        4 => ctx.act(0, 1, &SessionAction::Waive { amount: 2_000 }).wants(Want::acted().fee(5_000)),
        5 => ctx.act(1, 1, &SessionAction::Waive { amount: 5_001 }).wants(Want::refused("invalid_fields")),
        6 => ctx.act(1, 1, &SessionAction::Void).wants(Want::refused("wrong_state")),
        7 => ctx.enter(0, ctx.sees(&ctx.plate(2))).wants(entry()),
        // Both at one central: acts rank by its clock.
        8 => ctx.act(0, 7, &SessionAction::Void).wants(Want::acted().of_session("status", "VOIDED")),
        9 => ctx.act(0, 7, &SessionAction::Reopen).wants(Want::acted().of_session("status", "PENDING")),
        10 => ctx.leave(1, ctx.sees(&ctx.plate(2))).wants(Want::opens("EXIT").fee(0).session(7)),
        _ => return None,
    })
}
