//! Shapes of the net of links, compared: what an event costs all links together, and how long it takes to the last central.
//!
//! No faults; the same cars on twelve of the centrals. A full mesh sends each event straight to everybody; in a tree or a ring it
//! is handed on by catch-up, as it would be if configured so in the field today.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use wire::hash::Hash32;

use crate::check::Violation;
use crate::plan::{Bounds, Net, Plan};
use crate::world::World;

/// Links come up before the first car does, ms.
pub const QUIET_MS: i64 = 20_000;
/// While cars come, ms.
const SPAN_MS: i64 = 60_000;
/// Commands of the cars.
const COMMANDS: usize = 160;
/// Between sites of a city: 5 to 8 ms one way, 100 Mbit/s.
const NET: Net = Net { least_ms: 5, rate: 12_500, ..Net::CALM };

/// Who is linked with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everybody with everybody.
    Mesh,
    /// Each with the one above and so many below.
    Tree(usize),
    /// A tree in which what comes live is handed on live: what a release after this one might do.
    Relay(usize),
    /// Each with the next, and two more anywhere.
    Ring,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once(':') {
            None if s == "mesh" => Ok(Self::Mesh),
            None if s == "ring" => Ok(Self::Ring),
            Some((kind @ ("tree" | "relay"), below)) => match below.parse() {
                Ok(n) if n > 0 => Ok(if kind == "tree" { Self::Tree(n) } else { Self::Relay(n) }),
                _ => Err(format!("{s}: a number above 0 must follow, as in {kind}:8")),
            },
            _ => Err(format!("{s}: shapes are mesh, ring, tree:N and relay:N")),
        }
    }
}

impl Shape {
    /// What to call it.
    pub fn name(self) -> String {
        match self {
            Self::Mesh => "mesh".to_owned(),
            Self::Ring => "ring".to_owned(),
            Self::Tree(below) => format!("tree:{below}"),
            Self::Relay(below) => format!("relay:{below}"),
        }
    }

    fn peers(self, nodes: usize) -> Vec<Vec<usize>> {
        let mut peers = vec![std::collections::BTreeSet::new(); nodes];
        let mut chance = crate::chance::Chance::new(nodes as u64, "shape");
        let mut add = |a: usize, b: usize| {
            if a != b {
                peers[a].insert(b);
                peers[b].insert(a);
            }
        };
        for a in 0..nodes {
            match self {
                Self::Mesh => (0..a).for_each(|b| add(a, b)),
                Self::Tree(below) | Self::Relay(below) if a > 0 => add(a, (a - 1) / below),
                Self::Tree(_) | Self::Relay(_) => {}
                Self::Ring => {
                    add(a, (a + 1) % nodes);
                    for _ in 0..2 {
                        add(a, chance.index(nodes));
                    }
                }
            }
        }
        peers.into_iter().map(|p| p.into_iter().collect()).collect()
    }

    fn plan(self, nodes: usize, commands: usize) -> Plan {
        Plan {
            seed: 7,
            nodes,
            busy: nodes.min(12),
            peers: self.peers(nodes),
            commands,
            first_car_ms: QUIET_MS,
            span_ms: SPAN_MS,
            net: NET,
            bounds: Bounds::PRODUCTION,
            commit_ms: 2,
            page_events: 4000,
            map_streams: 500,
            tries: 8,
            faults: Vec::new(),
        }
    }
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages on all links since the cars began to come.
    pub messages: u64,
    /// Their bytes, without TLS.
    pub bytes: u64,
    /// What comes live is handed on live.
    pub relays: bool,
    /// Of each event when it was stored first and last, ms, and by how many.
    spread: BTreeMap<Hash32, (i64, i64, usize)>,
}

impl Tally {
    /// Something travels.
    pub fn sent(&mut self, now: i64, bytes: usize) {
        if now >= QUIET_MS {
            self.messages += 1;
            self.bytes += bytes as u64;
        }
    }

    /// A central stored an event. What is first stored when all is `over` is of the checks that follow.
    pub fn stored(&mut self, now: i64, event: Hash32, over: bool) {
        match self.spread.get_mut(&event) {
            Some(e) => (e.1, e.2) = (now, e.2 + 1),
            None if over => {}
            None => drop(self.spread.insert(event, (now, now, 1))),
        }
    }

