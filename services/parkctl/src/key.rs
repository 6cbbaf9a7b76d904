//! `parkctl key`: keys of lanes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use wire::access::Prefix;
use wire::hash::Hash32;

use crate::ask::{self, Central, items, text};
use crate::output;
use crate::token::{everything, hand_over, show};

#[derive(Subcommand)]
pub(crate) enum Key {
    /// Make a key at a running central; it is shown once
    Create {
        /// The edge
        edge: String,
        /// Further edges it speaks for
        #[arg(long, value_delimiter = ',')]
        lanes: Vec<String>,
        #[command(flatten)]
        more: More,
    },
    /// Make a key in the place of another; both are good for a while
    Rotate {
        /// The edge
        edge: String,
        /// Id of the key that is to end
        old: String,
        /// The old one stays good for so many hours
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
        overlap_hours: u32,
        /// Further edges it speaks for
        #[arg(long, value_delimiter = ',')]
        lanes: Vec<String>,
        #[command(flatten)]
        more: More,
    },
    /// List the keys of an edge, newest first
    List {
        /// The edge
        edge: String,
        #[command(flatten)]
        central: Central,
    },
    /// Revoke a key: it opens nothing any more within a second
    Revoke {
        /// The edge
        edge: String,
        /// The key's id
        id: String,
        #[command(flatten)]
        central: Central,
    },
}

/// What every new key may have.
#[derive(clap::Args)]
pub(crate) struct More {
    /// What it is for
    #[arg(long)]
    note: Option<String>,
    /// Good for so many days; without it, until it is revoked
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
    /// Write it to this new file instead of showing it
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    central: Central,
}

fn path(edge: &str) -> String {
    format!("/api/v1/admin/edges/{edge}/keys")
}

impl Key {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Key::Create { edge, lanes, more } => create(&edge, json!({"lanes": lanes}), &more).await?,
            Key::Rotate { edge, old, overlap_hours, lanes, more } => {
                let body = json!({"lanes": lanes, "replaces": old, "overlap_s": overlap_hours * 3600});
                create(&edge, body, &more).await?;
            }
            Key::List { edge, central } => {
                let all = everything(&central, &path(&edge)).await?;
                central.show(&json!({"items": all}), || {
                    for k in &all {
                        let lanes: Vec<String> = items(k, "lanes").map(text).collect();
                        show(k, &lanes.join(","));
                    }
                });
            }
            Key::Revoke { edge, id, central } => {
                let ended = ask::delete(&central, &format!("{}/{id}", path(&edge))).await?;
                central.show(&ended, || output::line(&format!("key {id} of {edge} is revoked")));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(edge: &str, mut body: serde_json::Value, more: &More) -> anyhow::Result<()> {
    body["note"] = json!(more.note);
    body["expires_in_s"] = json!(more.expires_in_days.map(|d| d * 86_400));
    let made = ask::post(&more.central, &path(edge), &body).await?;
    hand_over(&more.central, &made, "key", more.out.as_deref())
}

/// Prints a new random key and the hash the configuration keeps.
pub(crate) fn make() -> anyhow::Result<ExitCode> {
    let (key, _) = Prefix::Key.write(rand::random(), rand::random());
    output::line(&format!("api key     {key}    (give it to the edge; it is not kept anywhere)"));
    output::line(&format!(
        "key_sha256  {}    (put it into the edge's entry of p2p_config.json)",
        Hash32::of(&[key.as_bytes()])
    ));
    Ok(ExitCode::SUCCESS)
}
