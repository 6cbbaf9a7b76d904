//! A slow calculator written from the rules alone: it knows only UTC+7, walks through a stay minute by minute and charges block by
//! block. It must agree with [`Tariff::price`] to the đồng, minute by minute over days.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

/// A rate table as this calculator reads it: seconds, minutes of the day, days since 1970.
pub(super) struct Book {
    free: i64,
    block_grace: i64,
    window_grace: i64,
    collections: Vec<Price>,
    holidays: BTreeSet<i64>,
    caps: Vec<Limit>,
    lost: i64,
    discounts: Vec<(String, bool, i64, bool)>,
    rounding: Option<(i64, String)>,
    review_above: Option<i64>,
    no_entry: Option<i64>,
}

struct Price {
    sequence: u64,
    window: Option<(i64, i64)>,
    days: Vec<String>,
    lines: Vec<PriceLine>,
    max: i64,
}

struct PriceLine {
    kind: String,
    start: i64,
    end: i64,
    step: i64,
    value: i64,
    max: i64,
}

struct Limit {
    /// Seconds of a rolling period; none for calendar days.
    length: Option<i64>,
    value: i64,
    restarts: bool,
}

/// What is asked of both calculators. Seconds since the epoch.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) entry: i64,
    pub(super) exit: i64,
    pub(super) passes: Vec<(i64, i64)>,
    pub(super) lost: bool,
    pub(super) granted: Vec<String>,
}

/// What both must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) fee: i64,
    pub(super) unrounded: i64,
    pub(super) review: bool,
    pub(super) negative: bool,
}

/// A collection and the day its window started on (0 without a window).
type Occurrence = (Option<usize>, i64);

/// A stretch of one window in one cap period.
#[derive(Debug, Clone)]
struct Piece {
    from: i64,
    to: i64,
    collection: Option<usize>,
    /// Changes with each occurrence of a window.
    run: u32,
}

fn seconds(duration: &Value) -> Option<i64> {
    Some(IsoDuration::try_from(duration.as_str()?.to_owned()).unwrap().seconds())
}

fn of_day(time: &Value) -> i64 {
    let (h, m) = time.as_str().unwrap().split_once(':').unwrap();
    h.parse::<i64>().unwrap() * 60 + m.parse::<i64>().unwrap()
}

fn list(of: &Value) -> Vec<Value> {
    of.as_array().cloned().unwrap_or_default()
}

/// Local days since 1970 and the minute of that day.
fn local(second: i64) -> (i64, i64) {
    let local = second + 7 * 3600;
    (local.div_euclid(86_400), local.rem_euclid(86_400) / 60)
}

impl Book {
    pub(super) fn of(table: &Value) -> Self {
        let minutes = |field: &str| table[field].as_i64().unwrap_or(0) * 60;
        let every_day =
            || ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"].map(str::to_owned).to_vec();
        let line = |l: &Value| PriceLine {
            kind: l["type"].as_str().unwrap().to_owned(),
            start: seconds(&l["start"]).unwrap_or(0),
            end: seconds(&l["end"]).unwrap_or(i64::MAX),
            step: seconds(&l["increment"]).unwrap_or(i64::MAX),
            value: l["value"].as_i64().unwrap(),
            max: l["max_value"].as_i64().unwrap_or(i64::MAX),
        };
        let mut collections: Vec<Price> = list(&table["collections"])
            .iter()
            .map(|c| {
                let mut lines = list(&c["lines"]);
                lines.sort_by_key(|l| l["sequence"].as_u64());
                let window = &c["window"];
                Price {
                    sequence: c["sequence"].as_u64().unwrap(),
                    window: (!window.is_null()).then(|| (of_day(&window["start"]), of_day(&window["end"]))),
                    days: c["days"].as_array().map_or_else(every_day, |days| {
                        days.iter().map(|d| d.as_str().unwrap().to_owned()).collect()
                    }),
                    lines: lines.iter().map(line).collect(),
                    max: c["max_value"].as_i64().unwrap_or(i64::MAX),
                }
            })
            .collect();
        collections.sort_by_key(|c| c.sequence);
        let names_holidays = collections.iter().any(|c| c.days.iter().any(|d| d == "holiday"));
        let day_of = |d: &Value| {
            let date: jiff::civil::Date = d.as_str().unwrap().parse().unwrap();
            i64::from(date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days())
        };
        let rounding = &table["rounding"];
        Self {
            free: minutes("free_minutes"),
            block_grace: minutes("block_grace_minutes"),
            window_grace: minutes("window_grace_minutes"),
            collections,
            holidays: list(&table["holidays"]).iter().filter(|_| names_holidays).map(day_of).collect(),
            caps: list(&table["caps"])
                .iter()
                .map(|c| Limit {
                    length: if c["period"] == "rolling" { seconds(&c["length"]) } else { None },
                    value: c["value"].as_i64().unwrap(),
                    restarts: c["on_new_period"] != "continue",
                })
                .collect(),
            lost: list(&table["surcharges"]).iter().map(|s| s["value"].as_i64().unwrap()).sum(),
            discounts: list(&table["discounts"])
                .iter()
                .map(|d| {
                    let id = d["id"].as_str().unwrap().to_owned();
                    (id, d["type"] == "percent", d["value"].as_i64().unwrap(), d["needs"] == "staff")
                })
                .collect(),
            rounding: rounding["unit"].as_i64().map(|u| (u, rounding["mode"].as_str().unwrap().to_owned())),
            review_above: table["review_above"].as_i64(),
            no_entry: table["no_entry_record"]["fallback_charge"].as_i64(),
        }
    }