    /// Until everybody had it, ms, ascending; only of events that came to all of so many.
    fn spreads(&self, nodes: usize) -> Vec<i64> {
        let all = self.spread.values().filter(|e| e.2 == nodes);
        let mut out: Vec<i64> = all.map(|(first, last, _)| last - first).collect();
        out.sort_unstable();
        out
    }
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The shape.
    pub shape: Shape,
    /// Centrals.
    pub nodes: usize,
    /// Links, each counted once.
    pub links: usize,
    /// Events of the cars.
    pub events: usize,
    /// Bytes of an event on all links together, over what the same net carries without cars.
    pub bytes_per_event: f64,
    /// Messages of an event, likewise.
    pub messages_per_event: f64,
    /// Links of the central that has most of them.
    pub most_links: usize,
    /// Until everybody had an event: half of them, ms.
    pub p50_ms: i64,
    /// 99 of 100, ms.
    pub p99_ms: i64,
    /// Bytes per second of all links together while no car comes.
    pub idle_bytes: f64,
    /// On the wall.
    pub took: Duration,
}

fn run(plan: &Plan, relays: bool) -> Result<Tally, Violation> {
    let mut world = World::new(plan.clone(), false)?;
    world.tally = Some(Tally { relays, ..Tally::default() });
    world.run(&mut |_| true)?;
    Ok(world.tally.take().unwrap_or_default())
}

/// Runs a shape with cars and without.
pub fn measure(shape: Shape, nodes: usize) -> Result<Measured, Violation> {
    let began = Instant::now();
    let plan = shape.plan(nodes, COMMANDS);
    let relays = matches!(shape, Shape::Relay(_));
    let (with, without) = (run(&plan, relays)?, run(&shape.plan(nodes, 0), relays)?);
    let spreads = with.spreads(nodes);
    let at = |share: usize| spreads.get((spreads.len() * share / 100).min(spreads.len().saturating_sub(1)));
    let events = spreads.len();
    let per_event = |with: u64, without: u64| with.saturating_sub(without) as f64 / events.max(1) as f64;
    Ok(Measured {
        shape,
        nodes,
        links: plan.peers.iter().map(Vec::len).sum::<usize>() / 2,
        events,
        bytes_per_event: per_event(with.bytes, without.bytes),
        messages_per_event: per_event(with.messages, without.messages),
        most_links: plan.peers.iter().map(Vec::len).max().unwrap_or(0),
        p50_ms: at(50).copied().unwrap_or(0),
        p99_ms: at(99).copied().unwrap_or(0),
        idle_bytes: without.bytes as f64 / ((SPAN_MS + 5_000 - QUIET_MS) as f64 / 1000.0),
        took: began.elapsed(),
    })
}

/// The head of the table.
pub const HEAD: &str = "| shape | centrals | links | most of one | events | messages/event | bytes/event | to the last, p50 / p99 ms | idle, kB/s all links |\n\
                        |---|---|---|---|---|---|---|---|---|";

impl Measured {
    /// A row of it.
    pub fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {:.0} | {:.0} | {} / {} | {:.1} |",
            self.shape.name(),
            self.nodes,
            self.links,
            self.most_links,
            self.events,
            self.messages_per_event,
            self.bytes_per_event,
            self.p50_ms,
            self.p99_ms,
            self.idle_bytes / 1000.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_holds_everybody() {
        for shape in [Shape::Mesh, Shape::Ring, Shape::Tree(2), Shape::Relay(8)] {
            assert_eq!(shape.name().parse(), Ok(shape));
            let peers = shape.peers(40);
            let (mut seen, mut next) = (std::collections::BTreeSet::from([0]), vec![0]);
            while let Some(n) = next.pop() {
                next.extend(peers[n].iter().filter(|p| seen.insert(**p)));
            }
            assert_eq!(seen.len(), 40, "{shape:?}");
        }
        assert!("tree:0".parse::<Shape>().is_err() && "star".parse::<Shape>().is_err());
        assert_eq!(Shape::Tree(3).peers(40).iter().map(Vec::len).sum::<usize>(), 2 * 39);
    }

    #[test]
    fn a_mesh_is_soonest_a_tree_is_quiet_and_relaying_live_is_between() {
        let of = |shape| measure(shape, 13).unwrap();
        let (mesh, tree, relay) = (of(Shape::Mesh), of(Shape::Tree(3)), of(Shape::Relay(3)));
        assert!(mesh.events > 50 && tree.events > 50 && relay.events > 50);
        assert!(mesh.p50_ms < relay.p50_ms && relay.p50_ms < tree.p50_ms, "{mesh:?} {relay:?} {tree:?}");
        assert!(mesh.idle_bytes > 3.0 * tree.idle_bytes, "{mesh:?} {tree:?}");
    }
}
