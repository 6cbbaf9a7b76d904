//! From what was read to what an event's body says.

use wire::event::{FeeLineFact, PlateFacts, RateTableRef};

use crate::plate::{PlateFlag, PlateKey, PlateKind, PlateRead};
use crate::tariff::{Charge, ChargeFlag, FeeCode, FeeLine};

/// The name of a plate's family in bodies and answers.
pub(crate) const fn kind_name(kind: PlateKind) -> &'static str {
    match kind {
        PlateKind::Diplomatic => "diplomatic",
        PlateKind::ElectricMotorbike => "electric_motorbike",
        PlateKind::Special => "special",
        PlateKind::NewMotorbike => "new_motorbike",
        PlateKind::OldMotorbike => "old_motorbike",
        PlateKind::Car => "car",
        PlateKind::Temporary => "temporary",
        PlateKind::Military => "military",
        PlateKind::Unknown => "unknown",
        PlateKind::NoPlate => "none",
    }
}

/// The name of a plate's flag.
pub(crate) const fn flag_name(flag: PlateFlag) -> &'static str {
    match flag {
        PlateFlag::Ambiguous => "ambiguous",
        PlateFlag::Corrected => "corrected",
        PlateFlag::Unverified => "unverified",
        PlateFlag::ProvinceUnassigned => "province_unassigned",
        PlateFlag::ClassMismatch => "class_mismatch",
    }
}

/// The plate of a body, under the key it is found by.
pub(super) fn plate(read: &PlateRead, key: &PlateKey) -> PlateFacts {
    PlateFacts {
        raw: read.raw.clone(),
        key: key.to_string(),
        display: if read.key.is_some() { read.display.clone() } else { key.to_string() },
        kind: kind_name(read.kind).to_owned(),
        flags: read.flags.iter().map(|f| flag_name(*f).to_owned()).collect(),
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
