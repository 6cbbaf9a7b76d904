//! Results go to standard output, progress to standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A result. A reader that went away is no error.
pub(crate) fn line(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// What is going on.
pub(crate) fn progress(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "bench: {text}");
}
