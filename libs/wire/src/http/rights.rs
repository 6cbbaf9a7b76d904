//! Rights: passes, lists, anti-passback; corrections of counts.

use serde::{Deserialize, Serialize};

use crate::event::{Credential, ListKind, PassbackMode};

/// What an event of the register says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RegisterView {
    /// A list.
    ListEntry(ListEntryView),
    /// A pass given here.
    Pass(HeldPassView),
    /// A correction of a count.
    Correction(OccupancyCorrectionView),
    /// A mode of anti-passback.
    Mode(PassbackModeView),
    /// A credential or a vehicle that is neutral.
    Passback(PassbackView),
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListEntryView {
    /// Its name; send it to change or end the entry.
    pub id: String,
    /// Which list.
    pub kind: ListKind,
    /// Human form of the plate.
    pub plate: String,
    /// Match key.
    pub plate_key: String,
    /// Car parks it holds in; empty is all.
    pub lots: Vec<String>,
    /// From; null is always.
    pub valid_from: Option<String>,
    /// Until, exclusive; null is for ever.
    pub valid_to: Option<String>,
    /// It was taken off the list.
    pub ended: bool,
    /// True when it holds now.
    pub in_force: bool,
    /// Who put it there.
    pub staff_id: String,
    /// Why.
    pub reason: String,
    /// When.
    pub set_at: String,
    /// Where.
    pub central: String,
}

/// Every entry of every list, or of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListEntries {
    /// By id.
    pub items: Vec<ListEntryView>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// `POST /api/rights/lists`, for documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListEntryRequest {
    /// An entry to change; a new one without.
    #[serde(default)]
    pub id: Option<String>,
    /// Which list.
    pub kind: ListKind,
    /// In any writing.
    pub plate: String,
    /// Car parks it holds in; none named is all.
    #[serde(default)]
    pub lots: Option<Vec<String>>,
    /// From.
    #[serde(default)]
    pub valid_from: Option<String>,
    /// Until, exclusive.
    #[serde(default)]
    pub valid_to: Option<String>,
    /// Take it off the list.
    #[serde(default)]
    pub ended: Option<bool>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// A pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldPassView {
    /// Its name.
    pub id: String,
    /// Match keys of its vehicles.
    pub plates: Vec<String>,
    /// Class; null is any.
    pub vehicle_class: Option<String>,
    /// Car parks it holds in; empty is all.
    pub lots: Vec<String>,
    /// From.
    pub valid_from: String,
    /// Until, exclusive; null is for ever.
    pub valid_to: Option<String>,
    /// So many of its vehicles at a time; the others pay.
    pub max_inside: u32,
    /// It was taken back.
    pub ended: bool,
    /// True when it is valid now.
    pub in_force: bool,
    /// `external` (the external API's) or `given` (here).
    pub origin: String,
    /// Version of the external API's list.
    pub version: Option<i64>,
    /// Who gave it, where it was given here.
    pub staff_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub set_at: Option<String>,
    /// Where.
    pub central: Option<String>,
}

/// Passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassList {
    /// By id.
    pub items: Vec<HeldPassView>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// `POST /api/rights/passes`, for documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassRequest {
    /// A pass to change; a new one without.
    #[serde(default)]
    pub id: Option<String>,
    /// Its vehicles, in any writing, 1 to 20.
    pub plates: Vec<String>,
    /// Class.
    pub vehicle_class: String,
    /// Car parks it holds in; none named is all.
    #[serde(default)]
    pub lots: Option<Vec<String>>,
    /// From.
    pub valid_from: String,
    /// Until, exclusive.
    pub valid_to: String,
    /// So many of its vehicles at a time, 1 unless said.
    #[serde(default)]
    pub max_inside: Option<u32>,
    /// Take it back.
    #[serde(default)]
    pub ended: Option<bool>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// Where a credential or a vehicle is taken to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassbackView {
    /// The credential.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub credential: Option<Credential>,
    /// Human form of the vehicle's plate.
    pub plate: Option<String>,
    /// `inside`, `outside` or `neutral`.
    pub state: String,
    /// Since when; null where it was never seen.
    pub since: Option<String>,
    /// The session that says so.
    pub event_id: Option<String>,
}

/// What anti-passback does somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassbackModeView {
    /// The car park …
    pub lot_id: Option<String>,
    /// … or the pass.
    pub pass: Option<String>,
    /// What it does.
    pub mode: PassbackMode,
    /// Who set it.
    pub staff_id: String,
    /// Why.
    pub reason: String,
    /// When.
    pub set_at: String,
    /// Where.
    pub central: String,
}

/// `GET /api/rights/antipassback`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passback {
    /// Where nothing else was set.
    pub default_mode: PassbackMode,
    /// What was set.
    pub modes: Vec<PassbackModeView>,
    /// The credential or vehicle asked for; without a question the credentials inside, newest first.
    pub items: Vec<PassbackView>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// `POST /api/rights/antipassback`, for documentation: either a credential or a vehicle to set to neutral, or a mode for a car park or a
/// pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassbackRequest {
    /// `neutral`, for a credential or a vehicle.
    #[serde(default)]
    pub state: Option<String>,
    /// The credential.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub credential: Option<Credential>,
    /// The vehicle, in any writing.
    #[serde(default)]
    pub plate: Option<String>,
    /// What anti-passback does …
    #[serde(default)]
    pub mode: Option<PassbackMode>,
    /// … in this car park …
    #[serde(default)]
    pub lot_id: Option<String>,
    /// … or for this pass.
    #[serde(default)]
    pub pass: Option<String>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}

/// A correction of a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OccupancyCorrectionView {
    /// `central/incarnation/seq` of the event.
    pub id: String,
    /// The central whose count it is.
    pub central: String,
    /// The car park.
    pub lot_id: Option<String>,
    /// Class.
    pub vehicle_class: String,
    /// What it adds.
    pub delta: i64,
    /// What was counted on site, where that was said.
    pub counted: Option<i64>,
    /// Who.
    pub staff_id: String,
    /// Why.
    pub reason: String,
    /// When.
    pub set_at: String,
    /// Where it was recorded.
    pub recorded_by: String,
}

/// `GET /api/parking/occupancy/corrections`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OccupancyCorrections {
    /// Newest first.
    pub items: Vec<OccupancyCorrectionView>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// `POST /api/parking/occupancy/corrections`, for documentation: either `delta` or `counted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OccupancyCorrectionRequest {
    /// The central whose count it is; this one unless said.
    #[serde(default)]
    pub central: Option<String>,
    /// The car park.
    #[serde(default)]
    pub lot_id: Option<String>,
    /// Class.
    pub vehicle_class: String,
    /// To be added.
    #[serde(default)]
    pub delta: Option<i64>,
    /// What was counted on site.
    #[serde(default)]
    pub counted: Option<i64>,
    /// Who.
    pub staff_id: String,
    /// Their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Why, at most 500 characters.
    pub reason: String,
}
