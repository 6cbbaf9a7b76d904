//! What bodies are made of: a plate, clocks, who and why, what was presented.

use serde::{Deserialize, Serialize};

/// A plate as the lane saw it and as the origin read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlateFacts {
    /// The text as sent.
    pub raw: String,
    /// The match key; for a no-plate session `NP` and 8 characters.
    pub key: String,
    /// The human form.
    pub display: String,
    /// `car`, `old_motorbike`, … or `none`.
    #[serde(default)]
    pub kind: String,
    /// `corrected`, `unverified`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// What the origin knew about clocks when it stamped the event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClockFacts {
    /// Receive time at the origin, ms since the epoch.
    pub received_at: i64,
    /// The camera's time as sent, ms, if it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<i64>,
    /// Lane clock skew (received − sent_at), ms, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ms: Option<i64>,
    /// The origin's own offset from its peers' median that was taken off, ms.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset_ms: i64,
}

/// A number that need not be written.
pub(super) fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Who, of the staff, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StaffFact {
    /// Staff id.
    pub id: String,
    /// The reason given.
    pub reason: String,
}

/// Something presented at the lane beside the plate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credential {
    /// `card`, `qr`, `etag` or `pass`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its number.
    pub id: String,
}
