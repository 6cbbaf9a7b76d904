//! The mesh as the other services and people see it.

use wire::bus::events::Carried;
use wire::bus::state::{ClockMeasure, MeshState, Unlinked as Away};
use wire::http::PeerState;
use wire::id::CentralId;

use super::Mesh;
use super::event::{LinkId, Unlinked};
use super::peer::Peer;
use crate::clock::{Level, own_offset_ms, same_anchor, sure_offset};

/// One peer as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerStatus {
    /// The peer.
    pub id: CentralId,
    /// Where its link stands.
    pub state: PeerState,
    /// Since when, ms since the epoch.
    pub since_ms: i64,
    /// Round trip, ms.
    pub rtt_ms: Option<f64>,
    /// Its clock less ours, ms.
    pub skew_ms: Option<i64>,
    /// What is wrong, or the last thing that went wrong.
    pub trouble: Option<String>,
}

/// What waits on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Beats, control, live events, pages.
    pub counts: [usize; 4],
    /// The newest live event.
    pub newest: Option<Carried>,
}

impl Mesh {
    /// The mesh in short.
    pub fn state(&self) -> MeshState {
        let peers = self.order.iter().filter_map(|id| self.peers.get(id));
        let connected: Vec<&Peer> = peers.filter(|p| p.is_linked()).collect();
        let fresh = |p: &&&Peer| self.anchor_ms.is_some_and(|a| same_anchor(a, p.skew_anchor_ms));
        let skews: Vec<i64> = connected.iter().filter(fresh).filter_map(|p| p.skew.skew_ms()).collect();
        let anchor = self.anchor_ms.unwrap_or(0);
        let clock = sure_offset(&skews).map(|(offset_ms, peers)| ClockMeasure {
            offset_ms,
            peers,
            anchor_ms: anchor,
        });
        let away = self.order.iter().filter_map(|id| self.peers.get(id));
        let away = away.filter(|p| !p.conf.disabled && !p.is_linked());
        MeshState {
            configured: self.peers.values().filter(|p| !p.conf.disabled).count() as u32,
            clock_offset_ms: own_offset_ms(&skews),
            connected: connected.iter().map(|p| p.conf.id.clone()).collect(),
            clock,
            unlinked: away
                .map(|p| Away {
                    id: p.conf.id.clone(),
                    refused: p.unlinked == Unlinked::Refused,
                    error: p.last_error.clone(),
                })
                .collect(),
        }
    }

    /// Every peer, in the configuration's order.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> {
        self.order.iter().filter_map(|id| self.peers.get(id)).map(Peer::status)
    }

    /// What waits on the links of each linked peer, items.
    pub fn queued(&self) -> impl Iterator<Item = (&CentralId, usize)> {
        self.peers.values().filter(|p| p.is_linked()).map(|p| {
            let links = p.links.iter().filter_map(|id| self.links.get(id));
            (&p.conf.id, links.map(|l| l.outbox.waiting().0.iter().sum::<usize>()).sum())
        })
    }

    /// How many peers have a link.
    pub fn linked(&self) -> usize {
        self.peers.values().filter(|p| p.is_linked()).count()
    }

    /// What waits on a link.
    pub fn waiting(&self, link: LinkId) -> Option<Waiting> {
        self.links.get(&link).map(|l| {
            let (counts, newest) = l.outbox.waiting();
            Waiting { counts, newest: newest.cloned() }
        })
    }
}

impl Peer {
    fn status(&self) -> PeerStatus {
        let linked = self.is_linked();
        PeerStatus {
            id: self.conf.id.clone(),
            state: self.state(),
            since_ms: self.since_ms,
            rtt_ms: self.skew.rtt_ms().filter(|_| linked),
            skew_ms: self.skew.skew_ms().filter(|_| linked),
            trouble: self.trouble(),
        }
    }

    fn state(&self) -> PeerState {
        match self.unlinked {
            _ if self.conf.disabled => PeerState::Disabled,
            _ if self.is_linked() => PeerState::Connected,
            Unlinked::Connecting => PeerState::Connecting,
            Unlinked::Down => PeerState::Down,
            Unlinked::Refused => PeerState::Refused,
        }
    }

    fn trouble(&self) -> Option<String> {
        if let Some(c) = &self.cloned {
            return Some(format!("CLONE: two processes of this central are alive at once: {}", c.detail));
        }
        if self.is_linked() && self.level == Level::Alarm {
            return self.skew.skew_ms().map(|s| format!("CLOCK: its clock differs from ours by {s} ms"));
        }
        self.last_error.clone()
    }
}
