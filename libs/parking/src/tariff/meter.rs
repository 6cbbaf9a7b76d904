//! Adding up the prices of a stay in order of time, under the maxima.

use super::calendar::Run;
use super::charge::{FeeCode, FeeLine};
use super::compile::{Collection, Entered, Line, Tariff};
use super::model::{Cap, CapPeriod, LineType, OnNewPeriod};

/// What one cap has let through in its present period.
struct CapMeter {
    period: (i64, i64),
    used: i64,
    cut: i64,
}

/// Adds up one stay.
pub(super) struct Meter<'t> {
    tariff: &'t Tariff,
    /// The first charged second: rolling periods count from here.
    anchor: i64,
    block_grace: i64,
    caps: Vec<CapMeter>,
    pub(super) total: i64,
    pub(super) lines: Vec<FeeLine>,
}

impl<'t> Meter<'t> {
    pub(super) fn new(tariff: &'t Tariff, anchor: i64) -> Self {
        let caps = tariff.table().caps.iter();
        Self {
            tariff,
            anchor,
            block_grace: i64::from(tariff.table().block_grace_minutes) * 60,
            caps: caps.map(|_| CapMeter { period: (i64::MIN, i64::MIN), used: 0, cut: 0 }).collect(),
            total: 0,
            lines: Vec::new(),
        }
    }

    /// What a run would cost before caps.
    pub(super) fn price(&self, run: &Run, entered: Entered) -> i64 {
        let Some(collection) = run.collection.and_then(|i| self.tariff.collections.get(i)) else { return 0 };
        self.pieces(run, entered)
            .map(|(from, to, entered)| collection.price(to - from, self.block_grace, entered))
            .fold(0, i64::saturating_add)
    }

    /// The least a first run can cost: its first second.
    pub(super) fn lowest(&self, run: &Run) -> i64 {
        let collection = run.collection.and_then(|i| self.tariff.collections.get(i));
        collection.map_or(0, |c| c.price(1, self.block_grace, Entered::Stay))
    }

    /// Adds a run.
    pub(super) fn add(&mut self, run: &Run, entered: Entered) {
        let tariff = self.tariff;
        match run.collection.and_then(|i| tariff.collections.get(i)) {
            None => self.lines.push(line(FeeCode::NotPriced, (run.from, run.to))),
            Some(collection) => {
                let pieces: Vec<_> = self.pieces(run, entered).collect();
                for (from, to, entered) in pieces {
                    self.piece(collection, (from, to), entered);
                }
            }
        }
    }

    /// Names what the caps took away in the period they are in.
    pub(super) fn finish(&mut self) {
        for i in 0..self.caps.len() {
            self.close(i);
        }
    }

