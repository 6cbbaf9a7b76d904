//! What the shape alone cannot say about a rate table.

use std::collections::BTreeSet;

use super::error::Errors;
use super::model::{CapPeriod, DiscountKind, LineType, RateLine, RateLineCollection, RateTable};

/// No price in VND is higher; keeps every sum far inside 64 bits.
const MAX_MONEY: i64 = 1_000_000_000;
/// 31 days.
const MAX_MINUTES: u32 = 31 * 24 * 60;
/// Shorter cap periods only cost time.
const MIN_CAP_SECONDS: i64 = 600;

const RANGE: &str = "out_of_range";

/// Checks everything but time zone and legal ceiling.
pub(super) fn check(table: &RateTable, errors: &mut Errors) {
    head(table, errors);
    errors.check(
        !table.collections.is_empty() && table.collections.len() <= 64,
        "/collections",
        RANGE,
        "must have 1 to 64 collections",
    );
    unique(table.collections.iter().map(|c| c.sequence), errors, |i| format!("/collections/{i}/sequence"));
    for (i, collection) in table.collections.iter().enumerate() {
        collections(collection, &format!("/collections/{i}"), errors);
    }
    errors.check(table.holidays.len() <= 4000, "/holidays", RANGE, "must have at most 4000 dates");
    extras(table, errors);
}

fn head(table: &RateTable, errors: &mut Errors) {
    let named = |text: &str| !text.trim().is_empty() && text.chars().count() <= 64;
    errors.check(named(&table.id), "/id", RANGE, "must have 1 to 64 characters");
    errors.check(table.version >= 1, "/version", RANGE, "must be at least 1");
    errors.check(!table.places.is_empty(), "/places", RANGE, "must name a place, or * for all");
    for (i, place) in table.places.iter().enumerate() {
        errors.check(named(place), format!("/places/{i}"), RANGE, "must have 1 to 64 characters");
    }
    errors.check(!table.vehicle_classes.is_empty(), "/vehicle_classes", RANGE, "must name a class");
    unique(table.vehicle_classes.iter(), errors, |i| format!("/vehicle_classes/{i}"));
    errors.check(named(&table.user_type), "/user_type", RANGE, "must have 1 to 64 characters");
    errors.check(table.currency == "VND", "/currency", RANGE, "must be VND");
    if let (Some(from), Some(to)) = (&table.valid_from, &table.valid_to) {
        errors.check(from.ms() < to.ms(), "/valid_to", RANGE, "must lie after valid_from");
    }
    for (field, minutes) in [
        ("/free_minutes", table.free_minutes),
        ("/block_grace_minutes", table.block_grace_minutes),
        ("/window_grace_minutes", table.window_grace_minutes),
        ("/exit_grace_minutes", table.exit_grace_minutes),
    ] {
        errors.check(minutes <= MAX_MINUTES, field, RANGE, "must be at most 44640 (31 days)");
    }
}

fn collections(collection: &RateLineCollection, at: &str, errors: &mut Errors) {
    errors.check(!collection.days.is_empty(), format!("{at}/days"), RANGE, "must name a day");
    errors.check(collection.lines.len() <= 64, format!("{at}/lines"), RANGE, "must have at most 64 lines");
    optional_money(collection.max_value, format!("{at}/max_value"), errors);
    if let Some(window) = collection.window {
        errors.check(
            window.start.minutes() < 1440,
            format!("{at}/window/start"),
            RANGE,
            "must be before 24:00",
        );
    }
    unique(collection.lines.iter().map(|l| l.sequence), errors, |i| format!("{at}/lines/{i}/sequence"));
    for (i, rate_line) in collection.lines.iter().enumerate() {
        line(rate_line, &format!("{at}/lines/{i}"), errors);
    }
}

