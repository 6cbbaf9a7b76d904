//! Errors: `application/problem+json`.

use serde::{Deserialize, Serialize};

use super::lane::{BarrierWish, LaneDecision};

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer (`/plate`), or the query parameter's name behind a slash.
    pub field: String,
    /// Stable code (`missing`, `too_long`, `no_offset`, …).
    pub code: String,
    /// For people.
    pub message: String,
}

/// A problem. Codes are stable and listed in `docs/ERRORS.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URI reference naming the code's documentation.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short, the same for every problem of this code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here.
    pub detail: String,
    /// Stable code.
    pub code: String,
    /// Field errors.
    #[serde(default)]
    pub errors: Vec<FieldError>,
    /// Only with `no_ledger`: what the lane does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<LaneDecision>,
    /// Only with `no_ledger`: what the barrier does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barrier: Option<BarrierWish>,
    /// Only with `no_ledger`: always false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<bool>,
    /// Seconds for `Retry-After`, with 429 and 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors#{code}"),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: code.to_owned(),
            errors: Vec::new(),
            decision: None,
            barrier: None,
            recorded: None,
            retry_after_s: None,
        }
    }

    /// 422 with field errors.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail =
            errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(422, "invalid_fields", "Some fields are not valid", detail) }
    }

    /// 422 with one field error.
    pub fn field(code: &str, field: &str, message: &str) -> Self {
        let (field, code, message) = (field.to_owned(), code.to_owned(), message.to_owned());
        Self::invalid(vec![FieldError { field, code, message }])
    }
}
