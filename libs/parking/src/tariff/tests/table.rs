//! The rows of the rules, and one test per rule that the rows leave open.

use serde_json::json;

use super::*;

#[test]
fn rows_of_the_rules() {
    let (r1, r2, r3) = (r1(), builtin("car-mall"), builtin("moto-city"));
    for (tariff, entry, exit, expected) in [
        (&r1, "2026-11-02 08:00", "2026-11-02 16:00", 300_000),
        (&r1, "2026-11-02 08:00:00", "2026-11-02 10:00:00", 50_000),
        (&r1, "2026-11-02 08:00:00", "2026-11-02 10:00:01", 85_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 09:10:00", 0),
        (&r2, "2026-11-02 09:00", "2026-11-02 09:10:01", 25_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 09:11:00", 25_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 11:04", 25_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 11:05:00", 25_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 11:05:01", 35_000),
        (&r2, "2026-11-02 09:00", "2026-11-02 12:30", 45_000),
        (&r2, "2026-11-02 09:00", "2026-11-03 09:05", 120_000),
        (&r2, "2026-11-02 09:00", "2026-11-03 09:05:01", 145_000),
        (&r2, "2026-11-02 09:00", "2026-11-04 10:00", 265_000),
        (&r3, "2026-11-02 18:30", "2026-11-02 20:45", 4_000),
        (&r3, "2026-11-02 20:50", "2026-11-03 07:00", 10_000),
        (&r3, "2026-11-02 04:50", "2026-11-02 04:55", 6_000),
        (&r3, "2026-11-02 04:50", "2026-11-02 05:15", 6_000),
        (&r3, "2026-11-02 04:50", "2026-11-02 05:15:01", 10_000),
        (&r3, "2026-11-02 04:50", "2026-11-02 05:16", 10_000),
        (&r3, "2026-11-02 20:50", "2026-11-02 20:58", 4_000),
        (&r3, "2026-11-02 20:50", "2026-11-02 21:15:00", 4_000),
        (&r3, "2026-11-02 20:50", "2026-11-02 21:15:01", 6_000),
        (&r3, "2026-11-02 20:40", "2026-11-02 21:16", 10_000),
        (&r3, "2026-11-02 10:00", "2026-11-05 10:00", 3 * 10_000 + 4_000),
    ] {
        assert_eq!(fee(tariff, entry, exit), expected, "{} {entry} → {exit}", tariff.table().id);
    }
}

#[test]
fn a_pass_covers_its_part_of_the_stay() {
    let pass = |from: &str, to: &str| Right { id: "pass-1".into(), from_ms: at(from), to_ms: at(to) };
    let mut stay = Stay {
        entry_ms: at("2026-10-31 20:00"),
        exit_ms: at("2026-11-01 09:00"),
        rights: vec![pass("2026-10-01 00:00", "2026-11-01 00:00")],
        ..Stay::default()
    };
    let r2 = builtin("car-mall");
    let charge = r2.price(&stay);
    assert_eq!(charge.fee, 95_000);
    assert_eq!(charge.lines[0].code, FeeCode::Covered);
    assert_eq!(charge.lines[0].reference, "pass-1");
    stay.rights.push(pass("2026-10-31 23:00", "2026-12-01 00:00"));
    assert_eq!(r2.price(&stay).fee, 0);
    // Free minutes are for the whole stay: these 9 minutes are not free.
    stay.rights = vec![pass("2026-10-31 20:09", "2026-12-01 00:00")];
    assert_eq!(r2.price(&stay).fee, 25_000);
    // Nor has the first block of a stay a grace, even after a pass.
    stay.rights = vec![pass("2026-10-01 00:00", "2026-11-01 08:59")];
    assert_eq!(r2.price(&stay).fee, 25_000);
}

#[test]
fn surcharges_apply_to_free_and_negative_stays_too() {
    let stay = |entry: &str, exit: &str| Stay {
        entry_ms: at(entry),
        exit_ms: at(exit),
        lost_credential: true,
        ..Stay::default()
    };
    assert_eq!(builtin("moto-city").price(&stay("2026-11-02 18:30", "2026-11-02 20:45")).fee, 54_000);
    assert_eq!(builtin("car-mall").price(&stay("2026-11-02 18:30", "2026-11-02 18:35")).fee, 50_000);
    let negative = builtin("car-mall").price(&stay("2026-11-02 09:00:02", "2026-11-02 09:00:00"));
    assert_eq!((negative.fee, negative.flags), (50_000, vec![ChargeFlag::ClockAnomaly]));
    // Outside the cap.
    assert_eq!(builtin("car-mall").price(&stay("2026-11-02 09:00", "2026-11-03 09:00")).fee, 170_000);
}

#[test]
fn a_negative_stay_costs_nothing_and_is_flagged() {
    let stay =
        Stay { entry_ms: at("2026-11-02 09:00:02"), exit_ms: at("2026-11-02 09:00:00"), ..Stay::default() };
    let charge = builtin("car-mall").price(&stay);
    assert_eq!((charge.fee, charge.flags), (0, vec![ChargeFlag::ClockAnomaly]));
}

#[test]
fn discounts_come_after_surcharges_and_rounding_last() {
    let mut stay =
        Stay { entry_ms: at("2026-11-02 09:00"), exit_ms: at("2026-11-02 10:00"), ..Stay::default() };
    let r2 = builtin("car-mall");
    assert_eq!(r2.price(&stay).fee, 25_000);
    stay.discounts = vec!["staff10".into(), "unknown".into()];
    let charge = r2.price(&stay);
    assert_eq!((charge.unrounded, charge.fee), (22_500, 23_000));
    stay.lost_credential = true;
    assert_eq!(r2.price(&stay).unrounded, 67_500);
    let many = tariff(json!({
        "collections": [{"sequence": 1, "lines": [{"sequence": 1, "type": "flat_rate", "value": 12_345}]}],
        "discounts": [{"id": "a", "type": "percent", "value": 10}, {"id": "b", "type": "percent", "value": 50},
                      {"id": "c", "type": "amount", "value": 5555}],
        "rounding": {"unit": 1, "mode": "down"}
    }));
    let charge = many.price(&Stay { discounts: vec![], lost_credential: false, ..stay });
    // 12345 × 0.9 × 0.5 − 5555 = 0.25
    assert_eq!((charge.fee, charge.unrounded), (0, 0));
    assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), 0);
}

