//! Wrong clocks, by libfaketime.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::layout::{Layout, write_atomically};
use crate::process::Signal;
use crate::running::Lab;
use crate::topology::{CentralId, Instance, Service, Target};

/// A wrong clock is noticed within this long by a running process, seconds.
const CACHE_S: &str = "1";

impl Lab {
    /// Puts a central's clock off by so many seconds against the machine's (0 = right again). The first time
    /// its four services are restarted, from then on they see the clock step while they run.
    ///
    /// # Errors
    /// When libfaketime is not installed or a service does not come back.
    pub async fn set_clock(&self, central: CentralId, offset_s: i64) -> Result<()> {
        let core = &self.core;
        core.known(central.into())?;
        library()?;
        let file = core.layout.clock(central);
        let first = !file.exists();
        write_atomically(&file, format!("{offset_s:+}\n").as_bytes())?;
        if !first {
            return Ok(());
        }
        let running: Vec<Service> = Service::PROGRAMS
            .into_iter()
            .filter(|service| {
                core.service(central.into(), *service).process.is_some_and(|process| process.is_alive())
            })
            .collect();
        for service in &running {
            self.kill(Target::from((central, *service)), &Signal::term()).await?;
        }
        core.start_services(central.into(), &running).await
    }
}

/// What a central's programs need in their environment once its clock has been touched.
pub(crate) fn environment(layout: &Layout, of: Instance) -> Result<Vec<(String, String)>> {
    let file = layout.clock(of);
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Ok([
        ("LD_PRELOAD", text(&library()?)),
        ("FAKETIME_TIMESTAMP_FILE", text(&file)),
        ("FAKETIME_CACHE_DURATION", CACHE_S.to_owned()),
        // Durations stay true: only the wall clock is wrong.
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec())
}

fn library() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
        .context("no libfaketime here (Debian: apt-get install libfaketime)")
}
