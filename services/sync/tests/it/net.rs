//! A stand-in for mesh: carries sync's messages between the buses, and loses, delays and cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kit::Bus;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wire::bus::events::{FromPeer, ToPeer, decode, encode};
use wire::bus::state::MeshState;
use wire::bus::subject::{MESH_RECEIVED, MESH_SEND, MESH_STATE};
use wire::id::CentralId;
use wire::mesh::{MAX_FRAME_BYTES, Message};

#[derive(Default)]
pub(crate) struct State {
    links: BTreeSet<(CentralId, CentralId)>,
    /// Messages lost, one in so many; 0 = none.
    pub(crate) lose_one_in: u64,
    pub(crate) delay: Duration,
    carried: u64,
    pub(crate) largest: usize,
    /// Pages sent per (from, to).
    pub(crate) pages: BTreeMap<(CentralId, CentralId), u64>,
    pub(crate) requests: BTreeMap<(CentralId, CentralId), u64>,
}

/// All links.
#[derive(Clone, Default)]
pub(crate) struct Net {
    state: Arc<Mutex<State>>,
    buses: Arc<Mutex<BTreeMap<CentralId, Bus>>>,
}

type Parcel = (Instant, CentralId, CentralId, Vec<u8>);

impl Net {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn join(&self, id: &CentralId, bus: &Bus) {
        self.buses.lock().unwrap().insert(id.clone(), bus.clone());
    }

    pub(crate) fn linked(&self, a: &CentralId, b: &CentralId) -> bool {
        self.state().links.contains(&(a.clone(), b.clone()))
    }

    pub(crate) async fn link(&self, a: &CentralId, b: &CentralId, up: bool) {
        for pair in [(a.clone(), b.clone()), (b.clone(), a.clone())] {
            let mut s = self.state();
            if up {
                s.links.insert(pair)
            } else {
                s.links.remove(&pair)
            };
        }
        self.announce(a).await;
        self.announce(b).await;
    }

    async fn announce(&self, id: &CentralId) {
        let connected: Vec<CentralId> =
            self.state().links.iter().filter(|(a, _)| a == id).map(|(_, b)| b.clone()).collect();
        let bus = self.buses.lock().unwrap().get(id).cloned();
        if let Some(bus) = bus {
            let state =
                MeshState { configured: 2, connected, clock_offset_ms: 0, clock: None, unlinked: Vec::new() };
            drop(bus.publish_json(MESH_STATE, &state).await);
        }
    }

    /// Serves one central's bus.
    pub(crate) async fn serve(&self, me: CentralId, bus: Bus) -> Vec<JoinHandle<()>> {
        let mut sends = bus.subscribe(MESH_SEND).await.unwrap();
        let (tx, mut rx) = mpsc::unbounded_channel::<Parcel>();
        let (a, b, c) = (self.clone(), self.clone(), self.clone());
        let who = me.clone();
        vec![
            tokio::spawn(async move {
                while let Some(m) = sends.next().await {
                    let ToPeer { to, message } = decode(&m.payload).unwrap();
                    for p in a.take(&who, to.as_ref(), &message) {
                        tx.send(p).unwrap();
                    }
                }
            }),
            tokio::spawn(async move {
                while let Some((at, from, to, message)) = rx.recv().await {
                    tokio::time::sleep_until(at).await;
                    let bus = b.buses.lock().unwrap().get(&to).cloned();
                    if let Some(bus) = bus.filter(|_| b.linked(&from, &to)) {
                        drop(bus.publish(MESH_RECEIVED, encode(&FromPeer { from, message }).unwrap()).await);
                    }
                }
            }),
            tokio::spawn(async move {
                loop {
                    c.announce(&me).await;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }),
        ]
    }

    fn take(&self, me: &CentralId, to: Option<&CentralId>, message: &[u8]) -> Vec<Parcel> {
        let mut s = self.state();
        assert!(message.len() <= MAX_FRAME_BYTES, "{}", message.len());
        s.largest = s.largest.max(message.len());
        let peers: Vec<CentralId> = s
            .links
            .iter()
            .filter(|(a, b)| a == me && to.is_none_or(|t| t == b))
            .map(|(_, b)| b.clone())
            .collect();
        let mut out = Vec::new();
        for p in peers {
            let pair = (me.clone(), p.clone());
            match Message::decode(message).unwrap() {
                Message::SyncResponse(_) => *s.pages.entry(pair).or_default() += 1,
                Message::SyncRequest(_) => *s.requests.entry(pair).or_default() += 1,
                _ => {}
            }
            s.carried += 1;
            let lost = s.lose_one_in > 0 && s.carried.is_multiple_of(s.lose_one_in);
            if !lost {
                out.push((Instant::now() + s.delay, me.clone(), p, message.to_vec()));
            }
        }
        out
    }
}
