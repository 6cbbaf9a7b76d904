//! Bodies of passages: the way in, the way out, and what became of each.

use serde::{Deserialize, Serialize};

use super::charge::{Basis, FeeLineFact, RateTableRef, RecordedPayment, RightFact};
use super::facts::{ClockFacts, Credential, PlateFacts, StaffFact};
use crate::hash::PlateTag;

/// `VEHICLE_ENTRY_PENDING`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntryOpened {
    /// The plate.
    pub plate: PlateFacts,
    /// The lane's edge.
    pub edge_id: String,
    /// The car park.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<String>,
    /// `car`, `motorbike`, …
    pub vehicle_class: String,
    /// Clocks.
    pub clock: ClockFacts,
    /// True where the lane has no loop: confirmed when the time-out ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// Card, QR, e-tag, pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Reference of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_ref: Option<String>,
    /// The camera's confidence, 0 to 1000 (per mille).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_pm: Option<u16>,
    /// A staff member who had it opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffFact>,
    /// `clock_anomaly`, `unsynced`, `late`, `no_loop`, degraded modes, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// `VEHICLE_ENTRY_CONFIRMED`, `VEHICLE_EXIT_CONFIRMED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confirmed {
    /// The lane's edge.
    pub edge_id: String,
    /// Clocks; absent when the time-out did it.
    #[serde(default)]
    pub clock: ClockFacts,
    /// `loop` or `assumed`.
    pub by: String,
}

/// `VEHICLE_ENTRY_ABANDONED`, `VEHICLE_EXIT_ABANDONED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackedOut {
    /// The lane's edge.
    pub edge_id: String,
    /// Clocks.
    #[serde(default)]
    pub clock: ClockFacts,
    /// `reversed` or `timeout`.
    pub by: String,
}

/// Flag of an exit that no rate table had a price for. What stands as its fee is what was taken; nothing taken is no price.
pub const NO_RATE_TABLE: &str = "no_rate_table";

/// `VEHICLE_EXIT`. The fee is computed once, here; peers never recompute it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exited {
    /// The plate as read at the exit.
    pub plate: PlateFacts,
    /// The lane's edge.
    pub edge_id: String,
    /// The car park.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<String>,
    /// `car`, `motorbike`, …
    pub vehicle_class: String,
    /// Clocks.
    pub clock: ClockFacts,
    /// The entry charged from; none for the no-entry procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// The vehicle whose rights the charge was made with, where that is not the one read here: an entry that staff picked, or
    /// one that was found by a look-alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_tag: Option<PlateTag>,
    /// VND.
    pub fee: i64,
    /// `VND`.
    pub currency: String,
    /// The rule, with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_table: Option<RateTableRef>,
    /// The breakdown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<FeeLineFact>,
    /// The rights that covered a part of the stay, as the origin knew them: the fee follows from table, stay and these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<RightFact>,
    /// True where the lane has no loop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// Card, QR, e-tag, pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Reference of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_ref: Option<String>,
    /// Money taken at the lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<RecordedPayment>,
    /// A staff member who had it opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffFact>,
    /// `clock_anomaly`, `late`, `no_entry_record`, `look_alike`, degraded modes, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

impl Exited {
    /// The charge, VND; none where nobody has priced it yet.
    #[must_use]
    pub fn charged(&self) -> Option<i64> {
        let unpriced = self.fee == 0 && self.flags.iter().any(|f| f == NO_RATE_TABLE);
        (!unpriced).then_some(self.fee)
    }
}
