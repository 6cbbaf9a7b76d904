//! The configuration file, watched by content: an edit, a replaced ConfigMap and a PUT all arrive the same way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wire::config::P2pConfig;
use wire::hash::Hash32;

use crate::settings::BadSetting;
use crate::shutdown::Shutdown;

/// How often the file is looked at. Content is compared, so symlink swaps and same-second edits are seen.
const LOOK: Duration = Duration::from_millis(300);

/// The configuration in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigWatch {
    rx: watch::Receiver<Arc<P2pConfig>>,
    file: Arc<Path>,
}

fn read(file: &Path) -> Result<(P2pConfig, Hash32), String> {
    let bytes = std::fs::read(file).map_err(|e| format!("cannot be read: {e}"))?;
    let hash = Hash32::of(&[&bytes]);
    match P2pConfig::parse(&bytes) {
        Ok(c) => Ok((c, hash)),
        Err(faults) => Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

impl ConfigWatch {
    /// Reads the file now and watches it from then on. Errors: the file's faults, one line.
    pub fn start(file: PathBuf, shutdown: &Shutdown) -> Result<Self, BadSetting> {
        let bad =
            |reason| BadSetting { key: "P2P_CONFIG_FILE".into(), value: file.display().to_string(), reason };
        let (config, mut seen) = read(&file).map_err(bad)?;
        let (tx, rx) = watch::channel(Arc::new(config));
        let file: Arc<Path> = file.into();
        let me = Self { rx, file: file.clone() };
        let token = shutdown.token();
        shutdown.spawn("config-watch", async move {
            let mut complained = None;
            while token.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
                match read(&file) {
                    Ok((_, hash)) if hash == seen => complained = None,
                    Ok((config, hash)) => {
                        seen = hash;
                        complained = None;
                        if config.this_central.id != tx.borrow().this_central.id {
                            tracing::error!(file = %file.display(), "/this_central/id cannot change while running, file ignored");
                            continue;
                        }
                        tracing::info!(file = %file.display(), peers = config.peer_centrals.len(), "configuration changed");
                        tx.send_replace(Arc::new(config));
                    }
                    Err(reason) if complained.as_ref() == Some(&reason) => {}
                    Err(reason) => {
                        // One line per fault; the last good configuration stays in force.
                        tracing::error!(file = %file.display(), %reason, "configuration refused, the last good one stays");
                        complained = Some(reason);
                    }
                }
            }
            Ok(())
        });
        Ok(me)
    }

    /// A fixed configuration, for tests of one service.
    pub fn fixed(config: P2pConfig) -> (Self, watch::Sender<Arc<P2pConfig>>) {
        let (tx, rx) = watch::channel(Arc::new(config));
        (Self { rx, file: PathBuf::from("fixed").into() }, tx)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<P2pConfig> {
        self.rx.borrow().clone()
    }

    /// Waits for the next change. False when there will be none any more.
    pub async fn changed(&mut self) -> bool {
        self.rx.changed().await.is_ok()
    }

    /// An own receiver of changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<P2pConfig>> {
        self.rx.clone()
    }
}
