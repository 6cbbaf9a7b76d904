//! What holds for every table and every stay.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A random table that an import accepts: several windows, days and holidays, tiers and blocks, maxima, caps, graces.
pub(super) fn any_table() -> impl Strategy<Value = Value> {
    let collections = prop::collection::vec(collection(), 1..4);
    let graces = (minutes(), minutes(), minutes());
    let caps = prop::collection::vec(cap(), 0..3);
    let rounding = prop_oneof![
        Just(Value::Null),
        (1_i64..3000, prop::sample::select(vec!["up", "down", "nearest"]))
            .prop_map(|(unit, mode)| json!({"unit": unit, "mode": mode})),
    ];
    (collections, graces, caps, rounding).prop_map(
        |(mut collections, (free, block, window), caps, rounding)| {
            for (i, collection) in collections.iter_mut().enumerate() {
                collection["sequence"] = json!(i + 1);
            }
            json(json!({
                "collections": collections, "free_minutes": free, "block_grace_minutes": block,
                "window_grace_minutes": window, "caps": caps, "rounding": rounding,
                "holidays": ["2026-11-04", "2026-11-08"],
                "surcharges": [{"type": "lost_credential", "value": 7_777}],
                "discounts": [{"id": "p", "type": "percent", "value": 33, "needs": "staff"},
                              {"id": "a", "type": "amount", "value": 1_500, "needs": "staff"},
                              {"id": "everybody", "type": "percent", "value": 7}],
                "review_above": 90_000
            }))
        },
    )
}

fn minutes() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0_u32), 1_u32..6, Just(15_u32), 10_u32..90]
}

fn money() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0_i64), (1_i64..60).prop_map(|v| v * 1000), 1_i64..30_000]
}

fn some_money() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![3 => Just(None), 1 => (1_i64..80).prop_map(|v| Some(v * 1000))]
}

fn time_of_day() -> impl Strategy<Value = String> {
    (0_u32..24, prop::sample::select(vec![0_u32, 0, 0, 10, 30, 45]))
        .prop_map(|(h, m)| format!("{h:02}:{m:02}"))
}

fn collection() -> impl Strategy<Value = Value> {
    let window = prop_oneof![
        1 => Just(Value::Null),
        2 => (time_of_day(), time_of_day()).prop_map(|(start, end)| json!({"start": start, "end": end})),
    ];
    let days = prop_oneof![
        2 => Just(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]),
        1 => prop::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"], 1..8),
    ];
    (window, days, prop::collection::vec(line(), 1..4), some_money()).prop_map(
        |(window, days, mut lines, max)| {
            for (i, line) in lines.iter_mut().enumerate() {
                line["sequence"] = json!(i + 1);
            }
            json!({"window": window, "days": days, "lines": lines, "max_value": max})
        },
    )
}

fn line() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["flat_rate", "flat_rate_tier", "incrementing_rate"]);
    let start = prop_oneof![2 => Just(0_i64), 1 => (1_i64..20).prop_map(|q| q * 900)];
    let length = prop_oneof![Just(None), (1_i64..40).prop_map(|q| Some(q * 900))];
    let step = prop::sample::select(vec![120_i64, 600, 900, 1800, 3600, 5400, 14_400]);
    (kind, start, length, step, money(), some_money()).prop_map(|(kind, start, length, step, value, max)| {
        let text = |s: i64| IsoDuration::from_seconds(s).to_string();
        let mut line = json!({
            "type": kind, "start": text(start), "end": length.map(|l| text(start + l)), "value": value, "max_value": max
        });
        if kind == "incrementing_rate" {
            line["increment"] = json!(text(step));
        }
        line
    })
}

fn cap() -> impl Strategy<Value = Value> {
    let behaviour = prop::sample::select(vec!["restart_lines", "continue"]);
    let length = prop::sample::select(vec![None, Some("PT6H"), Some("PT12H"), Some("PT24H"), Some("P2D")]);
    (length, 1_i64..200, behaviour).prop_map(|(length, value, behaviour)| match length {
        Some(length) => {
            json!({"period": "rolling", "length": length, "value": value * 1000, "on_new_period": behaviour})
        }
        None => json!({"period": "calendar_day", "value": value * 1000, "on_new_period": behaviour}),
    })
}

