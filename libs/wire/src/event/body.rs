//! Bodies: JSON, written once by the origin. Readers ignore keys they do not know.
//!
//! A body that cannot be read makes the event *poison*: stored, relayed, counted as held, left out of the projection. That is
//! decided by its own bytes alone.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::frame::{Content, Frame};
use super::kind::Kind;
use super::lane::{
    LaneCommandEnded, LaneCommandSent, LaneCommanded, LaneModeSet, PassageResolved, UnopenedPassage,
};
use super::register::{AntiPassbackMode, AntiPassbackReset, ListEntry, OccupancyCorrected, PassSet};
use crate::hash::PlateTag;
use crate::id::{CentralId, Incarnation};
use crate::position::{SeqRange, StreamId};

/// Why an event of a known kind is left out of the projection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// The body is not the JSON its kind asks for.
    #[error("body cannot be read: {0}")]
    Body(String),
    /// A header field the kind needs is missing.
    #[error("header lacks {0}")]
    Header(&'static str),
}

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

fn is_zero(n: &i64) -> bool {
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

/// A body of a known kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `VEHICLE_ENTRY_PENDING`
    EntryPending(Box<EntryOpened>),
    /// `VEHICLE_ENTRY_CONFIRMED`
    EntryConfirmed(Confirmed),
    /// `VEHICLE_ENTRY_ABANDONED`
    EntryAbandoned(BackedOut),
    /// `VEHICLE_EXIT`
    Exit(Box<Exited>),
    /// `VEHICLE_EXIT_CONFIRMED`
    ExitConfirmed(Confirmed),
    /// `VEHICLE_EXIT_ABANDONED`
    ExitAbandoned(BackedOut),
    /// `PLATE_CORRECTED`
    PlateCorrected(PlateCorrected),
    /// `SESSION_VOIDED`
    Voided(Voided),
    /// `FEE_WAIVED`
    Waived(Waived),
    /// `FEE_UNCOLLECTED`
    Uncollected(Uncollected),
    /// `PRICE_SET`
    PriceSet(PriceSet),
    /// `SESSION_SOFT_CLOSED`
    SoftClosed(SoftClosed),
    /// `SESSION_REOPENED`
    Reopened(Reopened),
    /// `PAYMENT_RECORDED`
    Payment(RecordedPayment),
    /// `BASIS_DIFFERENCE`
    BasisDifference(BasisDifference),
    /// `POLICY_SET`
    PolicySet(PolicySet),
    /// `CLOCK_OFFSET`
    ClockOffset(ClockOffset),
    /// `LIST_ENTRY_SET`
    ListEntrySet(Box<ListEntry>),
    /// `ANTI_PASSBACK_RESET`
    AntiPassbackReset(AntiPassbackReset),
    /// `ANTI_PASSBACK_MODE`
    AntiPassbackMode(AntiPassbackMode),
    /// `PASS_SET`
    PassSet(Box<PassSet>),
    /// `OCCUPANCY_CORRECTED`
    OccupancyCorrected(OccupancyCorrected),
    /// `LANE_COMMAND`
    LaneCommanded(LaneCommanded),
    /// `LANE_COMMAND_SENT`
    LaneCommandSent(LaneCommandSent),
    /// `LANE_COMMAND_ENDED`
    LaneCommandEnded(LaneCommandEnded),
    /// `LANE_MODE_SET`
    LaneModeSet(LaneModeSet),
    /// `PASSAGE_WITHOUT_OPENING`
    UnopenedPassage(UnopenedPassage),
    /// `PASSAGE_RESOLVED`
    PassageResolved(PassageResolved),
    /// `LOST_RANGE`
    LostRange(RangeLost),
}

fn read<T: DeserializeOwned>(b: &[u8]) -> Result<T, Poison> {
    // The message names place and type, never the value: bodies hold plates.
    serde_json::from_slice(b)
        .map_err(|e| Poison::Body(format!("{:?} at column {}", e.classify(), e.column())))
}

