//! Names, ports and lanes of the centrals: pure arithmetic, no I/O.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::instance::{Instance, Target};

/// The most centrals one lab can hold; the port scheme is laid out for it.
pub const MAX_CENTRALS: u16 = 20;

/// The part of a central that is one operating-system process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The HTTP front of a central.
    EdgeGateway,
    /// The writer of the event log.
    Ledger,
    /// The links to the other centrals.
    Mesh,
    /// Catch-up.
    Sync,
    /// The bus.
    Nats,
    /// The durable store.
    Postgres,
}

impl Service {
    /// All six, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::EdgeGateway, Self::Ledger, Self::Mesh, Self::Sync, Self::Nats, Self::Postgres];
    /// Our own four binaries, in the order of their health ports.
    pub const PROGRAMS: [Self; 4] = [Self::EdgeGateway, Self::Ledger, Self::Mesh, Self::Sync];
    /// What the four need to run.
    pub const INFRASTRUCTURE: [Self; 2] = [Self::Postgres, Self::Nats];

    /// The name used on the command line, in `lab.json`, for logs and binaries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdgeGateway => "edge-gateway",
            Self::Ledger => "ledger",
            Self::Mesh => "mesh",
            Self::Sync => "sync",
            Self::Nats => "nats",
            Self::Postgres => "postgres",
        }
    }

    /// Whether this is one of our own four binaries.
    pub fn is_program(self) -> bool {
        Self::PROGRAMS.contains(&self)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name given by a user that the lab does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName(String);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Service {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|service| service.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            UnknownName(format!("no service {text:?}; one of {names}"))
        })
    }
}

/// Number of a central, from 1; written `central-3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CentralId(u16);

impl CentralId {
    /// The central with this number; `None` outside 1..=[`MAX_CENTRALS`].
    pub fn new(number: u16) -> Option<Self> {
        (1..=MAX_CENTRALS).contains(&number).then_some(Self(number))
    }

    /// All centrals of a lab of this size.
    pub fn first(count: u16) -> impl Iterator<Item = Self> + Clone {
        (1..=count.min(MAX_CENTRALS)).map(Self)
    }

    /// The number, from 1.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The number as an index, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0) - 1
    }

    /// Its lanes: two entries, then two exits.
    pub fn edges(self) -> [Edge; 4] {
        let last = self.0 * 4;
        [
            Edge { number: last - 3, direction: Direction::Entry },
            Edge { number: last - 2, direction: Direction::Entry },
            Edge { number: last - 1, direction: Direction::Exit },
            Edge { number: last, direction: Direction::Exit },
        ]
    }

    /// The car park this central stands for, `P01` for central-1.
    pub fn lot_id(self) -> String {
        format!("P{:02}", self.0)
    }
}

impl fmt::Display for CentralId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("central-{}", self.0))
    }
}

impl FromStr for CentralId {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        text.strip_prefix("central-").and_then(|number| number.parse().ok()).and_then(Self::new).ok_or_else(
            || UnknownName(format!("no central {text:?}; write central-1 … central-{MAX_CENTRALS}")),
        )
    }
}

impl From<CentralId> for String {
    fn from(id: CentralId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for CentralId {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

/// Which way a lane leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the car park.
    Entry,
    /// Out of it.
    Exit,
}

/// One lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Number over all centrals, from 1.
    pub number: u16,
    /// Which way it leads.
    pub direction: Direction,
}

impl Edge {
    /// The edge's id on the wire.
    pub fn id(self) -> String {
        format!("edge-{}", self.number)
    }
}

/// Where everything listens. Two labs run side by side when their bases are 100 apart (up to ten
/// centrals) or 400 apart (up to twenty).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The lowest port; the lab itself holds it as a guard against a second lab.
    pub base: u16,
    /// How many centrals there are: the links' ports are packed by it.
    pub centrals: u16,
}

impl Ports {
    /// The base used when the user names none.
    pub const DEFAULT_BASE: u16 = 8000;
    /// Bases below this leave all ports under the kernel's ephemeral range (32768).
    pub const MAX_BASE: u16 = 26_500;

