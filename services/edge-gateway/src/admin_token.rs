//! The admin token's file, looked at again and again so that a replaced secret counts without a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kit::Shutdown;
use tokio::sync::watch;
use wire::hash::Hash32;

/// How often the file is read. It is a few bytes; content is compared, so symlink swaps are seen.
const LOOK: Duration = Duration::from_millis(500);

async fn read(file: &Path) -> Option<Hash32> {
    let text = tokio::fs::read_to_string(file).await.ok()?;
    let token = text.trim();
    (!token.is_empty()).then(|| Hash32::of(&[token.as_bytes()]))
}

/// The hash of the token in the file, now and after every change; none while there is no file or it is empty.
pub(crate) async fn watch(file: Option<PathBuf>, shutdown: &Shutdown) -> watch::Receiver<Option<Hash32>> {
    let Some(file) = file else {
        tracing::warn!("ADMIN_TOKEN_FILE is not set: nobody but the lanes can log in");
        return watch::channel(None).1;
    };
    let (tx, rx) = watch::channel(read(&file).await);
    if rx.borrow().is_none() {
        tracing::warn!(file = %file.display(), "ADMIN_TOKEN_FILE cannot be read or is empty");
    }
    let token = shutdown.token();
    shutdown.spawn("admin-token", async move {
        while token.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            let now = read(&file).await;
            let changed = tx.send_if_modified(|had| {
                let differs = *had != now;
                *had = now;
                differs
            });
            if changed {
                tracing::info!(present = now.is_some(), "admin token changed");
            }
        }
        Ok(())
    });
    rx
}
