//! Pictures of webhooks: named by their content, so the same picture is kept once and a reference cannot lie.

use std::path::{Path, PathBuf};

use wire::hash::Hash32;

/// Where pictures go.
#[derive(Debug)]
pub(crate) struct Images {
    folder: Option<PathBuf>,
}

impl Images {
    /// A folder, or none: then only references are kept.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Keeps a picture; answers its reference `sha256:<hex>`. A full disk loses the picture, never the passage.
    pub(crate) async fn keep(&self, picture: &[u8]) -> String {
        let hash = Hash32::of(&[picture]);
        if let Some(folder) = &self.folder
            && let Err(e) = write(folder, &hash, picture).await
        {
            tracing::warn!(error = %e, "picture could not be kept, its reference is");
        }
        format!("sha256:{hash}")
    }
}

async fn write(folder: &Path, hash: &Hash32, picture: &[u8]) -> std::io::Result<()> {
    let name = hash.to_string();
    let folder = folder.join(&name[..2]);
    let path = folder.join(&name);
    if tokio::fs::try_exists(&path).await? {
        return Ok(());
    }
    tokio::fs::create_dir_all(&folder).await?;
    // Renamed when whole: a reader never meets half a picture.
    let half = folder.join(format!("{name}.{:x}", rand_suffix()));
    tokio::fs::write(&half, picture).await?;
    tokio::fs::rename(&half, &path).await
}

fn rand_suffix() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}
