//! Time-outs: what never came within 90 s of receipt. An event of the origin, never of a local clock elsewhere.

use super::ruling::Draft;
use super::state::Site;
use crate::history::HistoryRow;

/// How long an opening waits for its loop, ms from receipt.
pub const TIMEOUT_MS: i64 = 90_000;

/// The events that time-outs ask for at `now` (this central's clock, ms), among rows that may be pending. Rows of other
/// origins, and rows not due, are passed over.
#[must_use]
pub fn sweep<'r>(rows: impl IntoIterator<Item = &'r HistoryRow>, site: &Site<'_>, now: i64) -> Vec<Draft> {
    let _ = (rows.into_iter(), site, now);
    Vec::new()
}
