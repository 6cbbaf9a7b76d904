//! Removing everything, from an engine that at times does not let go of a network.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::engine::{self, PROJECT_LABEL, containers, docker};
use crate::layout::Layout;
use crate::output;

/// How often Compose is asked: an engine under load may count a container as part of a network for a moment after it is gone.
const TRIES: u32 = 4;
const BETWEEN_TRIES: Duration = Duration::from_secs(3);

/// Removes the containers and networks, and the data unless it is to be kept.
pub(crate) async fn down(layout: &Layout, keep: bool) -> Result<()> {
    let mut words = vec!["down", "--remove-orphans", "--timeout", "15"];
    if !keep {
        words.push("--volumes");
    }
    let mut tried = 1;
    while let Err(error) = engine::compose(&words, &[]).await {
        // A container that stays is not what another try is for.
        if !containers().await?.is_empty() {
            return Err(error);
        }
        if tried == TRIES {
            only_phantoms(keep, error).await?;
            break;
        }
        tried += 1;
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    match std::fs::remove_file(layout.lab_json()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("cannot remove lab.json")
        }
        _ => Ok(()),
    }
}

/// Whether nothing is left but networks without a container, of which the engine says that somebody is in them: Docker Engine 20.10
/// loses count at times (moby issues 42119 and 43286), and only its restart helps. Such a network hurts nobody and the next `up`
/// takes it as its own, so it is told and no failure.
async fn only_phantoms(keep: bool, failure: anyhow::Error) -> Result<()> {
    if !keep && !listed(&["volume", "ls"], "{{.Name}}").await?.is_empty() {
        return Err(failure);
    }
    for network in listed(&["network", "ls"], "{{.Name}}").await? {
        match docker(&["network", "rm", &network]).await {
            Err(error) if held_by_nobody(&network, &error.to_string()).await? => output::line(format!(
                "network {network} stays: nothing is in it, yet the engine counts an endpoint (a fault of Docker Engine 20.10). \
                 The next up uses it; a restart of the engine and `docker network rm {network}` remove it"
            )),
            told => drop(told?),
        }
    }
    Ok(())
}

async fn held_by_nobody(network: &str, why: &str) -> Result<bool> {
    let inside = docker(&["network", "inspect", "--format", "{{len .Containers}}", network]).await?;
    Ok(phantom(why, inside.trim()))
}

fn phantom(why: &str, containers_inside: &str) -> bool {
    why.contains("active endpoints") && containers_inside == "0"
}

/// Names of what the project has of a kind.
async fn listed(kind: &[&str], format: &str) -> Result<Vec<String>> {
    let filter = format!("label={PROJECT_LABEL}={}", engine::project());
    let mut words = kind.to_vec();
    words.extend(["--filter", &filter, "--format", format]);
    Ok(docker(&words).await?.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::phantom;

    #[test]
    fn only_a_network_with_nobody_in_it_may_stay() {
        let counted =
            "docker network rm n: error while removing network: network n id 8a0f has active endpoints";
        assert!(phantom(counted, "0"));
        assert!(!phantom(counted, "1"));
        assert!(!phantom("docker network rm n: Cannot connect to the Docker daemon", "0"));
    }
}
