//! Bundles, as people see them.

use serde::{Deserialize, Serialize};

use crate::bus::bundle::SealedBy;

/// A bundle that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BundleView {
    /// The central that made it.
    pub exporter: String,
    /// When, by its clock.
    pub created_at: String,
    /// The central it was made for, if one was named.
    pub for_central: Option<String>,
    /// Events in it.
    pub events: u64,
    /// Pages in it.
    pub pages: u64,
    /// What vouches for it.
    pub sealed_by: SealedBy,
    /// The certificate has ended since the bundle was made.
    pub certificate_ended: bool,
    /// Places in it where neighbours do not link: a branch of a fork was missing at its maker.
    pub chain_breaks: u64,
}

/// What is held of a stream that the bundle touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BundleStream {
    /// `<central>/<incarnation>`
    pub stream: String,
    /// First position in the bundle.
    pub from: u64,
    /// Last position in the bundle.
    pub to: u64,
    /// Highest position held here now.
    pub head: u64,
}

/// `POST /api/p2p/bundles/import`: what became of the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BundleImport {
    /// The bundle.
    pub bundle: BundleView,
    /// Newly stored.
    pub stored: u64,
    /// Held already.
    pub known: u64,
    /// Of the stored: forks, both branches are kept.
    pub forks: u64,
    /// Of the stored: poison, left out of the history.
    pub poison: u64,
    /// Refused: nothing that can be kept.
    pub refused: u64,
    /// Streams touched, at most 500.
    pub streams: Vec<BundleStream>,
    /// Ranges of these streams that are still missing below their heads, at most 100.
    pub gaps_left: Vec<String>,
    /// How many positions that is in all.
    pub gap_events: u64,
}
