//! A vehicle at an exit: its session is found, charged and closed. Nobody is held inside for a fault of ours.

use wire::event::{Basis, Body, Exited, LaneMode, NO_RATE_TABLE};
use wire::http::{DecisionKind, LaneDecision, Problem};

use super::answer::{Answer, DecisionAnswer};
use super::entry::LANE_CLOSED;
use super::facts;
use super::fee::{self, Price};
use super::find::{Found, find};
use super::gate;
use super::lane::{Ask, just};
use super::problems;
use super::ruling::{Draft, Record, Ruling};
use crate::history::{HistoryRow, STANDING_CHARGE};
use crate::plate::PlateFlag;

pub(super) fn decide(ask: &Ask<'_>) -> Result<Ruling, Box<Problem>> {
    if ask.mode() == LaneMode::Closed && !settled(ask) {
        return Ok(just(ask.ask_staff(LANE_CLOSED)));
    }
    Ok(match find(ask)? {
        Found::AskPeers => Ruling::NeedPeers(ask.tag),
        Found::Standing(row) => stands(ask, row),
        Found::Passed(row) => just(DecisionAnswer {
            kind: DecisionKind::Duplicate,
            recorded: true,
            row: Some(row.clone()),
            fee: row.charged,
            ..ask.answer(LaneDecision::Deny, "duplicate")
        }),
        Found::Ask(_, _) if ask.nobody_to_ask() && ask.staff.is_none() => without_entry(ask),
        Found::Ask(_, _) if ask.prepared.stamp.late => without_entry(ask),
        Found::Ask(reason, rows) => {
            just(DecisionAnswer { candidates: rows.into_iter().cloned().collect(), ..ask.ask_staff(reason) })
        }
        Found::Session(row, how) => {
            discounts(ask, row)?;
            of_session(ask, row, how)
        }
        Found::Nothing => {
            if !ask.prepared.stamp.late {
                let of = (ask.class(), ask.lane.lot_id.as_deref());
                fee::check_discounts(ask.discounts, ask.site, (&of.0, of.1), ask.at())?;
            }
            without_entry(ask)
        }
    })
}

/// Nobody is to be asked any more: staff decided already, or the vehicle is gone.
fn settled(ask: &Ask<'_>) -> bool {
    ask.staff.is_some() || ask.nobody_to_ask()
}

/// Staff reduce a fee that a table computes, by what that table knows. What is late has happened.
fn discounts(ask: &Ask<'_>, row: &HistoryRow) -> Result<(), Box<Problem>> {
    if ask.discounts.is_empty() || ask.prepared.stamp.late {
        return Ok(());
    }
    if row.set_price.is_some() {
        return Err(Box::new(problems::wrong_state("a price was set by hand: set another instead")));
    }
    let entry = row.entry_time.unwrap_or(ask.at());
    let of = (row.vehicle_class.as_str(), row.lot_id.as_deref());
    fee::check_discounts(ask.discounts, ask.site, of, entry)
}

/// In an emergency nothing is charged.
fn is_free(ask: &Ask<'_>) -> bool {
    ask.mode() == LaneMode::Emergency
}

fn of_session(ask: &Ask<'_>, row: &HistoryRow, how: Option<&'static str>) -> Ruling {
    let cover = gate::cover_of(row, ask.site, &ask.state.projection.rows);
    let price = if is_free(ask) {
        Some(Price::default())
    } else {
        fee::of_session(row, ask.site, &cover, ask.at(), ask.terms())
    };
    let asked = |reason| {
        just(DecisionAnswer {
            row: Some(row.clone()),
            fee: price.as_ref().map(|p| p.fee),
            price: price.clone(),
            candidates: vec![row.clone()],
            ..ask.ask_staff(reason)
        })
    };
    if !settled(ask) {
        if let Some(reason) = doubt(ask, row) {
            return asked(reason);
        }
        match &price {
            None => return asked(NO_RATE_TABLE),
            Some(p) if p.review => return asked("review_fee"),
            Some(_) => {}
        }
    }
    let mut flags: Vec<&'static str> = how.into_iter().collect();
    let price = price.unwrap_or_else(|| unpriced(ask, &mut flags));
    if price.review && ask.staff.is_none() {
        // It left while nobody could be asked: a missed exit must not pass for money somebody took.
        flags.push("uncollected");
    }
    if row.pending_charge().is_some_and(|c| c.fee == Some(price.fee)) {
        flags.push("charge_was_pending");
    }
    record(ask, Some(row), price, flags)
}

