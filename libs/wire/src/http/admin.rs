//! Edges as people see them.

use serde::{Deserialize, Serialize};

use crate::config::{Confirmation, LaneType, OnNoLedger};

/// One edge, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeView {
    /// Its name.
    pub id: String,
    /// What the lane is for.
    #[serde(rename = "type")]
    pub lane_type: LaneType,
    /// Classes.
    pub vehicle_classes: Vec<String>,
    /// Car park.
    pub lot_id: Option<String>,
    /// Cameras.
    pub cameras: Vec<String>,
    /// How a passage is confirmed.
    pub confirmation: Confirmation,
    /// What its barrier does when nothing can be recorded.
    pub on_no_ledger: Option<OnNoLedger>,
    /// True when a key is set.
    pub has_key: bool,
}

/// `GET /api/edges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EdgeList {
    /// The edges.
    pub items: Vec<EdgeView>,
}
