//! Operating-system processes: identity, signals, descendants.
//!
//! A process is remembered by its id **and** its start time, so that the lab never signals a stranger
//! who was given the id of a process that has gone.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// A process that cannot be confused with a later one of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

/// What `/proc` says about a process now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs or waits.
    Running,
    /// It was stopped by a signal.
    Stopped,
    /// It is gone, or only waits to be collected by its parent.
    Gone,
}

struct Stat {
    state: u8,
    parent: u32,
    start_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, spaces too.
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Stat { state, parent, start_ticks })
}

impl ProcessRef {
    /// The process that has this id now; `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// Whether it runs, is stopped or has gone.
    pub fn liveness(self) -> Liveness {
        match stat(self.pid) {
            Some(stat) if stat.start_ticks == self.start_ticks => match stat.state {
                b'Z' | b'X' | b'x' => Liveness::Gone,
                b'T' | b't' => Liveness::Stopped,
                _ => Liveness::Running,
            },
            _ => Liveness::Gone,
        }
    }

    /// Whether it still runs (or is stopped).
    pub fn is_alive(self) -> bool {
        self.liveness() != Liveness::Gone
    }
}

/// A process and everything it started, in no particular order.
pub fn with_descendants(roots: &[ProcessRef]) -> Vec<ProcessRef> {
    let mut children: BTreeMap<u32, Vec<ProcessRef>> = BTreeMap::new();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(ProcessRef { pid, start_ticks: stat.start_ticks });
        }
    }
    let mut found: Vec<ProcessRef> = roots.iter().copied().filter(|root| root.is_alive()).collect();
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        found.extend(children.get(&process.pid).into_iter().flatten());
        next += 1;
    }
    found
}

/// A signal by its name, without `SIG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal(String);

impl Signal {
    const KNOWN: [&str; 10] = ["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "USR1", "USR2", "STOP", "CONT"];

    /// Ends a process at once.
    pub fn kill() -> Self {
        Self("KILL".to_owned())
    }

    /// Asks a process to end.
    pub fn term() -> Self {
        Self("TERM".to_owned())
    }

    /// Interrupts; Postgres takes it as a fast shutdown.
    pub fn interrupt() -> Self {
        Self("INT".to_owned())
    }

    /// Quits; Postgres takes it as an immediate shutdown.
    pub fn quit() -> Self {
        Self("QUIT".to_owned())
    }

    /// Freezes a process.
    pub fn stop() -> Self {
        Self("STOP".to_owned())
    }

    /// Lets a frozen process go on.
    pub fn resume() -> Self {
        Self("CONT".to_owned())
    }

    /// The name, without `SIG`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        match name {
            "9" => Ok(Self::kill()),
            "15" => Ok(Self::term()),
            "2" => Ok(Self::interrupt()),
            _ if Self::KNOWN.contains(&name) => Ok(Self(name.to_owned())),
            _ => Err(format!("unknown signal {text:?}; one of {}", Self::KNOWN.join(", "))),
        }
    }
}

/// Sends a signal to all of these that still live. Those that went in the meantime are no error.
///
/// # Errors
/// When `sh`, whose built-in `kill` does it, cannot be started.
pub fn signal(processes: &[ProcessRef], signal: &Signal) -> io::Result<()> {
    let pids: Vec<String> = processes
        .iter()
        .filter(|process| process.is_alive())
        .map(|process| process.pid.to_string())
        .collect();
    if pids.is_empty() {
        return Ok(());
    }
    // The shell's built-in: there is no safe system call for it in the standard library, and the
    // `kill` program is a package of its own.
    Command::new("sh")
        .arg("-c")
        .arg(format!("kill -s {} {}", signal.name(), pids.join(" ")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|_| ())
}

/// Waits until all are gone; whether they are. Blocks the thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody but a parent; this polls with a deadline"
)]
pub fn wait_gone(processes: &[ProcessRef], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if processes.iter().all(|process| !process.is_alive()) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills these and everything they started, and waits until nothing of it is left. Blocks the thread.
///
/// # Errors
/// When something survives for ten seconds.
pub fn kill_all(roots: &[ProcessRef]) -> Result<()> {
    let mut doomed = with_descendants(roots);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        signal(&doomed, &Signal::kill()).context("cannot send signals")?;
        if wait_gone(&doomed, Duration::from_millis(500)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let left: Vec<u32> = doomed.iter().filter(|one| one.is_alive()).map(|one| one.pid).collect();
            bail!("processes {left:?} do not end");
        }
        doomed.extend(with_descendants(roots));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "polls with a deadline")]
    fn a_killed_process_is_gone_and_takes_its_children_along() {
        let mut shell = Command::new("sh").arg("-c").arg("sleep 60 & sleep 60; true").spawn().unwrap();
        let root = ProcessRef::of(shell.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while with_descendants(&[root]).len() < 3 {
            assert!(Instant::now() < deadline, "the shell never started its children");
            thread::sleep(Duration::from_millis(5));
        }
        let family = with_descendants(&[root]);
        kill_all(&[root]).unwrap();
        shell.wait().unwrap();
        assert!(family.iter().all(|process| !process.is_alive()));
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = ProcessRef::of(std::process::id()).unwrap();
        assert_eq!(me.liveness(), Liveness::Running);
        assert_eq!(ProcessRef { start_ticks: me.start_ticks + 1, ..me }.liveness(), Liveness::Gone);
    }

    #[test]
    fn signals_are_known_by_name_and_common_number() {
        assert_eq!("SIGKILL".parse::<Signal>().unwrap(), Signal::kill());
        assert_eq!("term".parse::<Signal>().unwrap(), Signal::term());
        assert_eq!("9".parse::<Signal>().unwrap(), Signal::kill());
        assert!("KILL; reboot".parse::<Signal>().is_err());
    }
}
