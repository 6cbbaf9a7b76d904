//! Making and taking bundles: gateway → sync on [`super::subject::SYNC_BUNDLE`] (postcard), sync and gateway → mesh for the seal
//! (JSON, [`super::query::MeshQuery`]).

use serde::{Deserialize, Serialize};

use crate::bundle::Wanted;
use crate::http::Problem;
use crate::id::CentralId;
use crate::position::StreamHoldings;

/// What the gateway wants of sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleAsk {
    /// Begin a file with these events → [`BundleReply::Begun`].
    Begin(Wanted),
    /// A piece of the file, from 0; the last one served may be asked for again → [`BundleReply::Part`].
    Next {
        /// Which file.
        id: u64,
        /// Which piece.
        part: u32,
    },
    /// The file is not wanted any more → [`BundleReply::Done`].
    End {
        /// Which file.
        id: u64,
    },
    /// Have the events of a page of a trusted bundle stored → [`BundleReply::Stored`].
    Store {
        /// Who made the bundle.
        from: CentralId,
        /// The page.
        #[serde(with = "serde_bytes")]
        page: Vec<u8>,
    },
    /// What the maker of a trusted bundle held when it made it, in pages → [`BundleReply::Done`].
    Learn {
        /// Who.
        from: CentralId,
        /// Some of its streams.
        streams: Vec<StreamHoldings>,
        /// This was the last page.
        last: bool,
    },
}

/// What sync answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BundleReply {
    /// A file was begun.
    Begun {
        /// Its number.
        id: u64,
        /// Positions that will be in it, as far as they are held when their turn comes.
        events: u64,
        /// A name for the file.
        name: String,
    },
    /// A piece of the file.
    Part {
        /// Its bytes.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        /// Nothing follows.
        last: bool,
    },
    /// A page was stored.
    Stored(StoredPage),
    /// As asked.
    Done,
    /// Refused or impossible: a [`Problem`] as JSON.
    Problem(String),
}

/// What became of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPage {
    /// Newly stored.
    pub stored: u64,
    /// Held already.
    pub known: u64,
    /// Of the stored: poison, left out of the history.
    pub poison: u64,
    /// Of the stored: forks.
    pub forks: u64,
    /// Refused by the ledger: nothing it can keep.
    pub refused: u64,
    /// Holdings of the streams touched, after the commit.
    pub holdings: Vec<StreamHoldings>,
}

impl BundleReply {
    /// A refusal.
    pub fn problem(problem: &Problem) -> Self {
        Self::Problem(serde_json::to_string(problem).unwrap_or_default())
    }
}

/// What a seal would be made with, or was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SealedBy {
    /// The key of a central's certificate.
    Certificate,
    /// The operator's key: plain-text mode only.
    OperatorKey,
}

/// A seal that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleTrust {
    /// By what.
    pub by: SealedBy,
    /// The certificate has ended since.
    pub ended: bool,
}
