//! What the host knows of the lab in containers: `lab.json` with addresses of this machine, and what is cut.

use anyhow::{Context as _, Result};

use super::engine::{docker, project};
use crate::lab_file::LabFile;
use crate::layout::Layout;

/// The first two digits of the gateways' ports on this machine.
fn ports() -> String {
    std::env::var("PORTS").ok().filter(|ports| !ports.is_empty()).unwrap_or_else(|| "80".to_owned())
}

/// Reads the lab's file from its volume, with the gateways' addresses on this machine, and keeps it beside what is cut.
pub(crate) async fn read(layout: &Layout) -> Result<LabFile> {
    std::fs::create_dir_all(layout.root()).context("cannot make the lab's folder")?;
    let known = LabFile::read(layout).ok().flatten();
    let inside = layout.root().join("inside.json");
    docker(&["cp", "setup:/lab/lab.json", &inside.to_string_lossy()])
        .await
        .with_context(|| format!("project {} has made no lab.json yet", project()))?;
    let text = std::fs::read(&inside).context("cannot read what was copied")?;
    let mut file: LabFile = serde_json::from_slice(&text).context("the lab's file is damaged")?;
    let ports = ports();
    for entry in &mut file.centrals {
        entry.gateway = format!("http://127.0.0.1:{ports}{:02}", entry.id.number());
    }
    file.cuts = known.map(|known| known.cuts).unwrap_or_default();
    file.write(layout)?;
    std::fs::remove_file(inside).context("cannot remove what was copied")?;
    Ok(file)
}
