//! Rate tables, and what they charge for stays of any length. The first sixteen bytes are the stay, the rest is the table.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parking::tariff::{Stay, Tariff};

fuzz_target!(|data: &[u8]| {
    let Some((times, json)) = data.split_first_chunk::<16>() else { return };
    let Ok(json) = std::str::from_utf8(json) else { return };
    let Ok(tariff) = Tariff::import(json) else { return };
    let entry_ms = i64::from_le_bytes(times[..8].try_into().expect("eight"));
    let length = i64::from_le_bytes(times[8..].try_into().expect("eight"));
    // Stays of days are worth more looks than stays of ages.
    for length in [length, length % (40 * 86_400_000), length % 86_400_000] {
        for lost_credential in [false, true] {
            let stay = Stay { entry_ms, exit_ms: entry_ms.saturating_add(length), lost_credential, ..Stay::default() };
            let charge = tariff.price(&stay);
            assert!(charge.fee >= 0, "{charge:?}");
            assert_eq!(charge.lines.iter().map(|l| l.amount).sum::<i64>(), charge.fee, "{charge:?}");
            assert_eq!(tariff.price(&stay), charge, "a pure function");
            if let Some(none) = tariff.price_no_entry(&stay) {
                assert!(none.fee >= 0, "{none:?}");
            }
        }
    }
    let text = serde_json::to_string(tariff.table()).expect("what was read can be written");
    let again = Tariff::import(&text).expect("what was written can be read");
    assert_eq!(again.table(), tariff.table());
});
