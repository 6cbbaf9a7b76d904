//! The one place that reads the wall clock. Pure libraries get the time passed in.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Now, milliseconds since the Unix epoch (0 for a clock before 1970).
#[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since this machine booted, by a clock that no step of the wall clock moves and that all its processes share. None
/// where the system does not tell.
///
/// Asked before every round, so without a file: `/proc/uptime` was a twentieth of a quiet ledger's work.
pub fn since_boot_ms() -> Option<i64> {
    let t = clock_gettime(ClockId::Boottime);
    t.tv_sec.checked_mul(1000)?.checked_add(t.tv_nsec / 1_000_000)
}

/// Names this boot of the machine; none where the system does not tell.
pub fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// A clock that never jumps, ms: since the boot, or, where the system does not tell, since `began`.
pub fn steady_ms(began: Instant) -> i64 {
    since_boot_ms().unwrap_or_else(|| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_goes_on_and_the_boot_has_a_name() {
        let a = since_boot_ms().unwrap();
        let b = since_boot_ms().unwrap();
        assert!(a > 0 && (a..a + 10_000).contains(&b));
        let told = fs::read_to_string("/proc/uptime").unwrap();
        let told: f64 = told.split(' ').next().unwrap().parse().unwrap();
        assert!((told - a as f64 / 1000.0).abs() < 10.0, "the clock that /proc/uptime shows");
        assert_eq!(boot_id(), boot_id());
        assert!(boot_id().unwrap().len() > 20);
    }
}
