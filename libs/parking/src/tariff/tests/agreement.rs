//! The calculator against the slow one ([`super::reference`]): the tables of the rules and random ones, over days.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::properties::{any_table, pretty};
use super::reference::{Asked, Book, Walk, priced};
use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

fn disagreement(table: &Value, asked: &Asked, charge: &Charge) -> String {
    format!("{asked:?}\n{}\n{:#?}", pretty(table), charge.lines)
}

/// Every minute of a stay, a second before and after it where the minute counts, must cost the same, and never less than before.
fn minute_by_minute(table: &Value, asked: &Asked, minutes: i64, step: usize) {
    let tariff = Tariff::from_value(table).unwrap();
    let book = Book::of(table);
    let walk = Walk::of(&book, &Asked { exit: asked.entry + minutes * MINUTE + 2, ..asked.clone() });
    let mut before = 0;
    for minute in (0..=minutes).step_by(step) {
        let seconds: &[i64] = if minute % 15 == 0 { &[-1, 0, 1] } else { &[0] };
        for second in seconds {
            let exit = (asked.entry + minute * MINUTE + second).max(asked.entry);
            let asked = Asked { exit, ..asked.clone() };
            let (said, charge) = priced(&tariff, &asked);
            assert_eq!(said, walk.until(exit), "{}", disagreement(table, &asked, &charge));
            assert!(said.fee >= before, "less than before: {}", disagreement(table, &asked, &charge));
            assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), said.fee, "the lines are the fee");
            before = said.fee;
        }
    }
}

