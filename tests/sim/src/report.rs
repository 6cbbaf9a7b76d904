//! The report of a run.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::runner::{Failure, Ran};
use crate::sometimes::{Rare, Sometimes};

/// A run of so many seeds must have the medians that were asked for.
const JUDGED: u64 = 1_000;
/// And one of so many the large worlds, too.
const FULL: u64 = 10_000;

fn median(of: &[u64]) -> u64 {
    let mut all = of.to_vec();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

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
    slowest: (f64, u64),
    rare: Sometimes,
    /// Seeds that failed, in order.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Takes a seed's result in.
    pub fn add(&mut self, ran: Ran) {
        self.nodes.push(ran.plan.nodes as u64);
        let took = ran.took.as_secs_f64();
        if took > self.slowest.0 {
            self.slowest = (took, ran.plan.seed);
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
                self.kinds.push(s.kinds.len() as u64);
                for k in s.kinds {
                    *self.faults.entry(k).or_default() += 1;
                }
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

    /// What a full run must have and this one lacks. A run of few seeds is not judged.
    pub fn out_of_shape(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut least = |what: &str, has: u64, least: u64| {
            if has < least {
                out.push(format!("{what}: {has}, at least {least} are wanted"));
            }
        };
        if self.seeds() >= JUDGED {
            least("median of centrals", median(&self.nodes), 5);
            least("median of commands", median(&self.commands), 200);
            least("median of kinds of fault", median(&self.kinds), 3);
        }
        if self.seeds() >= FULL {
            least("seeds of 100 centrals", self.hundred, 20);
            least("seeds of 300 centrals", self.three_hundred, 3);
        }
        out
    }

    /// The distribution, for people.
    pub fn text(&self, took_s: f64) -> String {
        let mut out = String::new();
        let seeds = self.seeds();
        let _ =
            writeln!(out, "{seeds} seeds in {took_s:.1} s, {:.1} seeds/s", seeds as f64 / took_s.max(0.001));
        let _ = writeln!(out, "seeds of 100 centrals: {}, of 300: {}", self.hundred, self.three_hundred);
        let (took, seed) = self.slowest;
        let _ = writeln!(out, "slowest seed: {seed}, {took:.1} s");
        for (name, all) in [
            ("centrals", &self.nodes),
            ("commands", &self.commands),
            ("kinds of fault", &self.kinds),
            ("steps", &self.steps),
            ("events", &self.events),
            ("virtual seconds", &self.virtual_s),
        ] {
            let _ = writeln!(
                out,
                "{name:>16}: min {:>6}  median {:>6}  max {:>8}",
                all.iter().min().unwrap_or(&0),
                median(all),
                all.iter().max().unwrap_or(&0)
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