    /// HTTP of the gateway.
    pub fn gateway(self, of: impl Into<Instance>) -> u16 {
        self.port(of.into(), 0)
    }

    /// WebSockets of the mesh.
    pub fn mesh(self, of: impl Into<Instance>) -> u16 {
        self.port(of.into(), 1)
    }

    /// The bus.
    pub fn nats(self, of: impl Into<Instance>) -> u16 {
        self.port(of.into(), 2)
    }

    /// The database.
    pub fn postgres(self, of: impl Into<Instance>) -> u16 {
        self.port(of.into(), 3)
    }

    /// A thousand per purpose; the few ports of a clone lie together.
    fn port(self, of: Instance, purpose: u16) -> u16 {
        if of.clone {
            self.base + 6000 + 10 * of.central.number() + purpose
        } else {
            self.base + 1000 * purpose + of.central.number()
        }
    }

    /// `/livez` and `/readyz`; `None` for what has no health port (Postgres, NATS).
    pub fn health(self, of: impl Into<Instance>, service: Service) -> Option<u16> {
        let of = of.into();
        let place = Service::PROGRAMS.iter().position(|program| *program == service)?;
        let place = u16::try_from(place).ok()?;
        Some(if of.clone {
            self.port(of, 4 + place)
        } else {
            self.base + 4000 + 10 * of.central.number() + place + 1
        })
    }

    /// The stand-in for the external API.
    pub fn external(self) -> u16 {
        self.base + 790
    }

    /// Where `from` dials `to`: the lab's proxy in front of `to`'s mesh.
    pub fn link(self, from: CentralId, to: CentralId) -> u16 {
        self.base + 5000 + (from.number() - 1) * self.centrals + (to.number() - 1)
    }

    /// Every port the lab will listen on, with what it is for.
    pub fn all(self) -> Vec<(u16, String)> {
        let mut ports = vec![
            (self.base, "the lab's guard".to_owned()),
            (self.external(), "the external API's stand-in".to_owned()),
        ];
        for central in CentralId::first(self.centrals) {
            for of in [Instance::of(central), Instance::clone_of(central)] {
                ports.push((self.gateway(of), format!("{of} edge-gateway")));
                ports.push((self.mesh(of), format!("{of} mesh")));
                ports.push((self.nats(of), format!("{of} nats")));
                ports.push((self.postgres(of), format!("{of} postgres")));
                for service in Service::PROGRAMS {
                    if let Some(port) = self.health(of, service) {
                        ports.push((port, format!("{of} {service} health")));
                    }
                }
            }
            for peer in CentralId::first(self.centrals).filter(|peer| *peer != central) {
                ports.push((self.link(central, peer), format!("link {central} → {peer}")));
            }
        }
        ports
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_listeners_share_a_port_up_to_twenty_centrals() {
        for centrals in 1..=MAX_CENTRALS {
            let all = Ports { base: 8000, centrals }.all();
            let distinct: BTreeSet<u16> = all.iter().map(|(port, _)| *port).collect();
            assert_eq!(distinct.len(), all.len(), "{centrals} centrals");
        }
    }

    #[test]
    fn two_labs_of_ten_run_side_by_side_when_their_bases_are_a_hundred_apart() {
        let ports = |base| -> BTreeSet<u16> {
            Ports { base, centrals: 10 }.all().into_iter().map(|(port, _)| port).collect()
        };
        assert!(ports(8000).is_disjoint(&ports(8100)));
    }

    #[test]
    fn edge_20_is_an_exit_lane_of_central_5() {
        let central: CentralId = "central-5".parse().unwrap();
        let edges = central.edges();
        assert_eq!(edges.map(Edge::id), ["edge-17", "edge-18", "edge-19", "edge-20"]);
        assert_eq!(edges[3].direction, Direction::Exit);
        assert_eq!(edges[1].direction, Direction::Entry);
    }
}
