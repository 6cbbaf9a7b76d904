//! `parkctl config FILE`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use wire::config::P2pConfig;

use crate::output;

/// Says whether a file would be taken: exit 0, or 64 with every fault on a line of its own, as the services would.
pub(crate) fn check(file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    match P2pConfig::parse(&text) {
        Ok(c) => {
            let lanes = c.this_central.edges.len();
            output::line(&format!(
                "{}: good ({}, {lanes} lanes, {} peers)",
                file.display(),
                c.this_central.id,
                c.peer_centrals.len()
            ));
            for e in c.this_central.edges.iter().filter(|e| e.key_sha256.is_none()) {
                output::line(&format!(
                    "note: {} has no key_sha256, it can only be used with an admin token",
                    e.id
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for f in faults {
                output::error(&format!("{}: {f}", file.display()));
            }
            Ok(ExitCode::from(64))
        }
    }
}
