//! Cursors of answers ([`wire::cursor`]).

use super::{NoAnswer, bad_field};

pub(crate) use wire::cursor::write;

/// Reads one. Errors: the asker made it up.
pub(crate) fn read(text: &str) -> Result<(i64, String), NoAnswer> {
    wire::cursor::read(text).map_err(|e| bad_field("cursor", "invalid_value", &e.to_string()))
}
