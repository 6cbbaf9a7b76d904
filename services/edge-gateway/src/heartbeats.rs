//! The last heartbeat of every lane, in memory: a restart asks the lanes again within seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// A lane silent for so long is an alarm, ms.
const SILENT_AFTER: i64 = 90_000;

/// What a lane last said of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heartbeat {
    pub(crate) received_at: i64,
    pub(crate) sent_at: Option<i64>,
    pub(crate) queue: Option<i64>,
    pub(crate) barrier: Option<String>,
    pub(crate) camera: Option<String>,
}

/// A heartbeat as people see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct HeartbeatView {
    /// When it came.
    received_at: String,
    /// The lane's clock less ours, ms.
    clock_skew_ms: Option<i64>,
    /// Requests the lane has spooled.
    queue: Option<i64>,
    /// Its barrier, in its own words.
    barrier: Option<String>,
    /// Its camera, in its own words.
    camera: Option<String>,
    /// Silent for 90 s: an alarm.
    silent: bool,
}

impl Heartbeat {
    /// The lane's clock less ours, ms.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.sent_at.map(|s| s - self.received_at)
    }
}

/// All lanes' heartbeats. Only configured lanes get in, so it stays small.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(Mutex<HashMap<String, Heartbeat>>);

impl Heartbeats {
    /// Keeps the last one.
    pub(crate) fn keep(&self, edge_id: &str, beat: Heartbeat) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(edge_id.to_owned(), beat);
    }

    /// A lane's last one.
    pub(crate) fn view(
        &self,
        edge_id: &str,
        now: i64,
        rfc3339: impl Fn(i64) -> String,
    ) -> Option<HeartbeatView> {
        let beat = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(edge_id).cloned()?;
        Some(HeartbeatView {
            received_at: rfc3339(beat.received_at),
            clock_skew_ms: beat.skew_ms(),
            silent: now - beat.received_at > SILENT_AFTER,
            queue: beat.queue,
            barrier: beat.barrier,
            camera: beat.camera,
        })
    }
}