fn line(line: &RateLine, at: &str, errors: &mut Errors) {
    money(line.value, format!("{at}/value"), errors);
    optional_money(line.max_value, format!("{at}/max_value"), errors);
    errors.check(
        line.end.is_none_or(|end| end > line.start),
        format!("{at}/end"),
        RANGE,
        "must be longer than start",
    );
    let increment = format!("{at}/increment");
    match (line.kind, line.increment) {
        (LineType::IncrementingRate, None) => {
            errors.push(increment, "missing", "an incrementing_rate needs an increment");
        }
        (LineType::IncrementingRate, Some(step)) => {
            errors.check(step.seconds() > 0, increment, RANGE, "must be longer than nothing");
        }
        (LineType::FlatRate | LineType::FlatRateTier, Some(_)) => {
            errors.push(increment, "not_allowed", "only an incrementing_rate has an increment");
        }
        (LineType::FlatRate | LineType::FlatRateTier, None) => {}
    }
}

fn extras(table: &RateTable, errors: &mut Errors) {
    errors.check(table.discounts.len() <= 8, "/discounts", RANGE, "must have at most 8 discounts");
    unique(table.discounts.iter().map(|d| d.id.as_str()), errors, |i| format!("/discounts/{i}/id"));
    for (i, discount) in table.discounts.iter().enumerate() {
        let at = format!("/discounts/{i}/value");
        match discount.kind {
            DiscountKind::Percent => {
                errors.check((0..=100).contains(&discount.value), at, RANGE, "must be 0 to 100 percent");
            }
            DiscountKind::Amount => money(discount.value, at, errors),
        }
    }
    errors.check(table.caps.len() <= 8, "/caps", RANGE, "must have at most 8 caps");
    for (i, cap) in table.caps.iter().enumerate() {
        money(cap.value, format!("/caps/{i}/value"), errors);
        let at = format!("/caps/{i}/length");
        match (cap.period, cap.length) {
            (CapPeriod::Rolling, None) => errors.push(at, "missing", "a rolling period needs a length"),
            (CapPeriod::Rolling, Some(length)) => {
                errors.check(length.seconds() >= MIN_CAP_SECONDS, at, RANGE, "must be at least PT10M");
            }
            (CapPeriod::CalendarDay, Some(length)) => {
                errors.check(length.seconds() == 86_400, at, "not_allowed", "a calendar_day has no length");
            }
            (CapPeriod::CalendarDay, None) => {}
        }
    }
    errors.check(table.surcharges.len() <= 16, "/surcharges", RANGE, "must have at most 16 surcharges");
    for (i, surcharge) in table.surcharges.iter().enumerate() {
        money(surcharge.value, format!("/surcharges/{i}/value"), errors);
    }
    if let Some(rounding) = table.rounding {
        let fits = (1..=1_000_000).contains(&rounding.unit);
        errors.check(fits, "/rounding/unit", RANGE, "must be 1 to 1000000");
    }
    optional_money(table.review_above, "/review_above".to_owned(), errors);
    if let Some(no_entry) = &table.no_entry_record {
        money(no_entry.fallback_charge, "/no_entry_record/fallback_charge".to_owned(), errors);
    }
    if let Some(ceiling) = &table.legal_ceiling {
        errors.check(
            ceiling.limits.len() <= 16,
            "/legal_ceiling/limits",
            RANGE,
            "must have at most 16 limits",
        );
        for (i, limit) in ceiling.limits.iter().enumerate() {
            money(limit.value, format!("/legal_ceiling/limits/{i}/value"), errors);
        }
    }
}

fn money(value: i64, field: String, errors: &mut Errors) {
    errors.check((0..=MAX_MONEY).contains(&value), field, RANGE, "must be 0 to 1000000000 VND");
}

fn optional_money(value: Option<i64>, field: String, errors: &mut Errors) {
    if let Some(value) = value {
        money(value, field, errors);
    }
}

fn unique<T: Ord>(items: impl Iterator<Item = T>, errors: &mut Errors, field: impl Fn(usize) -> String) {
    let mut seen = BTreeSet::new();
    for (i, item) in items.enumerate() {
        errors.check(seen.insert(item), field(i), "duplicate", "must be unique");
    }
}
