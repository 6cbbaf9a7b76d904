//! The configured peers: which links each has, and how each stands.

mod change;
mod peer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use replication::clock::{Sample, own_offset_ms};
use replication::link::Refusal;
use tokio::sync::Notify;
use tokio::time::Instant;
use wire::bus::state::MeshState;
use wire::config::P2pConfig;
use wire::http::PeerView;
use wire::id::CentralId;

use crate::link::{Echo, Link};

pub(crate) use change::Supervised;
use peer::Peer;
pub(crate) use peer::Unlinked;

/// All peers of this central.
#[derive(Debug)]
pub(crate) struct Peers {
    me: CentralId,
    base: Instant,
    next_link: AtomicU64,
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// In the configuration's order.
    order: Vec<CentralId>,
    peers: BTreeMap<CentralId, Peer>,
}

impl Peers {
    pub(crate) fn new(me: CentralId) -> Self {
        Self {
            me,
            base: Instant::now(),
            next_link: AtomicU64::new(1),
            table: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a configuration: links of peers that did not change are not touched, those of removed, disabled or moved ones end at
    /// once. Returns the peers that now need somebody to dial them and to hand on their events.
    pub(crate) fn configure(&self, config: &P2pConfig) -> Vec<Supervised> {
        let mut table = self.table();
        table.order = config.peer_centrals.iter().map(|p| p.id.clone()).collect();
        let gone: Vec<CentralId> =
            table.peers.keys().filter(|id| !table.order.contains(id)).cloned().collect();
        for id in gone {
            if let Some(peer) = table.peers.remove(&id) {
                tracing::info!(peer = %id, "peer removed");
                peer.cut("this peer was removed from the configuration");
            }
        }
        let mut new = Vec::new();
        for conf in &config.peer_centrals {
            match table.peers.get(&conf.id) {
                Some(old) if old.conf == *conf => continue,
                Some(old) => {
                    tracing::info!(peer = %conf.id, disabled = conf.disabled, "peer changed");
                    old.cut(if conf.disabled {
                        "this peer is disabled here"
                    } else {
                        "this peer's address changed"
                    });
                }
                None => tracing::info!(peer = %conf.id, disabled = conf.disabled, "peer added"),
            }
            let peer = Peer::new(conf.clone(), kit::clock::now_ms());
            if !conf.disabled {
                new.push(peer.supervised());
            }
            table.peers.insert(conf.id.clone(), peer);
        }
        drop(table);
        self.changed.notify_one();
        new
    }

    /// None = no peer, `Some(true)` = a peer, `Some(false)` = a disabled one.
    pub(crate) fn standing(&self, id: &CentralId) -> Option<bool> {
        self.table().peers.get(id).map(|p| !p.conf.disabled)
    }

    /// A link has passed HELLO. Errors: the peer was removed meanwhile.
    pub(crate) fn up(
        &self,
        id: &CentralId,
        process: String,
        dialled_here: bool,
    ) -> Result<Arc<Link>, Refusal> {
        let mut table = self.table();
        let Some(peer) = table.peers.get_mut(id) else { return Err(Refusal::NotConfigured(id.clone())) };
        if peer.conf.disabled {
            return Err(Refusal::Disabled(id.clone()));
        }
        let n = self.next_link.fetch_add(1, Ordering::Relaxed);
        let by_lower = dialled_here == (self.me < *id);
        let link = Arc::new(Link::new(n, id.clone(), process, by_lower, peer.inbox.clone()));
        peer.add(link.clone(), self.base, kit::clock::now_ms());
        drop(table);
        self.changed.notify_one();
        Ok(link)
    }

    /// A link has ended.
    pub(crate) fn down(&self, link: &Link, reason: &str) {
        if let Some(peer) = self.table().peers.get_mut(&link.peer)
            && peer.remove(link.id, reason, self.base, kit::clock::now_ms())
        {
            tracing::info!(peer = %link.peer, link = link.id, %reason, "link down");
        }
        self.changed.notify_one();
    }

    /// No link came about.
    pub(crate) fn failed(&self, id: &CentralId, how: Unlinked, reason: &str) {
        if let Some(peer) = self.table().peers.get_mut(id)
            && peer.failed(how, reason, kit::clock::now_ms())
        {
            match how {
                Unlinked::Refused => tracing::warn!(peer = %id, %reason, "link refused"),
                _ => tracing::info!(peer = %id, %reason, "no link"),
            }
        }
    }

    /// The echo of a beat: round trip and skew.
    pub(crate) fn echo(&self, link: &Link, echo: Echo, peer_clock_ms: i64) {
        let sample = Sample::of_echo(echo.sent_ms, peer_clock_ms, echo.rtt_ms);
        if let Some(peer) = self.table().peers.get_mut(&link.peer) {
            peer.measured(sample);
        }
    }

    /// Closes spare links of a peer and chooses the one to send on.
    pub(crate) fn settle(&self, id: &CentralId) {
        if let Some(peer) = self.table().peers.get_mut(id) {
            peer.settle(self.base);
        }
    }

    /// Looks at every link: is the other end alive, is it one process? Returns what queues dropped.
    pub(crate) fn look(&self, clock_ms: i64) -> Vec<(&'static str, u64)> {
        let mut dropped = Vec::new();
        for peer in self.table().peers.values_mut() {
            peer.settle(self.base);
            for link in peer.links() {
                if !link.look(clock_ms) {
                    link.close("the peer does not answer");
                }
                for (queue, n) in link.take_dropped() {
                    tracing::warn!(peer = %link.peer, queue, dropped = n, "queue full, catch-up brings the rest");
                    dropped.push((queue, n));
                }
            }
        }
        dropped
    }

    /// Every link, spare ones too.
    pub(crate) fn all_links(&self) -> Vec<Arc<Link>> {
        self.table().peers.values().flat_map(|p| p.links().to_vec()).collect()
    }

    /// The links to send on: of one peer, or of all.
    pub(crate) fn links(&self, to: Option<&CentralId>) -> Vec<Arc<Link>> {
        let table = self.table();
        match to {
            Some(id) => table.peers.get(id).map(|p| p.primaries().to_vec()).unwrap_or_default(),
            None => table.peers.values().flat_map(|p| p.primaries().to_vec()).collect(),
        }
    }

    /// Has every peer without a link dialled now.
    pub(crate) fn redial(&self) {
        for peer in self.table().peers.values() {
            peer.redial();
        }
    }

    /// Waits until something changed that others should know at once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The mesh in short.
    pub(crate) fn state(&self) -> MeshState {
        let table = self.table();
        let connected: Vec<_> =
            table.order.iter().filter_map(|id| table.peers.get(id)).filter(|p| p.is_linked()).collect();
        let skews: Vec<i64> = connected.iter().filter_map(|p| p.skew_ms()).collect();
        MeshState {
            configured: table.peers.values().filter(|p| !p.conf.disabled).count() as u32,
            clock_offset_ms: own_offset_ms(&skews),
            connected: connected.iter().map(|p| p.conf.id.clone()).collect(),
        }
    }

    /// Every peer as people see it, in the configuration's order.
    pub(crate) fn views(&self, tz: &TimeZone) -> Vec<PeerView> {
        let table = self.table();
        table.order.iter().filter_map(|id| table.peers.get(id)).map(|p| p.view(tz)).collect()
    }
}
