//! Single-row inserts into the event log by `pgbench`: prepared statements, many clients, every commit flushed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use lab::cluster::Cluster;
use tokio::process::Command;

use super::{FRAME, cluster, run};

/// A cluster for `pgbench`, and the script it runs.
pub(crate) struct Pgbench {
    cluster: Cluster,
    script: PathBuf,
}

/// What a run gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench {
    /// Transactions per second.
    pub(crate) rate: f64,
    /// Mean latency, ms.
    pub(crate) latency_ms: f64,
}

impl Pgbench {
    pub(crate) async fn start(folder: &Path, port: u16) -> Result<Self> {
        let (cluster, mut conn) = cluster(folder, "pgbench", port, "").await?;
        run(&mut conn, "create sequence place").await?;
        // The same row as an opening's: the same columns filled, hashes of the same length, a frame of the same length.
        let script = format!(
            "insert into events (stream, seq, branch, hash, kind, occurred_at, plate_tag, command_id, arrival, received_at, frame, month)
             select 1, n, 0, sha256(b), 1, at, substr(sha256(b), 1, 16), substr(sha256(b), 17, 16), n, at,
                    convert_to(rpad(encode(sha256(b), 'hex'), {FRAME}, 'x'), 'UTF8'), m
             from (select n, int8send(n) as b, (extract(epoch from now()) * 1000)::int8 as at,
                          (extract(year from now() at time zone 'UTC')::int - 2000) * 12
                              + extract(month from now() at time zone 'UTC')::int as m
                   from (select nextval('place') as n) one) two;\n"
        );
        let path = std::path::absolute(folder.join("insert.sql"))?;
        std::fs::write(&path, script).context("cannot write pgbench's script")?;
        Ok(Self { cluster, script: path })
    }

    /// Inserts for some seconds.
    pub(crate) async fn run(&self, clients: usize, seconds: u64) -> Result<Bench> {
        let output = Command::new(self.cluster.tool("pgbench"))
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .args([format!("--client={clients}"), format!("--time={seconds}"), "--file".to_owned()])
            .arg(&self.script)
            .envs(self.cluster.environment())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start pgbench")?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        read(&text)
    }
}

fn read(text: &str) -> Result<Bench> {
    let after = |key: &str| -> Result<f64> {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(key))
            .with_context(|| format!("no {key}"))?;
        line.split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .with_context(|| format!("{key} is no number"))
    };
    Ok(Bench { rate: after("tps = ")?, latency_ms: after("latency average = ")? })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_pgbench_says_is_read() {
        let said = "number of failed transactions: 0 (0.000%)\nlatency average = 2.004 ms\n\
                    initial connection time = 20 ms\ntps = 7983.612 (without initial connection time)\n";
        let bench = super::read(said).unwrap();
        assert_eq!((bench.rate, bench.latency_ms), (7983.612, 2.004));
        assert!(super::read("pgbench: error").is_err());
    }
}
