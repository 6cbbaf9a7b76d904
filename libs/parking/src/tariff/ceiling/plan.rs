//! Which entries stand for all, and when a stay repeats itself.
//!
//! A stay only depends on where its blocks, tiers and cap periods fall among windows and midnights. Both lie on a common
//! grain, the greatest length that divides all of them: an entry on it, and one a second later, stand for all between two of
//! its marks. After a time (`transient`) a stay does the same in each `cycle`, but for holidays; entries are taken from a week
//! without any and from the days before each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::super::Tariff;
use super::super::calendar::following;
use super::super::model::{CapPeriod, CeilingPeriod, Day, LineType, OnNewPeriod, Window};
use super::super::units::TimeOfDay;
use super::{DAY, hours, seconds};

const WEEK: i64 = 7 * DAY;
/// Beyond these a table is measured from above only: so much is walked, in seconds, days and prices.
const LONGEST_CYCLE: i64 = 35 * DAY;
const LONGEST_PERIOD: i64 = 62 * DAY;
const MOST_DAYS: usize = 400;
const MOST_ENTRIES: usize = 100_000;
pub(super) const MOST_EVENTS: usize = 12_000_000;
/// Changes of the clocks looked at: those of a year.
const CLOCKS: i64 = 366 * DAY;
/// 1 January 2026 in Vietnam: where tables without a start are tried.
const SAMPLE: i64 = 1_767_200_400;

/// How a table is walked. Lengths in seconds.
pub(super) struct Plan {
    /// What a stay does after `transient` it does again after each of these.
    pub(super) cycle: i64,
    /// Until then it may do something else.
    pub(super) transient: i64,
    /// The longest period asked about.
    pub(super) longest: i64,
    /// Entries between two marks are alike; none where all entries are.
    grain: Option<i64>,
    /// Days of the week differ.
    weekly: bool,
    /// Holidays that differ from their weekdays, and days on which clocks change.
    special: BTreeMap<Date, Unlike>,
}

/// How a day differs from others: a holiday or not, and so many seconds long.
type Unlike = (bool, i64);

/// An entry to be walked from.
pub(super) struct Entry {
    /// Seconds since the epoch.
    pub(super) at: i64,
    /// Nothing repeats itself before: a special day lies there.
    pub(super) past: i64,
}

impl Plan {
    /// None where a stay takes too long to repeat itself.
    pub(super) fn of(tariff: &Tariff, periods: &[CeilingPeriod]) -> Option<Self> {
        let table = tariff.table();
        let of_hours = periods.iter().any(|p| matches!(p, CeilingPeriod::Day | CeilingPeriod::Night));
        let daily_caps = table.caps.iter().any(|c| c.period == CapPeriod::CalendarDay);
        let timed = of_hours || daily_caps || !tariff.calendar.is_uniform();
        let weekly = timed && table.collections.iter().any(|c| !matches!(weekdays(&c.days), 0 | 7));
        let mut plan = Self {
            cycle: match (timed, weekly) {
                (false, _) => 1,
                (true, false) => DAY,
                (true, true) => WEEK,
            },
            transient: transient(tariff),
            longest: periods.iter().map(|p| seconds(*p)).max()? + if of_hours { 2 * DAY } else { 0 },
            grain: None,
            weekly,
            special: if timed { special(tariff, weekly) } else { BTreeMap::new() },
        };
        let lengths: Vec<i64> =
            table.caps.iter().filter_map(|c| c.length).map(|l| l.seconds()).chain(endless(tariff)).collect();
        for length in lengths {
            plan.cycle = lcm(plan.cycle, length).filter(|c| *c <= LONGEST_CYCLE)?;
        }
        if plan.cycle == 1 {
            plan.cycle = DAY;
        }
        plan.grain = timed.then(|| grain(tariff, periods));
        (plan.transient <= LONGEST_PERIOD && plan.longest <= LONGEST_PERIOD).then_some(plan)
    }