/// A mall with evenings, weekends and holidays, maxima of every kind, discounts, a surcharge and rounding.
fn with_everything() -> Value {
    json(json!({
        "free_minutes": 12, "block_grace_minutes": 4, "window_grace_minutes": 20,
        "collections": [
            {"sequence": 1, "window": {"start": "22:30", "end": "05:30"}, "days": ["fri", "sat", "holiday"], "max_value": 60_000,
             "lines": [{"sequence": 1, "type": "flat_rate", "value": 20_000},
                       {"sequence": 2, "type": "incrementing_rate", "start": "PT1H", "increment": "PT45M", "value": 7_500,
                        "max_value": 45_000}]},
            {"sequence": 2, "window": {"start": "21:00", "end": "05:00"}, "max_value": 40_000,
             "lines": [{"sequence": 1, "type": "flat_rate", "value": 15_000}]},
            {"sequence": 3, "days": ["sat", "sun", "holiday"],
             "lines": [{"sequence": 1, "type": "flat_rate_tier", "end": "PT90M", "value": 18_000},
                       {"sequence": 2, "type": "incrementing_rate", "start": "PT90M", "end": "PT6H", "increment": "PT30M", "value": 6_000},
                       {"sequence": 3, "type": "incrementing_rate", "start": "PT6H", "increment": "PT1H", "value": 3_333}]},
            {"sequence": 4, "window": {"start": "06:00", "end": "20:00"}, "days": ["mon", "tue", "wed", "thu", "fri"],
             "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 11_000, "max_value": 77_000}]}
        ],
        "holidays": ["2026-11-04"],
        "caps": [{"period": "calendar_day", "value": 95_000, "on_new_period": "continue"},
                 {"period": "rolling", "length": "PT36H", "value": 140_000, "on_new_period": "restart_lines"}],
        "surcharges": [{"type": "lost_credential", "value": 50_000}],
        "discounts": [{"id": "staff15", "type": "percent", "value": 15, "needs": "staff"},
                      {"id": "opening", "type": "percent", "value": 3},
                      {"id": "voucher", "type": "amount", "value": 4_000, "needs": "staff"}],
        "rounding": {"unit": 500, "mode": "nearest"}, "review_above": 200_000
    }))
}

#[test]
fn the_tables_of_the_rules_every_minute_over_three_days() {
    for tariff in [r1(), builtin("car-mall"), builtin("moto-city")] {
        let table = serde_json::to_value(tariff.table()).unwrap();
        for entry in ["2026-11-02 20:47:30", "2026-11-02 04:50:00"] {
            minute_by_minute(&table, &Asked { entry: at(entry) / 1000, ..Asked::default() }, 72 * 60, 1);
        }
    }
}

#[test]
fn a_table_with_everything_in_it_every_minute_over_four_days() {
    let table = with_everything();
    for (entry, lost, granted) in [
        ("2026-11-06 20:50:00", false, vec![]),
        ("2026-11-03 19:45:10", true, vec!["staff15".to_owned(), "voucher".to_owned()]),
    ] {
        let asked = Asked { entry: at(entry) / 1000, lost, granted, ..Asked::default() };
        minute_by_minute(&table, &asked, 96 * 60, 1);
        // Passes that begin and end in the middle of windows and cap periods.
        let from = asked.entry;
        let passes =
            vec![(from + 7 * HOUR + 13, from + 20 * HOUR), (from + 41 * HOUR, from + 50 * HOUR + 59)];
        minute_by_minute(&table, &Asked { passes, ..asked }, 96 * 60, 1);
    }
}

#[test]
fn the_end_of_a_pass_in_the_night_of_the_rules() {
    let book = Book::of(&serde_json::to_value(builtin("car-mall").table()).unwrap());
    let (entry, exit) = (at("2026-10-31 20:00") / 1000, at("2026-11-01 09:00") / 1000);
    let passes = vec![(0, at("2026-11-01 00:00") / 1000)];
    assert_eq!(book.said(&Asked { entry, exit, passes, ..Asked::default() }).fee, 95_000);
    assert_eq!(book.said(&Asked { entry, exit: entry - 2, ..Asked::default() }).fee, 0);
}

#[test]
fn the_procedure_without_an_entry_is_settled_alike() {
    for id in ["car-mall", "moto-city"] {
        let tariff = builtin(id);
        let book = Book::of(&serde_json::to_value(tariff.table()).unwrap());
        for lost in [false, true] {
            let asked = Asked { entry: 1_795_000_000, exit: 1_795_000_000, lost, ..Asked::default() };
            let stay = Stay { exit_ms: asked.exit * 1000, lost_credential: lost, ..Stay::default() };
            assert_eq!(Some(tariff.price_no_entry(&stay).unwrap().fee), book.no_entry(&asked).map(|s| s.fee));
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let entry = (0_i64..14 * 1440, prop::sample::select(vec![0_i64, 0, 17, 59]));
    let passes = prop::collection::vec((-600_i64..4000, 0_i64..2000, 0_i64..60), 0..3);
    let granted = prop::sample::subsequence(vec!["p".to_owned(), "a".to_owned(), "x".to_owned()], 0..=3);
    (entry, passes, any::<bool>(), granted).prop_map(|((minute, second), passes, lost, granted)| {
        let entry = at("2026-11-02 00:00") / 1000 + minute * MINUTE + second;
        let pass = |(from, length, odd): (i64, i64, i64)| {
            (entry + from * MINUTE + odd, entry + (from + length) * MINUTE + odd)
        };
        Asked { entry, exit: entry, passes: passes.into_iter().map(pass).collect(), lost, granted }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_minute_by_minute_over_two_days(table in any_table(), asked in asked()) {
        minute_by_minute(&table, &asked, 48 * 60, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_and_stays(
        table in any_table(), asked in asked(),
        length in prop_oneof![-100_i64..7200, 0_i64..6 * 86_400],
    ) {
        let tariff = Tariff::from_value(&table).unwrap();
        let asked = Asked { exit: asked.entry + length, ..asked };
        let (said, charge) = priced(&tariff, &asked);
        prop_assert_eq!(said, Book::of(&table).said(&asked), "{}", disagreement(&table, &asked, &charge));
    }
}
