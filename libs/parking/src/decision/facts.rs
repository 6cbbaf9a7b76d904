//! From what was read to what an event's body says.

use wire::event::{FeeLineFact, PlateFacts, RateTableRef};

use crate::plate::{PlateKey, PlateRead};
use crate::tariff::{Charge, ChargeFlag, FeeCode, FeeLine};

/// The plate of a body, under the key it is found by.
pub(super) fn plate(read: &PlateRead, key: &PlateKey) -> PlateFacts {
    PlateFacts {
        raw: read.raw.clone(),
        key: key.to_string(),
        display: if read.key.is_some() { read.display.clone() } else { key.to_string() },
        kind: read.kind.as_str().to_owned(),
        flags: read.flags.iter().map(|f| f.as_str().to_owned()).collect(),
    }
}

/// The rule of a charge.
pub(super) fn rate_table(charge: &Charge) -> RateTableRef {
    RateTableRef { id: charge.table_id.clone(), version: charge.table_version }
}

/// The name of a charge's flag.
#[must_use]
pub const fn charge_flag_name(flag: ChargeFlag) -> &'static str {
    match flag {
        ChargeFlag::ClockAnomaly => "clock_anomaly",
        ChargeFlag::ReviewAbove => "review_above",
        ChargeFlag::StayTooLong => "stay_too_long",
    }
}

/// Every code with its name in bodies.
const CODES: [(FeeCode, &str); 16] = [
    (FeeCode::Flat, "flat"),
    (FeeCode::Tier, "tier"),
    (FeeCode::Increment, "increment"),
    (FeeCode::Covered, "covered"),
    (FeeCode::Free, "free"),
    (FeeCode::WindowGrace, "window_grace"),
    (FeeCode::NotPriced, "not_priced"),
    (FeeCode::LineMax, "line_max"),
    (FeeCode::WindowMax, "window_max"),
    (FeeCode::Cap, "cap"),
    (FeeCode::More, "more"),
    (FeeCode::LostCredential, "lost_credential"),
    (FeeCode::Discount, "discount"),
    (FeeCode::Rounding, "rounding"),
    (FeeCode::ClockAnomaly, "clock_anomaly"),
    (FeeCode::NoEntry, "no_entry"),
];

/// A line of a charge, as it travels.
pub(super) fn fee_line(line: &FeeLine) -> FeeLineFact {
    let code = CODES.iter().find(|(c, _)| *c == line.code).map_or("more", |(_, name)| name);
    FeeLineFact {
        code: code.to_owned(),
        from: Some(line.from_ms),
        to: Some(line.to_ms),
        amount: line.amount,
        args: vec![
            line.reference.clone(),
            line.count.to_string(),
            line.value.to_string(),
            line.seconds.to_string(),
        ],
    }
}

/// A line as it travelled; none when its code is of a later version.
pub(crate) fn read_fee_line(fact: &FeeLineFact) -> Option<FeeLine> {
    let (code, _) = CODES.iter().find(|(_, name)| *name == fact.code)?;
    let number = |i: usize| fact.args.get(i).and_then(|a| a.parse().ok()).unwrap_or(0);
    Some(FeeLine {
        code: *code,
        reference: fact.args.first().cloned().unwrap_or_default(),
        count: number(1),
        value: number(2),
        seconds: number(3),
        from_ms: fact.from.unwrap_or(0),
        to_ms: fact.to.unwrap_or(0),
        amount: fact.amount,
    })
}
