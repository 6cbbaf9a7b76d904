//! Plates against a second reading of the rules, as slow and plain as their text.

use parking::plate::{self, PlateKey};
use parking::vehicle::VehicleClass;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

/// What the rules say about a text.
#[derive(Debug, Default, PartialEq)]
struct Rule {
    key: Option<String>,
    kind: &'static str,
    flags: Vec<&'static str>,
}

/// Every writing of every pattern: kind, the characters (`9` digit, `1` digit but 0, `L` first letter, `S` second letter, others
/// stand for themselves), and after how many characters a group may end.
fn patterns() -> Vec<(&'static str, String, &'static [usize])> {
    let mut all = Vec::new();
    for mark in ["NG", "QT", "CV", "NN"] {
        all.push(("diplomatic", format!("99999{mark}99"), &[2, 5, 7][..]));
        all.push(("diplomatic", format!("99{mark}99999"), &[2, 4, 7]));
    }
    all.push(("electric_motorbike", "99MD199999".into(), &[2, 4, 5, 8]));
    all.push(("electric_motorbike", "99MD99999".into(), &[2, 4, 5, 7]));
    for letters in ["LD", "DA", "KT", "HC", "MK", "CD", "TD", "RM", "CT", "LB"] {
        all.push(("special", format!("99{letters}99999"), &[2, 4, 7]));
        all.push(("special", format!("99{letters}9999"), &[2, 4, 6]));
    }
    for letter in ["T", "R"] {
        all.push(("special", format!("99{letter}99999"), &[2, 3, 6]));
        all.push(("special", format!("99{letter}9999"), &[2, 3, 5]));
    }
    all.push(("new_motorbike", "99LS99999".into(), &[2, 4, 7]));
    all.push(("old_motorbike", "99L199999".into(), &[2, 4, 7]));
    all.push(("old_motorbike", "99L19999".into(), &[2, 4]));
    all.push(("car", "99L99999".into(), &[2, 3, 6]));
    all.push(("car", "99L9999".into(), &[2, 3, 5]));
    all.push(("temporary", "T9999999".into(), &[1, 3, 6]));
    all.push(("military", "MM9999".into(), &[2, 4]));
    all
}

const SERIES: &str = "ABCDEFGHKLMNPSTUVXYZ";
/// Pairs with a meaning of their own are no series of a motorbike.
const TAKEN: [&str; 15] =
    ["NG", "QT", "CV", "NN", "MD", "LD", "DA", "KT", "HC", "MK", "CD", "TD", "RM", "CT", "LB"];

fn fits(pattern: &str, text: &str) -> bool {
    let one = |p: char, c: char| match p {
        '9' => c.is_ascii_digit(),
        '1' => c.is_ascii_digit() && c != '0',
        'L' => SERIES.contains(c),
        'S' => c == 'R' || (SERIES.contains(c) && c != 'G'),
        'M' if pattern.starts_with("MM") => c == 'R' || SERIES.contains(c),
        other => c == other,
    };
    // The letters of special plates are letters, whatever they stand for elsewhere.
    let literal = |p: char, c: char| if matches!(p, '9' | '1') { one(p, c) } else { p == c };
    let special = !pattern.contains("LS") && !pattern.starts_with("99L") && !pattern.starts_with("MM");
    let exact = special || pattern.starts_with("99LD") || pattern.starts_with("99LB");
    pattern.chars().count() == text.chars().count()
        && pattern.chars().zip(text.chars()).all(|(p, c)| if exact { literal(p, c) } else { one(p, c) })
        && (pattern != "99LS99999" || !TAKEN.contains(&&text[2..4]))
}

/// The characters of the key and the places where groups end.
fn groups(raw: &str) -> (String, Vec<usize>) {
    let text: String = raw.nfc().collect();
    let (mut chars, mut cuts) = (String::new(), Vec::new());
    for group in text.split(|c: char| !c.is_alphanumeric()) {
        let upper = group.chars().map(|c| if "ĐđÐðƉɖ".contains(c) { 'D' } else { c.to_ascii_uppercase() });
        let kept: String = upper.filter(char::is_ascii_alphanumeric).collect();
        if !kept.is_empty() {
            if !chars.is_empty() {
                cuts.push(chars.len());
            }
            chars.push_str(&kept);
        }
    }
    (chars, cuts)
}