impl Body {
    /// Reads the body of a frame. `Ok(None)`: nothing to project (unknown kind, newer version, or erased).
    pub fn of(frame: &Frame) -> Result<Option<Self>, Poison> {
        let Content::Full { body: b, .. } = frame.content() else { return Ok(None) };
        if !frame.is_known() {
            return Ok(None);
        }
        let h = frame.header();
        let needs_opening =
            !matches!(h.kind, Kind::EntryPending | Kind::Exit | Kind::ExitConfirmed | Kind::ExitAbandoned)
                && h.kind.is_of_vehicle();
        if needs_opening && h.opening.is_none() {
            return Err(Poison::Header("opening"));
        }
        if h.kind.is_of_vehicle() && h.plate_tag.is_none() {
            return Err(Poison::Header("plate_tag"));
        }
        Ok(Some(match h.kind {
            Kind::EntryPending => Body::EntryPending(read(b)?),
            Kind::EntryConfirmed => Body::EntryConfirmed(read(b)?),
            Kind::EntryAbandoned => Body::EntryAbandoned(read(b)?),
            Kind::Exit => Body::Exit(read(b)?),
            Kind::ExitConfirmed => Body::ExitConfirmed(read(b)?),
            Kind::ExitAbandoned => Body::ExitAbandoned(read(b)?),
            Kind::PlateCorrected => Body::PlateCorrected(read(b)?),
            Kind::Voided => Body::Voided(read(b)?),
            Kind::Waived => Body::Waived(read(b)?),
            Kind::Uncollected => Body::Uncollected(read(b)?),
            Kind::PriceSet => Body::PriceSet(read(b)?),
            Kind::SoftClosed => Body::SoftClosed(read(b)?),
            Kind::Reopened => Body::Reopened(read(b)?),
            Kind::Payment => Body::Payment(read(b)?),
            Kind::BasisDifference => Body::BasisDifference(read(b)?),
            Kind::PolicySet => Body::PolicySet(read(b)?),
            Kind::ClockOffset => Body::ClockOffset(read(b)?),
            Kind::ListEntrySet => Body::ListEntrySet(read(b)?),
            Kind::AntiPassbackReset => Body::AntiPassbackReset(read(b)?),
            Kind::AntiPassbackMode => Body::AntiPassbackMode(read(b)?),
            Kind::PassSet => Body::PassSet(read(b)?),
            Kind::OccupancyCorrected => Body::OccupancyCorrected(read(b)?),
            Kind::LaneCommanded => Body::LaneCommanded(read(b)?),
            Kind::LaneCommandSent => Body::LaneCommandSent(read(b)?),
            Kind::LaneCommandEnded => Body::LaneCommandEnded(read(b)?),
            Kind::LaneModeSet => Body::LaneModeSet(read(b)?),
            Kind::UnopenedPassage => Body::UnopenedPassage(read(b)?),
            Kind::PassageResolved => Body::PassageResolved(read(b)?),
            Kind::LostRange => Body::LostRange(read(b)?),
            Kind::Unknown(_) => return Ok(None),
        }))
    }

    /// The JSON bytes of a body.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Body::EntryPending(b) => serde_json::to_vec(b),
            Body::EntryConfirmed(b) | Body::ExitConfirmed(b) => serde_json::to_vec(b),
            Body::EntryAbandoned(b) | Body::ExitAbandoned(b) => serde_json::to_vec(b),
            Body::Exit(b) => serde_json::to_vec(b),
            Body::PlateCorrected(b) => serde_json::to_vec(b),
            Body::Voided(b) => serde_json::to_vec(b),
            Body::Waived(b) => serde_json::to_vec(b),
            Body::Uncollected(b) => serde_json::to_vec(b),
            Body::PriceSet(b) => serde_json::to_vec(b),
            Body::SoftClosed(b) => serde_json::to_vec(b),
            Body::Reopened(b) => serde_json::to_vec(b),
            Body::Payment(b) => serde_json::to_vec(b),
            Body::BasisDifference(b) => serde_json::to_vec(b),
            Body::PolicySet(b) => serde_json::to_vec(b),
            Body::ClockOffset(b) => serde_json::to_vec(b),
            Body::ListEntrySet(b) => serde_json::to_vec(b),
            Body::AntiPassbackReset(b) => serde_json::to_vec(b),
            Body::AntiPassbackMode(b) => serde_json::to_vec(b),
            Body::PassSet(b) => serde_json::to_vec(b),
            Body::OccupancyCorrected(b) => serde_json::to_vec(b),
            Body::LaneCommanded(b) => serde_json::to_vec(b),
            Body::LaneCommandSent(b) => serde_json::to_vec(b),
            Body::LaneCommandEnded(b) => serde_json::to_vec(b),
            Body::LaneModeSet(b) => serde_json::to_vec(b),
            Body::UnopenedPassage(b) => serde_json::to_vec(b),
            Body::PassageResolved(b) => serde_json::to_vec(b),
            Body::LostRange(b) => serde_json::to_vec(b),
        }
    }

    /// The kind this body belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Body::EntryPending(_) => Kind::EntryPending,
            Body::EntryConfirmed(_) => Kind::EntryConfirmed,
            Body::EntryAbandoned(_) => Kind::EntryAbandoned,
            Body::Exit(_) => Kind::Exit,
            Body::ExitConfirmed(_) => Kind::ExitConfirmed,
            Body::ExitAbandoned(_) => Kind::ExitAbandoned,
            Body::PlateCorrected(_) => Kind::PlateCorrected,
            Body::Voided(_) => Kind::Voided,
            Body::Waived(_) => Kind::Waived,
            Body::Uncollected(_) => Kind::Uncollected,
            Body::PriceSet(_) => Kind::PriceSet,
            Body::SoftClosed(_) => Kind::SoftClosed,
            Body::Reopened(_) => Kind::Reopened,
            Body::Payment(_) => Kind::Payment,
            Body::BasisDifference(_) => Kind::BasisDifference,
            Body::PolicySet(_) => Kind::PolicySet,
            Body::ClockOffset(_) => Kind::ClockOffset,
            Body::ListEntrySet(_) => Kind::ListEntrySet,
            Body::AntiPassbackReset(_) => Kind::AntiPassbackReset,
            Body::AntiPassbackMode(_) => Kind::AntiPassbackMode,
            Body::PassSet(_) => Kind::PassSet,
            Body::OccupancyCorrected(_) => Kind::OccupancyCorrected,
            Body::LaneCommanded(_) => Kind::LaneCommanded,
            Body::LaneCommandSent(_) => Kind::LaneCommandSent,
            Body::LaneCommandEnded(_) => Kind::LaneCommandEnded,
            Body::LaneModeSet(_) => Kind::LaneModeSet,
            Body::UnopenedPassage(_) => Kind::UnopenedPassage,
            Body::PassageResolved(_) => Kind::PassageResolved,
            Body::LostRange(_) => Kind::LostRange,
        }
    }
}
