//! The lab's voice: standard output for results, standard error for what went wrong.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

/// Writes a line to standard output. A reader that went away is no error.
pub(crate) fn line(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// Writes a line to standard error.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Replaces what is on the terminal; when standard output is none, writes nothing.
pub(crate) fn redraw(text: impl Display) {
    if io::stdout().is_terminal() {
        let mut stdout = io::stdout().lock();
        // Home, then clear to the end: no flicker.
        let _ = write!(stdout, "\x1b[H\x1b[2J{text}\r\n");
        let _ = stdout.flush();
    }
}
