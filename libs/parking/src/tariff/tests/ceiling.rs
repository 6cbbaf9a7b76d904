//! The check of legal ceilings: what it finds is charged by some stay, and no stay is charged more.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::ceiling::{hours, measure, without_graces};
use super::properties::{any_table, pretty};
use super::*;

const DAY: i64 = 86_400;

/// What a stay is charged in a period: all prices that start in it.
fn charged(strict: &Tariff, entry: i64, from: i64, to: i64) -> i64 {
    let until = |exit: i64| if exit <= entry { 0 } else { strict.stay(entry, exit, &[]).1 };
    until(to) - until(from)
}

fn in_period(strict: &Tariff, period: CeilingPeriod, entry: i64, from: i64) -> i64 {
    match period {
        CeilingPeriod::Any(span) => charged(strict, entry, from, from + span.seconds()),
        CeilingPeriod::Stay => charged(strict, entry, entry, entry + DAY),
        CeilingPeriod::Day | CeilingPeriod::Night => {
            let day = strict.calendar.date(from);
            let all = hours(strict, period == CeilingPeriod::Night);
            let all = all.iter().map(|window| strict.calendar.occurrence(day, *window));
            all.map(|(from, to)| charged(strict, entry, from, to)).sum()
        }
    }
}

fn span(text: &str) -> CeilingPeriod {
    CeilingPeriod::try_from(text.to_owned()).unwrap()
}

/// The most in a period, which some stay is really charged.
fn most(parts: Value, period: &str) -> i64 {
    let tariff = tariff(parts);
    let found = measure(&tariff, &[span(period)]).remove(0);
    let witness = found.witness.unwrap();
    let strict = without_graces(&tariff);
    assert_eq!(in_period(&strict, span(period), witness.entry, witness.from), found.amount, "{witness:?}");
    found.amount
}

#[test]
fn an_entry_at_an_odd_time_pays_both_sides_of_a_boundary() {
    // Half past eleven: an hour of the morning, and at noon the first hour of the afternoon.
    let halves = json!({"collections": [
        {"sequence": 1, "window": {"start": "00:00", "end": "12:00"},
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 20_000}]},
        {"sequence": 2, "window": {"start": "12:00", "end": "24:00"},
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 20_000}]}]});
    assert_eq!(most(halves.clone(), "PT1H"), 40_000);
    assert_eq!(most(halves, "PT30M"), 40_000);
}

#[test]
fn caps_by_the_day_and_caps_by_the_clock_add_up_at_midnight() {
    let both = |caps: Value| {
        json!({"caps": caps, "collections": [{"sequence": 1, "lines": [
            {"sequence": 1, "type": "incrementing_rate", "increment": "PT10M", "value": 1_000}]}]})
    };
    let day = json!({"period": "calendar_day", "value": 30_000, "on_new_period": "continue"});
    let rolling =
        json!({"period": "rolling", "length": "PT24H", "value": 40_000, "on_new_period": "continue"});
    // From some hours before midnight on a stay pays for two days.
    assert_eq!(most(both(json!([day])), "PT12H"), 60_000);
    assert_eq!(most(both(json!([rolling])), "PT12H"), 40_000);
    assert_eq!(most(both(json!([day, rolling])), "stay"), 40_000);
    let often =
        json!({"period": "rolling", "length": "PT6H", "value": 20_000, "on_new_period": "restart_lines"});
    assert_eq!(most(both(json!([often])), "PT6H"), 20_000);
    assert_eq!(most(both(json!([day, often])), "PT12H"), 40_000);
}

#[test]
fn prices_of_one_day_of_the_year_count() {
    let feast = json!({"holidays": ["2029-02-13"], "valid_from": "2026-10-01T00:00:00+07:00", "collections": [
        {"sequence": 1, "days": ["holiday"],
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 50_000}]},
        {"sequence": 2, "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 10_000}]}]});
    assert_eq!(most(feast.clone(), "PT1H"), 60_000);
    let mut refused = feast;
    refused["legal_ceiling"] = json!({"reference": "x", "limits": [{"period": "PT2H", "value": 100_000}]});
    let text = Tariff::from_value(&json(refused)).unwrap_err().to_string();
    assert!(text.contains("PT2H can cost 110000 VND (entry 2029-02-1"), "{text}");
}

#[test]
fn a_late_tier_is_found_however_late_it_begins() {
    let late = json!({"collections": [{"sequence": 1, "lines": [
        {"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 5_000},
        {"sequence": 2, "type": "incrementing_rate", "start": "P20D", "end": "P21D", "increment": "PT1H", "value": 9_000}]}]});
    assert_eq!(most(late, "PT1H"), 14_000);
}

#[test]
fn clocks_that_are_put_back_make_a_night_longer() {
    let night = json!({"time_zone": "Europe/Paris", "collections": [
        {"sequence": 1, "window": {"start": "21:00", "end": "05:00"},
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 1_000}]}]});
    assert_eq!(most(night, "night"), 9_000);
}

#[test]
fn what_takes_too_long_is_bounded_from_above() {
    // 11 minutes and 13 minutes meet a week again after 1001 weeks.
    let odd = |limit: i64| {
        json(json!({"collections": [
            {"sequence": 1, "days": ["mon"], "lines": [
                {"sequence": 1, "type": "incrementing_rate", "increment": "PT11M", "value": 100}]},
            {"sequence": 2, "lines": [
                {"sequence": 1, "type": "incrementing_rate", "increment": "PT13M", "value": 100}]}],
            "legal_ceiling": {"reference": "x", "limits": [{"period": "PT1H", "value": limit}]}}))
    };
    assert!(Tariff::from_value(&odd(1_000_000)).is_ok());
    let text = Tariff::from_value(&odd(600)).unwrap_err().to_string();
    assert!(text.contains("PT1H cannot be shown to cost at most 600 VND"), "{text}");
}

fn any_period() -> impl Strategy<Value = CeilingPeriod> {
    prop::sample::select(vec!["PT1H", "PT45M", "PT3H", "PT24H", "P2D", "day", "night", "stay"]).prop_map(span)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn no_stay_is_charged_more_than_was_found(
        table in any_table(), period in any_period(),
        tries in prop::collection::vec((0_i64..21 * 1440, 0_i64..60, 0_i64..12 * 1440), 30),
    ) {
        let tariff = Tariff::from_value(&table).unwrap();
        let strict = without_graces(&tariff);
        let found = measure(&tariff, &[period]).remove(0);
        if let Some(w) = found.witness {
            prop_assert_eq!(in_period(&strict, period, w.entry, w.from), found.amount, "{:?}\n{}", w, pretty(&table));
        }
        let start = at("2026-10-26 00:00") / 1000;
        for (minute, second, later) in tries {
            let entry = start + minute * 60 + if second % 3 == 0 { 0 } else { second };
            // Periods that begin with a price, or anywhere.
            for from in [entry, entry + later * 60, start + (minute + later) / 30 * 1800] {
                let amount = in_period(&strict, period, entry, from.max(entry));
                prop_assert!(
                    amount <= found.amount,
                    "{amount} > {found:?}: entry {entry}, from {from}, {period:?}\n{}", pretty(&table)
                );
            }
        }
    }
}