    fn holds(&self, collection: &Price, day: i64) -> bool {
        let kind = if self.holidays.contains(&day) {
            "holiday"
        } else {
            // 1 January 1970 was a Thursday.
            ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][day.rem_euclid(7) as usize]
        };
        collection.days.iter().any(|d| d == kind)
    }

    /// What prices a second.
    fn at_second(&self, second: i64) -> Occurrence {
        let (day, minute) = local(second);
        for (i, collection) in self.collections.iter().enumerate() {
            let Some((start, end)) = collection.window else {
                if self.holds(collection, day) {
                    return (Some(i), 0);
                }
                continue;
            };
            let overnight = end <= start;
            if minute >= start && (minute < end || overnight) && self.holds(collection, day) {
                return (Some(i), day);
            }
            if overnight && minute < end && self.holds(collection, day - 1) {
                return (Some(i), day - 1);
            }
        }
        (None, 0)
    }

    fn period(&self, cap: usize, anchor: i64, second: i64) -> i64 {
        match self.caps[cap].length {
            Some(length) => (second - anchor).div_euclid(length),
            None => local(second).0,
        }
    }

    /// Cuts a stretch by windows and by the periods of caps that restart.
    fn pieces(&self, entry: i64, exit: i64, anchor: i64) -> Vec<Piece> {
        let mut found: Vec<(Piece, Occurrence, Vec<i64>)> = Vec::new();
        let mut at = entry;
        while at < exit {
            let mut next = (at.div_euclid(60) + 1) * 60;
            for length in self.caps.iter().filter_map(|c| c.length) {
                next = next.min(at + length - (at - anchor).rem_euclid(length));
            }
            let next = next.min(exit);
            let window = self.at_second(at);
            let restarting = (0..self.caps.len()).filter(|&c| self.caps[c].restarts);
            let periods: Vec<i64> = restarting.map(|c| self.period(c, anchor, at)).collect();
            match found.last_mut() {
                Some((piece, w, p)) if *w == window && *p == periods => piece.to = next,
                last => {
                    let run = last.map_or(0, |(piece, w, _)| piece.run + u32::from(*w != window));
                    found.push((Piece { from: at, to: next, collection: window.0, run }, window, periods));
                }
            }
            at = next;
        }
        found.into_iter().map(|(piece, ..)| piece).collect()
    }

    /// The prices of a piece with their moments: (moment, line, value).
    fn prices(&self, piece: &Piece, first_of_stay: bool, first_of_run: bool) -> Vec<(i64, usize, i64)> {
        let Some(collection) = piece.collection else { return Vec::new() };
        let mut found = Vec::new();
        for (i, line) in self.collections[collection].lines.iter().enumerate() {
            let mut block = line.start;
            loop {
                let used = piece.to - (piece.from + block);
                let flat = line.kind == "flat_rate";
                let graceless = block == 0 && (first_of_stay || (first_of_run && flat));
                if used <= if graceless { 0 } else { self.block_grace } {
                    break;
                }
                found.push((piece.from + block, i, line.value));
                if line.kind != "incrementing_rate" {
                    break;
                }
                block += line.step;
                if block >= line.end {
                    break;
                }
            }
        }
        found.sort_by_key(|&(moment, line, _)| (moment, line));
        found
    }

    /// The same after the maxima of lines and window.
    fn limited(&self, piece: &Piece, first_of_stay: bool, first_of_run: bool) -> Vec<(i64, i64)> {
        let Some(collection) = piece.collection.map(|i| &self.collections[i]) else { return Vec::new() };
        let mut by_line = BTreeMap::new();
        let mut room = collection.max;
        let mut out = Vec::new();
        for (moment, i, value) in self.prices(piece, first_of_stay, first_of_run) {
            let line_room = by_line.entry(i).or_insert(collection.lines[i].max);
            let value = value.min(*line_room);
            *line_room -= value;
            let value = value.min(room);
            room -= value;
            out.push((moment, value));
        }
        out
    }

    /// What a stay costs before surcharges, as amounts with their moments. `cut` are the pieces of each uncovered stretch.
    fn charges(&self, cut: &[Vec<Piece>], anchor: i64) -> Vec<(i64, i64)> {
        let mut used: BTreeMap<(usize, i64), i64> = BTreeMap::new();
        let mut out = Vec::new();
        let mut priced = false;
        for pieces in cut {
            let mut pieces = pieces.clone();
            let length = |pieces: &[Piece], run: u32| {
                pieces.iter().filter(|p| p.run == run).map(|p| p.to - p.from).sum::<i64>()
            };
            let Some(last) = pieces.last() else { continue };
            if last.run > 0 && last.collection.is_some() && length(&pieces, last.run) <= self.window_grace {
                let run = last.run;
                pieces.retain(|p| p.run != run);
            }
            let mut begins = !priced;
            let next = pieces.iter().position(|p| p.run > 0);
            if let Some(next) = next
                && pieces[0].collection.is_some()
                && length(&pieces, 0) <= self.window_grace
            {
                let of = |i: usize| self.limited(&pieces[i], i == 0 && begins, i == 0);
                let leading: i64 = (0..next).flat_map(of).map(|(_, value)| value).sum();
                let first = Piece { to: pieces[next].from + 1, ..pieces[next].clone() };
                let lowest: i64 = self.limited(&first, true, true).iter().map(|(_, value)| value).sum();
                if leading <= lowest {
                    pieces.drain(..next);
                    begins = true;
                }
            }
            for i in 0..pieces.len() {
                let first_of_run = i == 0 || pieces[i - 1].run != pieces[i].run;
                for (moment, mut value) in self.limited(&pieces[i], begins, first_of_run) {
                    for (c, cap) in self.caps.iter().enumerate() {
                        let so_far = used.get(&(c, self.period(c, anchor, moment))).copied().unwrap_or(0);
                        value = value.min(cap.value - so_far);
                    }
                    for c in 0..self.caps.len() {
                        *used.entry((c, self.period(c, anchor, moment))).or_default() += value;
                    }
                    out.push((moment, value));
                }
                if pieces[i].collection.is_some() {
                    (begins, priced) = (false, true);
                }
            }
        }
        out
    }

    /// Everything after the maxima: surcharges, discounts, rounding, review.
    fn settle(&self, base: i64, asked: &Asked) -> Said {
        let base = base + if asked.lost { self.lost } else { 0 };
        // In units of 1 / 100^8 đồng, exact for eight percentages of any size.
        let whole = 100_i128.pow(8);
        let mut exact = i128::from(base) * whole;
        for (id, percent, value, needs_staff) in &self.discounts {
            if *needs_staff && !asked.granted.contains(id) {
                continue;
            }
            let value = i128::from(*value);
            exact = if *percent { exact / 100 * (100 - value) } else { (exact - value * whole).max(0) };
        }
        let nearest = |unit: i128| (exact + unit * whole / 2).div_euclid(unit * whole) * unit;
        let fee = match &self.rounding {
            None => nearest(1),
            Some((unit, mode)) => {
                let unit = i128::from(*unit);
                match mode.as_str() {
                    "up" => (exact + unit * whole - 1).div_euclid(unit * whole) * unit,
                    "down" => exact.div_euclid(unit * whole) * unit,
                    _ => nearest(unit),
                }
            }
        };
        let fee = i64::try_from(fee).unwrap();
        Said {
            fee,
            unrounded: i64::try_from(nearest(1)).unwrap(),
            review: self.review_above.is_some_and(|limit| fee > limit),
            negative: asked.exit < asked.entry,
        }
    }

    pub(super) fn no_entry(&self, asked: &Asked) -> Option<Said> {
        Some(self.settle(self.no_entry?, asked))
    }

    /// The fee of a stay.
    pub(super) fn said(&self, asked: &Asked) -> Said {
        Walk::of(self, asked).until(asked.exit)
    }
}

