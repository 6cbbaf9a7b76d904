//! Why a document is refused.

use wire::http::FieldError;

/// Reasons told at most: who wrote a document with more of them needs no longer list.
const MAX_ERRORS: usize = 20;

/// A document that is not taken, with the reasons. The codes are `malformed`, `missing`, `not_allowed`, `out_of_range`,
/// `duplicate`, `too_large`, `too_deep`, `not_raised`, `bad_hash`, and those of a rate table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Never empty. `field` is a JSON pointer into the document.
    pub errors: Vec<FieldError>,
}

impl Refused {
    /// For one reason.
    #[must_use]
    pub fn one(field: impl Into<String>, code: &str, message: impl Into<String>) -> Self {
        Self { errors: vec![error(field, code, message)] }
    }
}

fn error(field: impl Into<String>, code: &str, message: impl Into<String>) -> FieldError {
    FieldError { field: field.into(), code: code.to_owned(), message: message.into() }
}

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("document refused: ")?;
        for (i, e) in self.errors.iter().enumerate() {
            let field = if e.field.is_empty() { "/" } else { &e.field };
            write!(f, "{}{field}: {}", if i == 0 { "" } else { "; " }, e.message)?;
        }
        Ok(())
    }
}

/// Collects reasons, the first of them.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<FieldError>);

impl Reasons {
    pub(super) fn add(&mut self, field: impl Into<String>, code: &str, message: impl Into<String>) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(error(field, code, message));
        }
    }

    pub(super) fn check(&mut self, ok: bool, field: impl FnOnce() -> String, code: &str, message: &str) {
        if !ok {
            self.add(field(), code, message);
        }
    }

    pub(super) fn done(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(Refused { errors: self.0 }) }
    }
}

/// A name that people gave: of 1 to 64 characters, without control characters.
pub(super) fn is_name(text: &str) -> bool {
    let n = text.chars().count();
    (1..=64).contains(&n) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}
