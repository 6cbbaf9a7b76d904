//! Tables and properties of plates.

use proptest::prelude::*;

use super::*;
use PlateFlag::{Ambiguous, ClassMismatch, Corrected, ProvinceUnassigned, Unverified};
use PlateKind::{
    Car, Diplomatic, ElectricMotorbike, Military, NewMotorbike, NoPlate, OldMotorbike, Special, Temporary,
    Unknown,
};

const CARS: &[VehicleClass] = &[VehicleClass::Car];
const BIKES: &[VehicleClass] = &[VehicleClass::Motorbike];
const BOTH: &[VehicleClass] = &[VehicleClass::Car, VehicleClass::Motorbike];

type Row =
    (&'static str, &'static [VehicleClass], &'static str, &'static str, PlateKind, &'static [PlateFlag]);

/// raw, lane, key ("" = none), display, kind, flags
const ROWS: &[Row] = &[
    // The table of the rules.
    ("29A-123.45", CARS, "29A12345", "29A-123.45", Car, &[]),
    ("29a 12345", CARS, "29A12345", "29A-123.45", Car, &[]),
    ("29A12345", CARS, "29A12345", "29A-123.45", Car, &[Ambiguous]),
    ("29A12345", &[], "29A12345", "29A-123.45", Car, &[Ambiguous]),
    ("29A-1234", CARS, "29A1234", "29A-1234", Car, &[]),
    ("29-H1 123.45", BIKES, "29H112345", "29-H1 123.45", OldMotorbike, &[]),
    ("29-AA 002.33", BIKES, "29AA00233", "29-AA 002.33", NewMotorbike, &[]),
    ("3OA-l23.4S", CARS, "30A12345", "30A-123.45", Car, &[Corrected]),
    ("51F\n970.22", CARS, "51F97022", "51F-970.22", Car, &[]),
    ("51F\r\n970.22", CARS, "51F97022", "51F-970.22", Car, &[]),
    ("51-F9\n7022", BIKES, "51F97022", "51-F9 7022", OldMotorbike, &[]),
    ("80 NN 168-06", CARS, "80168NN06", "80-168-NN-06", Diplomatic, &[]),
    ("80-441-NG-02", CARS, "80441NG02", "80-441-NG-02", Diplomatic, &[]),
    ("TM-12-34", CARS, "TM1234", "TM-12-34", Military, &[]),
    ("29-MĐ1 123.45", BIKES, "29MD112345", "29-MĐ1 123.45", ElectricMotorbike, &[]),
    ("13A-123.45", CARS, "13A12345", "13A-123.45", Car, &[ProvinceUnassigned]),
    ("", CARS, "", "", NoPlate, &[Unverified]),
    ("NOPLATE", CARS, "", "", NoPlate, &[Unverified]),
    // The lane's class chooses the kind, never the key.
    ("29B11234", CARS, "29B11234", "29B-112.34", Car, &[Ambiguous]),
    ("29B11234", BIKES, "29B11234", "29-B1 1234", OldMotorbike, &[Ambiguous]),
    ("29B11234", BOTH, "29B11234", "29B-112.34", Car, &[Ambiguous]),
    ("29B-112.34", BIKES, "29B11234", "29B-112.34", Car, &[]),
    ("29-B1 1234", CARS, "29B11234", "29-B1 1234", OldMotorbike, &[]),
    // A key that fits only another class.
    ("29-H1 123.45", CARS, "29H112345", "29-H1 123.45", OldMotorbike, &[ClassMismatch]),
    ("29-AA 002.33", CARS, "29AA00233", "29-AA 002.33", NewMotorbike, &[ClassMismatch]),
    ("29A-1234", BIKES, "29A1234", "29A-1234", Car, &[ClassMismatch]),
    ("29A-023.45", BIKES, "29A02345", "29A-023.45", Car, &[ClassMismatch]),
    ("29-MĐ1 123.45", CARS, "29MD112345", "29-MĐ1 123.45", ElectricMotorbike, &[ClassMismatch]),
    (
        "29-H1 123.45",
        &[VehicleClass::Car, VehicleClass::Motorbike],
        "29H112345",
        "29-H1 123.45",
        OldMotorbike,
        &[],
    ),
    ("29C-123.45", &[VehicleClass::Truck], "29C12345", "29C-123.45", Car, &[]),
    ("29C-123.45", &[VehicleClass::Bicycle], "29C12345", "29C-123.45", Car, &[ClassMismatch]),
    ("29-H1 123.45", &[VehicleClass::Exempt], "29H112345", "29-H1 123.45", OldMotorbike, &[]),
    // Other writings.
    ("  29a-123.45  ", CARS, "29A12345", "29A-123.45", Car, &[]),
    ("29–A 123·45", CARS, "29A12345", "29A-123.45", Car, &[]),
    ("80NN16806", CARS, "80168NN06", "80-168-NN-06", Diplomatic, &[]),
    ("80168NN06", CARS, "80168NN06", "80-168-NN-06", Diplomatic, &[]),
    ("41-291-CV-13", CARS, "41291CV13", "41-291-CV-13", Diplomatic, &[]),
    ("29md112345", BIKES, "29MD112345", "29-MĐ1 123.45", ElectricMotorbike, &[]),
    ("29-MĐ 012.34", BIKES, "29MD01234", "29-MĐ 012.34", ElectricMotorbike, &[]),
    ("29LD-123.45", CARS, "29LD12345", "29LD-123.45", Special, &[]),
    ("80-KT 1234", CARS, "80KT1234", "80KT-1234", Special, &[]),
    ("51R-123.45", CARS, "51R12345", "51R-123.45", Special, &[]),
    ("51RM-012.34", CARS, "51RM01234", "51RM-012.34", Special, &[]),
    ("29T-123.45", CARS, "29T12345", "29T-123.45", Special, &[Ambiguous]),
    ("T29-123.45", CARS, "T2912345", "T29-123.45", Temporary, &[]),
    ("T13-123.45", CARS, "T1312345", "T13-123.45", Temporary, &[ProvinceUnassigned]),
    ("tm1234", CARS, "TM1234", "TM-12-34", Military, &[]),
    ("29A-12-345", CARS, "29A12345", "29A-123.45", Car, &[Ambiguous]),
    ("29-AR 123.45", BIKES, "29AR12345", "29-AR 123.45", NewMotorbike, &[]),
    ("29-AG 123.45", BIKES, "29AG12345", "29-AG 123.45", Unknown, &[Unverified]),
    ("29-RA 123.45", BIKES, "29RA12345", "29-RA 123.45", Unknown, &[Unverified]),
    // Masks.
    ("29Q-123.45", CARS, "29D12345", "29D-123.45", Car, &[Corrected]),
    ("2981Z345", CARS, "29B12345", "29B-123.45", Car, &[Ambiguous, Corrected]),
    ("29-8A 123.4S", BIKES, "29BA12345", "29-BA 123.45", NewMotorbike, &[Corrected]),
    ("29-HI 123.45", BIKES, "29HI12345", "29-HI 123.45", Unknown, &[Unverified]),
    ("8O-NN-I68-O6", CARS, "80168NN06", "80-168-NN-06", Diplomatic, &[Corrected]),
    ("29W-123.45", CARS, "29W12345", "29W-123.45", Unknown, &[Unverified]),
    ("29A-X23.45", CARS, "29AX2345", "29A-X23.45", Unknown, &[Unverified]),
    // Nothing fits.
    ("TM-12-345", CARS, "TM12345", "TM-12-345", Unknown, &[Unverified]),
    ("B 1234 XYZ KL", CARS, "B1234XYZKL", "B 1234 XYZ KL", Unknown, &[Unverified]),
    ("nước 5", CARS, "NC5", "NC 5", Unknown, &[Unverified]),
    ("xe // đỏ", CARS, "XED", "XE Đ", Unknown, &[Unverified]),
    ("A", CARS, "A", "A", Unknown, &[Unverified]),
    // No plate.
    (" no-plate ", BIKES, "", "", NoPlate, &[Unverified]),
    ("🚗🚗", CARS, "", "", NoPlate, &[Unverified]),
    ("--- . \n", CARS, "", "", NoPlate, &[Unverified]),
    ("粤", CARS, "", "", NoPlate, &[Unverified]),
];

#[test]
fn plates_of_the_table() {
    for &(raw, lane, key, display, kind, flags) in ROWS {
        let plate = read(raw, lane).unwrap();
        assert_eq!(plate.raw, raw);
        assert_eq!(plate.key.as_ref().map_or("", PlateKey::as_str), key, "key of {raw:?}");
        assert_eq!(plate.display, display, "display of {raw:?}");
        assert_eq!(
            (plate.kind, plate.flags.as_slice()),
            (kind, flags),
            "kind and flags of {raw:?} at {lane:?}"
        );
    }
}

#[test]
fn d_with_stroke_is_one_letter_however_it_is_encoded() {
    for raw in ["29-MĐ1 123.45", "29-mđ1 123.45", "29-MÐ1 123.45", "29-MD1 123.45"] {
        let plate = read(raw, BIKES).unwrap();
        assert_eq!(plate.display, "29-MĐ1 123.45", "{raw}");
    }
}

#[test]
fn only_a_text_over_64_characters_is_refused() {
    assert!(read(&"Đ".repeat(64), CARS).is_ok());
    assert_eq!(read(&"-".repeat(65), CARS), Err(PlateTooLong { chars: 65 }));
}

#[test]
fn unassigned_provinces_are_flagged_and_no_others() {
    let flagged: Vec<u32> = (0..100)
        .filter(|p| read(&format!("{p:02}A-123.45"), CARS).unwrap().has(ProvinceUnassigned))
        .collect();
    assert_eq!(flagged, [13, 42, 44, 45, 46, 87, 91, 96]);
}

fn key(text: &str) -> PlateKey {
    PlateKey::new(text).unwrap()
}

fn found(exit: &str, candidates: &[&str], open: &[&str]) -> Match<String> {
    let candidates: Vec<PlateKey> = candidates.iter().map(|c| key(c)).collect();
    let open: Vec<PlateKey> = open.iter().map(|o| key(o)).collect();
    match_entry(&key(exit), &candidates, open.iter().map(|k| (k, k.to_string())))
}

#[test]
fn the_entry_is_found_in_the_order_of_the_steps() {
    let all = ["29A12345", "29A12346", "29AB2345"];
    assert_eq!(found("29A12345", &["29A12346"], &all), Match::Exact("29A12345".into()));
    assert_eq!(found("29A12347", &["29A12346"], &all), Match::Candidate("29A12346".into()));
    assert_eq!(found("29A82345", &["51F00001"], &all), Match::LookAlike("29AB2345".into()));
    // Two real cars: never taken without asking.
    assert_eq!(found("29A12345", &[], &["29A12346"]), Match::AskStaff(vec!["29A12346".into()]));
    assert_eq!(
        found("29A12347", &["29A12346", "29A12345"], &all),
        Match::AskStaff(vec!["29A12345".into(), "29A12346".into()])
    );
    assert_eq!(
        found("29A82345", &[], &["29AB2345", "29A8Z345", "29A82346"]),
        Match::AskStaff(vec!["29A82346".into(), "29A8Z345".into(), "29AB2345".into()])
    );
    assert_eq!(found("29A2345", &[], &["29A12345"]), Match::AskStaff(vec!["29A12345".into()]));
    assert_eq!(found("30E99999", &[], &all), Match::None);
}

#[test]
fn two_digits_are_never_look_alikes() {
    assert!(!is_look_alike(&key("29A12345"), &key("29A12845")));
    assert!(is_look_alike(&key("29A812345"), &key("29AB12345")));
    assert!(is_look_alike(&key("29A312345"), &key("29AB12345")));
    assert!(!is_look_alike(&key("29A12345"), &key("29A12345")));
}

#[test]
fn one_character_away() {
    for (a, b, expected) in [
        ("29A12345", "29A12346", true),
        ("29A12345", "29A1234", true),
        ("29A12345", "9A12345", true),
        ("29A12345", "29A123456", true),
        ("29A12345", "29A12345", false),
        ("29A12345", "29A12354", false),
        ("29A12345", "29A123", false),
        ("A", "B", true),
    ] {
        assert_eq!(is_one_away(&key(a), &key(b)), expected, "{a} {b}");
        assert_eq!(is_one_away(&key(b), &key(a)), expected, "{b} {a}");
    }
}

#[test]
fn keys_are_checked_on_the_wire() {
    assert_eq!(serde_json::from_str::<PlateKey>("\"29A12345\"").unwrap(), key("29A12345"));
    for bad in ["\"\"", "\"29a\"", "\"29-A\"", "\"Đ\"", "12"] {
        assert!(serde_json::from_str::<PlateKey>(bad).is_err(), "{bad}");
    }
    let generated = PlateKey::generated(u64::MAX);
    assert_eq!(generated.as_str(), "NPZZZZZZZZ");
    assert!(generated.is_generated());
    assert_eq!(PlateKey::new(generated.as_str()), Ok(generated));
}

#[test]
fn names_on_the_wire_are_the_same_everywhere() {
    for &(_, _, _, _, kind, flags) in ROWS {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        for flag in flags {
            assert_eq!(serde_json::to_value(flag).unwrap(), flag.as_str());
        }
    }
}

fn plate_like() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9A-Za-zĐđ .\\-\n]{0,14}",
        "[0-9OQDIZASGTB]{2}[-. ]?[0-9A-ZĐ]{1,3}[-. \n]?[0-9OQDIJLZASGTB]{3}[.]?[0-9OQDIJLZASGTB]{1,2}",
    ]
}

