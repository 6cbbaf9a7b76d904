//! Commands to the ledger: what a lane or a person wants done.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{Credential, LaneMode, LaneOrder, LaneOutcome, ListKind, PassbackMode};
use crate::hash::CommandId;
use crate::http::{Degraded, Direction, Payment, Problem};
use crate::position::SeqRange;

/// A command with all the ledger needs to decide. Times are ms since the epoch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandEnvelope {
    /// Who asks: an edge id or a person's name; scopes the idempotency key.
    pub principal: String,
    /// The canonical path (`/api/v1/edge/barrier/open`); scopes the idempotency key.
    pub path: String,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// When the gateway had the request.
    pub received_at: i64,
    /// After this moment nothing may be recorded for it (the caller has been told `no_ledger`).
    pub deadline: i64,
    /// Degraded modes the gateway knows of.
    pub degraded: Vec<Degraded>,
    /// What is wanted.
    pub command: Command,
}

/// The lane of a request, from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneFacts {
    /// The edge.
    pub edge_id: String,
    /// The way this request goes (a reversible lane's request says which).
    pub direction: Direction,
    /// The car park.
    pub lot_id: Option<String>,
    /// Classes of the lane; the first is the default.
    pub vehicle_classes: Vec<String>,
    /// No loop: confirmed by time-out.
    pub assumed: bool,
}

/// What the lane saw. Times are ms since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Raw plate text.
    pub plate: String,
    /// The camera's other readings.
    #[serde(default)]
    pub candidates: Vec<String>,
    /// Confidence, per mille.
    pub confidence_pm: Option<u16>,
    /// Class as the lane or staff said.
    pub vehicle_class: Option<String>,
    /// Card, QR, e-tag, pass.
    pub credential: Option<Credential>,
    /// When the camera saw it.
    pub captured_at: Option<i64>,
    /// The edge's clock when sending.
    pub sent_at: Option<i64>,
    /// Reference of the picture.
    pub image_ref: Option<String>,
}

/// What a person does to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum SessionAction {
    /// The plate was misread.
    CorrectPlate {
        /// Raw text of the right plate.
        plate: String,
    },
    /// It never happened.
    Void,
    /// Forgive money.
    Waive {
        /// VND.
        amount: i64,
    },
    /// Note that money could not be collected.
    Uncollected {
        /// VND.
        amount: i64,
    },
    /// Set the price by hand.
    Price {
        /// VND.
        fee: i64,
    },
    /// Close for counting.
    SoftClose,
    /// Stand again.
    Reopen,
}

/// A change of the register: what a person wants, before the ledger read plates and gave ids. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterChange {
    /// An entry of a list. Answer: `http::ListEntryView`.
    ListEntry {
        /// The entry; none = a new one.
        id: Option<String>,
        /// Which list.
        kind: ListKind,
        /// The vehicle, in any writing.
        plate: String,
        /// Car parks; none named is all.
        lots: Vec<String>,
        /// From.
        valid_from: Option<i64>,
        /// Until, exclusive.
        valid_to: Option<i64>,
        /// Take it off the list.
        ended: bool,
    },
    /// A pass. Answer: `http::HeldPassView`.
    Pass {
        /// The pass; none = a new one.
        id: Option<String>,
        /// Its vehicles, in any writing.
        plates: Vec<String>,
        /// Class.
        vehicle_class: String,
        /// Car parks; none named is all.
        lots: Vec<String>,
        /// From.
        valid_from: i64,
        /// Until, exclusive.
        valid_to: i64,
        /// So many of its vehicles at a time.
        max_inside: u32,
        /// Take it back.
        ended: bool,
    },
    /// Neutral from now on: a credential, or a vehicle. Answer: `http::PassbackView`.
    AntiPassbackReset {
        /// The credential.
        credential: Option<Credential>,
        /// The vehicle, in any writing.
        plate: Option<String>,
    },
    /// What anti-passback does in a car park or for a pass. Answer: `http::PassbackModeView`.
    AntiPassbackMode {
        /// The car park.
        lot_id: Option<String>,
        /// The pass.
        pass: Option<String>,
        /// What it does.
        mode: PassbackMode,
    },
    /// Somebody counted the vehicles inside. Answer: `http::OccupancyCorrectionView`.
    Occupancy {
        /// The central whose count it is; none = this one.
        central: Option<String>,
        /// The car park.
        lot_id: Option<String>,
        /// Class.
        vehicle_class: String,
        /// To be added …
        delta: Option<i64>,
        /// … or what was counted on site.
        counted: Option<i64>,
    },
}

