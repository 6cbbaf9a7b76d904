//! Sessions, fees, occupancy, conflicts.

use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SessionStatus {
    /// The entry barrier opened; not yet real.
    Pending,
    /// In the place.
    Inside,
    /// Out, from VEHICLE_EXIT on.
    Exited,
    /// Backed out, or nothing came.
    Abandoned,
    /// The same passage as another session.
    Duplicate,
    /// Closed since the plate entered again.
    Superseded,
    /// Closed for counting.
    SoftClosed,
    /// Voided by a person.
    Voided,
}

impl SessionStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Inside,
        Self::Exited,
        Self::Abandoned,
        Self::Duplicate,
        Self::Superseded,
        Self::SoftClosed,
        Self::Voided,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Inside => "INSIDE",
            Self::Exited => "EXITED",
            Self::Abandoned => "ABANDONED",
            Self::Duplicate => "DUPLICATE",
            Self::Superseded => "SUPERSEDED",
            Self::SoftClosed => "SOFT_CLOSED",
            Self::Voided => "VOIDED",
        }
    }

    /// The status of a name.
    pub fn from_name(s: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|x| x.as_str() == s)
    }
}

/// A rate table and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RateTableView {
    /// Id.
    pub id: String,
    /// Version.
    pub version: i64,
}

/// *Session*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// `central-1_1733140800000_29A12345`
    pub event_id: String,
    /// Where it entered; for an exit without entry, where it left.
    pub source_central: String,
    /// The entry lane's edge.
    pub edge_id: Option<String>,
    /// The car park entered.
    #[serde(default)]
    pub lot_id: Option<String>,
    /// `LOCAL` when this central is the origin, `SYNCED` when it came from a peer.
    pub sync_status: String,
    /// Human form of the plate.
    pub plate: Option<String>,
    /// Match key.
    pub plate_key: Option<String>,
    /// Class.
    pub vehicle_class: String,
    /// Status.
    pub status: SessionStatus,
    /// Entry.
    pub entry_time: Option<String>,
    /// Passed the entry loop.
    pub confirmed_time: Option<String>,
    /// Exit.
    pub exit_time: Option<String>,
    /// Where it left.
    pub exit_central: Option<String>,
    /// The exit lane's edge.
    pub exit_edge: Option<String>,
    /// Whole seconds from entry to exit.
    pub duration_s: Option<i64>,
    /// VND; null until charged.
    pub fee: Option<i64>,
    /// `VND`
    pub currency: String,
    /// The rule of the fee.
    pub rate_table: Option<RateTableView>,
    /// `unconfirmed_entry`, `basis_mismatch`, …
    pub flags: Vec<String>,
}

/// A line of a fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeeLine {
    /// For people, in Vietnamese.
    pub text: String,
    /// The same in English.
    #[serde(default)]
    pub text_en: String,
    /// From.
    pub from: Option<String>,
    /// To, exclusive.
    pub to: Option<String>,
    /// VND.
    pub amount: i64,
}

/// A fee for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quote {
    /// The session; null for a calculation.
    pub event_id: Option<String>,
    /// VND; null when a person must price it.
    pub fee: Option<i64>,
    /// `VND`
    pub currency: String,
    /// The rule.
    pub rate_table: Option<RateTableView>,
    /// The explanation.
    pub lines: Vec<FeeLine>,
    /// Who pays it now has until then to leave. While nothing is paid the fee goes on with the stay.
    pub valid_until: Option<String>,
    /// The fee before it was rounded, VND; null where it is a charge that stands, or a price set by hand.
    #[serde(default)]
    pub unrounded: Option<i64>,
    /// The rights that cover a part of the stay.
    #[serde(default)]
    pub rights: Vec<RightView>,
    /// `clock_anomaly`, `review_above` (staff must confirm it), `stay_too_long`, `pass_in_use`.
    #[serde(default)]
    pub flags: Vec<String>,
}

/// A right that covers a part of a stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RightView {
    /// The pass.
    pub id: String,
    /// Version of the external API's list it stood in; null for a pass given here.
    pub version: Option<i64>,
    /// It covers from here.
    pub from: String,
    /// It covers until here, exclusive.
    pub to: String,
}

/// `POST /api/parking/fees/calculate`, for documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeeCalculation {
    /// A table's id, or a whole table.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub rate_table: serde_json::Value,
    /// Entry.
    pub entry: String,
    /// Exit.
    pub exit: String,
    /// Class.
    pub vehicle_class: String,
    /// Rights that cover part of the stay: `[{id, valid_from, valid_to}]`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub rights: Option<serde_json::Value>,
    /// Card lost.
    #[serde(default)]
    pub lost_credential: Option<bool>,
    /// Ids of the table's discounts that staff grant.
    #[serde(default)]
    pub discounts: Option<Vec<String>>,
}