#[test]
fn a_missed_exit_needs_staff() {
    let month = Stay { entry_ms: at("2026-11-01 09:00"), exit_ms: at("2026-12-01 09:00"), ..Stay::default() };
    let charge = builtin("car-mall").price(&month);
    assert_eq!((charge.fee, charge.review), (30 * 120_000, true));
    assert!(charge.flags.contains(&ChargeFlag::ReviewAbove));
}

#[test]
fn a_quote_is_valid_for_the_exit_grace() {
    let stay = Stay { entry_ms: at("2026-11-02 09:00"), exit_ms: at("2026-11-02 10:00"), ..Stay::default() };
    assert_eq!(builtin("car-mall").price(&stay).valid_until_ms, at("2026-11-02 10:15"));
}

#[test]
fn caps_of_calendar_days_restart_or_go_on() {
    let capped = |behaviour: &str| {
        tariff(json!({
            "collections": [{"sequence": 1, "lines": [
                {"sequence": 1, "type": "flat_rate_tier", "end": "PT2H", "value": 30_000},
                {"sequence": 2, "type": "incrementing_rate", "start": "PT2H", "increment": "PT1H", "value": 10_000}]}],
            "caps": [{"period": "calendar_day", "value": 50_000, "on_new_period": behaviour}]
        }))
    };
    // 22:00 → 24:00 tier; then four more hours, restarted (30 + 10 + 10) or going on (4 × 10).
    assert_eq!(fee(&capped("restart_lines"), "2026-11-02 22:00", "2026-11-03 04:00"), 80_000);
    assert_eq!(fee(&capped("continue"), "2026-11-02 22:00", "2026-11-03 04:00"), 70_000);
    assert_eq!(fee(&capped("continue"), "2026-11-02 22:00", "2026-11-04 22:00"), 130_000);
    assert_eq!(fee(&capped("restart_lines"), "2026-11-02 22:00", "2026-11-04 22:00"), 130_000);
}

