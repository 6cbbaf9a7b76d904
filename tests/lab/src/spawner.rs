//! Starts child processes from one thread that lives as long as the lab.
//!
//! Children carry a parent-death signal, so that nothing outlives a lab that was killed. The kernel
//! ties that signal to the *thread* that forked, and tokio's threads come and go; hence one of our own.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// One process to start.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    /// Standard output and error are appended here.
    pub(crate) log: PathBuf,
    /// Run as this user (only root can).
    pub(crate) user: Option<User>,
}

/// An account of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

struct Order {
    program: Program,
    reply: oneshot::Sender<Result<Child>>,
}

/// Handle to the spawning thread; the thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    /// Starts the thread; children are collected by the runtime of the caller.
    pub(crate) fn new() -> Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        let runtime = Handle::try_current().context("the lab needs a tokio runtime")?;
        thread::Builder::new()
            .name("lab-spawner".to_owned())
            .spawn(move || {
                let _entered = runtime.enter();
                for order in inbox {
                    // A caller that went away drops the child with the reply, which kills it.
                    let _ = order.reply.send(spawn(&order.program));
                }
            })
            .context("cannot start the spawning thread")?;
        Ok(Self { orders })
    }

    /// Starts a process.
    pub(crate) async fn spawn(&self, program: Program) -> Result<Child> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order { program, reply }).ok().context("the spawning thread is gone")?;
        answer.await.context("the spawning thread is gone")?
    }
}

fn spawn(program: &Program) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(&program.log)
        .with_context(|| format!("cannot open {}", program.log.display()))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = program.user {
        command
            .args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)])
            .arg("--clear-groups");
    }
    command
        .arg("--")
        .arg(&program.executable)
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(key, value)| (key, value)))
        .current_dir(&program.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log)
        // Its own group: Ctrl-C at the terminal reaches the lab alone, which then stops in order.
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {}", program.executable.display()))
}
