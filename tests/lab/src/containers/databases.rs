//! Databases of centrals in containers: copied while they work, put back, emptied. By `pg_dump` and `pg_restore` inside Postgres'
//! container, as docs/RUNBOOK.md tells an operator to do it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use super::engine::{docker, docker_reading, docker_writing};
use super::{container, verbs};
use crate::layout::Layout;
use crate::output;
use crate::process::Signal;
use crate::topology::{CentralId, Service, Target};

/// Where Postgres' programs are in its image.
const TOOLS: &str = r#"set -eu; for bin in /usr/lib/postgresql/*/bin; do PATH="$bin:$PATH"; done; export PGUSER=parkmesh PGDATABASE=parkmesh; "#;
const DUMP: &str = "exec pg_dump --format=custom --compress=1 --no-owner --no-privileges";
const EMPTY: &str = "psql -qv ON_ERROR_STOP=1 -c 'set client_min_messages = warning; drop schema public cascade; create schema public'";
const RESTORE: &str = "exec pg_restore --no-owner --no-privileges --exit-on-error -d parkmesh";

/// The dump of this name.
fn path(layout: &Layout, central: CentralId, name: &str) -> Result<PathBuf> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    ensure!(
        letters && !name.starts_with('.') && (1..=64).contains(&name.len()),
        "a snapshot's name has up to 64 letters, digits, '-', '_' and '.', not {name:?}"
    );
    Ok(layout.root().join("snapshots").join(central.to_string()).join(format!("{name}.dump")))
}

/// Dumps the database into a file of this machine; lanes go on meanwhile.
pub(crate) async fn snapshot(layout: &Layout, central: CentralId, name: &str) -> Result<()> {
    let to = path(layout, central, name)?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = to.with_extension("new");
    let script = format!("{TOOLS}{DUMP}");
    docker_writing(&["exec", &container(central, Service::Postgres), "sh", "-c", &script], &fresh).await?;
    fs::rename(&fresh, &to)?;
    output::line(format!("snapshot {name:?} of {central}: {}", to.display()));
    Ok(())
}

/// Ends the central's services, puts the dump in the place of its database, starts them.
pub(crate) async fn restore(layout: &Layout, central: CentralId, name: &str) -> Result<()> {
    let from = path(layout, central, name)?;
    if !from.exists() {
        bail!("{central} has no snapshot {name:?}; `./lab --docker snapshot {central}` takes one");
    }
    exchange(layout, central, async |postgres| {
        let script = format!("{TOOLS}{RESTORE}");
        docker_reading(&["exec", "-i", postgres, "sh", "-c", &script], &from).await
    })
    .await?;
    output::line(format!("{central} runs on snapshot {name:?}"));
    Ok(())
}

/// Ends the central's services, empties its database, starts them.
pub(crate) async fn wipe(layout: &Layout, central: CentralId) -> Result<()> {
    exchange(layout, central, async |_| Ok(())).await?;
    output::line(format!("{central} runs on an empty database"));
    Ok(())
}

async fn exchange(
    layout: &Layout,
    central: CentralId,
    fill: impl AsyncFnOnce(&str) -> Result<()>,
) -> Result<()> {
    for service in Service::PROGRAMS {
        verbs::kill(Target::from((central, service)), &Signal::kill()).await?;
    }
    let postgres = container(central, Service::Postgres);
    docker(&["exec", &postgres, "sh", "-c", &format!("{TOOLS}{EMPTY}")]).await?;
    fill(&postgres).await?;
    verbs::start(layout, Target::from(central)).await
}
