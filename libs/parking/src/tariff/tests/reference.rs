//! A slow calculator written from the rules alone: it reads the JSON itself, knows only UTC+7, walks through a stay
//! minute by minute and charges block by block. It must agree with [`Tariff::price`] to the đồng.

use proptest::prelude::*;
use serde_json::Value;

use super::properties::{any_table, pretty};
use super::*;

/// A collection and the day its window started on (0 without a window).
type Occurrence = (Option<usize>, i64);

/// A stretch of one window in one cap period.
struct Piece {
    from: i64,
    to: i64,
    collection: Option<usize>,
    /// Changes with each occurrence of a window.
    run: u32,
}

fn minutes(table: &Value, field: &str) -> i64 {
    table[field].as_i64().unwrap_or(0) * 60
}

fn seconds(duration: &Value) -> Option<i64> {
    Some(IsoDuration::try_from(duration.as_str()?.to_owned()).unwrap().seconds())
}

fn of_day(time: &Value) -> i64 {
    let (h, m) = time.as_str().unwrap().split_once(':').unwrap();
    h.parse::<i64>().unwrap() * 60 + m.parse::<i64>().unwrap()
}

/// Local days since 1970 and the minute of that day.
fn local(second: i64) -> (i64, i64) {
    let local = second + 7 * 3600;
    (local.div_euclid(86_400), local.rem_euclid(86_400) / 60)
}

fn names_holidays(table: &Value) -> bool {
    table["collections"].as_array().unwrap().iter().any(|c| days(c).contains(&"holiday"))
}

fn days(collection: &Value) -> Vec<&str> {
    match collection["days"].as_array() {
        Some(days) => days.iter().map(|d| d.as_str().unwrap()).collect(),
        None => vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"],
    }
}

fn holds(table: &Value, collection: &Value, day: i64) -> bool {
    let date = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(day);
    let holiday =
        table["holidays"].as_array().is_some_and(|h| h.iter().any(|d| d == &Value::from(date.to_string())));
    let kind = if holiday && names_holidays(table) {
        "holiday"
    } else {
        // 1 January 1970 was a Thursday.
        ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][day.rem_euclid(7) as usize]
    };
    days(collection).contains(&kind)
}

/// What prices a second.
fn at_second(table: &Value, second: i64) -> Occurrence {
    let (day, minute) = local(second);
    let mut order: Vec<usize> = (0..table["collections"].as_array().unwrap().len()).collect();
    order.sort_by_key(|&i| table["collections"][i]["sequence"].as_u64());
    for i in order {
        let collection = &table["collections"][i];
        if collection["window"].is_null() {
            if holds(table, collection, day) {
                return (Some(i), 0);
            }
            continue;
        }
        let (start, end) = (of_day(&collection["window"]["start"]), of_day(&collection["window"]["end"]));
        let overnight = end <= start;
        if minute >= start && (minute < end || overnight) && holds(table, collection, day) {
            return (Some(i), day);
        }
        if overnight && minute < end && holds(table, collection, day - 1) {
            return (Some(i), day - 1);
        }
    }
    (None, 0)
}

fn period(cap: &Value, anchor: i64, second: i64) -> i64 {
    match cap["period"].as_str().unwrap() {
        "rolling" => (second - anchor) / seconds(&cap["length"]).unwrap(),
        _ => local(second).0,
    }
}

fn restarts(cap: &Value) -> bool {
    cap["on_new_period"] != "continue"
}

