//! Pricing a stay, step by step in the order of the rules.

use serde::{Deserialize, Serialize};

use super::calendar::Run;
use super::charge::{Charge, ChargeFlag, FeeCode, FeeLine};
use super::compile::{Entered, Tariff};
use super::meter::{Meter, line};
use super::model::{DiscountKind, Needs, RoundingMode, SurchargeKind};
use super::segment::{self, Right};

/// A longer stay is priced as one of this many days, and flagged.
pub const MAX_STAY_DAYS: i64 = 3660;

/// A breakdown with more lines than this is shortened.
const MAX_LINES: usize = 200;

/// The last second that is priced, in the year 9987; keeps the calendar in range.
const LAST_SECOND: i64 = 253_000_000_000;

/// What is priced. Which table prices it is decided before ([`super::choose`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Start, inclusive, ms since the epoch; whole seconds count.
    pub entry_ms: i64,
    /// End, exclusive, ms since the epoch; whole seconds count.
    pub exit_ms: i64,
    /// Rights that cover parts of the stay.
    pub rights: Vec<Right>,
    /// The card or ticket was lost.
    pub lost_credential: bool,
    /// Ids of the discounts that staff granted.
    pub discounts: Vec<String>,
}

impl Tariff {
    /// What a stay costs: a pure function of this table and the stay.
    #[must_use]
    pub fn price(&self, stay: &Stay) -> Charge {
        // Whole seconds of the stay itself: 600.2 s are 600, wherever the clock's seconds change within it.
        let whole = stay.exit_ms.saturating_sub(stay.entry_ms).div_euclid(1000);
        let entry = stay.entry_ms.div_euclid(1000).clamp(0, LAST_SECOND);
        let mut exit = entry.saturating_add(whole).clamp(0, LAST_SECOND);
        let mut flags = Vec::new();
        let free = i64::from(self.table().free_minutes) * 60;
        let (lines, total) = if exit < entry {
            flags.push(ChargeFlag::ClockAnomaly);
            (vec![line(FeeCode::ClockAnomaly, (entry, exit))], 0)
        } else if exit - entry <= free {
            let mut nothing = line(FeeCode::Free, (entry, exit));
            nothing.seconds = free;
            (vec![nothing], 0)
        } else {
            if exit - entry > MAX_STAY_DAYS * 86_400 {
                flags.push(ChargeFlag::StayTooLong);
                exit = entry + MAX_STAY_DAYS * 86_400;
            }
            self.stay(entry, exit, &stay.rights)
        };
        self.settle(stay, shorten(lines), total, flags)
    }

    /// What the no-entry procedure charges, when the table has one.
    #[must_use]
    pub fn price_no_entry(&self, stay: &Stay) -> Option<Charge> {
        let fallback = self.table().no_entry_record.as_ref()?.fallback_charge;
        let exit = stay.exit_ms.div_euclid(1000);
        let charged =
            FeeLine { count: 1, value: fallback, amount: fallback, ..line(FeeCode::NoEntry, (exit, exit)) };
        Some(self.settle(stay, vec![charged], fallback, Vec::new()))
    }

    /// Steps 2 and 4 to 7: segments, cap periods, windows, lines and maxima.
    pub(super) fn stay(&self, entry: i64, exit: i64, rights: &[Right]) -> (Vec<FeeLine>, i64) {
        let segments = segment::cut(entry, exit, rights);
        let anchor = segments.iter().find(|s| s.right.is_none()).map_or(entry, |s| s.from);
        let mut meter = Meter::new(self, anchor);
        let mut entered = Entered::Stay;
        for segment in &segments {
            if let Some(right) = segment.right {
                let covered = line(FeeCode::Covered, (segment.from, segment.to));
                meter.lines.push(FeeLine { reference: right.id.clone(), ..covered });
            } else {
                entered = self.segment(&mut meter, self.calendar.runs(segment.from, segment.to), entered);
            }
        }
        meter.finish();
        (meter.lines, meter.total)
    }

    /// Prices the runs of an uncovered segment; returns how the next one is entered.
    fn segment(&self, meter: &mut Meter<'_>, mut runs: Vec<Run>, mut entered: Entered) -> Entered {
        let grace = i64::from(self.table().window_grace_minutes) * 60;
        let dropped =
            |run: &Run| FeeLine { seconds: grace, ..line(FeeCode::WindowGrace, (run.from, run.to)) };
        let trailing = runs.pop_if(|last| last.seconds() <= grace && last.collection.is_some());
        let trailing = match trailing {
            // The only run is no trailing one.
            Some(only) if runs.is_empty() => {
                runs.push(only);
                None
            }
            other => other,
        };
        let mut runs = runs.as_slice();
        if let [first, second, ..] = runs
            && first.seconds() <= grace
            && first.collection.is_some()
            && meter.price(first, entered) <= meter.lowest(second)
        {
            meter.lines.push(dropped(first));
            runs = &runs[1..];
            // The successor is charged like the start of a stay, so that it costs at least its lowest price.
            entered = Entered::Stay;
        }
        for run in runs {
            meter.add(run, entered);
            if run.collection.is_some() {
                entered = Entered::Window;
            }
        }
        meter.lines.extend(trailing.as_ref().map(dropped));
        entered
    }