/// What is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Suggest only; changes no session. Answer: `http::Detection`.
    Detect {
        /// The lane; its direction may be unknown on a reversible lane (then entry is assumed).
        lane: LaneFacts,
        /// What it saw.
        seen: Seen,
    },
    /// Open the barrier. Answer: `http::Decision`.
    Open {
        /// The lane.
        lane: LaneFacts,
        /// What it saw.
        seen: Seen,
        /// Staff behind it.
        staff_id: Option<String>,
        /// Their PIN (never logged, never stored).
        pin: Option<String>,
        /// Their reason.
        reason: Option<String>,
        /// The entry picked at an exit.
        event_id: Option<String>,
        /// Card lost: surcharge.
        lost_credential: bool,
        /// Ids of the rate table's discounts that staff grant, at an exit.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        discounts: Vec<String>,
        /// Money taken at the lane.
        payment: Option<Payment>,
        /// The lane spooled it while it was cut off: whatever it did then is done.
        #[serde(default)]
        spooled: bool,
    },
    /// The barrier closed. Answer: `http::Closed`.
    Close {
        /// The lane.
        lane: LaneFacts,
        /// Which opening; none = the lane's oldest pending.
        event_id: Option<String>,
        /// True when the vehicle passed.
        passed: bool,
        /// When.
        captured_at: Option<i64>,
        /// The edge's clock when sending.
        sent_at: Option<i64>,
        /// A further vehicle passed on the opening of the one before it.
        #[serde(default)]
        tailgate: bool,
    },
    /// An operator gives up a range that nobody holds. Answer: `http::LostRange`.
    LoseRange {
        /// The range; sync was asked that no connected peer holds any of it.
        range: SeqRange,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person's act on a session. Answer: `http::SessionDetail`.
    Act {
        /// The session.
        event_id: String,
        /// What.
        act: SessionAction,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person changes the rules. Answer: `http::PolicyAnswer`.
    SetPolicy {
        /// Its version; none = the next one.
        version: Option<i64>,
        /// Openings of one plate within this many ms are one passage.
        duplicate_window_ms: i64,
        /// First moment it judges, ms since the epoch.
        valid_from: i64,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person changes the register.
    Register {
        /// What.
        change: Box<RegisterChange>,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person tells a lane what to do. Answer: `http::LaneCommandView`.
    TellLane {
        /// The lane's edge.
        edge_id: String,
        /// What to do.
        order: LaneOrder,
        /// The session it is for.
        event_id: Option<String>,
        /// Not to be done later than so many ms from now.
        expires_in_ms: i64,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// What a connected lane is to be told next; what is answered counts as sent. Answer: `http::NextForLane`.
    NextForLane {
        /// The lane's edge.
        edge_id: String,
        /// Told on this connection already.
        told: Vec<CommandId>,
    },
    /// A lane says what became of a command. Answer: `http::LaneCommandView`.
    EndLaneCommand {
        /// The command.
        id: CommandId,
        /// The lane's edge.
        edge_id: String,
        /// What became of it.
        outcome: LaneOutcome,
        /// In the lane's words.
        detail: Option<String>,
    },
    /// A person sets the mode of lanes. Answer: `http::LaneModeView`.
    SetLaneMode {
        /// The lanes' edges.
        edges: Vec<String>,
        /// How they work from now on.
        mode: LaneMode,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
    /// A person says what a manual vend or a passage without opening was. Answer: `http::ResolvedView`.
    Resolve {
        /// The vend or the passage.
        id: CommandId,
        /// The session it belongs to; none = dismissed.
        event_id: Option<String>,
        /// Who.
        staff_id: String,
        /// Their PIN.
        pin: Option<String>,
        /// Why.
        reason: String,
    },
}

impl Command {
    /// The name of the span and of the metric.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Detect { .. } => "detect",
            Command::Open { lane, .. } if lane.direction == Direction::Exit => "exit.open",
            Command::Open { .. } => "entry.open",
            Command::Close { lane, .. } if lane.direction == Direction::Exit => "exit.close",
            Command::Close { .. } => "entry.close",
            Command::LoseRange { .. } => "range.lose",
            Command::Act { .. } => "session.act",
            Command::SetPolicy { .. } => "policy.set",
            Command::Register { change, .. } => match **change {
                RegisterChange::ListEntry { .. } => "list.set",
                RegisterChange::Pass { .. } => "pass.set",
                RegisterChange::AntiPassbackReset { .. } => "antipassback.reset",
                RegisterChange::AntiPassbackMode { .. } => "antipassback.mode",
                RegisterChange::Occupancy { .. } => "occupancy.correct",
            },
            Command::TellLane { .. } => "lane.tell",
            Command::NextForLane { .. } => "lane.next",
            Command::EndLaneCommand { .. } => "lane.ack",
            Command::SetLaneMode { .. } => "lane.mode",
            Command::Resolve { .. } => "passage.resolve",
        }
    }
}

/// The ledger's answer. Sent after the commit of whatever it recorded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandReply {
    /// An answer for the caller.
    Answer {
        /// HTTP status.
        status: u16,
        /// True when an earlier request with the same key was answered so.
        replayed: bool,
        /// The body.
        body: Box<RawValue>,
    },
    /// Refused, with the reason.
    Refused(Problem),
    /// The ledger cannot record now: the gateway answers `no_ledger`.
    Unavailable(String),
}
