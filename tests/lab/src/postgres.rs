//! A Postgres cluster per central, made from one template.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Layout, postgres_user};
use crate::process::{ProcessRef, kill_all, wait_gone};
use crate::settings::{Settings, random_hex};
use crate::site::inherited_environment;
use crate::spawner::{Program, User};
use crate::topology::{Instance, Service};

/// Full durability: sixty processes share the machine, but a commit is a commit. Memory for a busy hour: what does not fit is read and written
/// again and again, a quarter of a million events are 265 MB, and memory that a small lab does not touch is not taken.
const CONFIGURATION: &str = "
# The lab's own settings.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 40
shared_buffers = 256MB
work_mem = 4MB
maintenance_work_mem = 32MB
huge_pages = off
jit = off
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 2GB
checkpoint_timeout = 15min
max_worker_processes = 4
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 1
autovacuum_vacuum_cost_delay = 10ms
log_timezone = 'UTC'
timezone = 'UTC'
";

/// Seconds between two looks of a cluster for what is to be cleaned up. Ten that were started together would all look at the same moment, and for
/// a second lanes would wait for two cores full of it: each has a period of its own.
fn between_vacuums(port: u16) -> u16 {
    50 + port % 20
}

/// Everybody comes over loopback, with a password.
const ACCESS: &str =
    "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n";

/// The ledger's role and its database, as at a site.
const LEDGER: &str = include_str!("../../../deploy/postgres/ledger.sql");
/// The role that reads.
const READS: &str = include_str!("../../../deploy/postgres/reader.sql");
/// Its name.
pub(crate) const READER: &str = "parkmesh_reader";

/// Passwords of a cluster's roles.
pub(crate) struct Passwords {
    pub(crate) superuser: String,
    pub(crate) ledger: String,
    pub(crate) reader: String,
}

impl Passwords {
    fn of(settings: &Settings) -> Self {
        Self {
            superuser: settings.superuser_password.clone(),
            ledger: settings.database_password.clone(),
            reader: settings.reader_password.clone(),
        }
    }
}

/// The databases of a lab.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    binaries: PathBuf,
    root: PathBuf,
    user: Option<User>,
}

impl Postgres {
    /// Finds the installed Postgres and decides where data goes and who runs it.
    pub(crate) fn find(layout: &Layout) -> Result<Self> {
        let user = postgres_user()?;
        Ok(Self { binaries: find_binaries()?, root: layout.postgres_root(user), user })
    }

    /// The installed Postgres, for clusters in a folder of their own.
    pub(crate) fn in_folder(layout: &Layout) -> Result<Self> {
        let found = Self::find(layout)?;
        found.make_root()?;
        Ok(found)
    }

    /// The data directory of a central.
    pub(crate) fn data(&self, of: impl Into<Instance>) -> PathBuf {
        self.root.join(of.into().to_string())
    }

    /// Makes the clusters that are not there yet. Blocks the thread.
    pub(crate) fn make(&self, settings: &Settings) -> Result<()> {
        let missing: Vec<Instance> =
            settings.centrals().map(Instance::of).filter(|of| !self.data(*of).exists()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.make_root()?;
        let template = self.root.join("template");
        let started = self.root.join("template.new");
        if !template.exists() {
            self.init(&started, &Passwords::of(settings))?;
            fs::rename(&started, &template)?;
        }
        for of in missing {
            self.make_empty(of)?;
        }
        Ok(())
    }

    fn make_root(&self) -> Result<()> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("cannot make {} for Postgres", self.root.display()))?;
        if let Some(user) = self.user {
            chown(&self.root, Some(user.uid), Some(user.gid))
                .context("cannot give the folder to Postgres")?;
        }
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// A cluster with an empty database in the place of what is there. Blocks the thread.
    pub(crate) fn make_empty(&self, of: Instance) -> Result<()> {
        self.unmount_small(of)?;
        self.put(&self.root.join("template"), &self.data(of))
    }

