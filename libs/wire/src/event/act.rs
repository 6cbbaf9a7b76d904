//! Bodies of what staff do to a session.

use serde::{Deserialize, Serialize};

use super::facts::{PlateFacts, StaffFact};

/// `PLATE_CORRECTED`; the header's plate tag is the new plate's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlateCorrected {
    /// The plate as it should have been read.
    pub plate: PlateFacts,
    /// Who and why.
    pub staff: StaffFact,
}

/// `SESSION_VOIDED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Voided {
    /// Who and why.
    pub staff: StaffFact,
}

/// `SESSION_SOFT_CLOSED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SoftClosed {
    /// Who and why.
    pub staff: StaffFact,
}

/// `SESSION_REOPENED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reopened {
    /// Who and why.
    pub staff: StaffFact,
}

/// `FEE_WAIVED`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waived {
    /// VND forgiven, ≥ 0.
    pub amount: i64,
    /// Who and why.
    pub staff: StaffFact,
}

/// `FEE_UNCOLLECTED`: of what is due this could not be collected. It stays due; only a waiver changes money.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uncollected {
    /// VND, ≥ 0.
    pub amount: i64,
    /// Who and why.
    pub staff: StaffFact,
}

/// `PRICE_SET`: a price set by hand before the exit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PriceSet {
    /// VND, ≥ 0.
    pub fee: i64,
    /// Who and why.
    pub staff: StaffFact,
}
