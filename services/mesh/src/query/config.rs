//! Replacing the configuration: checked, written atomically, then read by every service like any other edit of the file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kit::ConfigWatch;
use wire::config::{ConfigFault, P2pConfig};
use wire::http::{FieldError, Problem};

/// The file is looked at every 300 ms; after so long the answer no longer waits for that.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);

/// Writes a new configuration and waits until it is in force. Errors: 422 with the fields, 409 when the file is not ours to write.
pub(super) async fn put(mut watch: ConfigWatch, new: P2pConfig) -> Result<Arc<P2pConfig>, Box<Problem>> {
    let old = watch.current();
    if new.this_central.id != old.this_central.id {
        let message = format!("cannot change while it runs, is {}", old.this_central.id);
        return Err(Box::new(Problem::field("cannot_change", "/this_central/id", &message)));
    }
    new.check().map_err(invalid)?;
    let new = Arc::new(new.keep_secrets_of(&old));
    if *new == *old {
        return Ok(new);
    }
    let (file, text) = (watch.file().to_owned(), pretty(&new)?);
    let written = tokio::task::spawn_blocking(move || replace(&file, &text)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return Err(managed_externally(&e)),
        Err(e) => return Err(super::internal(e.to_string())),
    }
    let wanted = new.clone();
    let in_force = async {
        while *watch.current() != *wanted {
            if !watch.changed().await {
                return;
            }
        }
    };
    drop(tokio::time::timeout(APPLIED_WITHIN, in_force).await);
    Ok(new)
}

fn invalid(faults: Vec<ConfigFault>) -> Box<Problem> {
    let field =
        |f: ConfigFault| FieldError { field: f.pointer, code: "invalid".to_owned(), message: f.reason };
    Box::new(Problem::invalid(faults.into_iter().map(field).collect()))
}

fn managed_externally(e: &io::Error) -> Box<Problem> {
    let detail =
        format!("the configuration file cannot be written here ({e}); change it where it is managed");
    Box::new(Problem::new(409, "config_managed_externally", "The configuration is managed elsewhere", detail))
}

fn pretty(config: &P2pConfig) -> Result<Vec<u8>, Box<Problem>> {
    let mut text = serde_json::to_vec_pretty(config).map_err(|e| super::internal(e.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes beside the file, makes it durable, then takes its place. A link is followed, so that it stays a link.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    let folder = file.parent().ok_or_else(|| io::Error::other("the file has no folder"))?;
    // Root may write what is marked read-only; the mark still says that somebody else owns it.
    for path in [file.as_path(), folder] {
        if fs::metadata(path)?.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "read-only"));
        }
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut f = File::create(&temporary)?;
        f.write_all(text)?;
        f.set_permissions(fs::metadata(&file)?.permissions())?;
        f.sync_all()?;
        fs::rename(&temporary, &file)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let d = std::env::temp_dir().join(format!("parkmesh-put-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&d));
        fs::create_dir_all(&d).unwrap();
        d
    }

    #[test]
    fn the_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let d = folder("whole");
        let f = d.join("c.json");
        fs::write(&f, "old").unwrap();
        replace(&f, b"new").unwrap();
        assert_eq!(fs::read(&f).unwrap(), b"new");
        assert_eq!(fs::read_dir(&d).unwrap().count(), 1);
        fs::remove_dir_all(d).unwrap();
    }

    #[test]
    fn a_read_only_file_is_left_alone() {
        let d = folder("read-only");
        let f = d.join("c.json");
        fs::write(&f, "old").unwrap();
        let mut p = fs::metadata(&f).unwrap().permissions();
        p.set_readonly(true);
        fs::set_permissions(&f, p).unwrap();
        assert!(replace(&f, b"new").is_err());
        assert_eq!(fs::read(&f).unwrap(), b"old");
        assert_eq!(fs::read_dir(&d).unwrap().count(), 1);
        fs::remove_dir_all(d).unwrap();
    }
}
