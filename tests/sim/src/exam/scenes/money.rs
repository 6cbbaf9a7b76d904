//! What stays cost. The rows are those of the rules; the tables are the built-in ones.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use wire::http::Payment;

use super::super::question::card;
use super::{Ctx, Question, Want, entry, there};
use crate::traffic::ask::Opening;

/// Class, entry, exit (local time), fee in VND.
const STAYS: [(&str, &str, &str, i64); 23] = [
    ("car", "2026-11-02 09:00:00", "2026-11-02 09:10:00", 0),
    ("car", "2026-11-02 09:00:00", "2026-11-02 09:10:01", 25_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 09:11:00", 25_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 11:04:00", 25_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 11:05:00", 25_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 11:05:01", 35_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 12:30:00", 45_000),
    ("car", "2026-11-02 09:00:00", "2026-11-03 09:05:00", 120_000),
    ("car", "2026-11-02 09:00:00", "2026-11-03 09:05:01", 145_000),
    ("car", "2026-11-02 09:00:00", "2026-11-04 10:00:00", 265_000),
    ("car", "2026-11-02 09:00:00", "2026-11-02 09:00:00", 0),
    ("motorbike", "2026-11-02 18:30:00", "2026-11-02 20:45:00", 4_000),
    ("motorbike", "2026-11-02 20:50:00", "2026-11-03 07:00:00", 10_000),
    ("motorbike", "2026-11-02 04:50:00", "2026-11-02 04:55:00", 6_000),
    ("motorbike", "2026-11-02 04:50:00", "2026-11-02 05:15:00", 6_000),
    ("motorbike", "2026-11-02 04:50:00", "2026-11-02 05:15:01", 10_000),
    ("motorbike", "2026-11-02 04:50:00", "2026-11-02 05:16:00", 10_000),
    ("motorbike", "2026-11-02 20:50:00", "2026-11-02 20:58:00", 4_000),
    ("motorbike", "2026-11-02 20:50:00", "2026-11-02 21:15:00", 4_000),
    ("motorbike", "2026-11-02 20:50:00", "2026-11-02 21:15:01", 6_000),
    ("motorbike", "2026-11-02 20:40:00", "2026-11-02 21:16:00", 10_000),
    ("motorbike", "2026-11-02 10:00:00", "2026-11-05 10:00:00", 34_000),
    ("motorbike", "2026-11-02 10:00:00", "2026-11-02 10:00:30", 4_000),
];

fn ms(local: &str) -> i64 {
    let zone = TimeZone::fixed(offset(7));
    let at = local.parse::<DateTime>().ok().and_then(|t| t.to_zoned(zone).ok());
    at.map_or(0, |z| z.timestamp().as_millisecond())
}

/// Both passages are delivered late, so that they can lie anywhere in the past.
pub(super) fn stay(ctx: &Ctx<'_>) -> Option<Question> {
    let (class, entered, left, fee) = STAYS[ctx.scene.pick % STAYS.len()];
    let saw = |at: &str| {
        let mut seen = ctx.saw(&ctx.plate(0), ms(at));
        seen.vehicle_class = Some(class.to_owned());
        seen
    };
    Some(match ctx.step() {
        0 => ctx.enter(0, saw(entered)).wants(entry().late().of_session("session.vehicle_class", class)),
        1 => ctx.leave(1, saw(left)).wants(
            Want::opens("EXIT")
                .late()
                .fee(fee)
                .session(0)
                .status("EXITED", there(ctx))
                .of_session("session.fee", fee)
                .of_session("session.duration_s", (ms(left) - ms(entered)) / 1000),
        ),
        _ => return None,
    })
}

/// The surcharge is that of the table, and a suggestion charges nothing.
pub(super) fn lost_card(ctx: &Ctx<'_>) -> Option<Question> {
    let plate = ctx.plate(0);
    Some(match ctx.step() {
        0 => {
            let mut seen = ctx.sees(&plate);
            seen.credential = card(ctx, 0);
            ctx.enter(0, seen).wants(entry())
        }
        1 => ctx.detect(1, ctx.sees(&plate)).wants(Want::suggests("open", "ok").quote(0)),
        2 => {
            let payment = Payment { method: "cash".to_owned(), amount: 50_000, reference: None };
            let opening =
                Opening { seen: ctx.sees(&plate), lost: true, payment: Some(payment), ..Opening::default() };
            ctx.leave_with(1, opening).wants(
                Want::opens("EXIT")
                    .fee(50_000)
                    .session(0)
                    .of_session("session.flags", vec!["lost_credential"]),
            )
        }
        _ => return None,
    })
}