/// Digits where digits belong, a letter where a letter belongs.
fn masked(text: &str) -> Option<String> {
    if !(7..=9).contains(&text.len()) {
        return None;
    }
    let swap = |c: char, from: &str, to: &str| from.find(c).and_then(|i| to.chars().nth(i));
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        out.push(match i {
            3 if text.len() == 9 => c,
            2 if c.is_ascii_uppercase() && c != 'O' && c != 'Q' => c,
            2 => swap(c, "0OQ2384567", "DDDZBBASGT")?,
            _ if c.is_ascii_digit() => c,
            _ => swap(c, "OQDIJLZASGTB", "000111245678")?,
        });
    }
    Some(out)
}

fn is_for(kind: &str, class: VehicleClass) -> bool {
    use VehicleClass::{Bus, Car, Car10to16, ElectricMotorbike, Exempt, Motorbike, Truck};
    match kind {
        _ if class == Exempt => true,
        "car" => matches!(class, Car | Car10to16 | Truck | Bus),
        "old_motorbike" | "new_motorbike" | "electric_motorbike" => {
            matches!(class, Motorbike | ElectricMotorbike)
        }
        _ => true,
    }
}

fn by_the_text(raw: &str, classes: &[VehicleClass]) -> Rule {
    let (chars, cuts) = groups(raw);
    if chars.is_empty() || chars == "NOPLATE" {
        return Rule { key: None, kind: "none", flags: vec!["unverified"] };
    }
    let all = patterns();
    let fitting = |text: &str| -> Vec<&(&'static str, String, &'static [usize])> {
        all.iter().filter(|(_, p, _)| fits(p, text)).collect()
    };
    let (text, found, corrected) = match fitting(&chars) {
        found if !found.is_empty() => (chars.clone(), found, false),
        _ => match masked(&chars).map(|m| (fitting(&m), m)) {
            Some((found, text)) if !found.is_empty() => (text, found, true),
            _ => return Rule { key: Some(chars), kind: "unknown", flags: vec!["unverified"] },
        },
    };
    let grouped: Vec<_> =
        found.iter().copied().filter(|(_, _, may)| cuts.iter().all(|c| may.contains(c))).collect();
    let left = if grouped.is_empty() { found.clone() } else { grouped };
    let wanted = if classes.is_empty() { &[VehicleClass::Car][..] } else { classes };
    let chosen = wanted
        .iter()
        .find_map(|class| left.iter().find(|(kind, ..)| is_for(kind, *class)))
        .unwrap_or(&left[0]);
    let mut flags = Vec::new();
    if left.len() > 1 {
        flags.push("ambiguous");
    }
    if corrected {
        flags.push("corrected");
    }
    let province = match chosen.0 {
        "military" => "",
        "temporary" => &text[1..3],
        _ => &text[..2],
    };
    if ["13", "42", "44", "45", "46", "87", "91", "96"].contains(&province) {
        flags.push("province_unassigned");
    }
    if !classes.is_empty() && !found.iter().any(|(kind, ..)| classes.iter().any(|c| is_for(kind, *c))) {
        flags.push("class_mismatch");
    }
    let letters_second = chosen.0 == "diplomatic" && !text[2..3].chars().all(|c| c.is_ascii_digit());
    let key = if letters_second {
        format!("{}{}{}{}", &text[..2], &text[4..7], &text[2..4], &text[7..])
    } else {
        text.clone()
    };
    Rule { key: Some(key), kind: chosen.0, flags }
}

fn as_read(raw: &str, classes: &[VehicleClass]) -> Rule {
    let read = plate::read(raw, classes).unwrap();
    Rule {
        key: read.key.as_ref().map(PlateKey::to_string),
        kind: read.kind.as_str(),
        flags: read.flags.iter().map(|f| f.as_str()).collect(),
    }
}

fn classes() -> impl Strategy<Value = Vec<VehicleClass>> {
    prop::collection::vec(prop::sample::select(VehicleClass::ALL.to_vec()), 0..3)
}

