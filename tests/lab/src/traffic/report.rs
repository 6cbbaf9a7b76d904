//! What a run has shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The result of a traffic run. An *event* is an opening, passage or exit that a lane was told is recorded;
/// deliberate repeats and second reads of the same car make none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Requests per second asked for.
    pub rate: f64,
    /// Seconds of sending asked for.
    pub seconds: f64,
    /// The seed.
    pub seed: u64,
    /// Size of the lab.
    pub centrals: usize,
    /// Cars that came.
    pub cars: usize,
    /// Requests that make an event, each counted once however often it was repeated.
    pub sent: u64,
    /// All requests that went out.
    pub attempts: u64,
    /// Events acknowledged.
    pub acknowledged: usize,
    /// Acknowledged events that only a destroyed disk held; counted nowhere else.
    pub destroyed: usize,
    /// 4xx answers.
    pub refused: u64,
    /// 2xx answers that recorded nothing (`ask_staff`).
    pub not_recorded: u64,
    /// Requests without an answer to the end.
    pub maybe: u64,
    /// Acknowledged events that every central shows.
    pub visible_everywhere: usize,
    /// Acknowledged events that some central does not show.
    pub lost: usize,
    /// Cars that history has twice.
    pub doubled: usize,
    /// Lane POST → visible on the last central, median, ms.
    pub p50_ms: Option<f64>,
    /// The same, 99th percentile.
    pub p99_ms: Option<f64>,
    /// The same, slowest.
    pub max_ms: Option<f64>,
    /// Lane POST → its answer, median, ms.
    pub post_p50_ms: Option<f64>,
    /// The same, 99th percentile.
    pub post_p99_ms: Option<f64>,
    /// Sum of the fees lanes were told, VND.
    pub fees_answered: i64,
    /// From the last answer until everything was everywhere, s.
    pub settled_s: f64,
    /// All centrals show the same digest.
    pub digests_equal: bool,
    /// Every car is where its answers say, and has paid what it was told, on every central.
    pub truth_ok: bool,
    /// 4xx answers by status and code.
    pub refusals: BTreeMap<String, u64>,
    /// Attempts without a useful answer, by reason.
    pub unanswered: BTreeMap<String, u64>,
    /// What is wrong, in words.
    #[serde(skip)]
    pub wrong: Vec<String>,
}

impl Report {
    /// Whether everything acknowledged is everywhere and true.
    pub fn passed(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.digests_equal && self.truth_ok && self.acknowledged > 0
    }

    /// For people.
    pub fn render(&self) -> String {
        const SHOWN: usize = 10;
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} cars at {} centrals; {} requests, {} of them to be recorded: {} acknowledged, {} refused, \
             {} not recorded, {} without an answer",
            self.cars,
            self.centrals,
            self.attempts,
            self.sent,
            self.acknowledged,
            self.refused,
            self.not_recorded,
            self.maybe
        );
        for (what, counts) in [("refused", &self.refusals), ("repeated after", &self.unanswered)] {
            for (reason, count) in counts {
                let _ = writeln!(text, "  {what} {reason}: {count}");
            }
        }
        let _ = writeln!(
            text,
            "visible on all centrals: {} of {}, {:.1} s after the last answer; lost {}, doubled {}",
            self.visible_everywhere, self.acknowledged, self.settled_s, self.lost, self.doubled
        );
        if self.destroyed > 0 {
            let _ = writeln!(text, "held by destroyed disks alone, and gone: {}", self.destroyed);
        }
        let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let _ = writeln!(
            text,
            "lane POST → last central: p50 {} ms, p99 {} ms, max {} ms; → answer: p50 {} ms, p99 {} ms",
            ms(self.p50_ms),
            ms(self.p99_ms),
            ms(self.max_ms),
            ms(self.post_p50_ms),
            ms(self.post_p99_ms)
        );
        for what in self.wrong.iter().take(SHOWN) {
            let _ = writeln!(text, "  WRONG {what}");
        }
        if self.wrong.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more", self.wrong.len() - SHOWN);
        }
        let _ = write!(
            text,
            "digests {}, truth {}, fees told {} đ",
            if self.digests_equal { "equal" } else { "DIFFERENT" },
            if self.truth_ok { "holds" } else { "DOES NOT HOLD" },
            self.fees_answered
        );
        text
    }
}

/// Median, 99th percentile and maximum; `None` of nothing.
pub(crate) fn percentiles(mut values: Vec<f64>) -> (Option<f64>, Option<f64>, Option<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).saturating_sub(1);
        values.get(rank).map(|value| (value * 100.0).round() / 100.0)
    };
    (at(50), at(99), at(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).rev().collect();
        assert_eq!(percentiles(values), (Some(50.0), Some(99.0), Some(100.0)));
        assert_eq!(percentiles(vec![7.0]), (Some(7.0), Some(7.0), Some(7.0)));
        assert_eq!(percentiles(Vec::new()), (None, None, None));
    }
}
