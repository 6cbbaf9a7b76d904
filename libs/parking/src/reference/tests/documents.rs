use proptest::prelude::*;
use serde_json::{Value, json};
use wire::reference::DocumentKind::{self, RateTables, Staff, Subscriptions};

use crate::plate::PlateKey;
use crate::reference::{Content, FeeConfig, Passes, Refused, StaffList, not_raised, read};
use crate::tariff::{Publication, TariffBook, builtin};
use crate::vehicle::VehicleClass;

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";

fn passes(items: Value) -> Result<Passes, Refused> {
    match read(Subscriptions, json!({"version": 3, "items": items}).to_string().as_bytes())?.content {
        Content::Subscriptions(p) => Ok(p),
        _ => unreachable!("passes were read"),
    }
}

fn pass() -> Value {
    json!({"id": "p1", "plates": ["29A-123.45", "30b 67890"], "vehicle_class": "car", "lots": ["P01"],
        "valid_from": "2026-11-01T00:00:00+07:00", "valid_to": "2026-12-01T00:00:00+07:00", "max_inside": 1})
}

fn member() -> Value {
    json!({"id": "s1", "name": "Nguyễn Văn An", "role": "attendant", "pin_hash": HASH, "active": true})
}

fn table() -> Value {
    serde_json::from_str(include_str!("../../../data/car-mall.json")).unwrap()
}

fn with(mut item: Value, field: &str, value: Value) -> Value {
    item[field] = value;
    item
}

fn without(mut item: Value, field: &str) -> Value {
    item.as_object_mut().unwrap().remove(field);
    item
}

/// Field and code of every reason.
fn reasons(kind: DocumentKind, document: &str) -> Vec<(String, String)> {
    let refused = read(kind, document.as_bytes()).unwrap_err();
    refused.errors.into_iter().map(|e| (e.field, e.code)).collect()
}

#[test]
fn a_pass_is_found_by_each_of_its_plates() {
    let found = passes(json!([pass(), with(with(pass(), "id", json!("p2")), "plates", json!(["29a12345"]))]))
        .unwrap();
    let ids = |key: &str| -> Vec<String> {
        found.of_plate(&PlateKey::new(key).unwrap()).map(|p| p.id.clone()).collect()
    };
    assert_eq!(ids("29A12345"), ["p1", "p2"]);
    assert_eq!(ids("30B67890"), ["p1"]);
    assert!(ids("29A12346").is_empty());
    let p = found.get("p1").unwrap();
    assert_eq!((p.valid_from, p.valid_to), (1_793_466_000_000, Some(1_796_058_000_000)));
    assert_eq!((p.vehicle_class, p.max_inside), (Some(VehicleClass::Car), 1));
    assert!(p.holds_in(Some("P01")) && !p.holds_in(Some("P02")) && !p.holds_in(None));
    assert_eq!(found.version(), Some(3));
}

#[test]
fn what_a_pass_leaves_out_is_any() {
    let bare = json!({"id": "p", "plates": ["29A12345"], "valid_from": "2026-11-01T00:00:00+07:00"});
    let found = passes(json!([bare])).unwrap();
    let p = found.get("p").unwrap();
    assert_eq!((p.valid_to, p.max_inside, p.vehicle_class), (None, 1, None));
    assert!(p.holds_in(Some("P07")) && p.is_for(VehicleClass::Truck));
}

#[test]
fn a_bad_document_is_refused_with_the_field() {
    let of_passes = |item: Value| json!({"version": 1, "items": [pass(), item]}).to_string();
    let second = |item| with(item, "id", json!("p2"));
    let of_staff = |item: Value| json!({"version": 1, "items": [item]}).to_string();
    let of_tables = |items: Value| json!({"version": 1, "items": items}).to_string();
    for (kind, document, field, code) in [
        (Subscriptions, "not json".to_owned(), "", "malformed"),
        (Subscriptions, "[]".to_owned(), "", "malformed"),
        (Subscriptions, r#"{"items": []}"#.to_owned(), "/version", "missing"),
        (Subscriptions, r#"{"version": 1}"#.to_owned(), "/items", "missing"),
        (Subscriptions, r#"{"version": "1", "items": []}"#.to_owned(), "/version", "malformed"),
        (Subscriptions, r#"{"version": 0, "items": []}"#.to_owned(), "/version", "out_of_range"),
        (Subscriptions, r#"{"version": 1, "items": [], "x": 1}"#.to_owned(), "/x", "not_allowed"),
        (Subscriptions, r#"{"version": 1, "items": []} x"#.to_owned(), "", "malformed"),
        (Subscriptions, of_passes(pass()), "/items/1/id", "duplicate"),
        (Subscriptions, of_passes(second(without(pass(), "plates"))), "/items/1/plates", "missing"),
        (
            Subscriptions,
            of_passes(second(with(pass(), "plates", json!([])))),
            "/items/1/plates",
            "out_of_range",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "plates", json!(["🚗"])))),
            "/items/1/plates/0",
            "malformed",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "plates", json!(["29A12345", "29A-123.45"])))),
            "/items/1/plates/1",
            "duplicate",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "valid_from", json!("2026-11-01T00:00:00")))),
            "/items/1/valid_from",
            "malformed",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "valid_to", json!("2026-10-01T00:00:00+07:00")))),
            "/items/1/valid_to",
            "out_of_range",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "max_inside", json!(0)))),
            "/items/1/max_inside",
            "out_of_range",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "max_inside", json!(-1)))),
            "/items/1/max_inside",
            "malformed",
        ),
        (
            Subscriptions,
            of_passes(second(with(pass(), "vehicle_class", json!("tank")))),
            "/items/1/vehicle_class",
            "malformed",
        ),
        (Subscriptions, of_passes(second(with(pass(), "lots", json!([])))), "/items/1/lots", "out_of_range"),
        (Staff, of_staff(with(member(), "role", json!("king"))), "/items/0/role", "malformed"),
        (Staff, of_staff(with(member(), "pin_hash", json!("1234"))), "/items/0/pin_hash", "bad_hash"),
        (Staff, of_staff(with(member(), "pin", json!("1234"))), "/items/0/pin", "not_allowed"),
        (Staff, of_staff(with(member(), "id", json!(" "))), "/items/0/id", "out_of_range"),
        (
            RateTables,
            of_tables(json!([with(table(), "currency", json!("USD"))])),
            "/items/0/currency",
            "out_of_range",
        ),
        (RateTables, of_tables(json!([table(), table()])), "/items/1/version", "duplicate"),
        (
            RateTables,
            of_tables(json!([with(
                table(),
                "legal_ceiling",
                json!({"reference": "x",
                "limits": [{"period": "PT1H", "value": 1000}], "on_breach": "reject_import"})
            )])),
            "/items/0/legal_ceiling/limits/0",
            "legal_ceiling",
        ),
    ] {
        assert_eq!(reasons(kind, &document), [(field.to_owned(), code.to_owned())], "{document}");
    }
}