    /// A run cut where the lines restart.
    fn pieces(&self, run: &Run, entered: Entered) -> impl Iterator<Item = (i64, i64, Entered)> {
        let (mut at, end, mut entered) = (run.from, run.to, entered);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let to = self.next_period(at, OnNewPeriod::RestartLines).min(end);
            let piece = (at, to, entered);
            (at, entered) = (to, Entered::CapPeriod);
            Some(piece)
        })
    }

    /// Where the next period of a cap with this behaviour begins.
    pub(super) fn next_period(&self, at: i64, behaviour: OnNewPeriod) -> i64 {
        let caps = self.tariff.table().caps.iter().filter(|c| c.on_new_period == behaviour);
        caps.map(|c| self.period(c, at).1).min().unwrap_or(i64::MAX)
    }

    /// The period of a cap around a moment.
    pub(super) fn period(&self, cap: &Cap, at: i64) -> (i64, i64) {
        match (cap.period, cap.length) {
            (CapPeriod::Rolling, Some(length)) if length.seconds() > 0 => {
                let start = at - (at - self.anchor).rem_euclid(length.seconds());
                (start, start + length.seconds())
            }
            (CapPeriod::Rolling, _) => (self.anchor, i64::MAX),
            (CapPeriod::CalendarDay, _) => {
                let (start, end) = self.tariff.calendar.day_around(at);
                // Guards against a time zone whose midnight does not exist: a period always moves on.
                (start, end.max(at + 1))
            }
        }
    }

    fn piece(&mut self, collection: &Collection, (from, to): (i64, i64), entered: Entered) {
        let length = to - from;
        let mut counts = vec![0_i64; collection.lines.len()];
        let mut charged = vec![0_i64; collection.lines.len()];
        let mut in_window = 0_i64;
        let mut wanted = 0_i64;
        let mut cap_lines = Vec::new();
        let mut at = from;
        while at < to {
            let until = self.next_period(at, OnNewPeriod::Continue).min(to);
            self.roll(at, at > from, &mut cap_lines);
            let mut raw = 0_i64;
            for (i, line) in collection.lines.iter().enumerate() {
                let n = line.prices(length, (at - from, until - from), self.block_grace, entered);
                let allowed = n.saturating_mul(line.value).min(line.max - charged[i]);
                counts[i] += n;
                charged[i] += allowed;
                raw = raw.saturating_add(allowed);
            }
            wanted = wanted.saturating_add(raw);
            let allowed = raw.min(collection.max - in_window);
            in_window += allowed;
            self.charge(allowed);
            at = until;
        }
        for (i, line) in collection.lines.iter().enumerate() {
            self.explain(collection, line, counts[i], charged[i], (from, to));
        }
        if wanted > in_window {
            let mut max = line(FeeCode::WindowMax, (from, to));
            max.reference = collection.sequence.to_string();
            max.value = collection.max;
            max.amount = in_window - wanted;
            self.lines.push(max);
        }
        self.lines.append(&mut cap_lines);
    }

    /// Charges an amount now, as far as every cap has room.
    fn charge(&mut self, amount: i64) {
        let caps = self.tariff.table().caps.iter().zip(&self.caps);
        let tightest = caps.enumerate().map(|(i, (cap, meter))| (cap.value - meter.used, i)).min();
        let mut allowed = amount;
        if let Some((room, i)) = tightest
            && room < amount
        {
            allowed = room;
            self.caps[i].cut += amount - room;
        }
        for meter in &mut self.caps {
            meter.used += allowed;
        }
        self.total = self.total.saturating_add(allowed);
    }

    /// Moves every cap into the period of a moment. Inside a piece what the cap took away is told after the piece.
    fn roll(&mut self, at: i64, inside: bool, later: &mut Vec<FeeLine>) {
        for i in 0..self.caps.len() {
            if at >= self.caps[i].period.1 {
                let before = self.lines.len();
                self.close(i);
                if inside {
                    later.extend(self.lines.drain(before..));
                }
                let period = self.period(&self.tariff.table().caps[i], at);
                self.caps[i] = CapMeter { period, used: 0, cut: 0 };
            }
        }
    }

    fn close(&mut self, i: usize) {
        let (cap, meter) = (&self.tariff.table().caps[i], &self.caps[i]);
        if meter.cut > 0 {
            let (from, to) = meter.period;
            self.lines.push(FeeLine {
                reference: match cap.period {
                    CapPeriod::Rolling => "rolling".to_owned(),
                    CapPeriod::CalendarDay => "calendar_day".to_owned(),
                },
                value: cap.value,
                seconds: to - from,
                amount: -meter.cut,
                ..line(FeeCode::Cap, (from, to))
            });
        }
    }

    /// Writes what a line charged in a piece, and what its maximum took away.
    fn explain(&mut self, of: &Collection, by: &Line, count: i64, charged: i64, (from, to): (i64, i64)) {
        if count == 0 {
            return;
        }
        let start = from + by.start;
        let raw = count.saturating_mul(by.value);
        let increments = by.kind == LineType::IncrementingRate;
        let end = if increments {
            to.min(start.saturating_add(by.step.saturating_mul(count)))
        } else {
            to.min(from.saturating_add(by.end))
        };
        let reference = format!("{}.{}", of.sequence, by.sequence);
        let code = match by.kind {
            LineType::FlatRate => FeeCode::Flat,
            LineType::FlatRateTier => FeeCode::Tier,
            LineType::IncrementingRate => FeeCode::Increment,
        };
        let seconds = if increments { by.step } else { 0 };
        let priced = line(code, (start, end));
        self.lines.push(FeeLine {
            reference: reference.clone(),
            count,
            value: by.value,
            seconds,
            amount: raw,
            ..priced
        });
        if raw > charged {
            let max = line(FeeCode::LineMax, (start, end));
            self.lines.push(FeeLine { reference, value: by.max, amount: charged - raw, ..max });
        }
    }
}

/// A line of a breakdown for some seconds, with nothing in it yet.
pub(super) fn line(code: FeeCode, (from, to): (i64, i64)) -> FeeLine {
    FeeLine {
        code,
        reference: String::new(),
        count: 0,
        value: 0,
        seconds: 0,
        from_ms: from.saturating_mul(1000),
        to_ms: to.saturating_mul(1000),
        amount: 0,
    }
}
