//! One stay, walked through: every price with its moment, after all maxima.

use super::super::Tariff;
use super::super::calendar::following;
use super::super::compile::Collection;
use super::super::meter::Meter;
use super::super::model::{CapPeriod, LineType, OnNewPeriod, Window};
use super::plan::{Entry, Plan};

/// Cycles a stay is walked beyond those in which it cannot repeat itself yet.
const MOST_CYCLES: i64 = 8;

/// A stay until it repeats itself.
pub(super) struct Walk {
    pub(super) entry: i64,
    /// Moments and VND, in order; seconds since the epoch.
    pub(super) events: Vec<(i64, i64)>,
    /// What was charged before each of them; one more than events.
    sums: Vec<i64>,
    /// A period that begins here, or later, says nothing new.
    repeats: i64,
}

/// What one cap has let through in its period.
struct Used {
    period: (i64, i64),
    used: i64,
}

/// Takes prices in order of time.
struct Taker<'t> {
    tariff: &'t Tariff,
    meter: Meter<'t>,
    caps: Vec<Used>,
    events: Vec<(i64, i64)>,
    cycle: i64,
    /// The next mark of the cycle, and what the caps that count by the day had let through at each mark so far.
    mark: i64,
    states: Vec<Vec<i64>>,
}

impl Walk {
    /// None where it never does, or not soon.
    pub(super) fn until_it_repeats(tariff: &Tariff, plan: &Plan, entry: &Entry) -> Option<Self> {
        let least = plan.cycles(entry);
        let daily = tariff.table().caps.iter().any(|c| c.period == CapPeriod::CalendarDay);
        for cycles in least..=least + MOST_CYCLES {
            // Rolling periods and blocks begin anew at each mark; only what was used of the day may still differ.
            let repeats = entry.at + (cycles + 1) * plan.cycle;
            let mut taker = Taker::new(tariff, entry.at, plan.cycle);
            taker.take(entry.at, repeats + plan.longest);
            let state = |n: i64| usize::try_from(n).ok().and_then(|n| taker.states.get(n));
            if daily && state(cycles) != state(cycles + 1) {
                continue;
            }
            let events = taker.events;
            let sums = std::iter::once(0).chain(events.iter().scan(0_i64, |sum, (_, amount)| {
                *sum = sum.saturating_add(*amount);
                Some(*sum)
            }));
            return Some(Self { entry: entry.at, sums: sums.collect(), events, repeats });
        }
        None
    }

    /// What is charged from a moment to another, the other excluded.
    pub(super) fn sum(&self, from: i64, to: i64) -> i64 {
        let before = |moment: i64| {
            let n = self.events.partition_point(|(at, _)| *at < moment);
            self.sums.get(n).copied().unwrap_or(0)
        };
        before(to) - before(from)
    }

    /// The most in a period of this length, and where it begins.
    pub(super) fn most_in_any(&self, span: i64) -> (i64, i64) {
        let mut most = (0, self.entry);
        let mut end = 0;
        for (first, (from, _)) in self.events.iter().enumerate() {
            if *from >= self.repeats {
                break;
            }
            while self.events.get(end).is_some_and(|(at, _)| *at < from.saturating_add(span)) {
                end += 1;
            }
            let end = end.max(first);
            let amount = self.sums[end] - self.sums[first];
            if amount > most.0 {
                most = (amount, *from);
            }
        }
        most
    }

    /// The most within these hours of one day, and where they begin.
    pub(super) fn most_in_hours(&self, tariff: &Tariff, hours: &[Window]) -> (i64, i64) {
        let mut most = (0, self.entry);
        let first = tariff.calendar.date(self.entry);
        let mut day = first.yesterday().unwrap_or(first);
        loop {
            let all: Vec<(i64, i64)> =
                hours.iter().map(|window| tariff.calendar.occurrence(day, *window)).collect();
            let begins = all.iter().map(|(from, _)| *from).min().unwrap_or(i64::MAX);
            let next = following(day);
            if begins >= self.repeats || next == day {
                return most;
            }
            let amount = all.iter().map(|(from, to)| self.sum(*from, *to)).sum();
            if amount > most.0 {
                most = (amount, begins);
            }
            day = next;
        }
    }
}

impl<'t> Taker<'t> {
    fn new(tariff: &'t Tariff, entry: i64, cycle: i64) -> Self {
        let caps = tariff.table().caps.iter().map(|_| Used { period: (i64::MIN, i64::MIN), used: 0 });
        Self {
            tariff,
            meter: Meter::new(tariff, entry),
            caps: caps.collect(),
            events: Vec::new(),
            cycle,
            mark: entry,
            states: Vec::new(),
        }
    }

    fn take(&mut self, from: i64, to: i64) {
        let mut prices = Vec::new();
        for run in self.tariff.calendar.runs(from, to) {
            let Some(collection) = run.collection.and_then(|i| self.tariff.collections.get(i)) else {
                continue;
            };
            let mut at = run.from;
            while at < run.to {
                let end = self.meter.next_period(at, OnNewPeriod::RestartLines).min(run.to);
                self.piece(collection, (at, end), &mut prices);
                at = end;
            }
        }
        self.note_until(to);
    }

    /// A stretch in which the lines run on.
    fn piece(&mut self, collection: &Collection, (from, to): (i64, i64), prices: &mut Vec<(i64, usize)>) {
        prices.clear();
        for (i, line) in collection.lines.iter().enumerate() {
            let end = if line.kind == LineType::IncrementingRate { line.end.min(to - from) } else { 0 };
            if line.start < to - from {
                prices.push((from + line.start, i));
            }
            let mut block = line.start.saturating_add(line.step);
            while block < end {
                prices.push((from + block, i));
                block = block.saturating_add(line.step);
            }
        }
        prices.sort_unstable();
        let mut charged = vec![0_i64; collection.lines.len()];
        let mut in_window = 0_i64;
        for (at, i) in prices.iter() {
            let line = &collection.lines[*i];
            let amount = line.value.min(line.max - charged[*i]);
            charged[*i] += amount;
            let amount = amount.min(collection.max - in_window);
            in_window += amount;
            self.charge(*at, amount);
        }
    }

    /// As far as every cap has room.
    fn charge(&mut self, at: i64, mut amount: i64) {
        self.note_until(at);
        for (used, cap) in self.caps.iter_mut().zip(&self.tariff.table().caps) {
            if at >= used.period.1 {
                *used = Used { period: self.meter.period(cap, at), used: 0 };
            }
            amount = amount.min(cap.value - used.used);
        }
        for used in &mut self.caps {
            used.used += amount;
        }
        if amount > 0 {
            self.events.push((at, amount));
        }
    }

    /// Notes what the day's caps have let through at every mark up to here.
    fn note_until(&mut self, at: i64) {
        while self.mark <= at {
            let mark = self.mark;
            let caps = self.tariff.table().caps.iter().zip(&self.caps);
            let daily = caps.filter(|(cap, _)| cap.period == CapPeriod::CalendarDay);
            self.states.push(daily.map(|(_, u)| if mark >= u.period.1 { 0 } else { u.used }).collect());
            self.mark += self.cycle;
        }
    }
}
