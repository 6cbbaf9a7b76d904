//! `parkctl token`: tokens of people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use wire::access::Prefix;

use crate::ask::{self, Central, items, text};
use crate::{output, secret};

const PATH: &str = "/api/v1/admin/tokens";

#[derive(Subcommand)]
pub(crate) enum Token {
    /// Make the first administrator's token, for ADMIN_TOKEN_FILE: a new random one, in a new file only its owner may read
    Bootstrap {
        /// The file; it must not be there yet
        file: PathBuf,
    },
    /// Make a token for a person; it is shown once
    Create {
        /// Whose
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: Role,
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
    },
    /// List tokens, newest first
    List(Central),
    /// Revoke a token: it opens nothing any more within a second
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        central: Central,
    },
}

/// What a token may do; each role may do what the ones before it may.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Looks
    Viewer,
    /// Also works lanes
    Attendant,
    /// Also money, rights, rules, lanes, bundles
    Operator,
    /// Also the configuration, tokens and keys
    Admin,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Attendant => "attendant",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl Token {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Token::Bootstrap { file } => bootstrap(&file)?,
            Token::Create { name, role, note, expires_in_days, out, central } => {
                let body = json!({"name": name, "role": role.name(), "note": note,
                    "expires_in_s": expires_in_days.map(|d| d * 86_400)});
                let made = ask::post(&central, PATH, &body).await?;
                hand_over(&central, &made, "token", out.as_deref())?;
            }
            Token::List(central) => {
                let all = everything(&central, PATH).await?;
                central.show(&json!({"items": all}), || {
                    for t in &all {
                        show(t, &format!("{:<10} {}", text(&t["role"]), text(&t["name"])));
                    }
                });
            }
            Token::Revoke { id, central } => {
                let ended = ask::delete(&central, &format!("{PATH}/{id}")).await?;
                central.show(&ended, || output::line(&format!("token {id} is revoked")));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn bootstrap(file: &Path) -> anyhow::Result<()> {
    let (token, _) = Prefix::Token.write(rand::random(), rand::random());
    secret::new_file(file, &format!("{token}\n"))?;
    output::line(&format!(
        "the admin token is in {}: name it in ADMIN_TOKEN_FILE of edge-gateway",
        file.display()
    ));
    Ok(())
}

/// Every page of a list.
pub(crate) async fn everything(central: &Central, path: &str) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask::get(central, path, &[("limit", "500"), ("cursor", &cursor)]).await?;
        all.extend(items(&page, "items").cloned());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(all),
        }
    }
}

/// A line about a token or key.
pub(crate) fn show(grant: &Value, whose: &str) {
    let until = grant["revoked_at"].as_str().or(grant["expires_at"].as_str()).unwrap_or("-");
    output::line(&format!(
        "{:<12} {:<8} {whose}  since {}  until {until}  by {}  {}",
        text(&grant["id"]),
        text(&grant["state"]),
        text(&grant["created_at"]),
        text(&grant["created_by"]),
        grant["note"].as_str().unwrap_or_default()
    ));
}

/// Hands over what was made: the text, and what is kept of it.
pub(crate) fn hand_over(
    central: &Central,
    made: &Value,
    what: &str,
    out: Option<&Path>,
) -> anyhow::Result<()> {
    if central.json() && out.is_none() {
        output::line(&made.to_string());
        return Ok(());
    }
    secret::hand_over(what, made[what].as_str().unwrap_or_default(), out)?;
    output::line(&format!("id     {}", text(&made["id"])));
    Ok(())
}