/// An event of a session, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventView {
    /// Kind.
    pub kind: String,
    /// `central/incarnation/seq`.
    pub position: String,
    /// Hash, hex.
    pub hash: String,
    /// Origin.
    pub central: String,
    /// Lane.
    pub edge_id: Option<String>,
    /// When; the right time, where the stamp was found wrong later.
    pub occurred_at: String,
    /// The stamp its origin gave it, where that was found wrong later.
    pub stamped_at: Option<String>,
    /// Who, of the staff, stands behind it.
    #[serde(default)]
    pub staff_id: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// VND it speaks of: charged, set by hand, forgiven, not collected, received, or what a charge should differ by.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The plate as it was read there, or corrected to.
    #[serde(default)]
    pub plate: Option<String>,
    /// On how many centrals it is durable; null when sync cannot say.
    pub held_by: Option<u32>,
}

/// Session with its story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionDetail {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Its events in rank order.
    pub events: Vec<EventView>,
    /// Conflicts it is in.
    pub conflicts: Vec<Conflict>,
    /// The fee's lines.
    pub fee_lines: Vec<FeeLine>,
    /// The rights its charge used.
    #[serde(default)]
    pub rights: Vec<RightView>,
    /// What its charge should differ by, VND, since entry, time or plate turned out to be others; null where nothing was found.
    #[serde(default)]
    pub difference: Option<i64>,
    /// Reference of the picture taken at the entry.
    #[serde(default)]
    pub image_ref: Option<String>,
    /// Reference of the picture taken at the exit that stands.
    #[serde(default)]
    pub exit_image_ref: Option<String>,
    /// How many centrals hold all of it; null when sync cannot say.
    pub held_by: Option<u32>,
}

/// Vehicles inside, per place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Occupancy {
    /// When counted.
    pub as_of: String,
    /// Counts.
    pub places: Vec<PlaceOccupancy>,
}

/// Vehicles inside one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlaceOccupancy {
    /// Where they entered.
    pub central: String,
    /// Car park.
    pub lot_id: Option<String>,
    /// Class.
    pub vehicle_class: String,
    /// Confirmed passages, corrected.
    pub inside: i64,
    /// Not yet confirmed.
    pub pending: i64,
    /// Confirmed passages alone.
    #[serde(default)]
    pub passages: i64,
    /// What corrections add.
    #[serde(default)]
    pub corrected: i64,
    /// Places of the car park for this class, at all centrals together; null where the configuration here names none.
    #[serde(default)]
    pub capacity: Option<i64>,
    /// `open`, `full` or `closed`: the car park, for this class.
    #[serde(default)]
    pub state: String,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConflictCandidate {
    /// Kind of its event.
    pub kind: String,
    /// `central/incarnation/seq`.
    pub position: String,
    /// Alias of the session it opened or acted on.
    pub event_id: Option<String>,
    /// Origin.
    pub central: String,
    /// When; the right time, where the stamp was found wrong later.
    pub occurred_at: String,
    /// The stamp its origin gave it.
    pub stamped_at: String,
    /// Receive time by the origin's clock; null when erased.
    pub received_at: Option<String>,
    /// The camera's time as sent.
    pub captured_at: Option<String>,
    /// Lane clock skew it was stamped with (received − sent), ms.
    pub skew_ms: Option<i64>,
    /// What the origin knew its own clock to be off by and took off when it stamped it, ms.
    pub offset_ms: Option<i64>,
    /// What was added to the stamp since, because the origin's clock was found wrong later, ms.
    pub corrected_ms: i64,
    /// Fee, VND.
    pub fee: Option<i64>,
}

/// A conflict that explains itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conflict {
    /// Stable id.
    pub id: String,
    /// `DUPLICATE_ENTRY`, `REENTRY`, `DOUBLE_EXIT`, …
    pub kind: String,
    /// Human form of the plate.
    pub plate: Option<String>,
    /// Time of the event that made it.
    pub detected_at: String,
    /// The sides.
    pub candidates: Vec<ConflictCandidate>,
    /// The rule that decided.
    pub rule: String,
    /// Its version.
    pub policy_version: i64,
    /// The duplicate window of that policy, ms, where it decided.
    pub window_ms: Option<i64>,
    /// Position of the side that stands; null when a person must decide.
    pub winner: Option<String>,
    /// What happened, who stands and why, in words.
    pub explanation: Explanation,
}

/// The same text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamEvent {
    /// This central's opaque position.
    pub id: String,
    /// Kind.
    pub kind: String,
    /// `central/incarnation/seq`.
    pub position: String,
    /// Origin.
    pub central: String,
    /// Lane.
    pub edge_id: Option<String>,
    /// The session; null while its opening has not come to this central.
    pub event_id: Option<String>,
    /// When.
    pub occurred_at: String,
    /// Fee of an exit, VND.
    pub fee: Option<i64>,
}

/// A page of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPage {
    /// The events, oldest first.
    pub events: Vec<StreamEvent>,
    /// Position to go on from.
    pub position: String,
    /// The position asked for is not of this log any more: read everything anew.
    pub reset: bool,
}
