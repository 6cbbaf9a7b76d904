//! Lane requests and answers.

use serde::{Deserialize, Serialize};

use super::parking::{Quote, Session};
use crate::event::Credential;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Direction {
    /// In.
    Entry,
    /// Out.
    Exit,
}

/// Another reading of the camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Candidate {
    /// Plate text.
    pub plate: String,
    /// 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
}

/// Money taken at the lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payment {
    /// `cash card bank_qr ewallet etc`.
    pub method: String,
    /// VND.
    pub amount: i64,
    /// The acquirer's reference.
    #[serde(default)]
    pub reference: Option<String>,
}

/// `POST /api/edge/detection` and `/api/edge/barrier/open`, for documentation; the gateway reads it field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LaneRequest {
    /// The edge.
    pub edge_id: String,
    /// Plate text, at most 64 characters; anything without a letter or digit is a no-plate session.
    pub plate: String,
    /// Other readings, at most 10.
    #[serde(default)]
    pub candidates: Option<Vec<Candidate>>,
    /// 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// `bicycle motorbike electric_motorbike car car10to16 truck bus exempt`; default the lane's first.
    #[serde(default)]
    pub vehicle_class: Option<String>,
    /// Needed on reversible and service lanes.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Card, QR, e-tag, pass.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub credential: Option<Credential>,
    /// When the camera saw it.
    #[serde(default)]
    pub captured_at: Option<String>,
    /// The edge's clock when sending.
    #[serde(default)]
    pub sent_at: Option<String>,
    /// Reference of the picture, at most 512 characters.
    #[serde(default)]
    pub image_ref: Option<String>,
    /// Open only: staff behind it.
    #[serde(default)]
    pub staff_id: Option<String>,
    /// Open only: their PIN.
    #[serde(default)]
    pub pin: Option<String>,
    /// Open only: their reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// Open only, at an exit: the entry picked.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Open only: card lost.
    #[serde(default)]
    pub lost_credential: Option<bool>,
    /// Open only, at an exit: ids of the rate table's discounts that the staff behind it grant, at most 8.
    #[serde(default)]
    pub discounts: Option<Vec<String>>,
    /// Open only: money taken at the lane.
    #[serde(default)]
    pub payment: Option<Payment>,
}

/// `POST /api/edge/barrier/close`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CloseRequest {
    /// The edge.
    pub edge_id: String,
    /// Which opening; none = the lane's oldest pending.
    #[serde(default)]
    pub event_id: Option<String>,
    /// True (the default) when the vehicle passed.
    #[serde(default)]
    pub passed: Option<bool>,
    /// When.
    #[serde(default)]
    pub captured_at: Option<String>,
    /// The edge's clock when sending.
    #[serde(default)]
    pub sent_at: Option<String>,
    /// True when a further vehicle passed on the opening of the one before it (which `event_id` may name).
    #[serde(default)]
    pub tailgate: Option<bool>,
}

/// One spooled request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchItem {
    /// `barrier/open`, `barrier/close` or `detection`.
    pub path: String,
    /// Its `Idempotency-Key`.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Its body.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub body: serde_json::Value,
}

/// `POST /api/edge/batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchRequest {
    /// At most 500 `BatchItem`, worked off in order. What is wrong with one of them is told in its own result.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub items: Vec<BatchItem>,
}

/// Result of one spooled request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// Place in the request.
    pub index: usize,
    /// HTTP status it would have had.
    pub status: u16,
    /// True when answered before.
    pub replayed: bool,
    /// Its body.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub body: serde_json::Value,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LaneDecision {
    /// Open.
    Open,
    /// A person decides.
    AskStaff,
    /// Keep out.
    Deny,
}

/// What the barrier does; the lane obeys this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BarrierWish {
    /// Open now.
    Open,
    /// Stay closed.
    KeepClosed,
}

/// What the request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DecisionKind {
    /// A session opened.
    Entry,
    /// A session closed.
    Exit,
    /// The same passage again.
    Duplicate,
    /// Nothing recorded.
    None,
}

/// What did not work while this was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Degraded {
    /// No peer is linked though some are configured.
    NoPeers,
    /// The external API is out of reach.
    NoExternalApi,
    /// Nothing could be recorded when the lane asked first: it acted by itself.
    NoLedger,
    /// Events that peers hold are still missing here.
    CatchingUp,
    /// The mesh service does not answer (status only).
    NoMesh,
    /// The sync service does not answer (status only).
    NoSync,
}

impl Degraded {
    /// Those a decision may be made in; each is a flag of what was recorded then.
    pub const OF_DECISIONS: [Self; 4] =
        [Self::NoPeers, Self::NoExternalApi, Self::NoLedger, Self::CatchingUp];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Degraded::NoPeers => "no_peers",
            Degraded::NoExternalApi => "no_external_api",
            Degraded::NoLedger => "no_ledger",
            Degraded::CatchingUp => "catching_up",
            Degraded::NoMesh => "no_mesh",
            Degraded::NoSync => "no_sync",
        }
    }
}

/// An entry a vehicle at an exit may belong to, with what staff compare it by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntryCandidate {
    /// Its session: `event_id` picks it.
    #[serde(flatten)]
    pub session: Session,
    /// Reference of the picture taken at the entry.
    pub image_ref: Option<String>,
    /// What was presented at the entry.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub credential: Option<Credential>,
}

/// *Decision*: the answer of `barrier/open`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// What to do.
    pub decision: LaneDecision,
    /// What the barrier does.
    pub barrier: BarrierWish,
    /// Reason code (`ok`, `no_entry`, `plate_card_mismatch`, …).
    pub reason: String,
    /// What the request was.
    pub kind: DecisionKind,
    /// The session; at an exit the entry's.
    pub event_id: Option<String>,
    /// True when an event stands behind it.
    pub recorded: bool,
    /// The session as it stands now.
    pub session: Option<Session>,
    /// VND.
    pub fee: Option<i64>,
    /// Entries it may be, for staff to pick.
    pub candidates: Vec<EntryCandidate>,
    /// Reference of the picture of this request, to compare with those of the candidates.
    #[serde(default)]
    pub image_ref: Option<String>,
    /// Degraded modes it was made in.
    pub degraded: Vec<Degraded>,
}

/// Answer of `barrier/close`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Closed {
    /// `CONFIRMED`, `ABANDONED`, `EXIT_CONFIRMED`, `EXIT_ABANDONED` or `TAILGATE`.
    pub kind: String,
    /// The session; of a tailgater the one it followed, where that is known.
    pub event_id: Option<String>,
    /// The session as it stands now.
    pub session: Option<Session>,
}

/// A plate as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlateView {
    /// As sent.
    pub raw: String,
    /// Match key; null without a plate.
    pub key: Option<String>,
    /// Human form.
    pub display: String,
    /// `car`, `old_motorbike`, …
    pub kind: String,
    /// `corrected`, `ambiguous`, …
    pub flags: Vec<String>,
}

/// The lane of a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DetectionLane {
    /// The edge.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub lane_type: String,
}

/// What `open` would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Suggestion {
    /// What to do.
    pub decision: LaneDecision,
    /// Reason code.
    pub reason: String,
}

/// Answer of `detection`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Detection {
    /// Names this observation in logs.
    pub observation_id: String,
    /// The plate.
    pub plate: PlateView,
    /// The lane.
    pub lane: DetectionLane,
    /// What `open` would do.
    pub suggestion: Suggestion,
    /// The session it would act on.
    pub session: Option<Session>,
    /// At an exit: the fee now.
    pub quote: Option<Quote>,
}