/// A stay walked through once; asked for many exits. What lies before a moment does not depend on what comes after it.
pub(super) struct Walk<'b> {
    book: &'b Book,
    asked: Asked,
    anchor: i64,
    cut: Vec<Vec<Piece>>,
}

impl<'b> Walk<'b> {
    /// `asked.exit` is the last exit that will be asked for.
    pub(super) fn of(book: &'b Book, asked: &Asked) -> Self {
        let mut ends: BTreeSet<i64> = asked.passes.iter().flat_map(|(from, to)| [*from, *to]).collect();
        ends.extend([asked.entry, asked.exit]);
        let ends: Vec<i64> = ends.into_iter().filter(|t| (asked.entry..=asked.exit).contains(t)).collect();
        let mut open: Vec<(i64, i64)> = Vec::new();
        for pair in ends.windows(2) {
            if asked.passes.iter().any(|(from, to)| *from <= pair[0] && pair[0] < *to) {
                continue;
            }
            match open.last_mut() {
                Some((_, to)) if *to == pair[0] => *to = pair[1],
                _ => open.push((pair[0], pair[1])),
            }
        }
        let anchor = open.first().map_or(asked.entry, |(from, _)| *from);
        let cut = open.iter().map(|(from, to)| book.pieces(*from, *to, anchor)).collect();
        Self { book, asked: asked.clone(), anchor, cut }
    }

