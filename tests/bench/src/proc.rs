//! What the kernel says of processes: CPU, memory, handles.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use lab::lab_file::{CentralEntry, LabFile};
use lab::process::{ProcessRef, with_descendants};
use lab::topology::Service;

/// Ticks of `/proc/<pid>/stat` per second, on every Linux there is.
const TICKS: f64 = 100.0;

/// CPU time by service, of all centrals together, s.
pub(crate) type Cpu = BTreeMap<&'static str, f64>;

/// CPU time used so far.
pub(crate) fn cpu(file: &LabFile) -> Cpu {
    let mut sums = Cpu::new();
    for entry in &file.centrals {
        for service in Service::ALL {
            let used = entry.processes.get(&service).and_then(|one| one.process).map_or(0.0, family);
            *sums.entry(service.name()).or_default() += used;
        }
    }
    sums
}

/// CPU time of this process, s: the lab's proxies, and the load generator where it has no process of its own.
pub(crate) fn own_cpu() -> f64 {
    ticks(std::process::id()).map_or(0.0, |(own, _)| own)
}

/// CPU time of this process' children that have ended, s.
pub(crate) fn ended_cpu() -> f64 {
    ticks(std::process::id()).map_or(0.0, |(_, ended)| ended)
}

/// What was used between two looks.
pub(crate) fn between(before: &Cpu, after: &Cpu) -> Cpu {
    after.iter().map(|(name, used)| (*name, used - before.get(name).copied().unwrap_or_default())).collect()
}

/// A process, those it started that live, and those of them that have ended and were waited for.
pub(crate) fn family(root: ProcessRef) -> f64 {
    let all = with_descendants(&[root]);
    all.iter().filter_map(|one| ticks(one.pid)).map(|(own, ended)| own + ended).sum()
}

/// Seconds of a process, and of its children that have ended.
fn ticks(pid: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    // After the name: state is field 3, utime 14.
    let at = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(((at(14)? + at(15)?) / TICKS, (at(16)? + at(17)?) / TICKS))
}

/// Resident memory of a process, MiB.
pub(crate) fn rss(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Open handles of a process.
pub(crate) fn handles(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Resident memory of a central's four services together, MiB.
pub(crate) fn four_services(entry: &CentralEntry) -> f64 {
    Service::PROGRAMS.iter().filter_map(|service| rss((*entry.pids.get(service)?)?)).sum()
}

/// Resident memory by service, the mean over the centrals, MiB.
pub(crate) fn memory(file: &LabFile) -> BTreeMap<&'static str, f64> {
    let mean = |service: Service| {
        let each: Vec<f64> =
            file.centrals.iter().filter_map(|entry| rss((*entry.pids.get(&service)?)?)).collect();
        each.iter().sum::<f64>() / each.len().max(1) as f64
    };
    Service::PROGRAMS.iter().map(|service| (service.name(), mean(*service))).collect()
}

/// The share of the machine's CPUs that were at work over so long, 0 to 1.
pub(crate) async fn busy(over: Duration) -> f64 {
    let before = machine();
    tokio::time::sleep(over).await;
    let (Some((idle_before, all_before)), Some((idle, all))) = (before, machine()) else { return 0.0 };
    1.0 - (idle - idle_before) / (all - all_before).max(1.0)
}

/// Idle and all ticks since boot.
fn machine() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        text.lines().next()?.split_ascii_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    Some((ticks.get(3)? + ticks.get(4)?, ticks.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_memory_and_handles() {
        let pid = std::process::id();
        let begun = std::time::Instant::now();
        let mut n = 0_u64;
        while begun.elapsed() < Duration::from_millis(60) {
            n = std::hint::black_box(n + 1);
        }
        assert!(own_cpu() > 0.0);
        assert!(rss(pid).unwrap() > 0.5);
        assert!(handles(pid).unwrap() >= 3);
    }
}