#[test]
fn the_maxima_of_line_window_and_cap_apply_in_this_order() {
    let all = tariff(json!({
        "collections": [{"sequence": 1, "max_value": 25_000, "lines": [
            {"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 5_000, "max_value": 20_000},
            {"sequence": 2, "type": "flat_rate_tier", "start": "PT3H", "value": 10_000}]}],
        "caps": [{"period": "rolling", "length": "PT24H", "value": 24_000}]
    }));
    for (exit, expected, last) in [
        ("2026-11-02 11:00", 15_000, FeeCode::Increment),
        ("2026-11-02 11:30", 24_000, FeeCode::Cap),
        ("2026-11-02 15:00", 24_000, FeeCode::Cap),
    ] {
        let stay = Stay { entry_ms: at("2026-11-02 08:00"), exit_ms: at(exit), ..Stay::default() };
        let charge = all.price(&stay);
        assert_eq!((charge.fee, charge.lines.last().unwrap().code), (expected, last), "{charge:#?}");
        assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), charge.fee);
    }
    let stay = Stay { entry_ms: at("2026-11-02 08:00"), exit_ms: at("2026-11-02 15:00"), ..Stay::default() };
    let codes: Vec<FeeCode> = all.price(&stay).lines.iter().map(|l| l.code).collect();
    assert_eq!(
        codes,
        [FeeCode::Increment, FeeCode::LineMax, FeeCode::Tier, FeeCode::WindowMax, FeeCode::Cap]
    );
}

