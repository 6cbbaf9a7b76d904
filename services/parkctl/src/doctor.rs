//! `parkctl doctor`: is this site fit to run a central? Clock, disk, certificates, configuration, ports, and how the running central sees
//! itself and its peers. What is not good comes with what to do. Looks only; the one thing it writes is a file of 4 KiB in `--data-dir`,
//! which it removes.

mod machine;
mod papers;
mod running;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use wire::config::P2pConfig;

use crate::ask::Central;
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
    /// The certificate's key, PEM
    #[arg(long, env = "MESH_TLS_KEY_FILE")]
    key_file: Option<PathBuf>,
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
    /// What to do about it; empty where nothing is to be done.
    advice: String,
}

fn finding(what: &'static str, verdict: Verdict, detail: impl Into<String>) -> Finding {
    Finding { what, verdict, detail: detail.into(), advice: String::new() }
}

impl Finding {
    /// What to do, where it is not good.
    fn then(mut self, advice: impl Into<String>) -> Self {
        if self.verdict != Verdict::Good {
            self.advice = advice.into();
        }
        self
    }
}

impl Doctor {
    /// Looks at everything; exit 1 when something is bad.
    pub(crate) async fn run(&self) -> anyhow::Result<ExitCode> {
        let mut all = vec![machine::clock()];
        if let Some(dir) = &self.data_dir {
            all.push(machine::fsync(dir));
            all.push(machine::space(dir));
        } else {
            let unknown = finding("disk", Verdict::Unknown, "not looked at");
            all.push(unknown.then("--data-dir names a folder on the database's disk"));
        }
        let config = self.read_config(&mut all);
        let id = config.as_ref().map(|c| c.this_central.id.clone());
        let papers = papers::Papers {
            cert: self.cert_file.as_deref(),
            key: self.key_file.as_deref(),
            ca: self.ca_file.as_deref(),
        };
        all.extend(papers.look(id.as_ref()));
        if let Some(config) = &config {
            all.push(port("gateway", "edge-gateway", "API_PORT", config.this_central.api_port).await);
            all.push(port("mesh", "mesh", "P2P_PORT", config.this_central.p2p_port).await);
        }
        match &self.token_file {
            Some(file) => all.extend(running::look(&Central::new(&self.url, file)).await),
            None => {
                let unknown = finding("peers", Verdict::Unknown, "not looked at");
                all.push(unknown.then("--token-file lets the running central be asked"));
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
                .map(|f| {
                    let verdict = f.verdict.to_string();
                    serde_json::json!({"what": f.what, "verdict": verdict, "detail": f.detail, "advice": f.advice})
                })
                .collect();
            output::line(&Value::from(list).to_string());
            return;
        }
        for f in all {
            output::line(&format!("{:<8} {:<14} {}", f.verdict, f.what, f.detail));
            if !f.advice.is_empty() {
                output::line(&format!("{:<8} {:<14} → {}", "", "", f.advice));
            }
        }
    }

    fn read_config(&self, all: &mut Vec<Finding>) -> Option<P2pConfig> {
        let name = self.config.display();
        let bad = |detail: String| finding("configuration", Verdict::Bad, detail);
        let (found, config) = match std::fs::read(&self.config).map(|bytes| P2pConfig::parse(&bytes)) {
            Err(e) => {
                (bad(format!("{name}: {e}")).then("name the file with --config or P2P_CONFIG_FILE"), None)
            }
            Ok(Err(faults)) => {
                let all = faults.iter().map(|f| format!("{name}: {f}")).collect::<Vec<_>>().join("; ");
                let advice = format!(
                    "correct it; a running central goes on with the last good one. `parkctl config {name}` looks again"
                );
                (bad(all).then(advice), None)
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
}

/// Whether something listens on this machine.
async fn port(what: &'static str, service: &str, setting: &str, port: u16) -> Finding {
    let connect = tokio::net::TcpStream::connect(("127.0.0.1", port));
    match tokio::time::timeout(Duration::from_secs(2), connect).await {
        Ok(Ok(_)) => finding(what, Verdict::Good, format!("listens on port {port}")),
        _ => finding(what, Verdict::Warning, format!("nothing listens on port {port} of this machine")).then(
            format!(
                "is {service} running (`docker ps`, `kubectl get pods`)? In a container of its own, or with {setting}, this says nothing"
            ),
        ),
    }
}
