//! A line of a breakdown in words, for the lane's screen and the receipt.

use super::charge::{FeeCode, FeeLine};

/// A language of receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl FeeLine {
    /// The line in words, without its amount.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let vi = language == Language::Vi;
        let (value, count) = (money(self.value, language), self.count);
        let length = duration(self.seconds, language);
        let reference = &self.reference;
        match (self.code, vi) {
            (FeeCode::Flat, true) => format!("Giá theo lượt {value}"),
            (FeeCode::Flat, false) => format!("Flat rate {value}"),
            (FeeCode::Tier, true) => format!("Bậc giá {value}"),
            (FeeCode::Tier, false) => format!("Tier {value}"),
            (FeeCode::Increment, true) => format!("{count} × {value} mỗi {length}"),
            (FeeCode::Increment, false) => format!("{count} × {value} per {length}"),
            (FeeCode::Covered, true) => format!("Vé tháng {reference}"),
            (FeeCode::Covered, false) => format!("Covered by pass {reference}"),
            (FeeCode::Free, true) => format!("Miễn phí đến {length}"),
            (FeeCode::Free, false) => format!("Free up to {length}"),
            (FeeCode::WindowGrace, true) => format!("Bỏ qua khung giờ không quá {length}"),
            (FeeCode::WindowGrace, false) => format!("Window of at most {length} left out"),
            (FeeCode::NotPriced, true) => "Ngoài giờ thu phí".to_owned(),
            (FeeCode::NotPriced, false) => "Outside charged hours".to_owned(),
            (FeeCode::LineMax, true) => format!("Tối đa cho mức giá này {value}"),
            (FeeCode::LineMax, false) => format!("Maximum of this rate {value}"),
            (FeeCode::WindowMax, true) => format!("Tối đa cho khung giờ {value}"),
            (FeeCode::WindowMax, false) => format!("Maximum of this window {value}"),
            (FeeCode::Cap, true) if reference == "calendar_day" => format!("Tối đa một ngày {value}"),
            (FeeCode::Cap, false) if reference == "calendar_day" => format!("Maximum per day {value}"),
            (FeeCode::Cap, true) => format!("Tối đa trong {length} {value}"),
            (FeeCode::Cap, false) => format!("Maximum per {length} {value}"),
            (FeeCode::More, true) => format!("{count} dòng khác"),
            (FeeCode::More, false) => format!("{count} more lines"),
            (FeeCode::LostCredential, true) => "Mất thẻ".to_owned(),
            (FeeCode::LostCredential, false) => "Lost card or ticket".to_owned(),
            (FeeCode::Discount, true) => format!("Giảm giá {reference}"),
            (FeeCode::Discount, false) => format!("Discount {reference}"),
            (FeeCode::Rounding, true) => format!("Làm tròn đến {value}"),
            (FeeCode::Rounding, false) => format!("Rounding to {value}"),
            (FeeCode::ClockAnomaly, true) => "Giờ ra trước giờ vào".to_owned(),
            (FeeCode::ClockAnomaly, false) => "Exit before entry".to_owned(),
            (FeeCode::NoEntry, true) => "Không tìm thấy lượt vào".to_owned(),
            (FeeCode::NoEntry, false) => "No entry found".to_owned(),
        }
    }
}

/// `25.000 đ` or `25,000 VND`.
fn money(value: i64, language: Language) -> String {
    let digits = value.unsigned_abs().to_string();
    let separator = if language == Language::Vi { '.' } else { ',' };
    let mut out = String::with_capacity(digits.len() + 8);
    if value < 0 {
        out.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out.push_str(if language == Language::Vi { " đ" } else { " VND" });
    out
}

/// `1 giờ 30 phút` or `1 h 30 min`.
pub(crate) fn duration(seconds: i64, language: Language) -> String {
    let [hours, minutes, rest] = match language {
        Language::Vi => ["giờ", "phút", "giây"],
        Language::En => ["h", "min", "s"],
    };
    let parts = [(seconds / 3600, hours), (seconds / 60 % 60, minutes), (seconds % 60, rest)];
    let words: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if words.is_empty() { format!("0 {minutes}") } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_durations_in_both_languages() {
        assert_eq!(money(1_234_567, Language::Vi), "1.234.567 đ");
        assert_eq!(money(-500, Language::En), "-500 VND");
        assert_eq!(duration(5400, Language::Vi), "1 giờ 30 phút");
        assert_eq!(duration(86_400, Language::En), "24 h");
        assert_eq!(duration(0, Language::En), "0 min");
    }
}
