//! Tables, a slow independent calculator, and properties.

mod agreement;
mod ceiling;
mod guide;
mod import;
mod properties;
mod reference;
mod table;

use super::*;

/// `2026-11-02 09:00` or `…:00` in the time of Ho Chi Minh City, as ms.
fn at(local: &str) -> i64 {
    let local = if local.len() == 16 { format!("{local}:00") } else { local.to_owned() };
    format!("{}+07:00", local.replace(' ', "T")).parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn builtin(id: &str) -> Tariff {
    builtin::tables().unwrap().into_iter().find(|t| t.table().id == id).unwrap()
}

/// A table with these parts on top of the least one that is valid.
fn tariff(parts: serde_json::Value) -> Tariff {
    Tariff::from_value(&json(parts)).unwrap()
}

fn json(parts: serde_json::Value) -> serde_json::Value {
    let mut table = serde_json::json!({
        "id": "test", "version": 1, "places": ["*"], "vehicle_classes": ["car"], "currency": "VND",
        "time_zone": "Asia/Ho_Chi_Minh",
        "collections": [{"sequence": 1, "lines": []}]
    });
    for (key, value) in parts.as_object().unwrap() {
        table[key] = value.clone();
    }
    table
}

/// R1: 25 000/h in [0,2h), 35 000/h in [2h,4h), 45 000/h after.
fn r1() -> Tariff {
    tariff(serde_json::json!({"collections": [{"sequence": 1, "lines": [
        {"sequence": 1, "type": "incrementing_rate", "end": "PT2H", "increment": "PT1H", "value": 25_000},
        {"sequence": 2, "type": "incrementing_rate", "start": "PT2H", "end": "PT4H", "increment": "PT1H", "value": 35_000},
        {"sequence": 3, "type": "incrementing_rate", "start": "PT4H", "increment": "PT1H", "value": 45_000}
    ]}]}))
}

fn fee(tariff: &Tariff, entry: &str, exit: &str) -> i64 {
    tariff.price(&Stay { entry_ms: at(entry), exit_ms: at(exit), ..Stay::default() }).fee
}
