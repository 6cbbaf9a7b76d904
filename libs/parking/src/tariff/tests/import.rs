//! What an import accepts and why it refuses.

use serde_json::{Value, json};

use super::*;

/// Pointers and codes of what is wrong.
fn refused(table: &Value) -> Vec<(String, &'static str)> {
    let errors = Tariff::import(&table.to_string()).unwrap_err().errors;
    errors.into_iter().map(|e| (e.field, e.code)).collect()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut table = serde_json::to_value(builtin("car-mall").table()).unwrap();
    change(&mut table);
    table
}

#[test]
fn the_built_in_tables_keep_their_shape() {
    for text in [include_str!("../../../data/car-mall.json"), include_str!("../../../data/moto-city.json")] {
        let published: Value = serde_json::from_str(text).unwrap();
        let read = Tariff::import(text).unwrap();
        assert_eq!(serde_json::to_value(read.table()).unwrap(), published);
    }
}

#[test]
fn errors_name_field_and_reason() {
    let cases: Vec<(Value, &str, &str)> = vec![
        (with(|t| t["colour"] = json!("red")), "/colour", "not_allowed"),
        (with(|t| t["version"] = json!(0)), "/version", "out_of_range"),
        (with(|t| t["version"] = json!("7")), "/version", "malformed"),
        (with(|t| drop(t.as_object_mut().unwrap().remove("time_zone"))), "/time_zone", "missing"),
        (with(|t| t["time_zone"] = json!("Asia/Hanoi2")), "/time_zone", "unknown_time_zone"),
        (with(|t| t["valid_from"] = json!("2026-10-01T00:00:00")), "/valid_from", "malformed"),
        (with(|t| t["vehicle_classes"] = json!(["cars"])), "/vehicle_classes/0", "malformed"),
        (with(|t| t["free_minutes"] = json!(-1)), "/free_minutes", "malformed"),
        (with(|t| t["collections"] = json!([])), "/collections", "out_of_range"),
        (with(|t| t["collections"][0]["days"] = json!(["monday"])), "/collections/0/days/0", "malformed"),
        (
            with(|t| t["collections"][0]["lines"][1]["increment"] = json!("1h")),
            "/collections/0/lines/1/increment",
            "malformed",
        ),
        (
            with(|t| t["collections"][0]["lines"][1]["increment"] = json!(null)),
            "/collections/0/lines/1/increment",
            "missing",
        ),
        (
            with(|t| t["collections"][0]["lines"][0]["increment"] = json!("PT1H")),
            "/collections/0/lines/0/increment",
            "not_allowed",
        ),
        (
            with(|t| t["collections"][0]["lines"][0]["end"] = json!("PT0S")),
            "/collections/0/lines/0/end",
            "out_of_range",
        ),
        (
            with(|t| t["collections"][0]["lines"][0]["value"] = json!(-5)),
            "/collections/0/lines/0/value",
            "out_of_range",
        ),
        (
            with(|t| t["collections"][0]["lines"][0]["value"] = json!(0.5)),
            "/collections/0/lines/0/value",
            "malformed",
        ),
        (
            with(|t| t["collections"][0]["lines"][1]["sequence"] = json!(1)),
            "/collections/0/lines/1/sequence",
            "duplicate",
        ),
        (
            with(|t| t["collections"][0]["window"] = json!({"start": "21:00", "end": "25:00"})),
            "/collections/0/window/end",
            "malformed",
        ),
        (with(|t| t["caps"][0]["length"] = json!(null)), "/caps/0/length", "missing"),
        (with(|t| t["holidays"] = json!(["2027-02-30"])), "/holidays/0", "malformed"),
        (with(|t| t["discounts"][0]["value"] = json!(101)), "/discounts/0/value", "out_of_range"),
        (with(|t| t["currency"] = json!("USD")), "/currency", "out_of_range"),
        (
            with(|t| t["legal_ceiling"]["limits"][0]["period"] = json!("month")),
            "/legal_ceiling/limits/0/period",
            "malformed",
        ),
    ];
    for (table, field, code) in cases {
        assert_eq!(refused(&table), [(field.to_owned(), code)], "{field}");
    }
    let text = Tariff::import(&with(|t| t["version"] = json!(0)).to_string()).unwrap_err().to_string();
    assert_eq!(text, "rate table refused: /version: must be at least 1");
    assert!(Tariff::import("{").is_err());
}

