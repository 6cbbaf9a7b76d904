use serde_json::{Value, json};

use crate::tariff::{Publication, Tariff, TariffBook, Wanted, builtin};
use crate::vehicle::VehicleClass;

const CAR_MALL: &str = include_str!("../../../data/car-mall.json");

/// A car table with this price for the first two hours.
fn table(id: &str, version: i64, from: Option<&str>, to: Option<&str>, price: i64) -> Tariff {
    let mut t: Value = serde_json::from_str(CAR_MALL).unwrap();
    t["id"] = json!(id);
    t["version"] = json!(version);
    t["valid_from"] = json!(from);
    t["valid_to"] = json!(to);
    t["legal_ceiling"] = Value::Null;
    t["collections"][0]["lines"][0]["value"] = json!(price);
    Tariff::from_value(&t).unwrap()
}

fn book(published: Vec<(i64, Vec<Tariff>)>) -> TariffBook {
    let published =
        published.into_iter().map(|(version, tariffs)| Publication { version, tariffs }).collect();
    TariffBook::of(builtin::tables().unwrap(), published)
}

/// Id and version of the table that prices a vehicle that enters then.
fn priced(book: &TariffBook, class: VehicleClass, entry: &str) -> Option<(String, i64)> {
    let entry_ms = wire::time::parse_rfc3339(entry).unwrap();
    let wanted = Wanted { class, user_type: "transient", place: "P01", entry_ms };
    book.choose(&wanted).map(|t| (t.table().id.clone(), t.table().version))
}

fn named(id: &str, version: i64) -> Option<(String, i64)> {
    Some((id.to_owned(), version))
}

const OCTOBER: &str = "2026-10-15T08:00:00+07:00";
const NOVEMBER: &str = "2026-11-15T08:00:00+07:00";
const DECEMBER: &str = "2026-12-15T08:00:00+07:00";
const FROM_NOVEMBER: Option<&str> = Some("2026-11-01T00:00:00+07:00");
const FROM_DECEMBER: Option<&str> = Some("2026-12-01T00:00:00+07:00");

#[test]
fn without_a_publication_the_built_in_tables_hold() {
    let b = book(vec![]);
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 7));
    assert_eq!(priced(&b, VehicleClass::Motorbike, NOVEMBER), named("moto-city", 1));
    assert_eq!(priced(&b, VehicleClass::Truck, NOVEMBER), None);
    assert_eq!(b.version(), None);
}

#[test]
fn a_publication_rules_from_the_moment_its_tables_begin() {
    let b = book(vec![(1, vec![table("car-mall", 8, FROM_NOVEMBER, None, 30_000)])]);
    assert_eq!(priced(&b, VehicleClass::Car, OCTOBER), named("car-mall", 7));
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 8));
    assert_eq!(priced(&b, VehicleClass::Motorbike, NOVEMBER), named("moto-city", 1));
}

#[test]
fn a_later_publication_leaves_what_began_before_it() {
    let b = book(vec![
        (5, vec![table("city", 1, FROM_DECEMBER, None, 40_000)]),
        (2, vec![table("car-mall", 8, FROM_NOVEMBER, None, 30_000)]),
    ]);
    assert_eq!(priced(&b, VehicleClass::Car, OCTOBER), named("car-mall", 7));
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 8));
    assert_eq!(priced(&b, VehicleClass::Car, DECEMBER), named("city", 1));
    assert_eq!(b.version(), Some(5));
}

#[test]
fn a_correction_holds_from_where_it_says_also_backwards() {
    let b = book(vec![
        (1, vec![table("car-mall", 8, FROM_NOVEMBER, None, 30_000)]),
        (2, vec![table("car-mall", 9, None, None, 20_000)]),
    ]);
    assert_eq!(priced(&b, VehicleClass::Car, OCTOBER), named("car-mall", 9));
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 9));
}

#[test]
fn a_price_that_was_ended_does_not_come_back() {
    let ended = table("car-mall", 8, FROM_NOVEMBER, FROM_DECEMBER, 30_000);
    let b = book(vec![(1, vec![table("car-mall", 7, None, None, 25_000)]), (2, vec![ended])]);
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 8));
    assert_eq!(priced(&b, VehicleClass::Car, DECEMBER), None);
    assert_eq!(priced(&b, VehicleClass::Car, OCTOBER), named("car-mall", 7));
}

#[test]
fn one_publication_may_hold_two_versions_of_a_table() {
    let tables = vec![
        table("car-mall", 8, None, FROM_DECEMBER, 30_000),
        table("car-mall", 9, FROM_DECEMBER, None, 35_000),
    ];
    let b = book(vec![(1, tables)]);
    assert_eq!(priced(&b, VehicleClass::Car, NOVEMBER), named("car-mall", 8));
    assert_eq!(priced(&b, VehicleClass::Car, DECEMBER), named("car-mall", 9));
    assert_eq!(b.find("car-mall").map(|t| t.table().version), Some(9));
    assert_eq!(b.find("moto-city").map(|t| t.table().version), Some(1));
    assert!(b.find("nothing").is_none());
}
