//! The one place that reads the wall clock. Pure libraries get the time passed in.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, milliseconds since the Unix epoch (0 for a clock before 1970).
#[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
