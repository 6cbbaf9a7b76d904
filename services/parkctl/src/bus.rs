//! `parkctl bus`: users and passwords of a central's NATS server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use wire::bus::users;

use crate::{output, secret};

/// The passwords as the server's configuration includes them.
const PASSWORDS: &str = "nats-passwords.conf";

#[derive(Subcommand)]
pub(crate) enum Bus {
    /// Make a random password for every service: one file each, and one that the server's configuration includes
    Passwords {
        /// The folder; what is there already is not touched
        dir: PathBuf,
    },
    /// Print the server's configuration: who may say and hear what. It holds no secret
    Conf {
        /// The file of passwords, as the server sees it
        #[arg(long, default_value = "nats-passwords.conf")]
        passwords: String,
    },
}

impl Bus {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Bus::Passwords { dir } => make(dir)?,
            Bus::Conf { passwords } => output::line(users::site_conf(passwords).trim_end()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn make(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let drawn = || rand::random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let all: Vec<(&str, String)> = users::USERS.iter().map(|u| (u.name, drawn())).collect();
    for (user, password) in &all {
        secret::new_file(&dir.join(format!("nats-{user}")), password)?;
    }
    let of = |user: &str| all.iter().find(|(u, _)| *u == user).map(|(_, p)| p.clone()).unwrap_or_default();
    secret::new_file(&dir.join(PASSWORDS), &users::passwords(of))?;
    output::line(&format!("passwords of {} users are in {}", all.len(), dir.display()));
    Ok(())
}
