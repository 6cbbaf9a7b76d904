//! Reference documents: rate tables, staff and passes, as the external API publishes them whole, each with a version that
//! grows. How they are read stands in the library `parking`; here is how they are named.

use serde::{Deserialize, Serialize};

use crate::hash::Hash32;
use crate::id::CentralId;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DocumentKind {
    /// Rate tables: `{base}/fee-config`.
    RateTables,
    /// Who works here: `{base}/staff`.
    Staff,
    /// Passes: `{base}/subscriptions`.
    Subscriptions,
}

impl DocumentKind {
    /// All of them, in the order they are fetched.
    pub const ALL: [Self; 3] = [Self::RateTables, Self::Staff, Self::Subscriptions];

    /// The name here, in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateTables => "rate_tables",
            Self::Staff => "staff",
            Self::Subscriptions => "subscriptions",
        }
    }

    /// The last part of its address at the external API.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::RateTables => "fee-config",
            Self::Staff => "staff",
            Self::Subscriptions => "subscriptions",
        }
    }

    /// Bytes of the document at most: 50 000 passes of some 160 bytes fit, and more tables than anyone can survey.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::RateTables | Self::Staff => 2 * 1024 * 1024,
            Self::Subscriptions => 8 * 1024 * 1024,
        }
    }

    /// Versions kept: stays are priced by the table they began under, everything else only as it is now.
    #[must_use]
    pub const fn kept(self) -> usize {
        match self {
            Self::RateTables => 32,
            Self::Staff | Self::Subscriptions => 1,
        }
    }
}

impl std::fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for DocumentKind {
    type Err = UnknownDocument;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|k| k.as_str() == s).ok_or(UnknownDocument)
    }
}

/// Not one of the documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reference document")]
pub struct UnknownDocument;

/// One version of a document. Two of the same version differ by what they say; the order is by version, then by hash, so that
/// every central prefers the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId {
    /// Which.
    pub kind: DocumentKind,
    /// Its version.
    pub version: i64,
    /// SHA-256 of its canonical JSON.
    pub hash: Hash32,
}

/// A document that a central holds, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which.
    pub id: DocumentId,
    /// Parts it travels in.
    pub parts: u32,
    /// When a central got it from the external API, ms since the epoch by its clock.
    pub fetched_at: i64,
    /// That central.
    pub fetched_by: CentralId,
}

/// Bytes of one part at most: with what stands around it, it fits a message of a link.
pub const PART_BYTES: usize = 192 * 1024;
/// Parts of one document at most.
pub const MAX_PARTS: u32 = 64;

const LEVEL: i32 = 9;

/// A document's canonical JSON as it is kept and travels. Errors: it cannot be packed, or not within [`MAX_PARTS`].
pub fn pack(canonical: &[u8]) -> Result<Vec<u8>, BadDocument> {
    let packed = zstd::bulk::compress(canonical, LEVEL).map_err(|_| BadDocument::TooLarge)?;
    if parts_of(packed.len()) > MAX_PARTS { Err(BadDocument::TooLarge) } else { Ok(packed) }
}

/// Back again. Errors: it is not what was packed, or larger than a document of its kind may be.
pub fn unpack(kind: DocumentKind, packed: &[u8]) -> Result<Vec<u8>, BadDocument> {
    zstd::bulk::decompress(packed, kind.max_bytes()).map_err(|_| BadDocument::Unpack)
}

/// How many parts that many packed bytes are.
#[must_use]
pub fn parts_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PART_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// The bytes of a part; none where there is no such part.
#[must_use]
pub fn part(packed: &[u8], n: u32) -> Option<&[u8]> {
    packed.chunks(PART_BYTES).nth(n as usize)
}

/// Why a packed document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// It cannot be packed within its bounds.
    #[error("the document is too large to travel")]
    TooLarge,
    /// Its bytes are not those of a document.
    #[error("the document cannot be unpacked")]
    Unpack,
}

/// On the mesh: what a central holds. Told when it changes, when a link comes up, and now and then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceHeld {
    /// The documents.
    pub documents: Vec<Held>,
}

/// On the mesh: a part is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceQuestion {
    /// Of which document.
    pub document: DocumentId,
    /// Which part, from 0.
    pub part: u32,
}

/// On the mesh: that part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceAnswer {
    /// Of which document.
    pub document: DocumentId,
    /// Which part.
    pub part: u32,
    /// Its bytes; none where the document is not held any more.
    pub bytes: Option<serde_bytes::ByteBuf>,
}
