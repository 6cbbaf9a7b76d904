//! What centrals tell each other to find out that their logs hold the same events: sums over events and money, from coarse (a
//! site) to fine (one position).
//!
//! A sum does not depend on the order of its events, so any two centrals can compare whatever they both hold. Sums are only
//! compared where `events` and `places` say that the same positions went into them.

use serde::{Deserialize, Serialize};

use crate::bus::events::ToPeer;
use crate::hash::Hash32;
use crate::id::{CentralId, Incarnation};
use crate::position::{Position, StreamId};

/// Positions of one chunk: chunk `n` of a stream is the half-open range `n·CHUNK < seq ≤ (n+1)·CHUNK`.
pub const CHUNK: u64 = 512;

/// Money in events, VND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Money {
    /// Fees of exits.
    pub charged: i64,
    /// Forgiven.
    pub waived: i64,
    /// Received, at the lane or later.
    pub paid: i64,
    /// What later-known entries would have changed.
    pub differences: i64,
}

/// Sums over some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How many (each branch of a fork counts).
    pub events: u64,
    /// How many of them have lost their body: their money is not in the sums.
    pub erased: u64,
    /// Sum over their positions, mixed: equal where the positions are.
    pub places: u64,
    /// Sum over their hashes, as computed from the bytes, in four lanes of 64 bits.
    pub hashes: [u64; 4],
    /// Their money.
    pub money: Money,
}

/// Of this stream everything up to `to` is counted, as far as it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The origin's incarnation.
    pub incarnation: Incarnation,
    /// The last seq counted.
    pub to: u64,
}

/// What a central counted of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteDigest {
    /// The origin.
    pub site: CentralId,
    /// Streams that still grow, with the end of what is counted; streams not named are counted whole.
    pub cuts: Vec<Cut>,
    /// The sums.
    pub tally: Tally,
}

/// Everything a central counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDigests {
    /// Per origin.
    pub sites: Vec<SiteDigest>,
}

/// Sums of one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkDigest {
    /// The stream.
    pub incarnation: Incarnation,
    /// The chunk.
    pub chunk: u64,
    /// The sums.
    pub tally: Tally,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditAbout {
    /// The sums of each UTC day of an origin.
    Days {
        /// The origin.
        site: CentralId,
        /// As in [`SiteDigest`].
        cuts: Vec<Cut>,
    },
    /// The sums of the chunks that hold events of these days.
    Chunks {
        /// The origin.
        site: CentralId,
        /// As in [`SiteDigest`].
        cuts: Vec<Cut>,
        /// Days since 1970-01-01, UTC.
        days: Vec<i32>,
    },
    /// The hash of every event of a chunk.
    Events {
        /// The stream.
        stream: StreamId,
        /// The chunk.
        chunk: u64,
    },
    /// The events at these positions.
    Frames {
        /// The positions.
        positions: Vec<Position>,
    },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditQuestion {
    /// Number of the question, unique per asking process.
    pub id: u64,
    /// What is asked.
    pub about: AuditAbout,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditFound {
    /// It cannot be said now (not counted yet, or the log has moved on).
    Unknown,
    /// To [`AuditAbout::Days`]: days since 1970-01-01 and their sums.
    Days(Vec<(i32, Tally)>),
    /// To [`AuditAbout::Chunks`].
    Chunks(Vec<ChunkDigest>),
    /// To [`AuditAbout::Events`]: seq and hash, computed from the bytes.
    Events(Vec<(u64, Hash32)>),
    /// To [`AuditAbout::Frames`]: a [`crate::page`].
    Frames(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditAnswer {
    /// The question's number.
    pub id: u64,
    /// What was found.
    pub found: AuditFound,
}

/// sync → ledger: time passed, or a peer said something about the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditAsk {
    /// Is there anything to tell or to ask?
    Tick {
        /// Peers with a live link.
        connected: Vec<CentralId>,
    },
    /// A peer's message.
    Heard {
        /// The peer.
        from: CentralId,
        /// An encoded [`crate::mesh::Message`].
        #[serde(with = "serde_bytes")]
        message: Vec<u8>,
    },
}

/// What is to be sent to peers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditSay {
    /// The messages.
    pub send: Vec<ToPeer>,
}
