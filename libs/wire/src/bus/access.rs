//! Tokens, keys and the record of what people did, between gateway and ledger. JSON both ways; answers are
//! [`super::query::QueryReply`]. A secret never crosses the bus: the gateway makes it and sends its hash.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Grant, Role};
use crate::hash::Hash32;

/// What the gateway asks. Times are ms since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessAsk {
    /// Everything that is not revoked → [`BookReply`]
    Book {
        /// Print of the book the asker has; the same one is not sent again.
        known: Option<Hash32>,
    },
    /// Tokens of people, or the keys of one lane, ended ones too → `http::Page<`[`Grant`]`>`, newest first.
    List {
        /// Keys of this edge; none: tokens of people.
        edge_id: Option<String>,
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
    /// A new token or key → the [`Grant`]
    Add {
        /// As it is to be kept.
        grant: Box<Grant>,
        /// The key it takes the place of.
        replaces: Option<Replaced>,
        /// For the record.
        act: Box<Act>,
    },
    /// It is good no more → the [`Grant`]
    Revoke {
        /// Which.
        id: String,
        /// A key of this edge; none: a person's token.
        edge_id: Option<String>,
        /// For the record.
        act: Box<Act>,
    },
    /// For the record, as many as there are → `null`. The same id counts once.
    Note(Vec<Act>),
    /// The record → `http::Page<`[`Act`]`>`, newest first.
    Acts {
        /// Only of this kind.
        action: Option<String>,
        /// Only of this principal.
        who: Option<String>,
        /// `from ≤ at`.
        from: Option<i64>,
        /// `at < to`.
        to: Option<i64>,
        /// 1 to 500.
        limit: u32,
        /// Opaque.
        cursor: Option<String>,
    },
}

/// A key that ends because another took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Which.
    pub id: String,
    /// When it ends; earlier if it would have ended earlier.
    pub ends_at: i64,
}

/// Everything that opens doors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookReply {
    /// Print of the book.
    pub print: Hash32,
    /// The book; none where the asker has it.
    pub grants: Option<Vec<Grant>>,
}

/// What somebody did, or tried. No secret and no plate stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Random.
    pub id: Uuid,
    /// When, ms since the epoch.
    pub at: i64,
    /// The principal: `admin`, `token:<id>`, an edge, or a service.
    pub who: String,
    /// The person's name, where a token has one.
    pub name: Option<String>,
    /// The role it acted in.
    pub role: Option<Role>,
    /// The address it came from.
    pub address: Option<String>,
    /// What, such as `token.create`.
    pub action: String,
    /// To what: an edge, a token's id, a peer.
    pub target: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// `ok`, or the code of the refusal.
    pub result: String,
    /// More about it.
    pub detail: Option<String>,
}
