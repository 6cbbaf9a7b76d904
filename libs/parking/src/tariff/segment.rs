//! Cutting a stay where rights start or expire.

use serde::{Deserialize, Serialize};

/// A right that covers part of a stay, start inclusive, end exclusive. The caller has checked plate, class and Place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// Which right.
    pub id: String,
    /// ms since the epoch.
    pub from_ms: i64,
    /// ms since the epoch.
    pub to_ms: i64,
}

/// A part of a stay, in seconds since the epoch.
pub(super) struct Segment<'r> {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The right that covers it.
    pub(super) right: Option<&'r Right>,
}

/// Cuts a stay. Neighbouring segments are covered by different rights, or one of them by none. Where rights overlap the
/// one that lasts longest stands.
pub(super) fn cut(from: i64, to: i64, rights: &[Right]) -> Vec<Segment<'_>> {
    let second = |ms: i64| ms.div_euclid(1000);
    let mut segments = Vec::with_capacity(1);
    let mut at = from;
    while at < to {
        let covering = rights
            .iter()
            .filter(|r| second(r.from_ms) <= at && at < second(r.to_ms))
            .max_by_key(|r| second(r.to_ms));
        let end = match covering {
            Some(right) => second(right.to_ms),
            None => rights.iter().map(|r| second(r.from_ms)).filter(|&s| s > at).min().unwrap_or(to),
        };
        // A right that starts and ends in one second covers nothing and must not cut anything either.
        let end = end.min(to);
        match segments.last_mut() {
            Some(Segment { to: last, right: None, .. }) if covering.is_none() => *last = end,
            _ => segments.push(Segment { from: at, to: end, right: covering }),
        }
        at = end;
    }
    segments
}
