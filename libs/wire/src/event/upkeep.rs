//! Bodies about the log itself: the rules it is projected by, clocks, ranges given up. They name no vehicle.

use serde::{Deserialize, Serialize};

use super::facts::{StaffFact, is_zero};
use crate::id::{CentralId, Incarnation};
use crate::position::{SeqRange, StreamId};

/// `POLICY_SET`: the rules of the projection from `valid_from` on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PolicySet {
    /// Version, for people.
    pub version: i64,
    /// The rules.
    pub rule: PolicyRule,
    /// First `occurred_at` it judges, ms since the epoch.
    pub valid_from: i64,
    /// Who and why.
    pub staff: StaffFact,
}

/// What a policy can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Openings of one plate within this many ms of the session's first opening are duplicates.
    pub duplicate_window_ms: i64,
}

impl Default for PolicyRule {
    fn default() -> Self {
        Self { duplicate_window_ms: 60_000 }
    }
}

/// `CLOCK_OFFSET`: while this central stamped some of its own events, its clock was off by more than it knew. They are ranked and
/// shown as if it had known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// The origin's clock less the right time while it stamped them, ms.
    pub offset_ms: i64,
    /// What the origin had taken off already, ms.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub applied_ms: i64,
    /// The incarnation they stand in; the central is the event's own.
    pub incarnation: Incarnation,
    /// First seq covered.
    pub from_seq: u64,
    /// Last seq covered.
    pub to_seq: u64,
    /// When the offset was measured, ms by the right time.
    pub measured_at: i64,
    /// Clocks of other centrals it was measured against.
    pub peers: u32,
}

/// `LOST_RANGE`: known to exist, held by nobody, given up. Names no vehicle and no opening; changes no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeLost {
    /// Origin of the lost events.
    pub central: CentralId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// First seq.
    pub from: u64,
    /// Last seq.
    pub to: u64,
    /// Who and why.
    pub staff: StaffFact,
}

impl RangeLost {
    /// The range.
    pub fn range(&self) -> SeqRange {
        let stream = StreamId { central: self.central.clone(), incarnation: self.incarnation };
        SeqRange { stream, from: self.from, to: self.to }
    }
}
