//! The messages.

use serde::{Deserialize, Serialize};

use super::beat::Beat;
use super::packed;
use crate::audit::{AuditAnswer, AuditDigests, AuditQuestion};
use crate::bus::events::Carried;
use crate::hash::{Hash32, PlateTag};
use crate::id::CentralId;
use crate::position::{SeqRange, StreamHoldings};
use crate::reference::{ReferenceAnswer, ReferenceHeld, ReferenceQuestion};

/// No WebSocket message is larger, bytes.
pub const MAX_FRAME_BYTES: usize = 256 * 1024 + 4096;
/// Oldest protocol this release speaks.
pub const PROTOCOL_MIN: u16 = 1;
/// Newest protocol this release speaks.
pub const PROTOCOL_MAX: u16 = 2;
/// From this protocol on a peer understands `BEAT` and packed events.
pub const PROTOCOL_COMPACT: u16 = 2;

/// Why a message was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// No bytes at all.
    #[error("empty mesh message")]
    Empty,
    /// A type of a later version; skip it.
    #[error("unknown mesh message type {0}")]
    UnknownType(u8),
    /// A known type that cannot be read.
    #[error("mesh message {name} cannot be read: {reason}")]
    Unreadable {
        /// The type.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// First words of a link, both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest protocol spoken.
    pub protocol_min: u16,
    /// Newest protocol spoken.
    pub protocol_max: u16,
    /// Who speaks.
    pub central: CentralId,
    /// The ledger's process id, random; two at once are a clone. Empty while it is not known.
    pub ledger_process: String,
    /// The mesh's process id, random: links to one process are each other's spare.
    #[serde(default)]
    pub mesh_process: String,
    /// What I hold of you, every stream of yours.
    pub holding_of_you: Vec<HoldingOfYou>,
    /// Digest of my position map.
    pub positions_digest: Hash32,
    /// My clock, ms since the epoch.
    pub clock: i64,
    /// Version of the event format.
    pub wire_version: u16,
    /// Version of the projection.
    pub projection_version: u32,
}

/// The head of one of the peer's own streams, as held here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingOfYou {
    /// The peer's incarnation.
    pub incarnation: crate::id::Incarnation,
    /// Highest seq held.
    pub head: u64,
    /// Its hash.
    pub head_hash: Hash32,
}

/// Every `HEARTBEAT_INTERVAL`, and its echo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Number of the beat on this link.
    pub n: u64,
    /// Sender's clock when sending, ms since the epoch.
    pub clock: i64,
    /// Set in the echo: the beat's own clock, so that the sender knows the round trip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<i64>,
    /// Digest of the sender's position map, read from its Postgres for this beat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions_digest: Option<Hash32>,
    /// The ledger's process id; not in echoes and beats out of turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_process: Option<String>,
}

/// Holdings that changed, or a page of the whole map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// True when this is a page of the whole map, false for changes.
    pub whole: bool,
    /// More pages follow.
    pub more: bool,
    /// True asks the receiver to answer with its own whole map.
    pub please_answer: bool,
    /// Digest of the sender's whole map.
    pub digest: Hash32,
    /// The streams.
    pub streams: Vec<StreamHoldings>,
    /// What is new in these streams did not come live and will not reach anybody live: it may be asked for at once. Stands behind
    /// what older releases read.
    pub brought: bool,
}

/// [`Positions`] as older releases know them. Field order is the format.
#[derive(Serialize, Deserialize)]
struct PositionsFixed<S> {
    whole: bool,
    more: bool,
    please_answer: bool,
    digest: Hash32,
    streams: S,
}

impl Positions {
    fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let fixed = PositionsFixed {
            whole: self.whole,
            more: self.more,
            please_answer: self.please_answer,
            digest: self.digest,
            streams: &self.streams,
        };
        let mut out = postcard::to_extend(&fixed, vec![POSITIONS])?;
        if self.brought {
            out.push(1);
        }
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let (f, later) = postcard::take_from_bytes::<PositionsFixed<Vec<StreamHoldings>>>(bytes)?;
        Ok(Self {
            whole: f.whole,
            more: f.more,
            please_answer: f.please_answer,
            digest: f.digest,
            streams: f.streams,
            brought: later.first() == Some(&1),
        })
    }
}

/// Ranges wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// Number of the request, unique per sender process.
    pub id: u64,
    /// The ranges, in the order wanted.
    pub ranges: Vec<SeqRange>,
    /// At most so many events in all pages of the answer (`SYNC_LIMIT`).
    pub max_events: u32,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResponse {
    /// The request's number.
    pub id: u64,
    /// More pages of this answer follow.
    pub more: bool,
    /// Set when the answer is complete: a range asked for that this central does not hold.
    pub not_held: Vec<SeqRange>,
    /// A [`crate::page`].
    #[serde(with = "serde_bytes")]
    pub page: Vec<u8>,
}

