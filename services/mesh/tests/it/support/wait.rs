//! Waiting for a condition, with a deadline.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Nothing on one machine takes longer, even a busy one.
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// Polls until `look` finds something. Panics with `what` when it does not.
pub(crate) async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let until = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "not within {WITHIN:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