    /// How many cycles a stay is walked at least before it is asked whether it repeats itself.
    pub(super) fn cycles(&self, entry: &Entry) -> i64 {
        let before = self.transient.max((entry.past - entry.at).max(0));
        (before + self.cycle - 1).div_euclid(self.cycle).max(1)
    }

    /// The entries that stand for all; none where they are too many.
    pub(super) fn entries(&self, tariff: &Tariff) -> Option<Vec<Entry>> {
        let first = tariff.table().valid_from.as_ref().map_or(SAMPLE, |m| m.ms().div_euclid(1000));
        let Some(grain) = self.grain else { return Some(vec![Entry { at: first, past: first }]) };
        let mut entries = Vec::new();
        for (day, past) in self.days(tariff.calendar.date(first))? {
            let (from, to) = tariff.calendar.day_around(tariff.calendar.occurrence(day, all_day()).0);
            let past = past.map_or(from, |day| tariff.calendar.occurrence(day, all_day()).1);
            for at in (0..).map(|i| from + i * grain).take_while(|at| *at < to) {
                entries.push(Entry { at, past });
                entries.extend((grain > 1).then_some(Entry { at: at + 1, past }));
            }
            if entries.len() > MOST_ENTRIES {
                return None;
            }
        }
        Some(entries)
    }

    /// Days to enter on, each with the last special day that matters to it.
    fn days(&self, first: Date) -> Option<Vec<(Date, Option<Date>)>> {
        let in_days = |seconds: i64| (seconds + DAY - 1).div_euclid(DAY) + 1;
        let reach = in_days(self.transient + self.cycle);
        let walked = reach + in_days(self.cycle * 2 + self.longest);
        let after = |day: Date, days: i64| day.saturating_add(days.days());
        // Days like all others: after the last special day that could be met from them.
        let mut plain = first;
        while let Some((met, _)) = self.special.range(plain..after(plain, walked + 8)).next_back() {
            plain = following(*met);
        }
        let ordinary = if self.weekly { 7 } else { 1 };
        let mut days: Vec<(Date, Option<Date>)> = (0..ordinary).map(|d| (after(plain, d), None)).collect();
        let mut seen = BTreeSet::new();
        for (special, _) in self.special.range(first..) {
            for before in (0..=reach).rev() {
                let day = after(*special, -before);
                let ahead: Vec<(i32, Unlike)> = self
                    .special
                    .range(day.yesterday().unwrap_or(day)..after(day, walked))
                    .map(|(s, unlike)| ((*s - day).get_days(), *unlike))
                    .collect();
                let weekday = if self.weekly { day.weekday() } else { Weekday::Monday };
                let last = self.special.range(day..=after(day, reach)).next_back();
                if day >= first && seen.insert((weekday.to_monday_zero_offset(), ahead)) {
                    days.push((day, last.map(|(day, _)| *day)));
                }
                if days.len() > MOST_DAYS {
                    return None;
                }
            }
        }
        Some(days)
    }
}

pub(super) fn all_day() -> Window {
    Window { start: TimeOfDay::from_minutes(0), end: TimeOfDay::from_minutes(1440) }
}

/// How many days of the week.
fn weekdays(days: &[Day]) -> usize {
    Day::ALL.iter().filter(|d| **d != Day::Holiday && days.contains(d)).count()
}

/// Days that are not like their weekday.
fn special(tariff: &Tariff, weekly: bool) -> BTreeMap<Date, Unlike> {
    let table = tariff.table();
    let named = table.collections.iter().any(|c| c.days.contains(&Day::Holiday));
    let unlike =
        |c: &super::super::RateLineCollection| c.days.contains(&Day::Holiday) != (weekdays(&c.days) == 7);
    let differ = named && (weekly || table.collections.iter().any(unlike));
    let holidays: &[Date] = if differ { &table.holidays } else { &[] };
    let first = table.valid_from.as_ref().map_or(SAMPLE, |m| m.ms().div_euclid(1000));
    let clocks = changes(tariff.tz(), first).take_while(|t| *t < first + CLOCKS);
    let days = holidays.iter().copied().chain(clocks.map(|t| tariff.calendar.date(t)));
    let seconds = |day: Date| {
        let (from, to) = tariff.calendar.occurrence(day, all_day());
        to - from
    };
    days.map(|day| (day, (holidays.contains(&day), seconds(day)))).collect()
}

