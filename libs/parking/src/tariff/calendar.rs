//! Which collection prices which moment, in the local time of the Place.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::model::{Day, RateTable, Window};

const HOLIDAY: u8 = 1 << 7;

/// A stretch of time under one occurrence of one collection, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Index in the order of sequence; none where no collection holds.
    pub(super) collection: Option<usize>,
    /// The day a daily window started on. Collections without a window have none: their days join.
    started: Option<Date>,
}

impl Run {
    pub(super) fn seconds(&self) -> i64 {
        self.to - self.from
    }
}

struct Rule {
    window: Option<Window>,
    /// Bit per [`Day`].
    days: u8,
}

impl Rule {
    fn covers(&self, day: u8) -> bool {
        self.days & day != 0
    }
}

/// The windows, days and holidays of a table.
pub(super) struct Calendar {
    tz: TimeZone,
    /// By sequence.
    rules: Vec<Rule>,
    /// Sorted.
    holidays: Vec<Date>,
}

impl Calendar {
    /// `order` is the order of the table's collections by sequence.
    pub(super) fn new(table: &RateTable, order: &[usize], tz: TimeZone) -> Self {
        let rules: Vec<Rule> = order
            .iter()
            .filter_map(|&i| table.collections.get(i))
            .map(|c| Rule { window: c.window, days: c.days.iter().fold(0, |bits, day| bits | bit(*day)) })
            .collect();
        // A table that never names holidays treats them as the weekdays they are.
        let mut holidays =
            if rules.iter().any(|r| r.covers(HOLIDAY)) { table.holidays.clone() } else { Vec::new() };
        holidays.sort_unstable();
        Self { tz, rules, holidays }
    }

    /// The runs of `from..to`, in order, without gaps (a stretch that nothing prices is a run too).
    pub(super) fn runs(&self, from: i64, to: i64) -> Vec<Run> {
        if self.is_uniform() {
            return vec![Run { from, to, collection: Some(0), started: None }];
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut date = self.date(from);
        let mut found = Vec::new();
        let mut marks = Vec::new();
        loop {
            let next = following(date);
            let (start, end) = (self.at(date, 0), self.at(next, 0));
            if start >= to || next == date {
                break;
            }
            self.day(date, (start, end), &mut found);
            marks.clear();
            marks.extend([start, end]);
            marks.extend(found.iter().flat_map(|r| [r.from, r.to]).filter(|t| (start..end).contains(t)));
            marks.sort_unstable();
            marks.dedup();
            for pair in marks.windows(2) {
                let (a, b) = (pair[0].max(from), pair[1].min(to));
                if a >= b {
                    continue;
                }
                let holds = found.iter().filter(|r| r.from <= a && a < r.to).min_by_key(|r| r.collection);
                let (collection, started) = holds.map_or((None, None), |r| (r.collection, r.started));
                match runs.last_mut() {
                    Some(last) if (last.collection, last.started) == (collection, started) => last.to = b,
                    _ => runs.push(Run { from: a, to: b, collection, started }),
                }
            }
            date = next;
        }
        runs
    }

    /// Whether one collection prices every moment, so that the time of day never matters.
    pub(super) fn is_uniform(&self) -> bool {
        self.rules.first().is_some_and(|first| first.window.is_none() && first.days == u8::MAX)
    }

    /// Every occurrence that touches a day, whichever wins.
    fn day(&self, date: Date, (start, end): (i64, i64), found: &mut Vec<Run>) {
        found.clear();
        let before = date.yesterday().unwrap_or(date);
        let (today, yesterday) = (self.kind(date), self.kind(before));
        for (i, rule) in self.rules.iter().enumerate() {
            let collection = Some(i);
            match rule.window {
                None if rule.covers(today) => {
                    found.push(Run { from: start, to: end, collection, started: None })
                }
                None => {}
                Some(window) => {
                    for (day, kind) in [(before, yesterday), (date, today)] {
                        let (from, to) = self.occurrence(day, window);
                        if rule.covers(kind) && from < to && to > start {
                            found.push(Run { from, to, collection, started: Some(day) });
                        }
                    }
                }
            }
        }
    }

    /// Start and end of the window that starts on a day.
    pub(super) fn occurrence(&self, day: Date, window: Window) -> (i64, i64) {
        let (start, end) = (window.start.minutes(), window.end.minutes());
        let last = if end <= start { following(day) } else { day };
        (self.at(day, start), self.at(last, end))
    }

    /// The local date of a moment.
    pub(super) fn date(&self, second: i64) -> Date {
        let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        self.tz.to_datetime(moment).date()
    }

    /// From one local midnight to the next, around a moment.
    pub(super) fn day_around(&self, second: i64) -> (i64, i64) {
        let date = self.date(second);
        (self.at(date, 0), self.at(following(date), 0))
    }

    /// A local time of day as a moment; in the gap or the fold of a time zone the compatible choice.
    fn at(&self, date: Date, minutes: u16) -> i64 {
        let (date, minutes) = if minutes >= 1440 { (following(date), 0) } else { (date, minutes) };
        let local = date.at((minutes / 60) as i8, (minutes % 60) as i8, 0, 0);
        match self.tz.to_timestamp(local) {
            Ok(moment) => moment.as_second(),
            Err(_) => i64::MAX,
        }
    }

    fn kind(&self, date: Date) -> u8 {
        if self.holidays.binary_search(&date).is_ok() {
            return HOLIDAY;
        }
        bit(match date.weekday() {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        })
    }
}

/// The next date; the last one of the calendar is its own successor.
pub(super) fn following(date: Date) -> Date {
    date.checked_add(1.day()).unwrap_or(date)
}

fn bit(day: Day) -> u8 {
    match day {
        Day::Mon => 1,
        Day::Tue => 1 << 1,
        Day::Wed => 1 << 2,
        Day::Thu => 1 << 3,
        Day::Fri => 1 << 4,
        Day::Sat => 1 << 5,
        Day::Sun => 1 << 6,
        Day::Holiday => HOLIDAY,
    }
}
