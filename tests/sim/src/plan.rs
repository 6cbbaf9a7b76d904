//! A plan: all that a seed decides before its world begins.

#[expect(missing_docs, reason = "a variant says what its fields are")]
mod faults;

pub use faults::{Fault, FaultKind};

use crate::chance::Chance;

/// One of the processes of a central.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Owns the store.
    Ledger,
    /// Owns the links.
    Mesh,
    /// Owns completeness.
    Sync,
}

/// The character of networks and buses. Shares are per mille.
#[derive(Debug, Clone, Copy)]
pub struct Net {
    /// Least time of a message on its way, ms.
    pub least_ms: i64,
    /// Spread above that, ms.
    pub spread_ms: i64,
    /// Lost.
    pub drop: u64,
    /// Delivered twice.
    pub twice: u64,
    /// Overtaken by later ones.
    pub reorder: u64,
    /// Held up for seconds.
    pub held_up: u64,
    /// Lost on the bus inside a central.
    pub bus_loss: u64,
    /// A crash is told to the other side (the kernel's reset); else the link stays half-open.
    pub reset: u64,
    /// Bytes per ms a link takes.
    pub rate: u64,
}

impl Net {
    /// The network when all is well.
    pub const CALM: Self = Self {
        least_ms: 1,
        spread_ms: 3,
        drop: 0,
        twice: 0,
        reorder: 0,
        held_up: 0,
        bus_loss: 0,
        reset: 1000,
        rate: 10_000,
    };

    /// Kinds of fault that are in its character.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.drop, "drop"),
            (self.twice, "duplicate"),
            (self.reorder, "reorder"),
            (self.held_up, "delay"),
            (self.bus_loss, "bus loss"),
        ]
        .into_iter()
        .filter(|(share, _)| *share > 0)
        .map(|(_, name)| name)
    }
}

/// Bounds of queues: production's, or tiny ones that overflow.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Events waiting on a link, and in an inbox.
    pub live: usize,
    /// Pages waiting on a link.
    pub pages: usize,
    /// Other messages waiting on a link.
    pub control: usize,
    /// Commands waiting for the writer.
    pub commands: usize,
    /// Live messages waiting for the writer.
    pub applies: usize,
    /// Catch-up pages waiting for the writer.
    pub backlog: usize,
    /// Events of a page whose rows are made in its own round.
    pub at_once: usize,
}

impl Bounds {
    /// Those of the field.
    pub const PRODUCTION: Self =
        Self { live: 4096, pages: 32, control: 256, commands: 2048, applies: 256, backlog: 8, at_once: 5 };
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Centrals.
    pub nodes: usize,
    /// Centrals whose lanes are used.
    pub busy: usize,
    /// Peers each central is configured with.
    pub peers: Vec<Vec<usize>>,
    /// Commands the lanes want.
    pub commands: usize,
    /// The first car comes no sooner, ms.
    pub first_car_ms: i64,
    /// While lanes and faults go on, ms.
    pub span_ms: i64,
    /// The network.
    pub net: Net,
    /// The queues.
    pub bounds: Bounds,
    /// Longest commit, ms.
    pub commit_ms: i64,
    /// Events of one page of an answer.
    pub page_events: usize,
    /// Streams of one page of the position map.
    pub map_streams: u32,
    /// Times a lane asks before it gives up.
    pub tries: u32,
    /// Faults in order of time.
    pub faults: Vec<Fault>,
}