/// Whether the lines begin again while a stay lasts, and after how long at most.
fn restarts(tariff: &Tariff) -> Option<i64> {
    let caps = tariff.table().caps.iter().filter(|c| c.on_new_period == OnNewPeriod::RestartLines);
    caps.map(|c| c.length.map_or(DAY, |l| l.seconds())).min()
}

/// The blocks of lines that can run on for days.
fn endless(tariff: &Tariff) -> Vec<i64> {
    if restarts(tariff).is_some() {
        return Vec::new();
    }
    let long = tariff.table().collections.iter().filter(|c| c.window.is_none());
    let lines =
        long.flat_map(|c| &c.lines).filter(|l| l.kind == LineType::IncrementingRate && l.end.is_none());
    lines.filter_map(|l| l.increment).map(|i| i.seconds()).collect()
}

/// After so long every line has started or ended, and every maximum that is ever reached is.
fn transient(tariff: &Tariff) -> i64 {
    let mut last = 0_i64;
    for collection in tariff.table().collections.iter().filter(|c| c.window.is_none()) {
        let mut full = i64::MAX;
        for line in &collection.lines {
            last = last.max(line.start.seconds()).max(line.end.map_or(0, |e| e.seconds()));
            let Some(step) = line.increment.map(|i| i.seconds()).filter(|_| line.end.is_none()) else {
                continue;
            };
            let reaches = |max: i64| {
                let blocks = max.div_euclid(line.value) + 1;
                line.start.seconds().saturating_add(step.saturating_mul(blocks))
            };
            if line.value > 0 {
                last = last.max(line.max_value.map_or(0, reaches));
                full = full.min(collection.max_value.map_or(i64::MAX, reaches));
            }
        }
        last = last.max(if full == i64::MAX { 0 } else { full });
    }
    restarts(tariff).map_or(last, |period| last.min(period))
}

/// The greatest length that divides all others.
fn grain(tariff: &Tariff, periods: &[CeilingPeriod]) -> i64 {
    let table = tariff.table();
    let windows = table.collections.iter().filter_map(|c| c.window);
    let asked = periods.iter().flat_map(|p| match p {
        CeilingPeriod::Day => hours(tariff, false),
        CeilingPeriod::Night => hours(tariff, true),
        CeilingPeriod::Any(_) | CeilingPeriod::Stay => Vec::new(),
    });
    let marks = windows.chain(asked).flat_map(|w| [w.start, w.end]).map(|t| i64::from(t.minutes()) * 60);
    let lines = table.collections.iter().flat_map(|c| &c.lines);
    let lines = lines.flat_map(|l| [Some(l.start), l.end, l.increment]).flatten().map(|d| d.seconds());
    let caps = table.caps.iter().filter_map(|c| c.length).map(|l| l.seconds());
    let spans = periods.iter().map(|p| seconds(*p));
    // Clocks change by hours or halves of them.
    let whole = if changes(tariff.tz(), SAMPLE).next().is_none() { DAY } else { 900 };
    marks.chain(lines).chain(caps).chain(spans).fold(whole, gcd)
}

/// When the clocks of a zone change, from a moment on.
fn changes(tz: &TimeZone, from: i64) -> impl Iterator<Item = i64> {
    let from = Timestamp::from_second(from).unwrap_or(Timestamp::UNIX_EPOCH);
    tz.following(from).map(|t| t.timestamp().as_second())
}

const fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn lcm(a: i64, b: i64) -> Option<i64> {
    if b <= 0 { Some(a) } else { (a / gcd(a, b)).checked_mul(b) }
}