/// What staff must look at before this session may leave.
fn doubt(ask: &Ask<'_>, row: &HistoryRow) -> Option<&'static str> {
    if ask.read.has(PlateFlag::ClassMismatch) && !gate::is_allowed(ask, row) {
        return Some("class_mismatch");
    }
    // A pass may stand for several vehicles.
    let card = row.credential.as_ref().filter(|c| c.kind != "pass")?;
    match &ask.seen.credential {
        Some(shown) if shown.kind == card.kind => (shown.id != card.id).then_some("plate_card_mismatch"),
        _ if card.kind == "etag" => None,
        // Whoever says that the card is lost may have stolen the motorbike: a person looks at papers first.
        _ => row.vehicle_class.contains("motorbike").then_some("card_missing"),
    }
}

/// The vehicle was let out and never passed: the charge stands, the barrier opens.
fn stands(ask: &Ask<'_>, row: &HistoryRow) -> Ruling {
    let here = row.exit_edge.as_deref() == Some(&ask.lane.edge_id);
    if here {
        return just(DecisionAnswer {
            barrier: ask.opening(),
            kind: DecisionKind::Duplicate,
            recorded: true,
            row: Some(row.clone()),
            fee: row.charged,
            ..ask.answer(LaneDecision::Open, STANDING_CHARGE)
        });
    }
    let price = fee::standing(row, row.charged.unwrap_or(0), ask.at());
    let mut flags = vec![STANDING_CHARGE];
    flags.extend(row.charged.is_none().then_some(NO_RATE_TABLE));
    record(ask, Some(row), price, flags)
}

/// The no-entry procedure.
fn without_entry(ask: &Ask<'_>) -> Ruling {
    let lot = ask.lane.lot_id.as_deref();
    let found = if is_free(ask) {
        Some((Price::default(), true))
    } else {
        fee::without_entry(&ask.class(), lot, ask.site, ask.at(), ask.terms())
    };
    let unasked = found.as_ref().is_some_and(|(_, unasked)| *unasked);
    if !settled(ask) && !unasked {
        return just(DecisionAnswer {
            fee: found.as_ref().map(|(p, _)| p.fee),
            price: found.map(|(p, _)| p),
            ..ask.ask_staff("no_entry")
        });
    }
    let mut flags = vec!["no_entry_record"];
    if ask.nobody_to_ask() && ask.staff.is_none() && !is_free(ask) {
        // It left while nobody could be asked; nobody took this money.
        flags.push("uncollected");
    }
    let price = found.map(|(p, _)| p).unwrap_or_else(|| unpriced(ask, &mut flags));
    record(ask, None, price, flags)
}

/// It leaves without a price: what was taken is the charge; where nothing was, staff price it afterwards.
fn unpriced(ask: &Ask<'_>, flags: &mut Vec<&'static str>) -> Price {
    flags.push(NO_RATE_TABLE);
    Price { fee: ask.payment.map_or(0, |p| p.amount), ..Price::default() }
}

fn record(ask: &Ask<'_>, row: Option<&HistoryRow>, price: Price, flags: Vec<&'static str>) -> Ruling {
    let draft = draft(ask, row, price.clone(), flags.clone());
    let reason = reason(ask.prepared.stamp.late, ask.staff.is_some(), flags.contains(&STANDING_CHARGE));
    let answer = DecisionAnswer {
        barrier: ask.opening(),
        kind: DecisionKind::Exit,
        recorded: true,
        row: row.cloned(),
        fee: draft.body.charged(),
        price: Some(price),
        ..ask.answer(LaneDecision::Open, reason)
    };
    Ruling::Record(Box::new(Record { draft, answer: Answer::Decision(Box::new(answer)) }))
}

/// Why an exit opened.
pub(super) const fn reason(late: bool, staff: bool, standing: bool) -> &'static str {
    match (late, standing, staff) {
        (true, ..) => "late_delivery",
        (_, true, _) => STANDING_CHARGE,
        (_, _, true) => "staff",
        _ => "ok",
    }
}

fn draft(ask: &Ask<'_>, row: Option<&HistoryRow>, price: Price, how: Vec<&'static str>) -> Draft {
    // Without a plate of its own the exit goes under the session's.
    let borrowed = row.filter(|_| ask.read.key.is_none());
    let mut plate = facts::plate(ask.read, ask.key);
    if let Some(row) = borrowed {
        plate.key = row.plate_key.clone().unwrap_or(plate.key);
        plate.display = row.plate.clone().unwrap_or(plate.display);
    }
    let mut flags = ask.flags();
    flags.extend(gate::at_exit(ask, row).into_iter().map(str::to_owned));
    flags.extend(how.iter().chain(&price.flags).map(|f| (*f).to_owned()));
    if ask.lost_credential {
        flags.push("lost_credential".to_owned());
    }
    flags.sort_unstable();
    flags.dedup();
    // A charge that was made from another entry does not become this entry's by being repeated.
    let charged_from =
        row.filter(|r| !(how.contains(&STANDING_CHARGE) && r.flags.iter().any(|f| f == "late_basis")));
    let basis = charged_from
        .and_then(|r| r.entry_time.map(|entry_time| Basis { event_id: r.event_id.clone(), entry_time }));
    let plate_tag = borrowed.map_or(ask.tag, |r| r.plate_tag);
    let charged = row.map(|r| match r.standing_charge() {
        Some(first) if how.contains(&STANDING_CHARGE) => first.plate_tag,
        _ => r.plate_tag,
    });
    let body = Exited {
        plate,
        edge_id: ask.lane.edge_id.clone(),
        lot_id: ask.lane.lot_id.clone(),
        vehicle_class: row
            .map(|r| r.vehicle_class.clone())
            .filter(|c| !c.is_empty())
            .unwrap_or_else(|| ask.class()),
        clock: ask.prepared.stamp.clock.clone(),
        basis,
        charged_tag: charged.filter(|tag| *tag != plate_tag),
        fee: price.fee,
        currency: "VND".to_owned(),
        rate_table: price.rate_table,
        lines: price.lines,
        rights: price.rights,
        assumed: ask.lane.assumed,
        credential: ask.seen.credential.clone(),
        image_ref: ask.seen.image_ref.clone(),
        payment: ask.recorded_payment(),
        staff: ask.staff.as_ref().map(|s| s.fact.clone()),
        flags,
    };
    Draft {
        occurred_at: ask.at(),
        command_id: ask.prepared.command_id,
        opening: row.map(|r| r.opening.position.clone()),
        plate_tag: Some(plate_tag),
        body: Body::Exit(Box::new(body)),
    }
}
