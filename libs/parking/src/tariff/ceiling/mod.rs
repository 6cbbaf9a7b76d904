//! The province's maximum: can this table charge more than the law allows?
//!
//! Answered by walking stays ([`walk`]), not by reading lines, so it holds for any mix of tiers, windows and caps; and for every
//! stay, not for a sample: [`plan`] says which entries stand for all of them and how long a stay must be walked until it
//! repeats itself. A table for which that is too much is measured from above ([`coarse`]). Graces are left out (they only make a
//! stay cheaper), surcharges are no parking fee, discounts are not counted on.

mod coarse;
mod plan;
mod walk;

use jiff::Timestamp;
use jiff::civil::DateTime;

use self::plan::Plan;
use self::walk::Walk;
use super::Tariff;
use super::model::{CeilingPeriod, Rounding, Window};
use super::units::TimeOfDay;

const DAY: i64 = 86_400;

/// A limit that the table can exceed, or that it cannot be shown to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Index of the limit.
    pub limit: usize,
    /// Its period.
    pub period: CeilingPeriod,
    /// What the law allows, VND.
    pub allowed: i64,
    /// What the table can charge, VND; without a witness, the least it can be shown not to exceed.
    pub found: i64,
    /// A stay that is charged so: its entry, and where in it the period begins, in local time.
    pub witness: Option<(DateTime, DateTime)>,
}

/// A stay that is charged the most. Times are seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    /// The vehicle enters.
    pub(super) entry: i64,
    /// The period begins.
    pub(super) from: i64,
}

/// The most that is charged in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Most {
    /// VND, before rounding.
    pub(super) amount: i64,
    /// Who pays it; none where `amount` only is a bound.
    pub(super) witness: Option<Witness>,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let period = String::from(self.period);
        let (found, allowed) = (self.found, self.allowed);
        match self.witness {
            None => write!(
                f,
                "{period} cannot be shown to cost at most {allowed} VND: the lengths of blocks, tiers, caps and periods hardly \
                 ever meet; take some that divide a day or a week"
            ),
            Some((entry, from)) => write!(
                f,
                "{period} can cost {found} VND (entry {}, from {} on), the legal ceiling is {allowed} VND",
                entry.strftime("%F %T"),
                from.strftime("%F %T")
            ),
        }
    }
}

/// Every limit that some stay exceeds.
pub(super) fn check(tariff: &Tariff) -> Vec<Breach> {
    let Some(ceiling) = &tariff.table().legal_ceiling else { return Vec::new() };
    let periods: Vec<CeilingPeriod> = ceiling.limits.iter().map(|l| l.period).collect();
    let mut breaches = Vec::new();
    let local = |second: i64| {
        let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        tariff.tz().to_datetime(moment)
    };
    for (limit, (rule, most)) in ceiling.limits.iter().zip(measure(tariff, &periods)).enumerate() {
        let found = rounded(most.amount, tariff.table().rounding);
        if found > rule.value {
            breaches.push(Breach {
                limit,
                period: rule.period,
                allowed: rule.value,
                found,
                witness: most.witness.map(|w| (local(w.entry), local(w.from))),
            });
        }
    }
    breaches
}

/// The most that any stay is charged in each of these periods.
pub(super) fn measure(tariff: &Tariff, periods: &[CeilingPeriod]) -> Vec<Most> {
    if periods.is_empty() {
        return Vec::new();
    }
    let strict = without_graces(tariff);
    exactly(&strict, periods)
        .unwrap_or_else(|| periods.iter().map(|p| coarse::bound(&strict, seconds(*p))).collect())
}

/// None where that takes too long.
fn exactly(strict: &Tariff, periods: &[CeilingPeriod]) -> Option<Vec<Most>> {
    let plan = Plan::of(strict, periods)?;
    let mut most = vec![Most { amount: 0, witness: None }; periods.len()];
    let mut events = 0;
    for entry in plan.entries(strict)? {
        let walk = Walk::until_it_repeats(strict, &plan, &entry)?;
        for (most, period) in most.iter_mut().zip(periods) {
            let (amount, from) = match period {
                CeilingPeriod::Any(span) => walk.most_in_any(span.seconds()),
                CeilingPeriod::Day => walk.most_in_hours(strict, &hours(strict, false)),
                CeilingPeriod::Night => walk.most_in_hours(strict, &hours(strict, true)),
                CeilingPeriod::Stay => (walk.sum(walk.entry, walk.entry + DAY), walk.entry),
            };
            if amount > most.amount {
                *most = Most { amount, witness: Some(Witness { entry: walk.entry, from }) };
            }
        }
        events += walk.events.len();
        if events > plan::MOST_EVENTS {
            return None;
        }
    }
    Some(most)
}

/// The same table without graces and free minutes.
pub(super) fn without_graces(tariff: &Tariff) -> Tariff {
    let mut table = tariff.table().clone();
    (table.free_minutes, table.block_grace_minutes, table.window_grace_minutes) = (0, 0, 0);
    Tariff::assemble(table, tariff.tz().clone())
}

/// How long a period is.
fn seconds(period: CeilingPeriod) -> i64 {
    match period {
        CeilingPeriod::Any(span) => span.seconds(),
        CeilingPeriod::Day | CeilingPeriod::Night | CeilingPeriod::Stay => DAY,
    }
}

/// The table's own night (windows over midnight) or day hours, else the usual ones.
pub(super) fn hours(tariff: &Tariff, night: bool) -> Vec<Window> {
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

fn rounded(value: i64, rounding: Option<Rounding>) -> i64 {
    use super::model::RoundingMode::{Down, Nearest, Up};
    let units = |value: i128, unit: i64| {
        let unit = i128::from(unit);
        i64::try_from(value.div_euclid(unit) * unit).unwrap_or(i64::MAX)
    };
    let exact = i128::from(value);
    match rounding {
        None => value,
        Some(Rounding { unit, mode: Up }) => units(exact + i128::from(unit) - 1, unit),
        Some(Rounding { unit, mode: Down }) => units(exact, unit),
        Some(Rounding { unit, mode: Nearest }) => units(exact + i128::from(unit) / 2, unit),
    }
}