/// An exit found no entry while gaps are open: who has this vehicle?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlateQuestion {
    /// Number of the question.
    pub id: u64,
    /// The vehicle.
    pub tag: PlateTag,
}

/// Its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlateAnswer {
    /// The question's number.
    pub id: u64,
    /// A [`crate::page`], at most one.
    #[serde(with = "serde_bytes")]
    pub page: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `HELLO`
    Hello(Hello),
    /// `HEARTBEAT`
    Heartbeat(Heartbeat),
    /// The beat of protocol 2.
    Beat(Beat),
    /// Live events.
    Events(Vec<Carried>),
    /// Holdings.
    Positions(Positions),
    /// `SYNC_REQUEST`
    SyncRequest(SyncRequest),
    /// `SYNC_RESPONSE`
    SyncResponse(SyncResponse),
    /// Who has this vehicle?
    PlateQuestion(PlateQuestion),
    /// Its events.
    PlateAnswer(PlateAnswer),
    /// The link ends, with the reason.
    Bye(String),
    /// What is held, in sums.
    AuditDigests(AuditDigests),
    /// What is behind a sum?
    AuditQuestion(AuditQuestion),
    /// That.
    AuditAnswer(AuditAnswer),
    /// Reference documents held.
    ReferenceHeld(ReferenceHeld),
    /// A part of one, please.
    ReferenceQuestion(ReferenceQuestion),
    /// That part.
    ReferenceAnswer(ReferenceAnswer),
}

const HELLO: u8 = 1;
const HEARTBEAT: u8 = 2;
const EVENTS: u8 = 3;
const POSITIONS: u8 = 4;
const SYNC_REQUEST: u8 = 5;
const SYNC_RESPONSE: u8 = 6;
const PLATE_QUESTION: u8 = 7;
const PLATE_ANSWER: u8 = 8;
const BYE: u8 = 9;
const AUDIT_DIGESTS: u8 = 10;
const AUDIT_QUESTION: u8 = 11;
const AUDIT_ANSWER: u8 = 12;
const BEAT: u8 = 13;
const EVENTS_PACKED: u8 = 14;
const REFERENCE_HELD: u8 = 30;
const REFERENCE_QUESTION: u8 = 31;
const REFERENCE_ANSWER: u8 = 32;