#[test]
fn windows_belong_to_the_day_they_start_on_and_holidays_replace_weekdays() {
    let weekend = tariff(json!({
        "holidays": ["2026-11-04"],
        "collections": [
            {"sequence": 1, "days": ["fri", "sat", "holiday"], "window": {"start": "18:00", "end": "02:00"},
             "lines": [{"sequence": 1, "type": "flat_rate", "value": 50_000}]},
            {"sequence": 2, "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 1_000}]}
        ]
    }));
    // 2026-11-06 is a Friday; its evening lasts until Saturday 02:00.
    assert_eq!(fee(&weekend, "2026-11-07 00:30", "2026-11-07 01:30"), 50_000);
    assert_eq!(fee(&weekend, "2026-11-06 00:30", "2026-11-06 01:30"), 1_000);
    assert_eq!(fee(&weekend, "2026-11-06 16:00", "2026-11-07 03:00"), 2_000 + 50_000 + 1_000);
    // Wednesday 4 November is a holiday.
    assert_eq!(fee(&weekend, "2026-11-04 20:00", "2026-11-04 21:00"), 50_000);
    assert_eq!(fee(&weekend, "2026-11-03 20:00", "2026-11-03 21:00"), 1_000);
    // Sunday evening is no weekend evening, its first two hours are Saturday's.
    assert_eq!(fee(&weekend, "2026-11-08 01:00", "2026-11-08 19:00"), 50_000 + 17_000);
}

#[test]
fn time_without_a_collection_costs_nothing() {
    let day_only = tariff(json!({"collections": [
        {"sequence": 1, "window": {"start": "06:00", "end": "22:00"},
         "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 1_000}]}]}));
    assert_eq!(fee(&day_only, "2026-11-02 22:00", "2026-11-03 06:00"), 0);
    assert_eq!(fee(&day_only, "2026-11-02 21:00", "2026-11-03 07:30"), 3_000);
}

#[test]
fn the_table_is_chosen_by_class_place_time_and_priority() {
    let one = |parts: serde_json::Value| tariff(parts);
    let tables = [
        one(json!({"id": "everywhere"})),
        one(json!({"id": "mall", "places": ["P01"]})),
        one(
            json!({"id": "tet", "priority": 5, "valid_from": "2027-02-01T00:00:00+07:00", "valid_to": "2027-02-10T00:00:00+07:00"}),
        ),
        one(json!({"id": "everywhere", "version": 2, "valid_from": "2026-12-01T00:00:00+07:00"})),
        one(json!({"id": "staff", "user_type": "staff"})),
    ];
    let chosen = |class, user_type: &str, place: &str, entry: &str| {
        let wanted = Wanted { class, user_type, place, entry_ms: at(entry) };
        choose(&tables, &wanted).map(|t| format!("{} {}", t.table().id, t.table().version))
    };
    let car = crate::vehicle::VehicleClass::Car;
    assert_eq!(chosen(car, "transient", "P02", "2026-11-02 09:00").unwrap(), "everywhere 1");
    assert_eq!(chosen(car, "transient", "P01", "2026-11-02 09:00").unwrap(), "mall 1");
    assert_eq!(chosen(car, "transient", "P02", "2026-12-02 09:00").unwrap(), "everywhere 2");
    assert_eq!(chosen(car, "transient", "P01", "2027-02-01 00:00").unwrap(), "tet 1");
    assert_eq!(chosen(car, "transient", "P02", "2027-02-10 00:00").unwrap(), "everywhere 2");
    assert_eq!(chosen(car, "staff", "P02", "2026-11-02 09:00").unwrap(), "staff 1");
    assert_eq!(chosen(crate::vehicle::VehicleClass::Bus, "transient", "P01", "2026-11-02 09:00"), None);
}

#[test]
fn a_charge_survives_the_formats_it_travels_in() {
    let stay = Stay { entry_ms: at("2026-11-02 09:00"), exit_ms: at("2026-11-04 10:00"), ..Stay::default() };
    let charge = builtin("car-mall").price(&stay);
    let json = serde_json::to_string(&charge).unwrap();
    assert_eq!(serde_json::from_str::<Charge>(&json).unwrap(), charge);
}

#[test]
fn every_line_has_words_in_both_languages() {
    let stay = Stay {
        entry_ms: at("2026-11-02 09:00"),
        exit_ms: at("2026-11-03 10:00"),
        lost_credential: true,
        ..Stay::default()
    };
    let charge = builtin("car-mall").price(&stay);
    let vi: Vec<String> = charge.lines.iter().map(|l| l.text(Language::Vi)).collect();
    assert_eq!(
        vi,
        [
            "Bậc giá 25.000 đ",
            "22 × 10.000 đ mỗi 1 giờ",
            "Tối đa trong 24 giờ 120.000 đ",
            "Bậc giá 25.000 đ",
            "Mất thẻ"
        ]
    );
    assert_eq!(charge.lines[1].text(Language::En), "22 × 10,000 VND per 1 h");
}

#[test]
fn an_exit_without_an_entry_has_its_own_charge() {
    let stay = Stay { exit_ms: at("2026-11-02 09:00"), lost_credential: true, ..Stay::default() };
    assert_eq!(builtin("car-mall").price_no_entry(&stay).unwrap().fee, 75_000);
}

#[test]
fn a_stay_of_decades_is_cut_and_flagged() {
    let stay = Stay { entry_ms: 0, exit_ms: i64::MAX, ..Stay::default() };
    let charge = builtin("moto-city").price(&stay);
    assert!(charge.flags.contains(&ChargeFlag::StayTooLong));
    assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), charge.fee);
    assert!(charge.lines.len() <= 201);
}

#[test]
fn a_change_of_the_clock_in_the_night_is_no_trouble() {
    let berlin = tariff(json!({
        "time_zone": "Europe/Berlin",
        "collections": [
            {"sequence": 1, "window": {"start": "02:30", "end": "03:30"},
             "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 5_000}]},
            {"sequence": 2, "lines": [{"sequence": 1, "type": "incrementing_rate", "increment": "PT1H", "value": 1_000}]}
        ],
        "caps": [{"period": "calendar_day", "value": 30_000}]
    }));
    // The last Sundays of March (23 hours) and October (25 hours).
    for midnight in ["2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00"] {
        let entry_ms = midnight.parse::<jiff::Timestamp>().unwrap().as_millisecond() - 3_600_000;
        let mut before = 0;
        for minute in 0..1800 {
            let fee =
                berlin.price(&Stay { entry_ms, exit_ms: entry_ms + minute * 60_000, ..Stay::default() }).fee;
            assert!(fee >= before, "{fee} < {before} at minute {minute} of {midnight}");
            before = fee;
        }
    }
    let october = |hours: i64| {
        let entry_ms = "2026-10-25T00:00:00+02:00".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        berlin.price(&Stay { entry_ms, exit_ms: entry_ms + hours * 3_600_000, ..Stay::default() }).fee
    };
    // That window lasts two hours: 3 started hours before it, 2 in it, 21 after it until midnight.
    assert_eq!(october(25), 30_000);
    assert_eq!(october(5), 3_000 + 10_000 + 1_000);
}

/// A stay's seconds are counted from its entry: 600.2 s are free as 600 s are, although three of the clock's seconds are touched.
#[test]
fn parts_of_a_second_are_not_charged() {
    let tables = crate::tariff::builtin::tables().unwrap();
    let cars = tables.iter().find(|t| t.table().id == "car-mall").unwrap();
    let entry = 1_795_374_000_900;
    let fee = |ms: i64| cars.price(&Stay { entry_ms: entry, exit_ms: entry + ms, ..Stay::default() }).fee;
    assert_eq!((fee(600_000), fee(600_200), fee(600_999)), (0, 0, 0));
    assert_eq!(fee(601_000), 25_000);
}
