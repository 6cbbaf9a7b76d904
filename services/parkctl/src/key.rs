//! `parkctl key`

use std::process::ExitCode;

use uuid::Uuid;
use wire::hash::Hash32;

use crate::output;

/// Prints a new random key (244 random bits) and the hash the configuration keeps.
pub(crate) fn make() -> anyhow::Result<ExitCode> {
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    output::line(&format!("api key     {key}    (give it to the edge; it is not kept anywhere)"));
    output::line(&format!(
        "key_sha256  {}    (put it into the edge's entry of p2p_config.json)",
        Hash32::of(&[key.as_bytes()])
    ));
    Ok(ExitCode::SUCCESS)
}