/// Seeds of a hundred centrals: one in so many.
const HUNDRED: u64 = 450;
/// Seeds of three hundred: one in so many.
const THREE_HUNDRED: u64 = 3000;

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut c = Chance::new(seed, "plan");
        let nodes = match (seed % THREE_HUNDRED, seed % HUNDRED) {
            (1777, _) => 300,
            (_, 123) => 100,
            _ => c
                .weighted(&[
                    (4, 2),
                    (12, 3),
                    (14, 4),
                    (30, 5),
                    (16, 6),
                    (10, 7),
                    (6, 8),
                    (4, 9),
                    (3, 10),
                    (1, 14),
                ])
                .unwrap_or(5),
        };
        let large = nodes >= 100;
        let commands = if large { 60 } else { c.between(190, 235) as usize };
        let span_ms = if large {
            40_000
        } else {
            c.weighted(&[(8, 60_000), (6, 120_000), (3, 300_000), (1, 1_400_000)]).unwrap_or(60_000)
        };
        let net = net(&mut c, large);
        let tiny = c.per_mille(300);
        let bounds = if tiny {
            Bounds { live: 4, pages: 2, control: 16, commands: 4, applies: 2, backlog: 1, at_once: 0 }
        } else {
            Bounds::PRODUCTION
        };
        let busy = if large { 12 } else { nodes };
        let peers = topology(nodes, &mut c);
        let commit_ms = c.weighted(&[(4, 3), (3, 20), (1, 200)]).unwrap_or(3);
        let mut plan = Self {
            seed,
            nodes,
            busy,
            peers,
            commands,
            first_car_ms: 2_000,
            span_ms,
            net,
            bounds,
            commit_ms,
            page_events: c.weighted(&[(2, 7), (3, 50), (3, 4000)]).unwrap_or(50),
            map_streams: c.weighted(&[(1, 2), (3, 500)]).unwrap_or(500),
            tries: c.weighted(&[(3, 8), (1, 2)]).unwrap_or(8),
            faults: Vec::new(),
        };
        plan.faults = faults::draw(&plan, &mut c);
        plan
    }

    /// Every kind of fault in it, each once.
    pub fn fault_kinds(&self) -> std::collections::BTreeSet<&'static str> {
        let mut all: std::collections::BTreeSet<&'static str> =
            self.faults.iter().map(|f| f.kind.name()).filter(|n| *n != "backup").collect();
        all.extend(self.net.kinds());
        if self.bounds.live < 100 {
            all.insert("full queue");
        }
        all
    }

    /// True when a machine may be copied with its memory: only then may a position have two hashes.
    pub fn may_fork(&self) -> bool {
        self.faults.iter().any(|f| matches!(f.kind, FaultKind::Clone { .. }))
    }
}

fn net(c: &mut Chance, large: bool) -> Net {
    let share = |c: &mut Chance, odds: u64, most: u64| if c.per_mille(odds) { 1 + c.below(most) } else { 0 };
    let odds = if large { 200 } else { 400 };
    Net {
        least_ms: c.weighted(&[(5, 1), (2, 20), (1, 120)]).unwrap_or(1),
        spread_ms: c.weighted(&[(5, 5), (2, 60), (1, 400)]).unwrap_or(5),
        drop: share(c, odds, 60),
        twice: share(c, odds, 60),
        reorder: share(c, odds, 100),
        held_up: share(c, odds, 20),
        bus_loss: share(c, odds, 20),
        reset: c.weighted(&[(2, 1000), (1, 500), (1, 0)]).unwrap_or(1000),
        rate: c.weighted(&[(4, 10_000), (1, 20)]).unwrap_or(10_000),
    }
}

/// A full mesh, as configured in the field; beyond thirty centrals a ring with random chords, so that events must be relayed.
fn topology(nodes: usize, c: &mut Chance) -> Vec<Vec<usize>> {
    let mut peers: Vec<std::collections::BTreeSet<usize>> = vec![Default::default(); nodes];
    for a in 0..nodes {
        if nodes <= 30 {
            peers[a].extend((0..nodes).filter(|b| *b != a));
            continue;
        }
        let mut add = |b: usize| {
            if a != b {
                peers[a].insert(b);
                peers[b].insert(a);
            }
        };
        add((a + 1) % nodes);
        for _ in 0..2 {
            add(c.index(nodes));
        }
    }
    peers.into_iter().map(|p| p.into_iter().collect()).collect()
}
