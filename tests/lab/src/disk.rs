//! Full disks: a central's database moves to a small file system of its own, and a file beside it takes all the room there is.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::lab_file::ServiceState;
use crate::postgres::{Postgres, remove};
use crate::process::{ProcessRef, Signal};
use crate::running::Lab;
use crate::topology::{CentralId, Instance, Service, Target};

/// Room beside the data on the small disk: more than the write-ahead log may ever take.
const SPARE_MIB: u64 = 768;

impl Lab {
    /// Leaves no room on the disk of a central's database. The first time the database moves to a small disk of its own, for
    /// which Postgres is stopped and started.
    ///
    /// # Errors
    /// When this account may not mount file systems, or Postgres does not come back.
    pub async fn fill_disk(&self, central: CentralId) -> Result<()> {
        let (core, of) = (&self.core, Instance::of(central));
        core.known(of.into())?;
        if !core.postgres.is_small(of) {
            self.move_to_small_disk(central).await?;
        }
        let postgres = core.postgres.clone();
        tokio::task::spawn_blocking(move || postgres.fill(of)).await??;
        core.tell(format!("the disk of {central} is full"));
        Ok(())
    }

    /// Gives the disk of a central's database its room back.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn free_disk(&self, central: CentralId) -> Result<()> {
        let (core, of) = (&self.core, Instance::of(central));
        core.known(of.into())?;
        let postgres = core.postgres.clone();
        tokio::task::spawn_blocking(move || postgres.free(of)).await??;
        core.tell(format!("the disk of {central} has room"));
        Ok(())
    }

    /// Moves a central's database to a small disk that is not full yet; Postgres is stopped and started.
    ///
    /// # Errors
    /// When this account may not mount file systems, or Postgres does not come back.
    pub async fn move_to_small_disk(&self, central: CentralId) -> Result<()> {
        let (core, of) = (&self.core, Instance::of(central));
        let target = Target::from((central, Service::Postgres));
        let entry = core.service(of, Service::Postgres);
        if entry.state == ServiceState::Paused {
            bail!("{central}/postgres is paused; resume it");
        }
        let ran = entry.process.is_some_and(ProcessRef::is_alive);
        if ran {
            self.kill(target, &Signal::term()).await?;
        }
        let postgres = core.postgres.clone();
        tokio::task::spawn_blocking(move || {
            postgres.clear_stale(of)?;
            postgres.mount_small(of)
        })
        .await??;
        if ran { self.start_target(target).await } else { Ok(()) }
    }
}

impl Postgres {
    fn disk(&self, of: Instance) -> PathBuf {
        self.root().join(format!("disk-{of}"))
    }

    /// The database lies on a small disk.
    fn is_small(&self, of: Instance) -> bool {
        mounts_below(self.root()).contains(&self.data(of))
    }

    /// Blocks the thread.
    fn mount_small(&self, of: Instance) -> Result<()> {
        let (disk, data) = (self.disk(of), self.data(of));
        let copy = disk.join("data");
        let size = mib(&data)? + SPARE_MIB;
        fs::create_dir_all(&disk).context("cannot make the folder of the small disk")?;
        let options = format!("size={size}m,mode=0755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "parkmesh-lab"]).arg(&disk))?;
        let moved = run(Command::new("cp").arg("-a").arg(&data).arg(&copy))
            .and_then(|()| run(Command::new("mount").arg("--bind").arg(&copy).arg(&data)));
        if moved.is_err() {
            unmount_all(self.root())?;
        }
        moved
    }

    /// Blocks the thread.
    fn fill(&self, of: Instance) -> Result<()> {
        let mut ballast =
            fs::File::create(self.disk(of).join("ballast")).context("cannot make what fills the disk")?;
        // In ever smaller pieces, until not even the smallest has room: Postgres writes meanwhile.
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            match ballast.write_all(&piece) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2)
                }
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
        }
        Ok(())
    }

    /// Blocks the thread.
    fn free(&self, of: Instance) -> Result<()> {
        match fs::remove_file(self.disk(of).join("ballast")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("cannot remove what fills the disk")
            }
            _ => Ok(()),
        }
    }

    /// Takes the small disk away, with what lies on it: the database is about to be exchanged. Blocks the thread.
    pub(crate) fn unmount_small(&self, of: Instance) -> Result<()> {
        if !self.is_small(of) {
            return Ok(());
        }
        run(Command::new("umount").arg(self.data(of)))?;
        run(Command::new("umount").arg(self.disk(of)))?;
        remove(&self.disk(of))
    }
}

/// Takes away every file system mounted below a folder. Blocks the thread.
pub(crate) fn unmount_all(folder: &Path) -> Result<()> {
    let mut mounted = mounts_below(folder);
    // What was mounted last hides what was before.
    mounted.reverse();
    mounted.iter().try_for_each(|at| run(Command::new("umount").arg(at)))
}

/// Whether this account may mount file systems.
pub fn can_mount() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = all
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(|at| PathBuf::from(at.replace("\\040", " ")));
    places.filter(|at| at != folder && at.starts_with(folder)).collect()
}

fn mib(folder: &Path) -> Result<u64> {
    let said = Command::new("du").args(["-sm"]).arg(folder).output().context("du")?;
    let said = String::from_utf8_lossy(&said.stdout);
    said.split_whitespace().next().and_then(|n| n.parse().ok()).context("du says nothing")
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
