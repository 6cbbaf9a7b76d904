//! How fast the log grows, and when the disk budget is used up.

use super::month::{Month, NO_MONTH, month_begins};

const DAY_MS: i64 = 86_400_000;
/// Fewer events than this say nothing about bytes per event: tables begin with some pages.
const ENOUGH_EVENTS: u64 = 5_000;
/// Bytes an event takes with its indexes and rows until enough were seen to measure.
const USUAL_BYTES: u64 = 2_000;

/// What one month takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthSize {
    /// The month.
    pub month: Month,
    /// Events filed under it.
    pub events: u64,
    /// Bytes on disk, indexes included.
    pub bytes: u64,
}

/// How the log grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Events per day, lately.
    pub events_per_day: f64,
    /// Bytes on disk per event, everything included that grows with events.
    pub bytes_per_event: f64,
}

impl Growth {
    /// From the sizes of the months; `since` is when this central's log began, `growing_bytes` what all tables that grow with
    /// events take. Rates are those of the month before and this one: what was caught up from long ago does not count as growth.
    pub fn of(months: &[MonthSize], growing_bytes: u64, since: i64, now: i64) -> Self {
        let this = months.iter().map(|m| m.month).filter(|m| *m != NO_MONTH && month_begins(*m) <= now).max();
        let events: u64 = months.iter().map(|m| m.events).sum();
        let bytes_per_event =
            if events < ENOUGH_EVENTS { USUAL_BYTES as f64 } else { growing_bytes as f64 / events as f64 };
        let Some(this) = this else { return Self { events_per_day: 0.0, bytes_per_event } };
        let lately = |m: &&MonthSize| (this - 1..=this).contains(&m.month);
        let recent: u64 = months.iter().filter(lately).map(|m| m.events).sum();
        let first = months.iter().filter(lately).map(|m| month_begins(m.month)).min().unwrap_or(now);
        // A log that began inside these months has no events before: they must not make the rate look small. A log that was filled by
        // catch-up began late and holds what was before.
        let has_before = months.iter().any(|m| m.month != NO_MONTH && m.month < this - 1);
        let from = if has_before { first } else { first.max(since.min(now)) };
        let days = (now - from).max(DAY_MS) as f64 / DAY_MS as f64;
        Self { events_per_day: recent as f64 / days, bytes_per_event }
    }

    /// Bytes per day.
    pub fn bytes_per_day(&self) -> f64 {
        self.events_per_day * self.bytes_per_event
    }
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Days until the budget is used up, as things are growing; 0 when it is; none without a budget or without growth.
    pub days_left: Option<f64>,
    /// Bytes that keeping so many days takes in the long run.
    pub long_run_bytes: u64,
    /// Events and bytes of months that ended before the keeping time.
    pub past_keeping: (u64, u64),
}

impl Forecast {
    /// Looks ahead. `used` is what the database takes now, `keep_days` how long events are kept.
    pub fn of(
        months: &[MonthSize],
        growth: Growth,
        used: u64,
        budget: Option<u64>,
        keep_days: u32,
        now: i64,
    ) -> Self {
        let days_left = budget.and_then(|budget| {
            let left = budget.saturating_sub(used);
            let per_day = growth.bytes_per_day();
            if left == 0 {
                Some(0.0)
            } else if per_day > 0.0 {
                Some(left as f64 / per_day)
            } else {
                None
            }
        });
        let horizon = now.saturating_sub(i64::from(keep_days) * DAY_MS);
        let past = months.iter().filter(|m| m.month != NO_MONTH && month_begins(m.month + 1) <= horizon);
        let past_keeping = past.fold((0, 0), |(e, b), m| (e + m.events, b + m.bytes));
        Self {
            days_left,
            long_run_bytes: (growth.bytes_per_day() * f64::from(keep_days)) as u64,
            past_keeping,
        }
    }

    /// True when people must look after the disk: less than this many days are left.
    pub fn is_short(&self, days: f64) -> bool {
        self.days_left.is_some_and(|left| left < days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T08:00:00Z, in month 323.
    const NOW: i64 = 1_795_334_400_000;

    fn months(of: &[(Month, u64)]) -> Vec<MonthSize> {
        of.iter().map(|&(month, events)| MonthSize { month, events, bytes: events * 700 }).collect()
    }

    #[test]
    fn the_rate_is_that_of_the_last_two_months() {
        // October 1st to November 22nd, 8 o'clock: 52 and a third days.
        let all = months(&[(0, 9), (310, 900_000), (322, 310_000), (323, 213_000)]);
        let g = Growth::of(&all, 2_000_000_000, NOW - 500 * DAY_MS, NOW);
        assert!((g.events_per_day - 523_000.0 / 52.3333).abs() < 1.0, "{g:?}");
        assert!((g.bytes_per_event - 2_000_000_000.0 / 1_423_009.0).abs() < 0.1, "{g:?}");
        // A log that began two days ago, empty.
        let g = Growth::of(&months(&[(323, 20_000)]), 40_000_000, NOW - 2 * DAY_MS, NOW);
        assert!((g.events_per_day - 10_000.0).abs() < 1.0, "{g:?}");
        // One that was wiped an hour ago and has caught up.
        let all = months(&[(300, 500_000), (322, 310_000), (323, 213_000)]);
        let g = Growth::of(&all, 2_000_000_000, NOW - 3_600_000, NOW);
        assert!((g.events_per_day - 523_000.0 / 52.3333).abs() < 1.0, "{g:?}");
        let none = Growth::of(&[], 0, NOW, NOW);
        assert_eq!(none.events_per_day, 0.0);
    }

    #[test]
    fn the_budget_ends_when_growth_has_used_it_up() {
        let growth = Growth { events_per_day: 10_000.0, bytes_per_event: 1_000.0 };
        let all = months(&[(0, 5), (308, 100), (309, 200), (310, 300), (323, 400)]);
        let f = |used, budget| Forecast::of(&all, growth, used, budget, 400, NOW);
        assert_eq!(f(5_000_000_000, Some(5_300_000_000)).days_left, Some(30.0));
        assert!(f(5_000_000_000, Some(5_299_000_000)).is_short(30.0));
        assert!(!f(5_000_000_000, Some(5_301_000_000)).is_short(30.0));
        assert_eq!(f(6_000_000_000, Some(5_300_000_000)).days_left, Some(0.0));
        assert_eq!((f(1, None).days_left, f(1, None).is_short(30.0)), (None, false));
        assert_eq!(f(1, None).long_run_bytes, 4_000_000_000);
        // 400 days before is 2025-10-18: September 2025 (309) has ended then, October has not.
        assert_eq!(f(1, None).past_keeping, (300, 300 * 700));
        let still = Growth { events_per_day: 0.0, bytes_per_event: 1_000.0 };
        assert_eq!(Forecast::of(&all, still, 1, Some(2), 400, NOW).days_left, None);
    }
}