/// Plates of every kind in every writing, with the camera's mistakes, and anything else.
fn texts() -> impl Strategy<Value = String> {
    let well_formed = prop_oneof![
        "[0-9]{2}[- ]?[0-9]{3}[- ]?(NG|QT|CV|NN)[- .]?[0-9]{2}",
        "[0-9]{2}[- ]?(NG|QT|CV|NN|ng)[- ]?[0-9]{3}[- .]?[0-9]{2}",
        "[0-9]{2}[- ]?(MĐ|mđ|MD)[0-9]?[- \n]?[0-9]{3}[.]?[0-9]{1,2}",
        "[0-9]{2}[- ]?(LD|DA|KT|HC|MK|CD|TD|T|R|RM|CT|LB)[- ]?[0-9]{3}[.]?[0-9]{1,2}",
        "[0-9]{2}[- ]?[A-Z]{2}[- \n][0-9]{3}[.]?[0-9]{2}",
        "[0-9]{2}[- ]?[A-Z][0-9][- \n][0-9]{3}[.]?[0-9]{1,2}",
        "[0-9]{2}[A-Za-z][- \n]?[0-9]{3}[.]?[0-9]{1,2}",
        "T[0-9]{2}[- ]?[0-9]{3}[.]?[0-9]{2}",
        "[A-Z]{2}[- ]?[0-9]{2}[- ]?[0-9]{2,3}",
    ];
    let misread =
        "[0-9OQDIJLZASGTB]{2}[- ]?[0-9A-Z][0-9A-Z]?[- ]?[0-9OQDIJLZASGTB]{3}[.]?[0-9OQDIJLZASGTB]{1,2}";
    prop_oneof![
        6 => well_formed,
        3 => misread.prop_map(String::from),
        2 => "[0-9A-ZĐđ .\\-\n]{0,14}",
        1 => "[0-9A-Z２９Ａáắ🚗\u{301}粤. ]{0,64}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn plates_are_read_as_the_text_says(raw in texts(), classes in classes()) {
        prop_assert_eq!(as_read(&raw, &classes), by_the_text(&raw, &classes), "{:?} {:?}", raw, classes);
    }

    #[test]
    fn reading_never_panics_and_a_key_is_read_as_itself(raw in any::<String>(), classes in classes()) {
        if let Ok(read) = plate::read(&raw, &classes) && let Some(key) = read.key {
            prop_assert!(key.as_str().bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
            prop_assert_eq!(plate::read(key.as_str(), &classes).unwrap().key, Some(key));
        } else {
            prop_assert!(raw.chars().count() > 64 || plate::read(&raw, &classes).unwrap().kind.as_str() == "none");
        }
    }
}

#[test]
fn unusual_plates() {
    let car = &[VehicleClass::Car][..];
    let bike = &[VehicleClass::Motorbike][..];
    for (raw, lane, key, kind, flags) in [
        ("80-NN-168-06", car, "80168NN06", "diplomatic", &[][..]),
        ("80nn16806", car, "80168NN06", "diplomatic", &[]),
        ("80168-nn06", car, "80168NN06", "diplomatic", &[]),
        ("41-QT-001-01", car, "41001QT01", "diplomatic", &[]),
        ("T29-123.45", car, "T2912345", "temporary", &[]),
        ("t29 12345", bike, "T2912345", "temporary", &[]),
        ("29-MĐ 123.45", bike, "29MD12345", "electric_motorbike", &[]),
        ("29-mđ1\n123.45", bike, "29MD112345", "electric_motorbike", &[]),
        ("QA-12-34", car, "QA1234", "unknown", &["unverified"]),
        ("TM-12-34-5", car, "TM12345", "unknown", &["unverified"]),
        ("２９A-123.45", car, "A12345", "unknown", &["unverified"]),
        ("2 9 A 1 2 3 4 5", car, "29A12345", "car", &["ambiguous"]),
        ("29A\u{301}-123.45", car, "2912345", "unknown", &["unverified"]),
        ("91A-123.45", car, "91A12345", "car", &["province_unassigned"]),
        ("29-AA 123.45", car, "29AA12345", "new_motorbike", &["class_mismatch"]),
        ("29-A0 123.45", bike, "29A012345", "unknown", &["unverified"]),
        // The Cyrillic letter is none of a key's: seven characters are left.
        ("O9A-I2З.45", car, "09A1245", "car", &["corrected"]),
        ("5IF-97O.ZZ", car, "51F97022", "car", &["corrected"]),
        ("29HI-123.45", bike, "29HI12345", "unknown", &["unverified"]),
        ("1\u{fe0f}\u{20e3}", car, "1", "unknown", &["unverified"]),
    ] {
        let want = Rule { key: Some(key.to_owned()), kind, flags: flags.to_vec() };
        assert_eq!(as_read(raw, lane), want, "{raw:?}");
        assert_eq!(by_the_text(raw, lane), want, "the text on {raw:?}");
    }
}
