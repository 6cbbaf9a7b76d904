//! `parkctl policy`: the rules, and what another one would change.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::ask::{Central, get, items, post, text};
use crate::output;

/// What to do with rules.
#[derive(Subcommand)]
pub(crate) enum Policy {
    /// List them, with who set them and why
    List {
        #[command(flatten)]
        central: Central,
    },
    /// Set one, or with --dry-run only show what it would change
    Set {
        /// Openings of one plate within this many ms are one passage
        #[arg(long)]
        window_ms: i64,
        /// First moment it judges, such as 2026-11-22T00:00:00+07:00
        #[arg(long)]
        valid_from: String,
        /// Who sets it
        #[arg(long)]
        staff: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Record nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        central: Central,
    },
    /// Show what another rule would have decided over a period; nothing is changed
    Replay {
        /// First moment
        #[arg(long)]
        from: String,
        /// First moment that counts no more
        #[arg(long)]
        to: String,
        /// The other window, ms
        #[arg(long, required_unless_present = "policy", conflicts_with = "policy")]
        window_ms: Option<i64>,
        /// The version of a policy that was set (0: the built-in one)
        #[arg(long)]
        policy: Option<i64>,
        /// Sessions listed
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        central: Central,
    },
}

impl Policy {
    /// Does it. Exit 1 when the central refuses.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { central } => {
                let list = get(&central, "/api/v1/parking/policies", &[]).await?;
                central.show(&list, || items(&list, "items").for_each(|p| output::line(&one(p))));
            }
            Self::Set { window_ms, valid_from, staff, reason, dry_run, central } => {
                let body = json!({"duplicate_window_ms": window_ms, "valid_from": valid_from, "staff_id": staff,
                    "reason": reason, "dry_run": dry_run});
                let answer = post(&central, "/api/v1/parking/policies", &body).await?;
                central.show(&answer, || match &answer["policy"] {
                    Value::Null => effect(&answer["effect"]),
                    policy => output::line(&format!("set: {}", one(policy))),
                });
            }
            Self::Replay { from, to, window_ms, policy, limit, central } => {
                let body = json!({"from": from, "to": to, "duplicate_window_ms": window_ms, "policy": policy, "limit": limit});
                let answer = post(&central, "/api/v1/parking/conflicts/replay", &body).await?;
                central.show(&answer, || effect(&answer));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn one(p: &Value) -> String {
    format!(
        "{} version {:<4} window {} ms  from {}  set {} at {} by {}: {}",
        if p["in_force"] == true { "*" } else { " " },
        text(&p["version"]),
        text(&p["duplicate_window_ms"]),
        text(&p["valid_from"]),
        text(&p["set_at"]),
        text(&p["central"]),
        text(&p["staff_id"]),
        text(&p["reason"])
    )
}

fn effect(r: &Value) {
    output::line(&format!(
        "{} to {}, window {} ms: {} vehicles decided anew, {} sessions differ",
        text(&r["from"]),
        text(&r["to"]),
        text(&r["duplicate_window_ms"]),
        text(&r["vehicles"]),
        text(&r["differing"])
    ));
    for (what, name) in [("sessions", "sessions"), ("conflicts", "conflicts")] {
        for c in items(r, what) {
            output::line(&format!(
                "  {name} {:<20} {} -> {}",
                text(&c["kind"]),
                text(&c["before"]),
                text(&c["after"])
            ));
        }
    }
    for d in items(r, "items") {
        output::line(&format!(
            "  {}  {} -> {}  duplicate of {} -> {}",
            text(&d["event_id"]),
            text(&d["before"]["status"]),
            text(&d["after"]["status"]),
            text(&d["before"]["duplicate_of"]),
            text(&d["after"]["duplicate_of"])
        ));
    }
}
