//! Certificates end months after anybody thought of them.

use wire::alarm::AlarmCode;

use super::board::Standing;

const DAY_MS: i64 = 86_400_000;
/// Days before the end: first word, second word, and when it is urgent. Renewing takes people weeks, not minutes.
const DAYS: [i64; 3] = [60, 30, 7];

/// The alarm of a certificate that ends. `whose`, for people. Its words change at 60, 30 and 7 days, not every day.
pub fn ends(whose: &str, not_after_ms: i64, now_ms: i64) -> Option<Standing> {
    let left = not_after_ms.saturating_sub(now_ms);
    let under = DAYS.iter().rev().find(|days| left < **days * DAY_MS)?;
    let urgent = *under == DAYS[2];
    let when = if left <= 0 { "has ended".to_owned() } else { format!("ends in less than {under} days") };
    Some(Standing {
        code: if urgent { AlarmCode::CertificateEndsSoon } else { AlarmCode::CertificateEnds },
        peer: None,
        detail: format!("{whose} {when}; `parkctl ca request` and `approve` make a new one"),
        after_ms: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_60_30_and_7_days_and_urgent_at_the_last() {
        let said = |days_left: i64| {
            ends("the certificate", days_left * DAY_MS, 0).map(|s| {
                let begins: String = s.detail.split(';').next().unwrap().to_owned();
                (s.code, begins)
            })
        };
        let at = |code, text: &str| Some((code, format!("the certificate {text}")));
        assert_eq!(said(60), None);
        assert_eq!(said(59), at(AlarmCode::CertificateEnds, "ends in less than 60 days"));
        assert_eq!(said(30), at(AlarmCode::CertificateEnds, "ends in less than 60 days"));
        assert_eq!(said(29), at(AlarmCode::CertificateEnds, "ends in less than 30 days"));
        assert_eq!(said(7), at(AlarmCode::CertificateEnds, "ends in less than 30 days"));
        assert_eq!(said(6), at(AlarmCode::CertificateEndsSoon, "ends in less than 7 days"));
        assert_eq!(said(-1), at(AlarmCode::CertificateEndsSoon, "has ended"));
    }
}
