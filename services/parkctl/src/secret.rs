//! Texts that are shown once: printed, or written to a file only its owner may read.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::output;

/// Writes a new file with mode 0600. Errors: it is there already, or cannot be written.
pub(crate) fn new_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Hands a text over.
pub(crate) fn hand_over(what: &str, text: &str, out: Option<&Path>) -> anyhow::Result<()> {
    match out {
        Some(path) => {
            new_file(path, &format!("{text}\n"))?;
            output::line(&format!("{what} written to {}; it is kept nowhere else", path.display()));
        }
        None => output::line(&format!("{what}  {text}    (shown once; it is kept nowhere)")),
    }
    Ok(())
}