    /// Steps 8 to 11: surcharges, discounts, rounding, review.
    fn settle(
        &self,
        stay: &Stay,
        mut lines: Vec<FeeLine>,
        mut total: i64,
        mut flags: Vec<ChargeFlag>,
    ) -> Charge {
        let table = self.table();
        let exit = stay.exit_ms.div_euclid(1000);
        for surcharge in &table.surcharges {
            let (code, applies) = match surcharge.kind {
                SurchargeKind::LostCredential => (FeeCode::LostCredential, stay.lost_credential),
            };
            if applies {
                let (value, amount) = (surcharge.value, surcharge.value);
                lines.push(FeeLine { count: 1, value, amount, ..line(code, (exit, exit)) });
                total = total.saturating_add(amount);
            }
        }
        // An exact fraction until the end: a percentage of a percentage loses nothing before rounding.
        let mut exact = Fraction { over: i128::from(total), under: 1 };
        for discount in &table.discounts {
            let granted = discount.needs != Some(Needs::Staff) || stay.discounts.contains(&discount.id);
            if !granted {
                continue;
            }
            let before = exact.nearest(1);
            match discount.kind {
                DiscountKind::Percent => {
                    exact.over *= i128::from(100 - discount.value);
                    exact.under *= 100;
                }
                DiscountKind::Amount => {
                    exact.over = (exact.over - i128::from(discount.value) * exact.under).max(0);
                }
            }
            lines.push(FeeLine {
                reference: discount.id.clone(),
                value: discount.value,
                amount: exact.nearest(1) - before,
                ..line(FeeCode::Discount, (exit, exit))
            });
        }
        let unrounded = exact.nearest(1);
        let fee = table.rounding.map_or(unrounded, |r| match r.mode {
            RoundingMode::Up => exact.up(r.unit),
            RoundingMode::Down => exact.down(r.unit),
            RoundingMode::Nearest => exact.nearest(r.unit),
        });
        if fee != unrounded {
            let unit = table.rounding.map_or(1, |r| r.unit);
            let rounding = line(FeeCode::Rounding, (exit, exit));
            lines.push(FeeLine { value: unit, amount: fee - unrounded, ..rounding });
        }
        let review = table.review_above.is_some_and(|limit| fee > limit);
        if review {
            flags.push(ChargeFlag::ReviewAbove);
        }
        Charge {
            fee,
            unrounded,
            currency: table.currency.clone(),
            table_id: table.id.clone(),
            table_version: table.version,
            lines,
            flags,
            review,
            valid_until_ms: stay.exit_ms.saturating_add(i64::from(table.exit_grace_minutes) * 60_000),
        }
    }
}

/// A non-negative fraction.
struct Fraction {
    over: i128,
    under: i128,
}

impl Fraction {
    fn down(&self, unit: i64) -> i64 {
        self.units(self.over / (self.under * i128::from(unit)), unit)
    }

    fn up(&self, unit: i64) -> i64 {
        let by = self.under * i128::from(unit);
        self.units((self.over + by - 1) / by, unit)
    }

    fn nearest(&self, unit: i64) -> i64 {
        let by = self.under * i128::from(unit);
        self.units((2 * self.over + by) / (2 * by), unit)
    }

    fn units(&self, units: i128, unit: i64) -> i64 {
        i64::try_from(units * i128::from(unit)).unwrap_or(i64::MAX)
    }
}

/// Replaces what is beyond the limit by one line with its sum.
fn shorten(mut lines: Vec<FeeLine>) -> Vec<FeeLine> {
    if lines.len() > MAX_LINES {
        let rest = lines.split_off(MAX_LINES - 1);
        let from = rest.iter().map(|l| l.from_ms).min().unwrap_or(0);
        let to = rest.iter().map(|l| l.to_ms).max().unwrap_or(0);
        let amount = rest.iter().map(|l| l.amount).fold(0, i64::saturating_add);
        let mut more = line(FeeCode::More, (0, 0));
        (more.from_ms, more.to_ms, more.amount) = (from, to, amount);
        more.count = i64::try_from(rest.len()).unwrap_or(i64::MAX);
        lines.push(more);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_round_every_way() {
        let f = Fraction { over: 111_105, under: 10 };
        assert_eq!((f.down(1), f.up(1), f.nearest(1)), (11_110, 11_111, 11_111));
        assert_eq!((f.down(1000), f.up(1000), f.nearest(1000)), (11_000, 12_000, 11_000));
        let zero = Fraction { over: 0, under: 100 };
        assert_eq!((zero.down(1000), zero.up(1000), zero.nearest(1000)), (0, 0, 0));
    }
}
