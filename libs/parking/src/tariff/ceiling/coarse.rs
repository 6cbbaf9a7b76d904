//! A bound from above, for tables that take too long to be walked: never too low, often too high.

use super::super::Tariff;
use super::super::compile::Collection;
use super::super::model::{CapPeriod, LineType};
use super::{DAY, Most};

/// The shortest day, where clocks are put forward.
const SHORT_DAY: i64 = 22 * 3600;

/// What no period of this length costs more than.
pub(super) fn bound(strict: &Tariff, span: i64) -> Most {
    let table = strict.table();
    let touched = |length: i64| (span.saturating_add(length - 1)).div_euclid(length).saturating_add(1);
    let caps = table.caps.iter().map(|cap| {
        let length = match (cap.period, cap.length) {
            (CapPeriod::Rolling, Some(length)) => length.seconds().max(1),
            (CapPeriod::Rolling, None) | (CapPeriod::CalendarDay, _) => SHORT_DAY,
        };
        (cap.value.saturating_mul(touched(length)), touched(length))
    });
    let (mut least, mut pieces) = (i64::MAX, 1_i64);
    for (value, periods) in caps {
        least = least.min(value);
        pieces = pieces.saturating_add(periods);
    }
    if !strict.calendar.is_uniform() {
        let windows = i64::try_from(table.collections.len()).unwrap_or(i64::MAX);
        let a_day = windows.saturating_mul(2).saturating_add(2);
        pieces = pieces.saturating_add(touched(DAY).saturating_mul(a_day));
    }
    let dearest = strict.collections.iter().map(|c| of_lines(c, span)).max().unwrap_or(0);
    Most { amount: least.min(dearest.saturating_mul(pieces)), witness: None }
}

/// What a period of this length within one piece of a window costs at most.
fn of_lines(collection: &Collection, span: i64) -> i64 {
    let lines = collection.lines.iter().map(|line| {
        let blocks = match line.kind {
            LineType::IncrementingRate => span.saturating_add(line.step - 1).div_euclid(line.step).max(1),
            LineType::FlatRate | LineType::FlatRateTier => 1,
        };
        line.value.saturating_mul(blocks).min(line.max)
    });
    lines.fold(0, i64::saturating_add).min(collection.max)
}
