//! Uploads of bundles: spooled to a file that has no name any more, so that nothing is left behind whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::problem::Refused;

/// Uploads at once: one is checked and stored at a time.
const AT_ONCE: usize = 1;
/// Pause of the sender at most.
const PAUSE: Duration = Duration::from_secs(30);

/// Where uploads go and how large they may be.
#[derive(Debug)]
pub(crate) struct Bundles {
    folder: PathBuf,
    limit: u64,
    room: Arc<Semaphore>,
}

impl Bundles {
    /// A folder, and a limit in bytes.
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Bytes of one at most.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Room for one more upload.
    pub(crate) fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    /// 413 of an upload.
    pub(crate) fn too_large(&self) -> Refused {
        let mib = self.limit / 1024 / 1024;
        Refused::new("too_large", format!("a bundle may have {mib} MiB at most (BUNDLE_LIMIT_MIB)"))
    }

    /// Receives a body into a file. Errors: 413, 408, 400 when it breaks off, 507 when the disk is full.
    pub(crate) async fn spool(&self, body: Body) -> Result<File, Refused> {
        let file = nameless(&self.folder).map_err(|e| self.unwritable(&e))?;
        let mut out = tokio::io::BufWriter::new(tokio::fs::File::from_std(
            file.try_clone().map_err(|e| self.unwritable(&e))?,
        ));
        let mut stream = body.into_data_stream();
        let mut had: u64 = 0;
        loop {
            let chunk = match tokio::time::timeout(PAUSE, stream.next()).await {
                Err(_) => return Err(Refused::new("request_timeout", "nothing came for 30 s")),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(Refused::new("malformed_body", "the body broke off")),
                Ok(Some(Ok(chunk))) => chunk,
            };
            had += chunk.len() as u64;
            if had > self.limit {
                return Err(self.too_large());
            }
            out.write_all(&chunk).await.map_err(|e| self.unwritable(&e))?;
        }
        out.flush().await.map_err(|e| self.unwritable(&e))?;
        Ok(file)
    }

    fn unwritable(&self, e: &io::Error) -> Refused {
        tracing::warn!(error = %e, folder = %self.folder.display(), "an upload could not be kept");
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Refused::new("no_room", "the disk of BUNDLE_DIR is full")
            }
            _ => Refused::new("internal", "BUNDLE_DIR cannot be written"),
        }
    }
}

fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("parkmesh-upload-{}", uuid::Uuid::new_v4()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// The file from its beginning. One reader at a time: they share a place in it.
pub(crate) fn from_start(file: &File) -> io::Result<io::BufReader<File>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(io::BufReader::with_capacity(256 * 1024, file))
}