    /// Replaces a folder by a copy of another; a half copy never stands there. Blocks the thread.
    pub(crate) fn put(&self, from: &Path, to: &Path) -> Result<()> {
        let mut name = to.file_name().context("a folder has a name")?.to_owned();
        name.push(".new");
        let new = to.with_file_name(name);
        remove(&new)?;
        if let Some(parent) = to.parent().filter(|parent| !parent.exists()) {
            self.make_folder(parent)?;
        }
        self.run(
            self.command("cp").args(["-a", "--reflink=auto"]).arg(from).arg(&new),
            "cannot copy the cluster",
        )?;
        remove(to)?;
        fs::rename(&new, to).with_context(|| format!("cannot move the copy to {}", to.display()))
    }

    /// A folder of Postgres' user. Blocks the thread.
    pub(crate) fn make_folder(&self, folder: &Path) -> Result<()> {
        self.run(
            self.command("mkdir").args(["-p", "-m", "700"]).arg(folder),
            "cannot make a folder for Postgres",
        )
    }

    /// Copies a running cluster consistently. Blocks the thread.
    pub(crate) fn backup(&self, port: u16, password: &str, to: &Path) -> Result<()> {
        remove(to)?;
        let mut backup = self.command(self.binaries.join("pg_basebackup"));
        backup
            .args(["--host=127.0.0.1", "--username=postgres", "--no-password", "--no-sync"])
            .args(["--checkpoint=fast", "--wal-method=stream"])
            .arg(format!("--port={port}"))
            .arg("-D")
            .arg(to)
            .env("PGPASSWORD", password);
        self.run(&mut backup, "cannot copy the running database")
    }

