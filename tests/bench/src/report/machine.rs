//! What it was measured on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use crate::proc;

/// The machine, and how much others used of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) postgres: String,
    pub(crate) nats: String,
    /// Share of the CPUs that others used in the two seconds before the run, 0 to 1.
    pub(crate) busy_before: f64,
    pub(crate) load_before: String,
    pub(crate) load_after: String,
}

impl Machine {
    pub(crate) async fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| -> String {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let kib: f64 = after(&read("/proc/meminfo"), "MemTotal")
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .unwrap_or_default();
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres: said("psql", &["--version"]),
            nats: said("nats-server", &["--version"]),
            busy_before: proc::busy(Duration::from_secs(2)).await,
            load_before: load(),
            load_after: String::new(),
        }
    }

    pub(crate) fn look_again(&mut self) {
        self.load_after = load();
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The commit that was measured; `+` where files differ from it.
pub(crate) fn revision() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
    format!("{commit}{}", if changed.is_empty() { "" } else { "+" })
}

fn said(program: &str, arguments: &[&str]) -> String {
    let root = std::env::var("LAB_ROOT").unwrap_or_else(|_| ".".to_owned());
    let path = format!("{}:/usr/sbin:/usr/local/bin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).env("PATH", path).current_dir(root).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
