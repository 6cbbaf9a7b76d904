//! Bus messages that carry event bytes.

use serde::{Deserialize, Serialize};

use super::trace::TraceContext;
use crate::hash::{CommandId, PlateTag};
use crate::id::CentralId;
use crate::position::{SeqRange, StreamHoldings};

/// Why a postcard message was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message cannot be read: {0}")]
pub struct BadMessage(pub String);

/// Encodes a postcard message.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, BadMessage> {
    postcard::to_extend(value, Vec::with_capacity(1024)).map_err(|e| BadMessage(e.to_string()))
}

/// Decodes a postcard message.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BadMessage> {
    postcard::from_bytes(bytes).map_err(|e| BadMessage(e.to_string()))
}

/// An event under way, with what travels beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The trace it belongs to, when live.
    pub trace: Option<TraceContext>,
    /// When its origin had committed it, ms since the epoch by the origin's clock (0 = unknown). For latency only.
    pub committed_at: i64,
    /// The frame's bytes.
    #[serde(with = "serde_bytes")]
    pub frame: Vec<u8>,
}

/// Events in the order of their stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventBatch {
    /// The events.
    pub events: Vec<Carried>,
}

/// Which lane of the ledger's queue events take: live overtakes backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplyLane {
    /// Just happened.
    Live,
    /// Catch-up.
    Backlog,
}

/// Store events of other centrals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apply {
    /// The peer they came through (not the origin).
    pub from: CentralId,
    /// Live or backlog.
    pub lane: ApplyLane,
    /// The events; one transaction.
    pub events: Vec<Carried>,
}

/// What became of them. Sent after the commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApplyReply {
    /// Newly stored.
    pub stored: u32,
    /// Held already.
    pub known: u32,
    /// Of the stored: poison, left out of the projection.
    pub poison: u32,
    /// Of the stored: forks (same position, another hash).
    pub forks: u32,
    /// Refused: bytes that are no event at all.
    pub refused: u32,
    /// Set when nothing was stored: try again later (no Postgres, not the writer).
    pub error: Option<String>,
    /// Holdings of the streams touched, after the commit.
    pub holdings: Vec<StreamHoldings>,
}

/// Read from the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fetch {
    /// The position map, a page of streams in (central, incarnation) order after this one.
    Holdings {
        /// Last stream of the page before.
        after: Option<crate::position::StreamId>,
        /// At most so many streams.
        limit: u32,
    },
    /// The events of these ranges that are held (all branches of a fork), in range order, ascending.
    Ranges {
        /// The ranges.
        ranges: Vec<SeqRange>,
        /// At most so many events.
        max_events: u32,
        /// At most so many bytes of frames (at least one event is answered).
        max_bytes: u32,
    },
    /// Every event a vehicle's fold needs, by plate tag.
    Plate {
        /// The tag.
        tag: PlateTag,
        /// At most so many events, newest first.
        max_events: u32,
    },
    /// The event of a command, for an answer made at another central.
    Command {
        /// The command.
        id: CommandId,
    },
    /// Of each stream the positions from its first to its last event of a stretch of time, in (central, incarnation) order after
    /// this stream.
    Window {
        /// `from ≤ occurred_at`, ms.
        from: i64,
        /// `occurred_at < to`, ms.
        to: i64,
        /// Last stream of the page before.
        after: Option<crate::position::StreamId>,
        /// At most so many streams.
        limit: u32,
    },
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fetched {
    /// A page of the position map.
    Holdings {
        /// The streams.
        streams: Vec<StreamHoldings>,
        /// More follow.
        more: bool,
    },
    /// Frames.
    Events {
        /// The frames.
        frames: Vec<serde_bytes::ByteBuf>,
        /// A bound was hit: more are held.
        more: bool,
    },
    /// The ledger cannot read now.
    Unavailable(String),
    /// One run of positions per stream.
    Runs {
        /// The runs.
        runs: Vec<SeqRange>,
        /// More follow.
        more: bool,
    },
}

/// A message sync wants sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToPeer {
    /// To one peer, or to every connected one.
    pub to: Option<CentralId>,
    /// An encoded [`crate::mesh::Message`].
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
}

/// A message a peer sent that is sync's to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromPeer {
    /// The peer.
    pub from: CentralId,
    /// An encoded [`crate::mesh::Message`].
    #[serde(with = "serde_bytes")]
    pub message: Vec<u8>,
}
