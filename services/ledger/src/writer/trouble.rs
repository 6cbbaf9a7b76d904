//! Why the writer does not write, as an alarm that names its cause.

use std::time::{Duration, Instant};

use replication::alarm::of_store;
use wire::alarm::{AlarmCode, AlarmNow};
use wire::bus::reason;

use super::{of_postgres, unavailable_because};
use crate::store::StoreError;

/// A trouble that ends sooner is nobody's business: a connection breaks, and the next one works.
const WORTH_AN_ALARM: Duration = Duration::from_secs(5);

/// See the module. It stands until something was written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// Since when, ms since the epoch.
    since: i64,
    began: Instant,
    why: &'static str,
}

impl Trouble {
    /// The writer's session ended with this error; `before`: the trouble that stood already. None for an end that is no trouble.
    pub(super) fn of(error: &anyhow::Error, before: Option<Self>) -> Option<Self> {
        let why = match error.downcast_ref::<StoreError>() {
            Some(StoreError::Repaired) => return before,
            Some(e) => unavailable_because(e),
            // A session that did not even begin: what Postgres said is somewhere below.
            None => {
                error.chain().find_map(|e| e.downcast_ref::<sqlx::Error>()).map_or(reason::LOST, of_postgres)
            }
        };
        let now = Self { since: kit::clock::now_ms(), began: Instant::now(), why };
        Some(Self { why, ..before.unwrap_or(now) })
    }

    /// The alarm, once it has lasted.
    pub fn alarm(&self) -> Option<AlarmNow> {
        (self.began.elapsed() >= WORTH_AN_ALARM).then(|| AlarmNow {
            code: AlarmCode::Stalled,
            since: self.since,
            peer: None,
            detail: format!("{}: nothing can be recorded: {}", of_store(self.why), self.why),
        })
    }
}
