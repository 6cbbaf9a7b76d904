//! The small units of a rate table, in their JSON forms.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A duration in whole seconds, in JSON an ISO 8601 duration of weeks, days (24 h), hours, minutes and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoDuration {
    seconds: i64,
}

impl IsoDuration {
    /// Nothing.
    pub const ZERO: Self = Self { seconds: 0 };

    /// The longest duration: ten years.
    const MAX_SECONDS: i64 = 3660 * 86_400;

    /// From seconds; negative becomes 0, more than ten years becomes ten years.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds: seconds.clamp(0, Self::MAX_SECONDS) }
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('P')?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        if date.is_empty() && time.is_empty() {
            return None;
        }
        let seconds = sum(date, &[('W', 604_800), ('D', 86_400)])?
            .checked_add(sum(time, &[('H', 3600), ('M', 60), ('S', 1)])?)?;
        (seconds <= Self::MAX_SECONDS).then_some(Self { seconds })
    }
}

/// Adds numbers with their units, which must come in the given order.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total: i64 = 0;
    for &(unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(unit) {
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

impl TryFrom<String> for IsoDuration {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("must be an ISO 8601 duration of at most ten years, such as PT1H30M or P1D")
    }
}

impl From<IsoDuration> for String {
    fn from(duration: IsoDuration) -> Self {
        duration.to_string()
    }
}

impl std::fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (h, m, s) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        f.write_str("PT")?;
        if h > 0 {
            write!(f, "{h}H")?;
        }
        if m > 0 {
            write!(f, "{m}M")?;
        }
        if s > 0 || self.seconds == 0 {
            write!(f, "{s}S")?;
        }
        Ok(())
    }
}

/// A local time of day, `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// Minutes after local midnight, 0 to 1440.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.minutes
    }

    /// From minutes after midnight.
    pub(super) const fn from_minutes(minutes: u16) -> Self {
        Self { minutes }
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
                .then(|| digits.parse::<u16>().ok())?
        };
        text.split_once(':')
            .and_then(|(h, m)| Some((number(h)?, number(m)?)))
            .filter(|&(h, m)| m < 60 && h * 60 + m <= 1440)
            .map(|(h, m)| Self { minutes: h * 60 + m })
            .ok_or("must be a time of day from 00:00 to 24:00")
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.minutes / 60, time.minutes % 60)
    }
}

/// A moment, in JSON an RFC 3339 time with its offset, which is written back as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    ms: i64,
    text: String,
}

impl Moment {
    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn ms(&self) -> i64 {
        self.ms
    }
}

impl TryFrom<String> for Moment {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse::<Timestamp>() {
            Ok(t) if !text.contains('[') => Ok(Self { ms: t.as_millisecond(), text }),
            _ => Err("must be an RFC 3339 time with an offset, such as 2026-10-01T00:00:00+07:00"),
        }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.text
    }
}