fn pieces(table: &Value, entry: i64, exit: i64, anchor: i64) -> Vec<Piece> {
    let caps = table["caps"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<(Piece, Occurrence, Vec<i64>)> = Vec::new();
    let mut at = entry;
    while at < exit {
        let mut next = (at / 60 + 1) * 60;
        for cap in caps.iter().filter(|c| c["period"] == "rolling") {
            let length = seconds(&cap["length"]).unwrap();
            next = next.min(at + length - (at - anchor) % length);
        }
        let next = next.min(exit);
        let window = at_second(table, at);
        let periods: Vec<i64> = caps.iter().filter(|c| restarts(c)).map(|c| period(c, anchor, at)).collect();
        match found.last_mut() {
            Some((piece, w, p)) if *w == window && *p == periods => piece.to = next,
            last => {
                let run = last.map_or(0, |(piece, w, _)| piece.run + u32::from(*w != window));
                let piece = Piece { from: at, to: next, collection: window.0, run };
                found.push((piece, window, periods));
            }
        }
        at = next;
    }
    found.into_iter().map(|(piece, ..)| piece).collect()
}

/// The prices of a piece with their moments: (moment, line, value).
fn prices(table: &Value, piece: &Piece, first_of_stay: bool, first_of_run: bool) -> Vec<(i64, usize, i64)> {
    let Some(collection) = piece.collection else { return Vec::new() };
    let grace = minutes(table, "block_grace_minutes");
    let mut found = Vec::new();
    for (i, line) in table["collections"][collection]["lines"].as_array().unwrap().iter().enumerate() {
        let start = seconds(&line["start"]).unwrap_or(0);
        let flat = line["type"] == "flat_rate";
        let mut block = start;
        loop {
            let used = piece.to - (piece.from + block);
            let graceless = block == 0 && (first_of_stay || (first_of_run && flat));
            if used > if graceless { 0 } else { grace } {
                found.push((piece.from + block, i, line["value"].as_i64().unwrap()));
            } else {
                break;
            }
            if line["type"] != "incrementing_rate" {
                break;
            }
            block += seconds(&line["increment"]).unwrap();
            if seconds(&line["end"]).is_some_and(|end| block >= end) {
                break;
            }
        }
    }
    found.sort_by_key(|&(moment, line, _)| (moment, line));
    found
}

/// The same after the maxima of lines and window.
fn limited(table: &Value, piece: &Piece, first_of_stay: bool, first_of_run: bool) -> Vec<(i64, i64)> {
    let collection = &table["collections"][piece.collection.unwrap_or(0)];
    let mut by_line = std::collections::BTreeMap::new();
    let mut room = collection["max_value"].as_i64().unwrap_or(i64::MAX);
    let mut out = Vec::new();
    for (moment, i, value) in prices(table, piece, first_of_stay, first_of_run) {
        let line_room =
            by_line.entry(i).or_insert(collection["lines"][i]["max_value"].as_i64().unwrap_or(i64::MAX));
        let value = value.min(*line_room);
        *line_room -= value;
        let value = value.min(room);
        room -= value;
        out.push((moment, value));
    }
    out
}

/// The fee of a stay, seconds since the epoch.
pub(super) fn reference_fee(table: &Value, entry: i64, exit: i64) -> i64 {
    if exit - entry <= minutes(table, "free_minutes") {
        return 0;
    }
    let mut pieces = pieces(table, entry, exit, entry);
    let grace = minutes(table, "window_grace_minutes");
    let length = |pieces: &[Piece], run: u32| {
        pieces.iter().filter(|p| p.run == run).map(|p| p.to - p.from).sum::<i64>()
    };
    let last = pieces.last().unwrap();
    if last.run > 0 && last.collection.is_some() && length(&pieces, last.run) <= grace {
        let run = last.run;
        pieces.retain(|p| p.run != run);
    }
    let next = pieces.iter().position(|p| p.run > 0);
    if let Some(next) = next
        && pieces[0].collection.is_some()
        && length(&pieces, 0) <= grace
    {
        let leading: i64 =
            (0..next).flat_map(|i| limited(table, &pieces[i], i == 0, i == 0)).map(|(_, value)| value).sum();
        let first = Piece { to: pieces[next].from + 1, ..pieces[next] };
        let lowest: i64 = limited(table, &first, true, true).iter().map(|(_, value)| value).sum();
        if leading <= lowest {
            pieces.drain(..next);
        }
    }
    let caps = table["caps"].as_array().cloned().unwrap_or_default();
    let mut used: std::collections::BTreeMap<(usize, i64), i64> = std::collections::BTreeMap::new();
    let mut total = 0;
    let mut priced = false;
    for i in 0..pieces.len() {
        let first_of_run = i == 0 || pieces[i - 1].run != pieces[i].run;
        for (moment, mut value) in limited(table, &pieces[i], !priced, first_of_run) {
            for (c, cap) in caps.iter().enumerate() {
                let used = used.get(&(c, period(cap, entry, moment))).copied().unwrap_or(0);
                value = value.min(cap["value"].as_i64().unwrap() - used);
            }
            for (c, cap) in caps.iter().enumerate() {
                *used.entry((c, period(cap, entry, moment))).or_default() += value;
            }
            total += value;
        }
        priced |= pieces[i].collection.is_some();
    }
    match table["rounding"]["unit"].as_i64() {
        None => total,
        Some(unit) => match table["rounding"]["mode"].as_str().unwrap() {
            "up" => (total + unit - 1) / unit * unit,
            "down" => total / unit * unit,
            _ => (total + unit / 2) / unit * unit,
        },
    }
}

fn compare(table: &Value, tariff: &Tariff, entry: i64, exit: i64) {
    let charge = tariff.price(&Stay { entry_ms: entry * 1000, exit_ms: exit * 1000, ..Stay::default() });
    assert_eq!(charge.fee, reference_fee(table, entry, exit), "{entry} → {exit} {charge:#?}");
}

#[test]
fn minute_by_minute_over_days_for_the_tables_of_the_rules() {
    let entry = at("2026-11-02 20:47:30") / 1000;
    for tariff in [r1(), builtin("car-mall"), builtin("moto-city")] {
        let table = serde_json::to_value(tariff.table()).unwrap();
        for minute in (0..3000).step_by(61) {
            for second in [-1, 0, 1, 30] {
                compare(&table, &tariff, entry, (entry + minute * 60 + second).max(entry));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn random_tables_and_stays(
        table in any_table(),
        entry in 0_i64..14 * 1440,
        odd in 0_i64..60,
        length in prop_oneof![0_i64..7200, 0_i64..4 * 86_400],
    ) {
        let tariff = Tariff::from_value(&table).unwrap();
        let entry = at("2026-11-02 00:00") / 1000 + entry * 60 + odd;
        let charge = tariff.price(&Stay { entry_ms: entry * 1000, exit_ms: (entry + length) * 1000, ..Stay::default() });
        prop_assert_eq!(
            charge.fee, reference_fee(&table, entry, entry + length),
            "{} {} {:#?}", pretty(&table), length, charge.lines
        );
    }
}
