//! The province's maximum: can this table charge more than the law allows?
//!
//! Checked on import by pricing stays, not by reading lines, so it holds for any mix of tiers, windows and caps. Graces
//! are left out (they only make a stay cheaper), surcharges are no parking fee.

use jiff::civil::Date;

use super::Tariff;
use super::calendar::following;
use super::model::{CapPeriod, CeilingPeriod, LegalCeiling, Rounding, Window};
use super::units::TimeOfDay;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 1 January 2026 in Vietnam: where tables without a start are tried.
const SAMPLE: i64 = 1_767_200_400;

/// A limit that the table can exceed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Index of the limit.
    pub limit: usize,
    /// Its period.
    pub period: CeilingPeriod,
    /// What the law allows, VND.
    pub allowed: i64,
    /// What the table can charge, VND.
    pub found: i64,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let period = String::from(self.period);
        write!(f, "{period} can cost {} VND, the legal ceiling is {} VND", self.found, self.allowed)
    }
}

/// Every limit that some stay exceeds.
pub(super) fn check(tariff: &Tariff) -> Vec<Breach> {
    let Some(ceiling) = &tariff.table().legal_ceiling else { return Vec::new() };
    let strict = without_graces(tariff);
    let entries = entries(&strict);
    let mut breaches = Vec::new();
    for (limit, rule) in ceiling.limits.iter().enumerate() {
        let most = entries.iter().map(|&entry| match rule.period {
            CeilingPeriod::Any(span) => most_in_any(&strict, entry, span.seconds()),
            CeilingPeriod::Day => most_in_hours(&strict, entry, &hours(&strict, false)),
            CeilingPeriod::Night => most_in_hours(&strict, entry, &hours(&strict, true)),
            CeilingPeriod::Stay => until(&strict, entry, entry + DAY),
        });
        let found = rounded(most.max().unwrap_or(0), tariff.table().rounding);
        if found > rule.value {
            breaches.push(Breach { limit, period: rule.period, allowed: rule.value, found });
        }
    }
    breaches
}

fn without_graces(tariff: &Tariff) -> Tariff {
    let mut table = tariff.table().clone();
    (table.free_minutes, table.block_grace_minutes, table.window_grace_minutes) = (0, 0, 0);
    Tariff::assemble(table, tariff.tz().clone())
}

/// Entries worth trying: over a week and around holidays, every other hour and at each start of a window.
fn entries(tariff: &Tariff) -> Vec<i64> {
    let table = tariff.table();
    let first = table.valid_from.as_ref().map_or(SAMPLE, |m| m.ms().div_euclid(1000));
    let day_caps = table.caps.iter().any(|c| c.period == CapPeriod::CalendarDay);
    if tariff.calendar.is_uniform() && !day_caps && table.legal_ceiling.iter().all(spans_only) {
        return vec![first];
    }
    let start = tariff.calendar.date(first);
    let mut days: Vec<Date> = Vec::new();
    let mut day = start;
    for _ in 0..8 {
        days.push(day);
        day = following(day);
    }
    days.extend(table.holidays.iter().take(2));
    let mut entries = Vec::new();
    for day in days {
        let midnight = tariff.calendar.occurrence(day, all_day()).0;
        entries.extend((0..12).map(|h| midnight + 2 * h * HOUR));
        for window in table.collections.iter().filter_map(|c| c.window) {
            entries.push(tariff.calendar.occurrence(day, window).0);
        }
    }
    entries.sort_unstable();
    entries.dedup();
    entries
}

fn spans_only(ceiling: &LegalCeiling) -> bool {
    let from_entry = |period| matches!(period, CeilingPeriod::Any(_) | CeilingPeriod::Stay);
    ceiling.limits.iter().all(|l| from_entry(l.period))
}

/// What a stay costs that ends here: all prices that start before this moment.
fn until(tariff: &Tariff, entry: i64, exit: i64) -> i64 {
    if exit <= entry { 0 } else { tariff.stay(entry, exit, &[]).1 }
}

/// The most that starts within any span of this length of a stay.
fn most_in_any(tariff: &Tariff, entry: i64, span: i64) -> i64 {
    let lines = tariff.collections.iter().flat_map(|c| &c.lines);
    // Prices rise where a line starts; beyond the last of them (within a week) they repeat daily.
    let mut starts: Vec<i64> = lines.map(|l| l.start.min(7 * DAY)).collect();
    let last = starts.iter().copied().max().unwrap_or(0);
    starts.extend((0..=(last + DAY) / HOUR).map(|h| h * HOUR));
    starts.sort_unstable();
    starts.dedup();
    let most =
        starts.iter().map(|&s| until(tariff, entry, entry + s + span) - until(tariff, entry, entry + s));
    most.max().unwrap_or(0)
}

/// The most that starts within these hours of one day, for a stay of three days.
fn most_in_hours(tariff: &Tariff, entry: i64, hours: &[Window]) -> i64 {
    let mut most = 0;
    let mut day = tariff.calendar.date(entry);
    for _ in 0..3 {
        let sum = hours
            .iter()
            .map(|&window| {
                let (from, to) = tariff.calendar.occurrence(day, window);
                until(tariff, entry, to) - until(tariff, entry, from)
            })
            .sum();
        most = most.max(sum);
        day = following(day);
    }
    most
}

/// The table's own night (windows over midnight) or day hours, else the usual ones.
fn hours(tariff: &Tariff, night: bool) -> Vec<Window> {
    let mut found: Vec<Window> = Vec::new();
    for window in tariff.table().collections.iter().filter_map(|c| c.window) {
        if (window.end <= window.start) == night && !found.contains(&window) {
            found.push(window);
        }
    }
    if found.is_empty() {
        let (start, end) = if night { (21 * 60, 5 * 60) } else { (5 * 60, 21 * 60) };
        found.push(Window { start: TimeOfDay::from_minutes(start), end: TimeOfDay::from_minutes(end) });
    }
    found
}

fn all_day() -> Window {
    Window { start: TimeOfDay::from_minutes(0), end: TimeOfDay::from_minutes(1440) }
}

fn rounded(value: i64, rounding: Option<Rounding>) -> i64 {
    use super::model::RoundingMode::{Down, Nearest, Up};
    match rounding {
        None => value,
        Some(Rounding { unit, mode: Up }) => (value + unit - 1) / unit * unit,
        Some(Rounding { unit, mode: Down }) => value / unit * unit,
        Some(Rounding { unit, mode: Nearest }) => (2 * value + unit) / (2 * unit) * unit,
    }
}
