//! The report of a run.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::runner::{Failure, Ran};
use crate::sometimes::{Rare, Sometimes};

/// What many seeds gave. The order in which they ended does not show.
#[derive(Debug, Default)]
pub struct Report {
    nodes: Vec<u64>,
    commands: Vec<u64>,
    kinds: Vec<u64>,
    steps: Vec<u64>,
    events: Vec<u64>,
    virtual_s: Vec<u64>,
    faults: BTreeMap<&'static str, u64>,
    hundred: u64,
    three_hundred: u64,
    rare: Sometimes,
    /// Seeds that failed, in order.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Takes a seed's result in.
    pub fn add(&mut self, ran: Ran) {
        let kinds = ran.plan.fault_kinds();
        self.nodes.push(ran.plan.nodes as u64);
        self.kinds.push(kinds.len() as u64);
        for k in kinds {
            *self.faults.entry(k).or_default() += 1;
        }
        self.hundred += u64::from(ran.plan.nodes == 100);
        self.three_hundred += u64::from(ran.plan.nodes == 300);
        self.rare.add(&ran.rare);
        match ran.end {
            Ok(s) => {
                self.commands.push(s.commands);
                self.steps.push(s.steps);
                self.events.push(s.events);
                self.virtual_s.push(s.took_ms as u64 / 1000);
            }
            Err(f) => {
                self.failures.push(f);
                self.failures.sort_by_key(|f| f.seed);
            }
        }
    }

    /// Seeds run.
    pub fn seeds(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Rare paths that never ran.
    pub fn never(&self) -> Vec<&'static str> {
        Rare::ALL.iter().filter(|r| self.rare.count(**r) == 0).map(|r| r.name()).collect()
    }

    /// The distribution, for people.
    pub fn text(&self, took_s: f64) -> String {
        let mut out = String::new();
        let seeds = self.seeds();
        let _ =
            writeln!(out, "{seeds} seeds in {took_s:.1} s, {:.1} seeds/s", seeds as f64 / took_s.max(0.001));
        let _ = writeln!(out, "seeds of 100 centrals: {}, of 300: {}", self.hundred, self.three_hundred);
        for (name, all) in [
            ("centrals", &self.nodes),
            ("commands", &self.commands),
            ("kinds of fault", &self.kinds),
            ("steps", &self.steps),
            ("events", &self.events),
            ("virtual seconds", &self.virtual_s),
        ] {
            let mut all = all.clone();
            all.sort_unstable();
            let at = |n: usize| all.get(n).copied().unwrap_or(0);
            let _ = writeln!(
                out,
                "{name:>16}: min {:>6}  median {:>6}  max {:>8}",
                at(0),
                at(all.len() / 2),
                at(all.len().saturating_sub(1))
            );
        }
        let _ = writeln!(out, "seeds with each kind of fault:");
        for (name, n) in &self.faults {
            let _ = writeln!(out, "  {n:>8}  {name}");
        }
        let _ = writeln!(out, "sometimes:");
        for r in Rare::ALL {
            let _ = writeln!(out, "  {:>8}  {}", self.rare.count(*r), r.name());
        }
        out
    }
}
