//! File handles: every socket is one. A service takes what the system lets it have, and says when there are none left.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::health::Health;

/// More than a central ever needs.
const ENOUGH: u64 = 65_536;
/// The need's name in `/readyz`, logs and metrics.
const NEED: &str = "file_handles";

/// Raises the process's own limit as far as it may; many systems begin with 1024. Returns the limit in force.
pub(crate) fn raise() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if now.current.is_some_and(|n| n < most) {
        // Not being allowed to is no reason not to start.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: now.maximum });
    }
    limit()
}

/// How many this process may have open at once, now.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH)
}

/// True for an error that says that the process, or the machine, has no handles left.
pub fn are_out(e: &io::Error) -> bool {
    let code = e.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|out| code == Some(out.raw_os_error()))
}

/// Says once that a listener takes nobody in, and once that it does again.
#[derive(Debug)]
pub struct Intake {
    health: Health,
    failing: Mutex<bool>,
}

impl Intake {
    /// All is well.
    pub fn new(health: Health) -> Self {
        Self { health, failing: Mutex::new(false) }
    }

    /// A connection could not be taken.
    pub fn failed(&self, e: &io::Error) {
        let before = std::mem::replace(&mut *self.lock(), true);
        if !before {
            let limit = limit();
            tracing::warn!(error = %e, limit, "no connection can be taken");
            if are_out(e) {
                self.health.set(NEED, false);
            }
        }
    }

    /// One was taken.
    pub fn works(&self) {
        let before = std::mem::replace(&mut *self.lock(), false);
        if before {
            tracing::info!("connections are taken again");
            if self.health.missing().contains(&NEED) {
                self.health.set(NEED, true);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        let raised = raise();
        assert_eq!(raised, limit());
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(ENOUGH);
        assert!(raised >= most.min(ENOUGH));
    }

    #[test]
    fn out_of_handles_is_a_named_need_until_somebody_is_taken_in() {
        let health = Health::default();
        let intake = Intake::new(health.clone());
        intake.works();
        intake.failed(&io::Error::other("strange"));
        intake.works();
        assert!(health.missing().is_empty(), "only handles are this need");
        let out = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert!(are_out(&out));
        intake.failed(&out);
        intake.failed(&out);
        assert_eq!(health.missing(), [NEED]);
        intake.works();
        assert!(health.missing().is_empty());
    }
}