#[test]
fn a_table_above_the_legal_ceiling_is_refused() {
    let limits = |limits: Value| with(|t| t["legal_ceiling"]["limits"] = limits);
    let breach = [("/legal_ceiling/limits/0".to_owned(), "legal_ceiling")];
    for (period, value) in
        [("PT1H", 24_999), ("PT24H", 119_000), ("PT3H", 34_000), ("stay", 100_000), ("day", 100_000)]
    {
        assert_eq!(refused(&limits(json!([{"period": period, "value": value}]))), breach, "{period}");
    }
    for (period, value) in
        [("PT1H", 25_000), ("PT24H", 120_000), ("PT3H", 45_000), ("stay", 120_000), ("day", 120_000)]
    {
        let table = limits(json!([{"period": period, "value": value}])).to_string();
        Tariff::import(&table).unwrap_or_else(|e| panic!("{period}: {e}"));
    }
    let mut warned = limits(json!([{"period": "PT1H", "value": 20_000}]));
    warned["legal_ceiling"]["on_breach"] = json!("warn");
    let warned = Tariff::import(&warned.to_string()).unwrap();
    assert_eq!((warned.breaches()[0].allowed, warned.breaches()[0].found), (20_000, 25_000));
    assert_eq!(warned.clone().breaches(), warned.breaches());
}

#[test]
fn day_and_night_have_their_own_ceilings() {
    let mut table = serde_json::to_value(builtin("moto-city").table()).unwrap();
    let mut with = |period: &str, value: i64| {
        let limits = json!([{"period": period, "value": value}]);
        table["legal_ceiling"] = json!({"reference": "x", "limits": limits, "on_breach": "reject_import"});
        Tariff::import(&table.to_string()).is_ok()
    };
    assert!(with("day", 4_000) && with("night", 6_000) && with("stay", 16_000));
    assert!(!with("day", 3_999) && !with("night", 5_999) && !with("stay", 15_999));
}

#[test]
fn durations_and_times_are_strict() {
    let seconds = |text: &str| IsoDuration::try_from(text.to_owned()).ok().map(IsoDuration::seconds);
    for (text, expected) in [
        ("PT0S", Some(0)),
        ("PT1H30M", Some(5400)),
        ("P1D", Some(86_400)),
        ("P1DT1S", Some(86_401)),
        ("P2W", Some(1_209_600)),
        ("PT90M", Some(5400)),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("1H", None),
        ("PT-1H", None),
        ("PT1M1H", None),
        ("P1M", None),
        ("P1Y", None),
        ("PT99999999999999999999S", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
    assert_eq!(IsoDuration::from_seconds(90_061).to_string(), "PT25H1M1S");
    for bad in ["24:01", "5:00", "05:60", "0500", "aa:bb"] {
        assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
    }
    assert!(TimeOfDay::try_from("24:00".to_owned()).is_ok());
}

#[test]
fn the_schema_names_every_field() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../../docs/rate-table.schema.json")).unwrap();
    let names = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let table = serde_json::to_value(builtin("car-mall").table()).unwrap();
    assert_eq!(names(&schema["properties"]), names(&table));
    for (definition, example) in [
        ("collection", &table["collections"][0]),
        ("discount", &table["discounts"][0]),
        ("cap", &table["caps"][0]),
        ("surcharge", &table["surcharges"][0]),
        ("rounding", &table["rounding"]),
        ("no_entry_record", &table["no_entry_record"]),
        ("legal_ceiling", &table["legal_ceiling"]),
    ] {
        assert_eq!(names(&schema["$defs"][definition]["properties"]), names(example), "{definition}");
    }
}