    pub(super) fn until(&self, exit: i64) -> Said {
        let asked = Asked { exit, ..self.asked.clone() };
        let base = if exit - asked.entry <= self.book.free {
            0
        } else {
            self.charged(exit).iter().map(|(_, value)| value).sum()
        };
        self.book.settle(base, &asked)
    }

    /// The amounts of a stay until then, with their moments.
    pub(super) fn charged(&self, exit: i64) -> Vec<(i64, i64)> {
        let shortened = |p: &Piece| (p.from < exit).then(|| Piece { to: p.to.min(exit), ..p.clone() });
        let cut: Vec<Vec<Piece>> =
            self.cut.iter().map(|pieces| pieces.iter().filter_map(shortened).collect()).collect();
        self.book.charges(&cut, self.anchor)
    }
}

/// What the calculator under test says.
pub(super) fn priced(tariff: &Tariff, asked: &Asked) -> (Said, Charge) {
    let right = |(i, (from, to)): (usize, &(i64, i64))| Right {
        id: format!("pass-{i}"),
        from_ms: from * 1000,
        to_ms: to * 1000,
    };
    let charge = tariff.price(&Stay {
        entry_ms: asked.entry * 1000,
        exit_ms: asked.exit * 1000,
        rights: asked.passes.iter().enumerate().map(right).collect(),
        lost_credential: asked.lost,
        discounts: asked.granted.clone(),
    });
    let said = Said {
        fee: charge.fee,
        unrounded: charge.unrounded,
        review: charge.review,
        negative: charge.flags.contains(&ChargeFlag::ClockAnomaly),
    };
    (said, charge)
}
