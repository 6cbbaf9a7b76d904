//! Tokens, keys, and the record of what people did.

use serde::{Deserialize, Serialize};

use crate::access::Role;

/// Whether a token or key still opens doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum GrantState {
    /// It does.
    Good,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// What tokens and keys have in common. The text itself is never shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GrantView {
    /// Its name; it stands in the text and is no secret.
    pub id: String,
    /// Whether it still opens doors.
    pub state: GrantState,
    /// What it is for.
    pub note: Option<String>,
    /// Since when.
    pub created_at: String,
    /// By whom.
    pub created_by: String,
    /// Good until then, exclusive; null = until it is revoked.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// By whom.
    pub revoked_by: Option<String>,
}

/// A person's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenView {
    /// Whose.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The rest.
    #[serde(flatten)]
    pub grant: GrantView,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// The token, this once.
    pub token: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: TokenView,
}

/// `POST /api/admin/tokens`, for documentation; the gateway reads it field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenRequest {
    /// Whose, 1 to 64 characters.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it is for, at most 200 characters.
    #[serde(default)]
    pub note: Option<String>,
    /// Good until then; or `expires_in_s`, or neither.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Good for so many seconds, 1 to 315360000.
    #[serde(default)]
    pub expires_in_s: Option<u32>,
}

/// A lane's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// The edges it speaks for.
    pub lanes: Vec<String>,
    /// The rest.
    #[serde(flatten)]
    pub grant: GrantView,
}

/// A new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKey {
    /// The key, this once.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub view: KeyView,
}

/// `POST /api/admin/edges/{id}/keys`, for documentation; the gateway reads it field by field. Everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyRequest {
    /// Further edges it speaks for, at most 16.
    #[serde(default)]
    pub lanes: Vec<String>,
    /// The key it takes the place of, by id: both are good for `overlap_s`, then the old one ends.
    #[serde(default)]
    pub replaces: Option<String>,
    /// How long the old one stays good, s, 0 to 2592000 (86400).
    #[serde(default)]
    pub overlap_s: Option<u32>,
    /// What it is for, at most 200 characters.
    #[serde(default)]
    pub note: Option<String>,
    /// Good until then; or `expires_in_s`, or neither.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Good for so many seconds, 1 to 315360000.
    #[serde(default)]
    pub expires_in_s: Option<u32>,
}

/// What somebody did, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ActView {
    /// Its name.
    pub id: String,
    /// When.
    pub at: String,
    /// The principal: `admin` (the token of the file), `token:<id>`, an edge, a service.
    pub who: String,
    /// The name of the token's person.
    pub name: Option<String>,
    /// The role it acted in.
    pub role: Option<Role>,
    /// The address it came from.
    pub address: Option<String>,
    /// What, such as `token.create`.
    pub action: String,
    /// To what: an edge, a token's id.
    pub target: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// `ok`, or the code of the refusal.
    pub result: String,
    /// More about it.
    pub detail: Option<String>,
}
