//! Where the lab keeps its files.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use anyhow::{Context as _, Result};

use crate::disk;
use crate::spawner::User;
use crate::topology::{CentralId, Instance, Service};

/// The folder of a lab and what lies where in it.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// A lab in this folder, which need not exist yet.
    ///
    /// # Errors
    /// When the path is relative and there is no current directory.
    pub fn new(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).with_context(|| format!("bad LAB_DIR {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What users, tests and checks read.
    pub fn lab_json(&self) -> PathBuf {
        self.root.join("lab.json")
    }

    /// What only destroyed disks held, one line each.
    pub(crate) fn destroyed(&self) -> PathBuf {
        self.root.join("destroyed.jsonl")
    }

    /// What the stand-in for the external API serves.
    pub(crate) fn external(&self) -> PathBuf {
        self.root.join("external.json")
    }

    /// Held locked by the process that runs the lab.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Keys and sizes, kept over `down --keep`.
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("settings.json")
    }

    /// The socket on which the running lab takes orders.
    pub(crate) fn control_socket(&self) -> PathBuf {
        let socket = self.root.join("control.sock");
        // A socket's path has at most 107 bytes.
        if socket.as_os_str().as_bytes().len() <= 100 {
            socket
        } else {
            env::temp_dir().join(format!("parkmesh-lab-{}.sock", self.fingerprint()))
        }
    }

    /// The four services' and the infrastructure's logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The log of one process.
    pub fn log(&self, of: impl Into<Instance>, service: Service) -> PathBuf {
        self.logs().join(of.into().to_string()).join(format!("{service}.log"))
    }

    /// The log of the detached lab itself.
    pub(crate) fn supervisor_log(&self) -> PathBuf {
        self.logs().join("supervisor.log")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    pub(crate) fn admin_token_file(&self) -> PathBuf {
        self.secrets().join("admin-token")
    }

    pub(crate) fn plate_key_file(&self) -> PathBuf {
        self.secrets().join("plate-key")
    }

    /// The password of a user of the bus.
    pub(crate) fn bus_password_file(&self, user: &str) -> PathBuf {
        self.secrets().join(format!("nats-{user}"))
    }

    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    pub(crate) fn ca_cert(&self) -> PathBuf {
        self.tls().join("ca.pem")
    }

    pub(crate) fn cert(&self, central: CentralId) -> PathBuf {
        self.tls().join(format!("{central}.pem"))
    }

    pub(crate) fn key(&self, central: CentralId) -> PathBuf {
        self.tls().join(format!("{central}-key.pem"))
    }

    pub(crate) fn central(&self, of: impl Into<Instance>) -> PathBuf {
        self.root.join(of.into().to_string())
    }

    /// The configuration file of a central.
    pub fn p2p_config(&self, of: impl Into<Instance>) -> PathBuf {
        self.central(of).join("p2p_config.json")
    }

    pub(crate) fn nats_conf(&self, of: impl Into<Instance>) -> PathBuf {
        self.central(of).join("nats.conf")
    }

    /// How far a central's clock is off, for libfaketime; there once it has been set.
    pub(crate) fn clock(&self, of: impl Into<Instance>) -> PathBuf {
        self.central(of).join("clock")
    }

    /// The working directory of a process.
    pub(crate) fn working_directory(&self, of: impl Into<Instance>, service: Service) -> PathBuf {
        self.central(of).join(service.name())
    }

    /// Where Postgres data goes: here if the given account can reach it, else in `/var/tmp`.
    pub(crate) fn postgres_root(&self, user: Option<User>) -> PathBuf {
        let inside = self.root.join("postgres");
        match user {
            Some(user) if !reachable(&self.root, user) => self.postgres_fallback(),
            _ => inside,
        }
    }

    fn postgres_fallback(&self) -> PathBuf {
        PathBuf::from(format!("/var/tmp/parkmesh-lab-{}", self.fingerprint()))
    }

    fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Removes everything but the logs: only names the lab itself makes.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(crate) fn remove_data(&self) -> Result<()> {
        let mut doomed = vec![
            self.lab_json(),
            self.settings(),
            self.destroyed(),
            self.external(),
            self.control_socket(),
            self.secrets(),
            self.tls(),
            self.root.join("postgres"),
            self.postgres_fallback(),
        ];
        for central in CentralId::first(crate::topology::MAX_CENTRALS) {
            doomed.extend([self.central(central), self.central(Instance::clone_of(central))]);
        }
        for postgres in [self.root.join("postgres"), self.postgres_fallback()] {
            disk::unmount_all(&postgres)?;
        }
        for path in doomed {
            let removed = match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// Whether an account can enter every folder down to this one.
fn reachable(folder: &Path, user: User) -> bool {
    folder.ancestors().all(|part| {
        let Ok(metadata) = fs::metadata(part) else { return false };
        let bit = if metadata.uid() == user.uid {
            0o100
        } else if metadata.gid() == user.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    })
}

/// The account Postgres runs as when root calls; `None` for an ordinary user, who runs it himself.
///
/// # Errors
/// When root calls and there is no account `postgres`.
pub(crate) fn postgres_user() -> Result<Option<User>> {
    if fs::metadata("/proc/self").context("no /proc")?.uid() != 0 {
        return Ok(None);
    }
    let id = |flag: &str| -> Result<u32> {
        let output = Command::new("id").args([flag, "postgres"]).stderr(Stdio::null()).output()?;
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .context("there is no account `postgres` on this machine")
    };
    Ok(Some(User { uid: id("-u")?, gid: id("-g")? }))
}

/// Writes a file that is either the old or the new one at any moment, readable by its owner only.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;

    let mut name = path.file_name().context("a file has a name")?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
