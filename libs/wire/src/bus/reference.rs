//! sync ↔ ledger: reference documents in parts. Sync fetches, the ledger checks and stores. And what sync knows about where they
//! come from.

use serde::{Deserialize, Serialize};

use crate::http::FieldError;
use crate::id::CentralId;
use crate::reference::{DocumentId, DocumentKind, Held};

/// Asked of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferenceAsk {
    /// What is held?
    Held,
    /// A part of a document that is held.
    Read {
        /// Which document.
        document: DocumentId,
        /// Which part, from 0.
        part: u32,
    },
    /// A part of a document to store. The last part is answered with what became of it.
    Put(PutPart),
}

/// A part of a document to store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPart {
    /// Number of the upload, random.
    pub upload: u64,
    /// Which part, from 0, in order.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
    /// Where the document comes from.
    pub origin: Origin,
    /// Packed bytes ([`crate::reference::pack`]).
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// From the external API: the body as it came.
    Api {
        /// Which document it should be.
        kind: DocumentKind,
        /// The `ETag` it came with.
        etag: Option<String>,
        /// When, ms since the epoch.
        fetched_at: i64,
    },
    /// From a peer, which had it from the external API or from another peer.
    Peer {
        /// The peer.
        peer: CentralId,
        /// What it says of it.
        held: Held,
    },
}

/// A document held here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldHere {
    /// As it travels.
    pub held: Held,
    /// The `ETag` it came with, where it came from the external API itself.
    pub etag: Option<String>,
}

/// The ledger's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferenceSay {
    /// What is held, newest version of each document first.
    Held(Vec<HeldHere>),
    /// The part.
    Part(#[serde(with = "serde_bytes")] Vec<u8>),
    /// There is no such document or part here.
    NotHeld,
    /// The part was taken; more of them are needed.
    More,
    /// The document is in force, or was already.
    Taken(Held),
    /// The document is bad: nothing of it is used.
    Refused(Vec<FieldError>),
    /// Not now, and why: try again later.
    Unavailable(String),
}

/// Where documents come from, as sync sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReference {
    /// An external API is configured.
    pub configured: bool,
    /// It has not answered for too long.
    pub stale: bool,
    /// Per document, where one is configured.
    pub sources: Vec<SourceNow>,
    /// What linked peers hold.
    pub peers: Vec<PeerDocuments>,
}

/// A document at the external API. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceNow {
    /// Which.
    pub kind: DocumentKind,
    /// When it was last asked for.
    pub checked_at: Option<i64>,
    /// When it was last answered, also with "nothing new" or "no such document".
    pub answered_at: Option<i64>,
    /// Whether there is such a document; none while that is not known.
    pub published: Option<bool>,
    /// What is wrong.
    pub error: Option<SourceError>,
}

/// What is wrong with a document at the external API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceError {
    /// When it was found, ms since the epoch.
    pub at: i64,
    /// For people.
    pub reason: String,
    /// Of a document that was refused.
    pub errors: Vec<FieldError>,
}

/// What a peer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerDocuments {
    /// The peer.
    pub id: CentralId,
    /// The documents.
    pub documents: Vec<DocumentId>,
}
