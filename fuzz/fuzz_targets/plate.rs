//! Plates: whatever a camera reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parking::plate::{self, MAX_CHARS, Match, PlateKey};
use parking::vehicle::VehicleClass;

fn classes(bits: u8) -> Vec<VehicleClass> {
    wire::config::VEHICLE_CLASSES
        .iter()
        .enumerate()
        .filter(|(n, _)| bits >> n & 1 == 1)
        .filter_map(|(_, name)| name.parse().ok())
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((bits, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let classes = classes(*bits);
    let Ok(read) = plate::read(&text, &classes) else {
        assert!(text.chars().count() > MAX_CHARS);
        return;
    };
    assert_eq!(read.raw, text);
    let Some(key) = &read.key else { return };
    assert!(!key.as_str().is_empty() && key.as_str().len() <= MAX_CHARS);
    assert!(key.as_str().bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()), "{key:?}");
    assert_eq!(PlateKey::new(key.as_str()).as_ref(), Ok(key));
    // What was read once reads the same again: by its key, and by how it is shown.
    let by_key = plate::read(key.as_str(), &classes).expect("a key is no longer than a plate");
    assert_eq!(by_key.key.as_ref(), Some(key), "{text:?}");
    if read.display.chars().count() <= MAX_CHARS {
        let by_display = plate::read(&read.display, &classes).expect("as short");
        assert_eq!(by_display.key.as_ref(), Some(key), "{text:?} shown as {:?}", read.display);
    }
    // Looking alike goes both ways, and nothing is one step away from itself.
    let other = PlateKey::new(key.as_str().chars().rev().collect::<String>()).expect("the same characters");
    assert_eq!(plate::is_look_alike(key, &other), plate::is_look_alike(&other, key));
    assert_eq!(plate::is_one_away(key, &other), plate::is_one_away(&other, key));
    let open = [(key, 1), (&other, 2)];
    match plate::match_entry(key, &[], open.iter().map(|(k, n)| (*k, *n))) {
        Match::Exact(n) => assert!(n == 1 || other == *key),
        _ => panic!("its own entry is found"),
    }
});
