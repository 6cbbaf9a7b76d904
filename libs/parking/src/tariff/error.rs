//! Why a rate table is refused.

use serde::Serialize;

/// One thing wrong with a rate table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer to the field, such as `/collections/0/lines/1/increment`.
    pub field: String,
    /// Stable code: `malformed`, `out_of_range`, `missing`, `not_allowed`, `duplicate`, `unknown_time_zone`,
    /// `legal_ceiling`.
    pub code: &'static str,
    /// The reason, for people.
    pub message: String,
}

/// A rate table that cannot be used, with every reason found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTableError {
    /// Never empty.
    pub errors: Vec<FieldError>,
}

impl std::error::Error for RateTableError {}

impl std::fmt::Display for RateTableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rate table refused: ")?;
        for (i, error) in self.errors.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{}: {}",
                if error.field.is_empty() { "/" } else { &error.field },
                error.message
            )?;
        }
        Ok(())
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>);

impl Errors {
    pub(super) fn push(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), code, message: message.into() });
    }

    /// Adds an error unless `ok`.
    pub(super) fn check(&mut self, ok: bool, field: impl Into<String>, code: &'static str, message: &str) {
        if !ok {
            self.push(field, code, message);
        }
    }

    pub(super) fn into_result(self) -> Result<(), RateTableError> {
        if self.0.is_empty() { Ok(()) } else { Err(RateTableError { errors: self.0 }) }
    }
}

/// Turns a shape error of the decoder into a pointer and a reason.
pub(crate) fn from_path(error: &serde_path_to_error::Error<serde_json::Error>) -> RateTableError {
    use serde_path_to_error::Segment;
    let mut field = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                field.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            }
            Segment::Enum { variant } => field.push_str(&format!("/{variant}")),
            Segment::Unknown => {}
        }
    }
    let message = error.inner().to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let code = if let Some(name) = missing {
        field.push('/');
        field.push_str(name);
        "missing"
    } else if message.starts_with("unknown field") {
        "not_allowed"
    } else {
        "malformed"
    };
    RateTableError { errors: vec![FieldError { field, code, message }] }
}
