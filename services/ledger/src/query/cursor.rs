//! Cursors of answers ([`wire::cursor`]).

use super::{NoAnswer, bad_field};

pub(super) use wire::cursor::write;

/// Reads one. Errors: the asker made it up.
pub(super) fn read(text: &str) -> Result<(i64, String), NoAnswer> {
    wire::cursor::read(text).map_err(|e| bad_field("cursor", "invalid", &e.to_string()))
}