#[test]
fn every_reason_is_named_and_none_is_dropped_silently_before_twenty() {
    let bad = |i: usize| with(with(pass(), "id", json!(format!("p{i}"))), "max_inside", json!(0));
    let document = json!({"version": 1, "items": (0..30).map(bad).collect::<Vec<_>>()}).to_string();
    assert_eq!(reasons(Subscriptions, &document).len(), 20);
}

#[test]
fn size_and_depth_are_bounded_before_anything_is_read() {
    let huge = format!(r#"{{"version": 1, "items": [{}"#, " ".repeat(Staff.max_bytes()));
    assert_eq!(reasons(Staff, &huge), [(String::new(), "too_large".to_owned())]);
    let deep = format!(r#"{{"version": 1, "items": {}"#, "[".repeat(100_000));
    assert_eq!(reasons(Staff, &deep), [(String::new(), "too_deep".to_owned())]);
    let item = json!({"id": "x"}).to_string();
    let many = format!(r#"{{"version": 1, "items": [{}]}}"#, vec![member().to_string(); 5_001].join(","));
    assert!(many.len() < Staff.max_bytes() && !item.is_empty());
    let found = reasons(Staff, &many);
    assert!(found.contains(&("/items".to_owned(), "out_of_range".to_owned())), "{found:?}");
}

#[test]
fn the_same_document_in_other_words_is_the_same_bytes() {
    let one = read(Staff, br#"{"version": 1, "items": []}"#).unwrap();
    let other = read(Staff, b"{ \"items\":[],\n\"version\":1 }").unwrap();
    assert_eq!(one.canonical, other.canonical);
}

#[test]
fn a_list_with_nobody_on_it_is_no_list() {
    let Content::Staff(none) = read(Staff, br#"{"version": 9, "items": []}"#).unwrap().content else {
        unreachable!("staff was read")
    };
    assert!(StaffList::new(9, none).is_none());
    let document = json!({"version": 1, "items": [member(), with(with(member(), "id", json!("s2")), "active", json!(false))]});
    let Content::Staff(two) = read(Staff, document.to_string().as_bytes()).unwrap().content else {
        unreachable!("staff was read")
    };
    let list = StaffList::new(1, two).unwrap();
    assert_eq!(list.active("s1").map(|m| m.name.as_str()), Some("Nguyễn Văn An"));
    assert!(list.active("s2").is_none() && list.active("s3").is_none());
}

#[test]
fn a_table_never_changes_under_its_version() {
    let config = |version: i64, items: Value| {
        let document = json!({"version": version, "items": items}).to_string();
        match read(RateTables, document.as_bytes()).unwrap().content {
            Content::RateTables(c) => c,
            _ => unreachable!("rate tables were read"),
        }
    };
    let built_in = builtin::tables().unwrap();
    let held = |c: FeeConfig| {
        let publication = Publication { version: c.version, tariffs: c.tariffs };
        TariffBook::of(builtin::tables().unwrap(), vec![publication])
    };
    let (first, dearer) = (held(config(1, json!([table()]))), with(table(), "free_minutes", json!(0)));
    assert_eq!(not_raised(&config(2, json!([table()])), &first), Ok(()));
    let refused = not_raised(&config(2, json!([dearer.clone()])), &first).unwrap_err();
    assert_eq!(
        (refused.errors[0].field.as_str(), refused.errors[0].code.as_str()),
        ("/items/0/version", "not_raised")
    );
    assert_eq!(not_raised(&config(2, json!([with(dearer.clone(), "version", json!(8))])), &first), Ok(()));
    assert_eq!(not_raised(&config(2, json!([dearer])), &TariffBook::of(built_in, Vec::new())), Ok(()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for kind in DocumentKind::ALL {
            prop_assert!(read(kind, &bytes).is_err());
        }
    }

    #[test]
    fn a_document_with_one_byte_changed_is_read_or_refused(at in 0_usize..400, byte in any::<u8>()) {
        let mut document = json!({"version": 3, "items": [pass()]}).to_string().into_bytes();
        let at = at % document.len();
        document[at] = byte;
        // Never a panic; what is read keeps its one pass.
        if let Ok(r) = read(Subscriptions, &document) {
            prop_assert_eq!(r.items, 1);
        }
    }
}