pub(super) fn pretty(table: &Value) -> String {
    serde_json::to_string_pretty(table).unwrap()
}

#[derive(Debug, Clone)]
struct AnyStay {
    entry: i64,
    rights: Vec<(i64, i64)>,
    lost: bool,
    discounts: Vec<String>,
}

fn any_stay() -> impl Strategy<Value = AnyStay> {
    let rights = prop::collection::vec((-600_i64..4000, 0_i64..2000), 0..3);
    let discounts = prop::sample::subsequence(vec!["p".to_owned(), "a".to_owned()], 0..=2);
    let entry = (0_i64..14 * 1440, prop::sample::select(vec![0_i64, 0, 17, 59]));
    (entry, rights, any::<bool>(), discounts).prop_map(|((minute, second), rights, lost, discounts)| {
        AnyStay { entry: at("2026-11-02 00:00") + (minute * 60 + second) * 1000, rights, lost, discounts }
    })
}

impl AnyStay {
    fn until(&self, exit_ms: i64) -> Stay {
        let right = |&(from, length): &(i64, i64)| Right {
            id: "pass".into(),
            from_ms: self.entry + from * 60_000,
            to_ms: self.entry + (from + length) * 60_000,
        };
        Stay {
            entry_ms: self.entry,
            exit_ms,
            rights: self.rights.iter().map(right).collect(),
            lost_credential: self.lost,
            discounts: self.discounts.clone(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_longer_stay_never_costs_less(table in any_table(), stay in any_stay(), step in 1_i64..900, fine in any::<bool>()) {
        let tariff = Tariff::from_value(&table).unwrap();
        let step = if fine { step.min(61) } else { step * 5 };
        let mut before = 0;
        for i in -3..60 {
            let charge = tariff.price(&stay.until(stay.entry + i * step * 1000));
            prop_assert!(charge.fee >= before, "{} < {before} after {} s\n{}", charge.fee, i * step, pretty(&table));
            prop_assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), charge.fee);
            before = charge.fee;
        }
    }

    #[test]
    fn no_moment_near_a_boundary_makes_a_stay_cheaper(table in any_table(), stay in any_stay(), at in 0_i64..200) {
        // Boundaries lie on whole minutes from the entry or from midnight: look one second around them.
        let tariff = Tariff::from_value(&table).unwrap();
        let boundary = (stay.entry / 60_000 + at * 15) * 60_000;
        let mut before = 0;
        for base in [boundary, boundary + stay.entry % 60_000] {
            before = 0.max(before.min(tariff.price(&stay.until(base - 2000)).fee));
            for second in -2..=2 {
                let fee = tariff.price(&stay.until(base + second * 1000)).fee;
                prop_assert!(fee >= before, "{fee} < {before}\n{}", pretty(&table));
                before = fee;
            }
        }
    }

    #[test]
    fn anything_at_all_is_priced_without_a_panic(
        table in any_table(), entry in any::<i64>(), exit in any::<i64>(), from in any::<i64>(), to in any::<i64>(),
    ) {
        let tariff = Tariff::from_value(&table).unwrap();
        let right = Right { id: String::new(), from_ms: from, to_ms: to };
        let charge = tariff.price(&Stay { entry_ms: entry, exit_ms: exit, rights: vec![right], ..Stay::default() });
        prop_assert!(charge.fee >= 0);
    }

    #[test]
    fn a_table_survives_its_own_json(table in any_table()) {
        let tariff = Tariff::from_value(&table).unwrap();
        let again = Tariff::from_value(&serde_json::to_value(tariff.table()).unwrap()).unwrap();
        prop_assert_eq!(again.table(), tariff.table());
    }
}
