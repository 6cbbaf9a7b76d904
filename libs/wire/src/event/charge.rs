//! What a charge is made of, and what would have changed it.

use serde::{Deserialize, Serialize};

use super::facts::StaffFact;
use crate::hash::PlateTag;

/// A rate table and its version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RateTableRef {
    /// Table id.
    pub id: String,
    /// Table version.
    pub version: i64,
}

/// One line of a fee, as computed by the exit's origin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeeLineFact {
    /// What the line is (`tier`, `increment`, `cap`, `rounding`, …), a key of the user-facing texts.
    pub code: String,
    /// From, ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// To (exclusive), ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// VND.
    pub amount: i64,
    /// Values the text needs (counts, unit prices), in the order the text names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

/// A right used by a charge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RightFact {
    /// The pass.
    pub id: String,
    /// Version of the external API's list it stood in; none for a pass given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// It covers from here, ms since the epoch.
    pub from: i64,
    /// It covers until here (exclusive), ms since the epoch.
    pub to: i64,
}

/// What a charge was based on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The entry's readable alias.
    pub event_id: String,
    /// The entry's time, ms since the epoch.
    pub entry_time: i64,
}

/// A payment taken at the lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordedPayment {
    /// `cash card bank_qr ewallet etc`.
    pub method: String,
    /// VND.
    pub amount: i64,
    /// The acquirer's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Staff, when not taken by the lane itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffFact>,
}

/// `BASIS_DIFFERENCE`: what a later-known entry, or the right plate, would have changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BasisDifference {
    /// The entry that should have been charged from.
    pub basis: Basis,
    /// The vehicle that should have been charged, where that is not the one that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate_tag: Option<PlateTag>,
    /// `plate_corrected`; none for an entry or a time that became known later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The fee that would have been charged, VND.
    pub fee: i64,
    /// That fee less the fee charged, VND.
    pub difference: i64,
    /// The exit's time it was computed to, ms since the epoch, where that is not the one the exit was stamped with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_time: Option<i64>,
}

impl BasisDifference {
    /// True when it was computed from this entry, to this exit (where it is not the one stamped), for this vehicle (where it is not
    /// the one charged).
    #[must_use]
    pub fn is_from(&self, entry_time: i64, exit_time: Option<i64>, plate_tag: Option<PlateTag>) -> bool {
        (self.basis.entry_time, self.exit_time, self.plate_tag) == (entry_time, exit_time, plate_tag)
    }
}
