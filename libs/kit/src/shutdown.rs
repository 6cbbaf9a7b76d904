//! Two-stage stop: readiness off and stop accepting, then drain, then flush telemetry.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long draining may take.
const DRAIN: Duration = Duration::from_secs(10);

/// One service's stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// A stop nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the service stops: accept nothing new.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Tasks in here are waited for (at most 10 s) before the process ends.
    pub fn tracker(&self) -> TaskTracker {
        self.tracker.clone()
    }

    /// Runs a named task of the service. If it fails or panics, that is logged once and the service stops.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let token = self.token.clone();
        let inner = self.tracker.spawn(task);
        self.tracker.spawn(async move {
            match inner.await {
                Ok(Ok(())) => {}
                Ok(Err(e)) => {
                    tracing::error!(task = name, error = %format!("{e:#}"), "task failed, service stops");
                    token.cancel();
                }
                Err(e) => {
                    tracing::error!(task = name, panicked = e.is_panic(), "task ended, service stops");
                    token.cancel();
                }
            }
        });
    }

    /// Asks for the stop.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Waits for the tasks. False when some did not end in time.
    pub async fn drained(&self) -> bool {
        self.tracker.close();
        tokio::time::timeout(DRAIN, self.tracker.wait()).await.is_ok()
    }
}
