//! Bodies of the register: who may come in, who must not, who is looked for; passes given here; corrections of counts. They are about no
//! session and change no row. Of two events about one thing the highest-ranked stands, at every central.

use serde::{Deserialize, Serialize};

use super::facts::{Credential, PlateFacts, StaffFact};

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ListKind {
    /// Comes in without being asked: also into a car park that is full or closed.
    Allow,
    /// Comes in, and somebody is told.
    #[default]
    Watch,
    /// Does not come in unless staff let it in. It is never held inside.
    Block,
}

/// What anti-passback does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PassbackMode {
    /// Nothing.
    Off,
    /// What comes in although it is inside is let in and flagged.
    #[default]
    Soft,
    /// What comes in although it is inside is for staff to decide.
    Hard,
}

/// `LIST_ENTRY_SET`: an entry of a list as it stands from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListEntry {
    /// The entry; a later event with the same id takes its place.
    pub id: String,
    /// Which list.
    pub kind: ListKind,
    /// The vehicle.
    pub plate: PlateFacts,
    /// Car parks it holds in; none named is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
    /// From this moment, ms since the epoch; none is always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<i64>,
    /// Until this moment (exclusive), ms since the epoch; none is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<i64>,
    /// It was taken off the list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Who put it there, and why.
    pub staff: StaffFact,
}

/// `ANTI_PASSBACK_RESET`: from now on a credential (or the vehicle of the header's plate tag) counts as neither inside nor outside.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AntiPassbackReset {
    /// The credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<PlateFacts>,
    /// Who and why.
    pub staff: StaffFact,
}

/// `ANTI_PASSBACK_MODE`: what anti-passback does in a car park, or for a pass wherever it is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AntiPassbackMode {
    /// The car park.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<String>,
    /// The pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// What it does.
    pub mode: PassbackMode,
    /// Who and why.
    pub staff: StaffFact,
}

/// `PASS_SET`: a pass given here, as it stands from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PassSet {
    /// The pass; a later event with the same id takes its place.
    pub id: String,
    /// Its vehicles.
    pub plates: Vec<PlateFacts>,
    /// Class it is for.
    pub vehicle_class: String,
    /// Car parks it holds in; none named is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<String>,
    /// From this moment, ms since the epoch.
    pub valid_from: i64,
    /// Until this moment (exclusive), ms since the epoch.
    pub valid_to: i64,
    /// So many of its vehicles at a time; the others pay.
    pub max_inside: u32,
    /// It was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Who and why.
    pub staff: StaffFact,
}

/// `OCCUPANCY_CORRECTED`: somebody counted. The difference is computed once, by the origin; all centrals add it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OccupancyCorrected {
    /// The central whose count it is.
    pub central: String,
    /// The car park.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lot_id: Option<String>,
    /// Class.
    pub vehicle_class: String,
    /// To be added.
    pub delta: i64,
    /// What was counted on site, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<i64>,
    /// Who and why.
    pub staff: StaffFact,
}
