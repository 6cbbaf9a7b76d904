//! The machine: its clock, its disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Finding, Verdict, finding};

/// Commits tried.
const TRIES: usize = 40;

/// Whether the system says that its clock is set by somebody.
pub(super) fn clock() -> Finding {
    let what = "clock";
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .output();
    match asked.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()) {
        Ok(said) if said == "yes" => finding(what, Verdict::Good, "synchronised"),
        Ok(said) if said == "no" => {
            finding(what, Verdict::Bad, "not synchronised: no time server is reached")
                .then("fees depend on it: name a time server that can be reached, then `chronyc makestep`; docs/RUNBOOK.md#clock-wrong")
        }
        _ => finding(what, Verdict::Unknown, "no timedatectl here; peers tell how far it is off"),
    }
}

/// How long it takes to make a page of a log durable in a folder.
pub(super) fn fsync(dir: &Path) -> Finding {
    match times(dir) {
        Ok(mut took) => {
            took.sort_unstable();
            judge(&took)
        }
        Err(e) => finding("commit", Verdict::Bad, format!("{}: {e}", dir.display()))
            .then("--data-dir names a folder on the database's disk that this account may write to"),
    }
}

fn times(dir: &Path) -> std::io::Result<Vec<Duration>> {
    let path = dir.join(format!(".parkctl-doctor-{}", std::process::id()));
    let measure = || -> std::io::Result<Vec<Duration>> {
        let mut file = File::create(&path)?;
        let page = [0x5a; 4096];
        let mut took = Vec::with_capacity(TRIES);
        for _ in 0..TRIES {
            let began = Instant::now();
            file.write_all(&page)?;
            file.sync_data()?;
            took.push(began.elapsed());
        }
        Ok(took)
    };
    let took = measure();
    drop(fs::remove_file(&path));
    took
}

/// Judges sorted times.
fn judge(took: &[Duration]) -> Finding {
    let ms = |at: usize| took.get(at).map_or(0.0, |d| d.as_secs_f64() * 1000.0);
    let (median, slow) = (ms(took.len() / 2), ms(took.len().saturating_sub(1)));
    let verdict = match (median, slow) {
        // Faster than any disk can: a cache that a power cut empties.
        (m, _) if m < 0.03 => Verdict::Warning,
        (m, _) if m > 50.0 => Verdict::Bad,
        (m, s) if m > 10.0 || s > 250.0 => Verdict::Warning,
        _ => Verdict::Good,
    };
    let advice = if median < 0.03 {
        "too fast to be a disk: is its cache safe without power, or is this a file system in memory?"
    } else {
        "every lane waits for it: what else writes there (`iostat -x 1`), how are its SMART values? docs/RUNBOOK.md#slowcommits"
    };
    finding(
        "commit",
        verdict,
        format!("4 KiB durable in {median:.2} ms, slowest of {} {slow:.2} ms", took.len()),
    )
    .then(advice)
}

/// What is free on the disk of a folder.
pub(super) fn space(dir: &Path) -> Finding {
    let what = "disk";
    let asked = Command::new("df").args(["-Pk"]).arg(dir).stdin(Stdio::null()).output();
    let read = asked.ok().and_then(|o| read_df(&String::from_utf8_lossy(&o.stdout)));
    match read {
        Some((total, free)) => judge_space(total, free),
        None => {
            finding(what, Verdict::Unknown, "no df here; `parkctl storage` tells what the database takes")
        }
    }
}

/// KiB in all and free, of `df -Pk`.
fn read_df(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.lines().nth(1)?.split_whitespace().skip(1);
    let total = fields.next()?.parse().ok()?;
    Some((total, fields.nth(1)?.parse().ok()?))
}

fn judge_space(total: u64, free: u64) -> Finding {
    let share = free as f64 / total.max(1) as f64;
    let verdict = match (free / (1024 * 1024), share) {
        (gib, _) if gib < 2 => Verdict::Bad,
        (gib, share) if gib < 10 || share < 0.1 => Verdict::Warning,
        _ => Verdict::Good,
    };
    let gib = |kib: u64| kib as f64 / (1024.0 * 1024.0);
    finding("disk", verdict, format!("{:.1} GiB of {:.1} GiB are free", gib(free), gib(total)))
        .then("make room: old dumps, logs, images nobody uses, never in Postgres' own folder; docs/RUNBOOK.md#disk-full")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_its_median_and_its_worst() {
        let of = |ms: f64| judge(&[Duration::from_secs_f64(ms / 1000.0); TRIES]).verdict;
        assert_eq!(
            [0.01, 1.0, 9.0, 20.0, 60.0].map(of),
            [Verdict::Warning, Verdict::Good, Verdict::Good, Verdict::Warning, Verdict::Bad]
        );
        let mut one_slow = vec![Duration::from_millis(1); TRIES - 1];
        one_slow.push(Duration::from_millis(400));
        assert_eq!(judge(&one_slow).verdict, Verdict::Warning);
    }

    #[test]
    fn df_is_read_and_little_room_is_bad() {
        let text =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100000000 1 90000000 1% /\n";
        assert_eq!(read_df(text), Some((100_000_000, 90_000_000)));
        assert_eq!(read_df(""), None);
        let gib = 1024 * 1024;
        let of = |free: u64| judge_space(100 * gib, free * gib).verdict;
        assert_eq!([1, 5, 50].map(of), [Verdict::Bad, Verdict::Warning, Verdict::Good]);
    }

    #[test]
    fn a_folder_is_measured_and_left_as_it_was() {
        let dir = std::env::temp_dir().join(format!("parkctl-doctor-test-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_ne!(fsync(&dir).verdict, Verdict::Unknown);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(fsync(&dir).verdict, Verdict::Bad, "a folder that is not there");
    }
}
