//! The one place that prints.

use std::io::Write;

/// A line for the user.
pub(crate) fn line(text: &str) {
    // A closed pipe (`| head`) is no error worth reporting.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// A line about what went wrong.
pub(crate) fn error(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}