fn lanes() -> impl Strategy<Value = Vec<VehicleClass>> {
    prop::collection::vec(prop::sample::select(VehicleClass::ALL.to_vec()), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reading_a_display_again_gives_the_same_key(raw in plate_like(), lane in lanes(), other in lanes()) {
        let Ok(first) = read(&raw, &lane) else {
            prop_assert!(raw.chars().count() > MAX_CHARS);
            return Ok(());
        };
        let again = read(&first.display, &other).unwrap();
        prop_assert_eq!(&again.key, &first.key, "{} read as {}", raw, first.display);
        if let Some(key) = &first.key {
            prop_assert!(PlateKey::new(key.as_str()).is_ok());
            prop_assert_eq!(&read(key.as_str(), &other).unwrap().key, &first.key);
        }
        prop_assert_eq!(first.key.is_none(), first.kind == NoPlate);
        prop_assert_eq!(first.has(Unverified), matches!(first.kind, NoPlate | Unknown));
    }

    #[test]
    fn separators_and_lane_never_change_the_key(raw in plate_like(), lane in lanes()) {
        let bare: String = raw.chars().filter(|c| c.is_alphanumeric()).collect();
        if let (Ok(a), Ok(b)) = (read(&raw, &lane), read(&bare, &[])) {
            // Composing letters across a removed separator would be another text.
            if raw.chars().all(|c| c.is_ascii() || c == 'Đ' || c == 'đ') {
                prop_assert_eq!(a.key, b.key);
            }
        }
    }

    #[test]
    fn distance_and_look_alike_are_symmetric(a in "[0-9A-Z]{1,9}", b in "[0-9A-Z]{1,9}") {
        let (a, b) = (key(&a), key(&b));
        prop_assert_eq!(is_one_away(&a, &b), is_one_away(&b, &a));
        prop_assert_eq!(is_look_alike(&a, &b), is_look_alike(&b, &a));
    }
}
