//! The worked examples of the operators' guide are what the calculators say, both of them.

use super::reference::{Asked, Book, priced};
use super::*;

/// The rows of the examples' table, cell by cell.
fn examples() -> Vec<Vec<String>> {
    let guide = include_str!("../../../../../docs/FEES.md");
    let rows = guide.lines().filter(|l| l.starts_with("| car-mall |") || l.starts_with("| moto-city |"));
    rows.map(|l| l.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_worked_example_is_right() {
    let rows = examples();
    assert!(rows.len() >= 18, "{} examples", rows.len());
    for row in rows {
        let [table, entry, exit, with, fee, ..] = row.as_slice() else { panic!("{row:?}") };
        let second = |text: &str| at(text) / 1000;
        let mut asked = Asked { entry: second(entry), exit: second(exit), ..Asked::default() };
        match with.as_str() {
            "" => {}
            "lost card" => asked.lost = true,
            with => match with.strip_prefix("pass until ") {
                Some(until) => asked.passes.push((0, second(until))),
                None => asked.granted.push(with.to_owned()),
            },
        }
        let wanted: i64 = fee.replace(' ', "").parse().unwrap();
        let tariff = builtin(table);
        assert_eq!(priced(&tariff, &asked).0.fee, wanted, "{row:?}");
        let book = Book::of(&serde_json::to_value(tariff.table()).unwrap());
        assert_eq!(book.said(&asked).fee, wanted, "{row:?}");
    }
}
