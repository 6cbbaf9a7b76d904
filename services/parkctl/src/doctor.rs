//! `parkctl doctor`: is this site fit to run a central? Clock, disk, certificates, configuration, ports, and how the running central sees
//! its peers. Looks only; the one thing it writes is a file of 4 KiB in `--data-dir`, which it removes.

mod machine;
mod papers;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use wire::config::P2pConfig;

use crate::ask::{self, Central, items, text};
use crate::output;

/// What is looked at, and where.
#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// The configuration file
    #[arg(long, env = "P2P_CONFIG_FILE", default_value = "config/p2p_config.json")]
    config: PathBuf,
    /// The operator's authority, PEM
    #[arg(long, env = "MESH_TLS_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// This central's certificate, PEM
    #[arg(long, env = "MESH_TLS_CERT_FILE")]
    cert_file: Option<PathBuf>,
    /// A folder on the database's disk: how long a commit takes there, and how much is free
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The gateway's address
    #[arg(long, env = "PARKMESH_URL", default_value = "http://127.0.0.1:8000")]
    url: String,
    /// File with the admin token: asks the running central for its peers and clocks, too
    #[arg(long, env = "ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Works, and will not for ever.
    Warning,
    /// A central must not run like this.
    Bad,
    /// Could not be looked at from here.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Good => "ok",
            Verdict::Warning => "warning",
            Verdict::Bad => "BAD",
            Verdict::Unknown => "unknown",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    what: &'static str,
    verdict: Verdict,
    detail: String,
}

fn finding(what: &'static str, verdict: Verdict, detail: impl Into<String>) -> Finding {
    Finding { what, verdict, detail: detail.into() }
}

impl Doctor {
    /// Looks at everything; exit 1 when something is bad.
    pub(crate) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut all = vec![machine::clock()];
        if let Some(dir) = &self.data_dir {
            all.push(machine::fsync(dir));
            all.push(machine::space(dir));
        } else {
            all.push(finding("disk", Verdict::Unknown, "--data-dir names a folder on the database's disk"));
        }
        let config = self.read_config(&mut all);
        let id = config.as_ref().map(|c| c.this_central.id.clone());
        all.extend(papers::look(self.cert_file.as_deref(), self.ca_file.as_deref(), id.as_ref()));
        if let Some(config) = &config {
            all.push(port("gateway", config.this_central.api_port).await);
            all.push(port("mesh", config.this_central.p2p_port).await);
        }
        match &self.token_file {
            Some(file) => all.extend(self.peers(&Central::new(&self.url, file)).await),
            None => {
                all.push(finding("peers", Verdict::Unknown, "--token-file lets the running central be asked"))
            }
        }
        self.show(&all);
        let bad = all.iter().any(|f| f.verdict == Verdict::Bad);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn show(&self, all: &[Finding]) {
        if self.json {
            let list: Vec<Value> = all
                .iter()
                .map(|f| serde_json::json!({"what": f.what, "verdict": f.verdict.to_string(), "detail": f.detail}))
                .collect();
            output::line(&Value::from(list).to_string());
            return;
        }
        for f in all {
            output::line(&format!("{:<8} {:<14} {}", f.verdict, f.what, f.detail));
        }
    }

    fn read_config(&self, all: &mut Vec<Finding>) -> Option<P2pConfig> {
        let name = self.config.display();
        let bad = |detail: String| finding("configuration", Verdict::Bad, detail);
        let (found, config) = match std::fs::read(&self.config).map(|bytes| P2pConfig::parse(&bytes)) {
            Err(e) => (bad(format!("{name}: {e}")), None),
            Ok(Err(faults)) => {
                (bad(faults.iter().map(|f| format!("{name}: {f}")).collect::<Vec<_>>().join("; ")), None)
            }
            Ok(Ok(c)) => {
                let detail = format!(
                    "{}, {} lanes, {} peers",
                    c.this_central.id,
                    c.this_central.edges.len(),
                    c.peer_centrals.len()
                );
                (finding("configuration", Verdict::Good, detail), Some(c))
            }
        };
        all.push(found);
        config
    }

    /// How the running central sees its peers: links, clocks, and where a fresh connection ends.
    async fn peers(&self, central: &Central) -> Vec<Finding> {
        let status = match ask::get(central, "/api/v1/p2p/status", &[]).await {
            Ok(status) => status,
            Err(e) => return vec![finding("peers", Verdict::Bad, format!("{e:#}"))],
        };
        let mut all = Vec::new();
        for peer in items(&status, "peers").filter(|p| p["state"] != "disabled") {
            let id = text(&peer["id"]);
            let up = matches!(peer["state"].as_str(), Some("connected" | "behind"));
            let path = format!("/api/v1/p2p/test-connection?peer_id={id}");
            let tried = ask::post(central, &path, &Value::Null).await.unwrap_or_default();
            let (verdict, word) = match (up, tried["ok"] == true) {
                (true, true) => (Verdict::Good, String::new()),
                (true, false) => (Verdict::Warning, ", linked by the other's dialling alone".to_owned()),
                (false, _) => (
                    Verdict::Bad,
                    format!(
                        ", a fresh connection ends at {}: {}",
                        text(&tried["stage"]),
                        text(&tried["error"])
                    ),
                ),
            };
            all.push(finding("link", verdict, format!("{id} {}{word}", text(&peer["state"]))));
            if let Some(ms) = peer["clock_skew_ms"].as_i64() {
                all.push(finding("peer's clock", skew(ms), format!("{id} is {ms} ms ahead")));
            }
        }
        if all.is_empty() {
            all.push(finding("peers", Verdict::Good, "standalone"));
        }
        all
    }
}

/// From 0.3 s a warning, from 5 s events are stamped wrong.
fn skew(ms: i64) -> Verdict {
    match ms.abs() {
        0..=300 => Verdict::Good,
        301..=5000 => Verdict::Warning,
        _ => Verdict::Bad,
    }
}

/// Whether something listens on this machine.
async fn port(what: &'static str, port: u16) -> Finding {
    let connect = tokio::net::TcpStream::connect(("127.0.0.1", port));
    match tokio::time::timeout(Duration::from_secs(2), connect).await {
        Ok(Ok(_)) => finding(what, Verdict::Good, format!("listens on port {port}")),
        _ => finding(what, Verdict::Warning, format!("nothing listens on port {port} of this machine")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_judged_as_the_mesh_judges_them() {
        assert_eq!(
            [0, -300, 301, 5000, -5001].map(skew),
            [Verdict::Good, Verdict::Good, Verdict::Warning, Verdict::Warning, Verdict::Bad]
        );
    }
}
