//! `parkctl lost-range`: ranges of the log that nobody holds.

use std::process::ExitCode;

use serde_json::json;

use crate::ask::{Central, get, items, post, text};
use crate::output;

#[derive(clap::Subcommand)]
pub(crate) enum LostRange {
    /// Show what nobody holds, and what was closed
    List(Central),
    /// Close a range that nobody holds: it counts as missing no more
    Close {
        /// The range as the list names it: `central-3/<incarnation>/<from>-<to>`
        range: String,
        /// Who closes it
        #[arg(long)]
        staff_id: String,
        /// Their PIN, in a file
        #[arg(long)]
        pin_file: Option<std::path::PathBuf>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        central: Central,
    },
}

impl LostRange {
    pub(crate) async fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(central) => list(central).await,
            Self::Close { range, staff_id, pin_file, reason, central } => {
                let (central_id, incarnation, from, to) = read(range)?;
                let pin = pin_file.as_ref().map(std::fs::read_to_string).transpose()?;
                let body = json!({"central": central_id, "incarnation": incarnation, "from": from, "to": to,
                    "staff_id": staff_id, "pin": pin.as_deref().map(str::trim), "reason": reason});
                let answer = post(central, "/api/v1/p2p/lost-ranges", &body).await?;
                central.show(&answer, || {
                    output::line(&format!("closed {range}, recorded at {}", text(&answer["position"])));
                });
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// `central/incarnation/from-to`, or one number.
fn read(range: &str) -> anyhow::Result<(&str, &str, u64, u64)> {
    let wrong = || anyhow::anyhow!("{range}: must be central/incarnation/from-to");
    let (front, seqs) = range.rsplit_once('/').ok_or_else(wrong)?;
    let (central, incarnation) = front.split_once('/').ok_or_else(wrong)?;
    let (from, to) = seqs.split_once('-').unwrap_or((seqs, seqs));
    Ok((central, incarnation, from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?))
}

/// Exit 1 while something is missing that nobody holds.
async fn list(central: &Central) -> anyhow::Result<ExitCode> {
    let state = get(central, "/api/v1/p2p/sync-state", &[]).await?;
    let closed = get(central, "/api/v1/p2p/lost-ranges", &[]).await?;
    let open = items(&state, "nowhere").next().is_some();
    central.show(&json!({"nowhere": state["nowhere"], "closed": closed["items"]}), || {
        for r in items(&state, "nowhere") {
            output::line(&format!("nobody holds  {}", text(r)));
        }
        for r in items(&closed, "items") {
            output::line(&format!(
                "{:<12}  {}/{}/{}-{}  missing {}  by {} at {}: {}",
                text(&r["state"]),
                text(&r["central"]),
                text(&r["incarnation"]),
                text(&r["from"]),
                text(&r["to"]),
                text(&r["missing"]),
                text(&r["staff_id"]),
                text(&r["at"]),
                text(&r["reason"])
            ));
        }
        if !open {
            output::line("nothing is missing that nobody holds");
        }
    });
    Ok(if open { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn ranges_are_read_as_they_are_shown() {
        assert_eq!(read("central-3/00ab/61-100").unwrap(), ("central-3", "00ab", 61, 100));
        assert_eq!(read("central-3/00ab/61").unwrap(), ("central-3", "00ab", 61, 61));
        for wrong in ["", "central-3/61", "central-3/00ab/", "central-3/00ab/a-b", "central-3/00ab/1-"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
