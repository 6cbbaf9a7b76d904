//! Times: milliseconds since the Unix epoch inside, RFC 3339 outside.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Why a time was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTime {
    /// No `Z` or `+07:00` at the end: the reader would have to guess.
    #[error("must end with an offset such as +07:00 or Z")]
    NoOffset,
    /// Not RFC 3339.
    #[error("must be an RFC 3339 time such as 2026-11-22T08:00:00+07:00")]
    NotRfc3339,
    /// Outside 1970 to 9999.
    #[error("must lie between 1970 and 9999")]
    OutOfRange,
}

/// Reads RFC 3339 with an offset into milliseconds since the epoch.
pub fn parse_rfc3339(s: &str) -> Result<i64, BadTime> {
    if let Ok(t) = s.parse::<Timestamp>() {
        if s.len() > 40 || s.contains('[') {
            return Err(BadTime::NotRfc3339);
        }
        let ms = t.as_millisecond();
        return if ms < 0 { Err(BadTime::OutOfRange) } else { Ok(ms) };
    }
    if s.parse::<jiff::civil::DateTime>().is_ok() { Err(BadTime::NoOffset) } else { Err(BadTime::NotRfc3339) }
}

/// Writes milliseconds since the epoch as RFC 3339 with milliseconds, in the offset of the Place.
pub fn rfc3339(ms: i64, tz: &TimeZone) -> String {
    let t = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let z = t.to_zoned(tz.clone());
    let off = z.offset().seconds();
    let sign = if off < 0 { '-' } else { '+' };
    let a = off.unsigned_abs();
    format!("{}{sign}{:02}:{:02}", z.strftime("%Y-%m-%dT%H:%M:%S%.3f"), a / 3600, a % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_an_offset() {
        assert_eq!(parse_rfc3339("2026-11-22T08:00:00"), Err(BadTime::NoOffset));
        assert_eq!(parse_rfc3339("yesterday"), Err(BadTime::NotRfc3339));
        assert_eq!(parse_rfc3339("1969-01-01T00:00:00Z"), Err(BadTime::OutOfRange));
        assert_eq!(parse_rfc3339("1970-01-01T07:00:01+07:00"), Ok(1000));
    }

    #[test]
    fn output_is_in_the_offset_of_the_place() {
        let tz = TimeZone::fixed(jiff::tz::offset(7));
        assert_eq!(rfc3339(1000, &tz), "1970-01-01T07:00:01.000+07:00");
        assert_eq!(parse_rfc3339(&rfc3339(1_733_140_800_123, &tz)), Ok(1_733_140_800_123));
    }
}
