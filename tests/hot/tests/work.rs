//! Work of the pure hot paths, counted in allocations and their bytes: the same on every machine, however busy. What is recorded in `work.txt`
//! may become less, never more. `WORK=record cargo test -p hot --test work` records what it is now.

use std::fmt::Write as _;
use std::path::Path;

use allocation_counter::measure;

/// Allocations and bytes of one call.
type Count = (u64, u64);

fn count(case: &hot::Case) -> Count {
    // What is made once and kept is not the path's.
    case.run();
    let counted = measure(|| case.run());
    (counted.count_total, counted.bytes_total)
}

/// None when a line is not as written.
fn recorded(text: &str) -> Option<Vec<(&str, Count)>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut parts = line.split('|').map(str::trim);
            let name = parts.next()?;
            let mut number = || parts.next()?.parse().ok();
            Some((name, (number()?, number()?)))
        })
        .collect()
}

#[test]
fn no_hot_path_does_more_than_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/work.txt");
    let counted: Vec<(&str, Count)> =
        hot::cases().unwrap().iter().map(|case| (case.name, count(case))).collect();
    if std::env::var("WORK").is_ok_and(|word| word == "record") {
        let mut text = String::from(
            "# name | allocations | bytes, of one call. Written by `WORK=record cargo test -p hot --test work`.\n",
        );
        for (name, (allocations, bytes)) in &counted {
            writeln!(text, "{name} | {allocations} | {bytes}").unwrap();
        }
        std::fs::write(&path, text).unwrap();
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let recorded = recorded(&text).unwrap();
    let names = |list: &[(&str, Count)]| list.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&counted), names(&recorded), "other paths than recorded");
    let mut worse = String::new();
    for ((name, now), (_, before)) in counted.iter().zip(&recorded) {
        if now.0 > before.0 || now.1 > before.1 {
            writeln!(
                worse,
                "{name}: {} allocations of {} bytes, recorded {} of {}",
                now.0, now.1, before.0, before.1
            )
            .unwrap();
        }
    }
    assert!(worse.is_empty(), "more work than recorded:\n{worse}");
}

/// The counter counts, and the check would see one allocation more.
#[test]
fn one_allocation_more_is_seen() {
    let once = measure(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!((once.count_total, once.bytes_total), (1, 100));
    let cases = hot::cases().unwrap();
    let first = cases.first().unwrap();
    let alone = count(first);
    let more = measure(|| {
        first.run();
        drop(std::hint::black_box(Box::new(1_u64)));
    });
    assert_eq!((more.count_total, more.bytes_total), (alone.0 + 1, alone.1 + 8));
}
