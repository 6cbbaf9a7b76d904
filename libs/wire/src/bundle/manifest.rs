//! What a bundle says of itself.

use serde::{Deserialize, Serialize};

use crate::hash::Hash32;
use crate::id::CentralId;
use crate::position::{SeqRange, StreamHoldings, StreamId};

/// Which events were asked for. Everything that is given narrows the choice; nothing given is everything held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Only what this central is known to lack; where nothing is known of it, everything.
    #[serde(default)]
    pub for_central: Option<CentralId>,
    /// Only events of this origin.
    #[serde(default)]
    pub central: Option<CentralId>,
    /// Of every stream the run of positions from its first to its last event that happened at or after this, ms.
    #[serde(default)]
    pub from: Option<i64>,
    /// … and before this, ms.
    #[serde(default)]
    pub to: Option<i64>,
    /// Only these ranges.
    #[serde(default)]
    pub ranges: Vec<SeqRange>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEntry {
    /// SHA-256 of the page's bytes.
    pub sha256: Hash32,
    /// Events in it.
    pub events: u32,
}

/// A run of neighbouring positions, in the order of the pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPart {
    /// The stream.
    #[serde(flatten)]
    pub stream: StreamId,
    /// First seq.
    pub from: u64,
    /// Last seq.
    pub to: u64,
    /// Hash of the first event.
    pub first_hash: Hash32,
    /// Hash of the last event.
    pub last_hash: Hash32,
    /// Events: more than positions where some are forked.
    pub events: u64,
}

/// What a bundle holds and who made it. Later releases may add keys; unknown ones are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The central that made it.
    pub exporter: CentralId,
    /// When, ms since the epoch, by its clock.
    pub created_at: i64,
    /// What was asked for.
    pub wanted: Wanted,
    /// Events in all.
    pub events: u64,
    /// Places where neighbours do not link: the exporter holds a fork of which a branch is missing.
    #[serde(default)]
    pub chain_breaks: u64,
    /// The pages, in order.
    pub pages: Vec<PageEntry>,
    /// The positions, in the order of the pages.
    pub streams: Vec<StreamPart>,
    /// All that the exporter held: whoever imports knows what it need not send back.
    #[serde(default)]
    pub positions: Vec<StreamHoldings>,
}
