//! Faults that happen at a moment.

use super::{Plan, Service};
use crate::chance::Chance;

/// What goes wrong. Times are ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Two sides cannot talk: those with a bit set, and the others.
    Partition { side: u64, for_ms: i64 },
    /// One way only is cut.
    OneWay { from: usize, to: usize, for_ms: i64 },
    /// Links of a pair die and only one end is told, or none.
    HalfOpen { a: usize, b: usize },
    /// Everything to and from it is slow.
    Slow { node: usize, for_ms: i64 },
    /// One process is killed.
    Kill { node: usize, service: Service, down_ms: i64 },
    /// A process dies at the n-th effect of its ledger from now on.
    KillAtEffect { node: usize, nth: u32, down_ms: i64 },
    /// The machine loses power.
    PowerCut { node: usize, down_ms: i64 },
    /// The process is stopped for a while, its memory stays.
    Pause { node: usize, for_ms: i64 },
    /// The database connection breaks; what is in flight has an unknown outcome.
    LoseDatabase { node: usize, down_ms: i64 },
    /// No space is left on the disk: every transaction that writes is refused.
    DiskFull { node: usize, for_ms: i64 },
    /// Transactions take long.
    SlowDisk { node: usize, for_ms: i64 },
    /// A second ledger waits for the lock; after a while the first one's session ends.
    Standby { node: usize, after_ms: i64 },
    /// A backup is made; no fault in itself.
    Backup { node: usize },
    /// The disk is put back to the last backup.
    Restore { node: usize, running: bool },
    /// The machine is set up anew on an empty disk.
    Wipe { node: usize },
    /// The machine is copied and both run for a while, then the copy is destroyed.
    Clone { node: usize, with_memory: bool, for_ms: i64 },
    /// The clock jumps.
    ClockStep { node: usize, by_ms: i64 },
    /// The clock runs fast or slow.
    Drift { node: usize, ppm: i64 },
    /// An origin of a later release writes a kind nobody here knows.
    UnknownKind { node: usize },
    /// An origin writes a version of the format nobody here knows.
    NewerVersion { node: usize },
    /// An origin writes bytes its kind cannot be read from.
    Poison { node: usize },
    /// A node of an older release: some kinds mean nothing to it until it is upgraded.
    OldRelease { node: usize, for_ms: i64 },
    /// A peer is taken out of a configuration, later put back.
    RemovePeer { node: usize, peer: usize, for_ms: i64 },
    /// A peer is disabled in a configuration, later enabled.
    DisablePeer { node: usize, peer: usize, for_ms: i64 },
    /// A body must go, everywhere.
    Erase { node: usize },
    /// A new rule of the projection.
    SetPolicy { node: usize },
    /// A person acts on a session.
    StaffAct { node: usize },
}

impl FaultKind {
    /// The name people read.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition",
            Self::OneWay { .. } => "asymmetric partition",
            Self::HalfOpen { .. } => "half-open link",
            Self::Slow { .. } => "slow peer",
            Self::Kill { .. } => "kill",
            Self::KillAtEffect { .. } => "kill at an effect",
            Self::PowerCut { .. } => "power cut",
            Self::Pause { .. } => "pause",
            Self::LoseDatabase { .. } => "database lost",
            Self::DiskFull { .. } => "full disk",
            Self::SlowDisk { .. } => "slow disk",
            Self::Standby { .. } => "standby takes over",
            Self::Restore { running: false, .. } => "restore",
            Self::Restore { running: true, .. } => "restore under a running ledger",
            Self::Backup { .. } => "backup",
            Self::Wipe { .. } => "wipe",
            Self::Clone { .. } => "clone",
            Self::ClockStep { .. } => "clock step",
            Self::Drift { .. } => "clock drift",
            Self::UnknownKind { .. } => "unknown kind",
            Self::NewerVersion { .. } => "newer version",
            Self::Poison { .. } => "poison",
            Self::OldRelease { .. } => "mixed releases",
            Self::RemovePeer { .. } => "peer removed",
            Self::DisablePeer { .. } => "peer disabled",
            Self::Erase { .. } => "erasure",
            Self::SetPolicy { .. } => "policy",
            Self::StaffAct { .. } => "staff act",
        }
    }
}

