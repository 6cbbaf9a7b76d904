//! The container engine and Compose, through their command lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// The label both Composes put on a project's containers.
pub(crate) const PROJECT_LABEL: &str = "com.docker.compose.project";

/// What the engine says about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `running`, `exited`, `paused`, …
    pub(crate) state: String,
    /// `healthy`, `unhealthy`, `starting`; none without a health check.
    pub(crate) health: Option<String>,
}

/// The project's name, as Compose takes it from the environment or `.env`.
pub(crate) fn project() -> String {
    std::env::var("COMPOSE_PROJECT_NAME").unwrap_or_else(|_| "parkmesh".to_owned())
}

/// The folder of `docker-compose.yml`.
pub(crate) fn root() -> Result<PathBuf> {
    match std::env::var_os("LAB_ROOT") {
        Some(root) => Ok(root.into()),
        None => std::env::current_dir().context("where am I?"),
    }
}

/// Runs `docker` with these words; its output.
pub(crate) async fn docker(words: &[&str]) -> Result<String> {
    let output = Command::new("docker")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run docker; is it installed?")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("docker {}: {}", words.join(" "), why.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `docker` with these words; its output becomes a file.
pub(crate) async fn docker_writing(words: &[&str], to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    told(words, Command::new("docker").stdin(Stdio::null()).stdout(file)).await
}

/// Runs `docker` with these words and a file as its input.
pub(crate) async fn docker_reading(words: &[&str], from: &Path) -> Result<()> {
    let file = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    told(words, Command::new("docker").stdin(file)).await
}

async fn told(words: &[&str], command: &mut Command) -> Result<()> {
    let running =
        command.args(words).stderr(Stdio::piped()).spawn().context("cannot run docker; is it installed?")?;
    let output = running.wait_with_output().await?;
    if !output.status.success() {
        bail!("docker {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Runs Compose on the project; what it says goes to the terminal.
pub(crate) async fn compose(words: &[&str], environment: &[(&str, String)]) -> Result<()> {
    let program = root()?.join("scripts/compose");
    let mut command = Command::new(&program);
    // One line per container and step is too much to read.
    command.args(words).stdin(Stdio::null()).env("COMPOSE_PROGRESS", "quiet");
    for (key, value) in environment {
        command.env(key, value);
    }
    let status = command.status().await.with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("compose {} failed ({status})", words.join(" "));
    }
    Ok(())
}

/// All containers of the project, by name.
pub(crate) async fn containers() -> Result<BTreeMap<String, Seen>> {
    let filter = format!("label={PROJECT_LABEL}={}", project());
    let listed =
        docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}\t{{.State}}\t{{.Status}}"]).await?;
    Ok(listed.lines().filter_map(read_line).collect())
}

fn read_line(line: &str) -> Option<(String, Seen)> {
    let mut fields = line.split('\t');
    let (name, state, words) = (fields.next()?, fields.next()?, fields.next()?);
    let health = if words.contains("(healthy)") {
        Some("healthy")
    } else if words.contains("(unhealthy)") {
        Some("unhealthy")
    } else if words.contains("(health: starting)") {
        Some("starting")
    } else {
        None
    };
    Some((name.to_owned(), Seen { state: state.to_owned(), health: health.map(str::to_owned) }))
}

/// Runs `ip` with these words in the network of a container: a container of the image that has it, gone afterwards.
pub(crate) async fn ip(container: &str, image: &str, words: &[&str]) -> Result<String> {
    let network = format!("container:{container}");
    let mut all = vec![
        "run",
        "--rm",
        "--network",
        &network,
        "--cap-drop",
        "ALL",
        "--cap-add",
        "NET_ADMIN",
        "--user",
        "0:0",
        "--read-only",
        "--entrypoint",
        "ip",
        image,
    ];
    all.extend(words);
    docker(&all).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_from_the_words_of_the_status() {
        let health = |line| read_line(line).unwrap().1.health;
        assert_eq!(health("a\trunning\tUp 3 minutes (healthy)").as_deref(), Some("healthy"));
        assert_eq!(health("a\trunning\tUp 3 minutes (unhealthy)").as_deref(), Some("unhealthy"));
        assert_eq!(health("a\trunning\tUp 2 seconds (health: starting)").as_deref(), Some("starting"));
        assert_eq!(health("a\texited\tExited (137) 2 seconds ago"), None);
        assert!(read_line("").is_none());
    }
}