impl Message {
    /// The name people read.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Hello(_) => "HELLO",
            Message::Heartbeat(_) => "HEARTBEAT",
            Message::Beat(_) => "BEAT",
            Message::Events(_) => "EVENTS",
            Message::Positions(_) => "POSITIONS",
            Message::SyncRequest(_) => "SYNC_REQUEST",
            Message::SyncResponse(_) => "SYNC_RESPONSE",
            Message::PlateQuestion(_) => "PLATE_QUESTION",
            Message::PlateAnswer(_) => "PLATE_ANSWER",
            Message::Bye(_) => "BYE",
            Message::AuditDigests(_) => "AUDIT_DIGESTS",
            Message::AuditQuestion(_) => "AUDIT_QUESTION",
            Message::AuditAnswer(_) => "AUDIT_ANSWER",
            Message::ReferenceHeld(_) => "REFERENCE_HELD",
            Message::ReferenceQuestion(_) => "REFERENCE_QUESTION",
            Message::ReferenceAnswer(_) => "REFERENCE_ANSWER",
        }
    }

    /// The bytes. Errors only when a value cannot be encoded at all.
    pub fn encode(&self) -> Result<Vec<u8>, BadMessage> {
        fn json<T: Serialize>(t: u8, name: &'static str, v: &T) -> Result<Vec<u8>, BadMessage> {
            let mut out = vec![t];
            serde_json::to_writer(&mut out, v)
                .map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })?;
            Ok(out)
        }
        fn card<T: Serialize>(t: u8, name: &'static str, v: &T) -> Result<Vec<u8>, BadMessage> {
            postcard::to_extend(v, vec![t])
                .map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })
        }
        let name = self.name();
        match self {
            Message::Hello(v) => json(HELLO, name, v),
            Message::Heartbeat(v) => json(HEARTBEAT, name, v),
            Message::Beat(v) => {
                v.encode(vec![BEAT]).map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })
            }
            Message::Events(v) => card(EVENTS, name, v),
            Message::Positions(v) => {
                v.encode().map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })
            }
            Message::SyncRequest(v) => card(SYNC_REQUEST, name, v),
            Message::SyncResponse(v) => card(SYNC_RESPONSE, name, v),
            Message::PlateQuestion(v) => card(PLATE_QUESTION, name, v),
            Message::PlateAnswer(v) => card(PLATE_ANSWER, name, v),
            Message::Bye(v) => json(BYE, name, v),
            Message::AuditDigests(v) => card(AUDIT_DIGESTS, name, v),
            Message::AuditQuestion(v) => card(AUDIT_QUESTION, name, v),
            Message::AuditAnswer(v) => card(AUDIT_ANSWER, name, v),
            Message::ReferenceHeld(v) => card(REFERENCE_HELD, name, v),
            Message::ReferenceQuestion(v) => card(REFERENCE_QUESTION, name, v),
            Message::ReferenceAnswer(v) => card(REFERENCE_ANSWER, name, v),
        }
    }

    /// `EVENTS` of borrowed events. Errors only when a value cannot be encoded at all.
    pub fn encode_events(events: &[Carried]) -> Result<Vec<u8>, BadMessage> {
        postcard::to_extend(events, vec![EVENTS])
            .map_err(|e| BadMessage::Unreadable { name: "EVENTS", reason: e.to_string() })
    }

    /// Encoded live events, packed, for peers that speak [`PROTOCOL_COMPACT`]; as they are where packing saves nothing.
    pub fn pack_events(encoded: &[u8]) -> Vec<u8> {
        match encoded.split_first() {
            Some((&EVENTS, raw)) => match packed::pack(raw, vec![EVENTS_PACKED]) {
                Ok(packed) if packed.len() < encoded.len() => packed,
                _ => encoded.to_vec(),
            },
            _ => encoded.to_vec(),
        }
    }

    /// True when these bytes are a page of events or a part of a document, told without reading them: these wait behind everything
    /// else.
    pub fn is_bulk(bytes: &[u8]) -> bool {
        matches!(bytes.first(), Some(&(SYNC_RESPONSE | REFERENCE_ANSWER)))
    }

    /// Reads a message. Errors: [`BadMessage`]; `UnknownType` is to be skipped.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        fn json<'a, T: Deserialize<'a>>(name: &'static str, b: &'a [u8]) -> Result<T, BadMessage> {
            serde_json::from_slice(b).map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })
        }
        fn card<'a, T: Deserialize<'a>>(name: &'static str, b: &'a [u8]) -> Result<T, BadMessage> {
            postcard::from_bytes(b).map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })
        }
        let (t, b) = bytes.split_first().ok_or(BadMessage::Empty)?;
        Ok(match *t {
            HELLO => Message::Hello(json("HELLO", b)?),
            HEARTBEAT => Message::Heartbeat(json("HEARTBEAT", b)?),
            BEAT => Message::Beat(
                Beat::decode(b)
                    .ok_or_else(|| BadMessage::Unreadable { name: "BEAT", reason: "cut short".to_owned() })?,
            ),
            EVENTS => Message::Events(card("EVENTS", b)?),
            EVENTS_PACKED => {
                let name = "EVENTS";
                let raw =
                    packed::unpack(b).map_err(|e| BadMessage::Unreadable { name, reason: e.to_string() })?;
                Message::Events(card(name, &raw)?)
            }
            POSITIONS => Message::Positions(
                Positions::decode(b)
                    .map_err(|e| BadMessage::Unreadable { name: "POSITIONS", reason: e.to_string() })?,
            ),
            SYNC_REQUEST => Message::SyncRequest(card("SYNC_REQUEST", b)?),
            SYNC_RESPONSE => Message::SyncResponse(card("SYNC_RESPONSE", b)?),
            PLATE_QUESTION => Message::PlateQuestion(card("PLATE_QUESTION", b)?),
            PLATE_ANSWER => Message::PlateAnswer(card("PLATE_ANSWER", b)?),
            BYE => Message::Bye(json("BYE", b)?),
            AUDIT_DIGESTS => Message::AuditDigests(card("AUDIT_DIGESTS", b)?),
            AUDIT_QUESTION => Message::AuditQuestion(card("AUDIT_QUESTION", b)?),
            AUDIT_ANSWER => Message::AuditAnswer(card("AUDIT_ANSWER", b)?),
            REFERENCE_HELD => Message::ReferenceHeld(card("REFERENCE_HELD", b)?),
            REFERENCE_QUESTION => Message::ReferenceQuestion(card("REFERENCE_QUESTION", b)?),
            REFERENCE_ANSWER => Message::ReferenceAnswer(card("REFERENCE_ANSWER", b)?),
            other => return Err(BadMessage::UnknownType(other)),
        })
    }
}