/// A fault and its moment, ms from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub at: i64,
    /// What.
    pub kind: FaultKind,
}

/// Draws the faults of a plan.
pub(super) fn draw(plan: &Plan, c: &mut Chance) -> Vec<Fault> {
    let n = c.between(2, if plan.nodes >= 100 { 4 } else { 9 });
    let mut out: Vec<Fault> = (0..n)
        .map(|_| Fault { at: c.between(plan.span_ms / 20, plan.span_ms), kind: one(plan, c) })
        .collect();
    let backups: Vec<Fault> = out
        .iter()
        .filter_map(|f| match f.kind {
            FaultKind::Restore { node, .. } => Some(Fault {
                at: f.at - c.between(1_000, 60_000).min(f.at),
                kind: FaultKind::Backup { node },
            }),
            _ => None,
        })
        .collect();
    out.extend(backups);
    out.sort_by_key(|f| f.at);
    out
}

fn one(plan: &Plan, c: &mut Chance) -> FaultKind {
    let node = c.index(plan.busy);
    let other = |c: &mut Chance| {
        let of = &plan.peers[node];
        of[c.index(of.len())]
    };
    let for_ms = c.weighted(&[(3, 2_000), (3, 10_000), (2, 40_000)]).unwrap_or(2_000) + c.between(0, 5_000);
    let down_ms = c.weighted(&[(3, 300), (2, 3_000), (1, 20_000)]).unwrap_or(300) + c.between(0, 2_000);
    match c.below(30) {
        0 | 1 => FaultKind::Partition { side: c.bits(), for_ms },
        2 => FaultKind::OneWay { from: node, to: other(c), for_ms },
        3 => FaultKind::HalfOpen { a: node, b: other(c) },
        4 => FaultKind::Slow { node, for_ms },
        5 => FaultKind::Kill { node, service: Service::Ledger, down_ms },
        6 => FaultKind::Kill { node, service: Service::Mesh, down_ms },
        7 => FaultKind::Kill { node, service: Service::Sync, down_ms },
        8 | 9 => FaultKind::KillAtEffect { node, nth: c.below(30) as u32, down_ms },
        10 => FaultKind::PowerCut { node, down_ms },
        11 => FaultKind::Pause { node, for_ms: for_ms.min(15_000) },
        12 => FaultKind::LoseDatabase { node, down_ms },
        13 => FaultKind::Restore { node, running: false },
        14 => FaultKind::Restore { node, running: true },
        15 => FaultKind::Wipe { node },
        16 => FaultKind::Clone { node, with_memory: c.per_mille(700), for_ms },
        17 => {
            // One of them is below what is set right.
            let steps = [(2, 3_600_000), (2, -3_600_000), (2, 7_000), (2, -20_000), (1, 4_000)];
            let by_ms = c.weighted(&steps).unwrap_or(7_000);
            FaultKind::ClockStep { node, by_ms }
        }
        18 => FaultKind::Drift { node, ppm: c.between(-2_000, 2_000) },
        19 => FaultKind::UnknownKind { node },
        20 => FaultKind::NewerVersion { node },
        21 => FaultKind::Poison { node },
        22 => FaultKind::OldRelease { node, for_ms },
        23 => FaultKind::RemovePeer { node, peer: other(c), for_ms },
        24 => FaultKind::DisablePeer { node, peer: other(c), for_ms },
        25 => FaultKind::Erase { node },
        26 => FaultKind::DiskFull { node, for_ms: for_ms.min(20_000) },
        27 => FaultKind::SlowDisk { node, for_ms: for_ms.min(20_000) },
        28 => FaultKind::Standby { node, after_ms: c.between(100, 3_000) },
        _ if c.per_mille(400) => FaultKind::StaffAct { node },
        _ => FaultKind::SetPolicy { node },
    }
}
