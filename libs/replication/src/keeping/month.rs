//! The month an event is filed under.

/// Months since the year 2000: January 2000 is 1.
pub type Month = i32;

/// The drawer of stamps that cannot be.
pub const NO_MONTH: Month = 0;
/// Older than the receipt by more months than this: the stamp cannot be.
const OLDEST: i64 = 36;
/// Ahead of the receipt by more months than this: the stamp cannot be.
const AHEAD: i64 = 2;
const DAY_MS: i64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: i64 = 719_468;

/// The month an event is filed under: the calendar month (UTC) of its own stamp, or [`NO_MONTH`] where that cannot be (more than
/// 36 months before its receipt here, or 2 months after it), so that wrong clocks do not make drawers. Both in ms since the epoch.
pub fn month_of(occurred_at: i64, received_at: i64) -> Month {
    let (month, received) = (calendar_month(occurred_at), calendar_month(received_at));
    if month > 0 && (received - OLDEST..=received + AHEAD).contains(&month) {
        i32::try_from(month).unwrap_or(NO_MONTH)
    } else {
        NO_MONTH
    }
}

/// Months since the year 2000 began, January 2000 being 1; below 1 before that.
fn calendar_month(ms: i64) -> i64 {
    // The civil calendar in 400-year turns that begin in March: leap days come last in them.
    let day = ms.div_euclid(DAY_MS) + EPOCH_DAY;
    let (turn, of_turn) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_turn = (of_turn - of_turn / 1460 + of_turn / 36_524 - of_turn / 146_096) / 365;
    let of_year = of_turn - (365 * year_of_turn + year_of_turn / 4 - year_of_turn / 100);
    let from_march = (5 * of_year + 2) / 153;
    let year = turn * 400 + year_of_turn + i64::from(from_march >= 10);
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year - 2000) * 12 + month
}

/// When a month begins (UTC), ms since the epoch.
pub fn month_begins(month: Month) -> i64 {
    let months = i64::from(month) - 1;
    let (year, month) = (2000 + months.div_euclid(12), months.rem_euclid(12) + 1);
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (turn, of_turn) = (year.div_euclid(400), year.rem_euclid(400));
    let day = turn * 146_097 + of_turn * 365 + of_turn / 4 - of_turn / 100 + (153 * from_march + 2) / 5;
    (day - EPOCH_DAY) * DAY_MS
}

/// A month for people: `2026-11`; `none` for [`NO_MONTH`].
pub fn month_name(month: Month) -> String {
    if month == NO_MONTH {
        return "none".to_owned();
    }
    let months = i64::from(month) - 1;
    format!("{:04}-{:02}", 2000 + months.div_euclid(12), months.rem_euclid(12) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T08:00:00Z.
    const NOW: i64 = 1_795_334_400_000;

    #[test]
    fn months_are_those_of_the_calendar() {
        for (ms, month, name) in [
            (946_684_800_000, 1, "2000-01"),
            (951_782_399_999, 2, "2000-02"),
            (951_868_800_000, 3, "2000-03"),
            (1_709_164_800_000, 290, "2024-02"),
            (1_709_251_200_000, 291, "2024-03"),
            (NOW, 323, "2026-11"),
            (1_798_761_599_999, 324, "2026-12"),
            (1_798_761_600_000, 325, "2027-01"),
            (4_107_542_400_000, 1203, "2100-03"),
            (4_107_542_399_999, 1202, "2100-02"),
        ] {
            assert_eq!((month_of(ms, ms), month_name(month)), (month, name.to_owned()), "{ms}");
        }
        for month in 1..2000 {
            let begins = month_begins(month);
            assert_eq!((month_of(begins, begins), month_of(begins - 1, begins)), (month, (month - 1).max(0)));
        }
    }

    #[test]
    fn stamps_that_cannot_be_share_one_drawer() {
        assert_eq!(month_of(month_begins(323 - 36), NOW), 287);
        assert_eq!(month_of(month_begins(323 - 36) - 1, NOW), NO_MONTH);
        assert_eq!(month_of(month_begins(323 + 3) - 1, NOW), 325);
        assert_eq!(month_of(month_begins(323 + 3), NOW), NO_MONTH);
        for wild in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            assert_eq!(month_of(wild, NOW), NO_MONTH, "{wild}");
            assert_eq!(month_of(NOW, wild), NO_MONTH, "{wild}");
        }
        assert_eq!(month_of(1, 1), NO_MONTH, "before 2000 there are no events");
    }
}
