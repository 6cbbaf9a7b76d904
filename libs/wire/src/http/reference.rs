//! Reference documents as people see them.

use serde::{Deserialize, Serialize};

use super::FieldError;
use crate::reference::DocumentKind;

/// What went wrong last with a document at the external API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReferenceError {
    /// When.
    pub at: String,
    /// What.
    pub reason: String,
    /// Of a document that was refused: every reason found, with its field.
    pub errors: Vec<FieldError>,
}

/// What a peer holds of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReferencePeer {
    /// The peer.
    pub id: String,
    /// Its version; null when it has none.
    pub version: Option<i64>,
    /// True where it is another document than the one in force here.
    pub differs: bool,
}

/// A document, with a page of its items. Without one, `version` is null: rate tables are then the built-in ones, staff is not
/// verified, and there are no passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReferencePage<T> {
    /// Which document.
    pub document: DocumentKind,
    /// Version in force here.
    pub version: Option<i64>,
    /// Hex SHA-256 of what it says: equal where documents are.
    pub hash: Option<String>,
    /// `external_api`, `peer`, or where nothing is published `built_in` (rate tables) and `none`.
    pub source: String,
    /// The peer it came from.
    pub came_from: Option<String>,
    /// When a central fetched it from the external API.
    pub fetched_at: Option<String>,
    /// That central.
    pub fetched_by: Option<String>,
    /// Seconds since it was last known to be what the external API says: since it answered here, else since it was fetched.
    pub age_s: Option<i64>,
    /// The `ETag` it came with.
    pub etag: Option<String>,
    /// An external API is configured here.
    pub configured: bool,
    /// It has not answered for too long (or the sync service does not: null).
    pub stale: Option<bool>,
    /// When it was last asked.
    pub checked_at: Option<String>,
    /// When it last answered.
    pub answered_at: Option<String>,
    /// False where it has no such document.
    pub published: Option<bool>,
    /// What went wrong last; null when all is well.
    pub last_error: Option<ReferenceError>,
    /// The highest version known, here or at a linked peer.
    pub newest_known: Option<i64>,
    /// True while a linked peer has a newer one than is in force here.
    pub behind: bool,
    /// What linked peers hold.
    pub peers: Vec<ReferencePeer>,
    /// How many items there are in all.
    pub total: u64,
    /// The items.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// A member of the staff. What their PIN is checked by is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaffView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `attendant`, `supervisor` or `operator`.
    pub role: String,
    /// May act.
    pub active: bool,
}

/// A pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassView {
    /// Name of the pass.
    pub id: String,
    /// Match keys of the vehicles that may use it.
    pub plates: Vec<String>,
    /// The class it is for; null is any.
    pub vehicle_class: Option<String>,
    /// Car parks it holds in; `*` is every one.
    pub lots: Vec<String>,
    /// First moment.
    pub valid_from: String,
    /// First moment it holds no more; null is open-ended.
    pub valid_to: Option<String>,
    /// How many of its vehicles may be inside under it at a time.
    pub max_inside: u32,
}

/// A document in the status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReferenceStatus {
    /// Which document.
    pub document: DocumentKind,
    /// Version in force here; null where none is.
    pub version: Option<i64>,
    /// Hex SHA-256 of what it says.
    pub hash: Option<String>,
    /// The highest version known, here or at a linked peer.
    pub newest_known: Option<i64>,
    /// True while a linked peer has a newer one: this central prices, checks and admits by an older one.
    pub behind: bool,
    /// What is wrong with it at the external API.
    pub last_error: Option<String>,
}