    /// Rows of a statement, as text. Blocks the thread.
    pub(crate) fn query(&self, port: u16, password: &str, statement: &str) -> Result<Vec<Vec<String>>> {
        const BETWEEN: char = '\u{1f}';
        let mut psql = self.command(self.binaries.join("psql"));
        psql.args(["-XqAt", "--no-password", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-d", "parkmesh", "-p", &port.to_string(), "-F", &BETWEEN.to_string(), "-c", statement])
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "3");
        let output = psql.stdin(Stdio::null()).output().context("cannot start psql")?;
        if !output.status.success() {
            bail!("the database does not answer: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout).context("rows that are no text")?;
        Ok(text.lines().map(|line| line.split(BETWEEN).map(str::to_owned).collect()).collect())
    }

    /// Where Postgres data of this lab lies.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A new cluster with its roles, in the place of what an unfinished start left. Blocks the thread.
    pub(crate) fn init(&self, data: &Path, passwords: &Passwords) -> Result<()> {
        remove(data)?;
        // Trust only until the roles are made; until then it listens on a socket in a folder nobody else can enter.
        let mut initdb = self.command(self.binaries.join("initdb"));
        initdb
            .args(["--no-sync", "--no-instructions", "--username=postgres", "--auth=trust"])
            .args(["--encoding=UTF8", "--locale=C", "-D"])
            .arg(data);
        self.run(&mut initdb, "initdb failed")?;
        let mut file = fs::File::options().append(true).open(data.join("postgresql.conf"))?;
        file.write_all(CONFIGURATION.as_bytes())?;
        // In a folder of its own: the path of a socket is short.
        let socket = std::env::temp_dir().join(format!("parkmesh-{}", random_hex(8)));
        self.make_folder(&socket)?;
        let made = self.make_roles(data, &socket, passwords);
        remove(&socket)?;
        made?;
        fs::write(data.join("pg_hba.conf"), ACCESS).context("cannot write pg_hba.conf")
    }

    /// Makes the roles and the database in a cluster that runs for this alone.
    fn make_roles(&self, data: &Path, socket: &Path, passwords: &Passwords) -> Result<()> {
        let control = |words: &[&str], failure| {
            let mut pg_ctl = self.command(self.binaries.join("pg_ctl"));
            pg_ctl.arg("-D").arg(data).args(["-w", "-s"]).args(words);
            self.run(&mut pg_ctl, failure)
        };
        let log = socket.join("log").to_string_lossy().into_owned();
        let listen = format!("-F -c listen_addresses= -c unix_socket_directories={}", socket.display());
        control(&["-l", &log, "-o", &listen, "start"], "cannot start Postgres to make its roles")?;
        let say = |database: &str, variable: &str, password: &str, statements: &str| {
            let mut psql = self.command(self.binaries.join("psql"));
            psql.args(["-Xq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"])
                .arg(socket)
                .env(variable, password);
            self.feed(&mut psql, statements, "cannot make the roles of the database")
        };
        let superuser =
            "\\getenv password SUPERUSER_PASSWORD\nalter role postgres with password :'password';\n";
        let made = say("postgres", "LEDGER_PASSWORD", &passwords.ledger, LEDGER)
            .and_then(|()| say("parkmesh", "READER_PASSWORD", &passwords.reader, READS))
            .and_then(|()| say("postgres", "SUPERUSER_PASSWORD", &passwords.superuser, superuser));
        let stopped = control(&["-m", "fast", "stop"], "cannot stop Postgres after making its roles");
        made.and(stopped)
    }

    /// What to start for a central's database.
    pub(crate) fn program(&self, layout: &Layout, of: Instance, port: u16) -> Program {
        let mut program = self.program_in(&self.data(of), port, layout.log(of, Service::Postgres));
        program.arguments.extend(["-c".to_owned(), format!("autovacuum_naptime={}s", between_vacuums(port))]);
        program
    }

    /// What to start for the cluster in a folder.
    pub(crate) fn program_in(&self, data: &Path, port: u16, log: PathBuf) -> Program {
        Program {
            executable: self.binaries.join("postgres"),
            arguments: vec![
                "-D".to_owned(),
                data.to_string_lossy().into_owned(),
                "-p".to_owned(),
                port.to_string(),
            ],
            environment: inherited_environment(),
            directory: self.root.clone(),
            log,
            user: self.user,
        }
    }

    /// A program that came with Postgres.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Clears what a killed postmaster left: backends still ending and its pid file. Blocks the thread.
    pub(crate) fn clear_stale(&self, of: Instance) -> Result<()> {
        let data = self.data(of);
        let left = processes_in(&data);
        // Backends notice the postmaster's death by themselves; help those that are busy.
        if !wait_gone(&left, Duration::from_secs(1)) {
            kill_all(&left)?;
        }
        // Nobody works in the directory: the file names a process of the past, whose number a
        // stranger may carry now, and Postgres would then refuse to start.
        let _ = fs::remove_file(data.join("postmaster.pid"));
        Ok(())
    }

    /// Whether the postmaster says it accepts connections.
    pub(crate) fn is_ready(&self, of: Instance, process: ProcessRef) -> bool {
        Self::is_ready_in(&self.data(of), process)
    }

    /// The same of the cluster in a folder.
    pub(crate) fn is_ready_in(data: &Path, process: ProcessRef) -> bool {
        // The same file and line `pg_ctl` waits for.
        let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
        let mut lines = text.lines();
        let pid = lines.next().and_then(|line| line.trim().parse::<u32>().ok());
        pid == Some(process.pid) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = match self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)])
                    .args(["--clear-groups", "--"])
                    .arg(program);
                command
            }
        };
        command.current_dir(&self.root);
        command
    }

    fn run(&self, command: &mut Command, failure: &'static str) -> Result<()> {
        self.feed(command, "", failure)
    }

    fn feed(&self, command: &mut Command, input: &str, failure: &'static str) -> Result<()> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(failure)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).context(failure)?;
        }
        let output = child.wait_with_output().context(failure)?;
        if !output.status.success() {
            bail!("{failure}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// Removes a folder; none is fine.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Processes whose working directory is this one; Postgres and all it starts work in their data.
fn processes_in(folder: &Path) -> Vec<ProcessRef> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(ProcessRef::of)
        .collect()
}

fn find_binaries() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, binaries)| binaries.join("postgres").exists() && binaries.join("initdb").exists())
        .max();
    if let Some((_, binaries)) = newest {
        return Ok(binaries);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .context("no Postgres here; scripts/install-deps installs it (Debian: apt-get install postgresql)")
}
