//! Several centrals: bus, stand-ins, the real service.

use std::time::Duration;

use kit::{Bus, ConfigWatch, Health, Role, Service, Settings, Shutdown};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use wire::bus::events::{Apply, ApplyLane, Carried};
use wire::bus::query::{QueryReply, SyncQuery};
use wire::bus::subject::SYNC_QUERY;
use wire::config::P2pConfig;
use wire::event::Frame;
use wire::id::CentralId;

use crate::documents::Documents;
use crate::ledger::Ledger;
use crate::nats::Nats;
use crate::net::Net;

pub(crate) struct Central {
    pub(crate) id: CentralId,
    pub(crate) nats: Nats,
    pub(crate) bus: Bus,
    pub(crate) ledger: Ledger,
    pub(crate) documents: Documents,
    /// More environment for the service.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) health: Health,
    running: Option<(Shutdown, JoinHandle<anyhow::Result<()>>)>,
    tasks: Vec<JoinHandle<()>>,
    config: P2pConfig,
    sync_limit: u32,
}

impl Central {
    async fn new(n: usize, of: usize, net: &Net, sync_limit: u32) -> Self {
        let id: CentralId = format!("central-{n}").parse().unwrap();
        let peers: Vec<_> = (1..=of)
            .filter(|p| *p != n)
            .map(|p| serde_json::json!({"id": format!("central-{p}"), "ip": "127.0.0.1", "p2p_port": 9000 + p}))
            .collect();
        let config = P2pConfig::parse(
            serde_json::json!({"this_central": {"id": id, "ip": "127.0.0.1", "p2p_port": 9000, "api_port": 8000},
                "peer_centrals": peers})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        let nats = Nats::start();
        let bus = connect(&nats).await;
        let ledger = Ledger::new(id.clone());
        net.join(&id, &bus);
        let documents = Documents::default();
        let mut tasks = ledger.serve(bus.clone()).await;
        tasks.push(documents.serve(id.clone(), &bus).await);
        tasks.extend(net.serve(id.clone(), bus.clone()).await);
        let health = Health::default();
        let environment = Vec::new();
        Self {
            id,
            nats,
            bus,
            ledger,
            documents,
            environment,
            health,
            running: None,
            tasks,
            config,
            sync_limit,
        }
    }

    /// Starts the service.
    pub(crate) async fn start(&mut self) {
        let (url, limit) = (self.nats.url(), self.sync_limit.to_string());
        let environment = self.environment.clone();
        let more = move |k: &str| environment.iter().find(|(key, _)| key == k).map(|(_, v)| v.clone());
        let settings = Settings::read(Role::Sync, &move |k| match k {
            "NATS_URL" => Some(url.clone()),
            "SYNC_LIMIT" => Some(limit.clone()),
            k => more(k),
        })
        .unwrap();
        self.health = Health::default();
        let shutdown = Shutdown::new();
        let bus = Bus::connect(&self.nats.url(), "sync", &self.health).await.unwrap();
        until("the service's bus", || bus.is_connected()).await;
        // Before the service runs: else it seems ready before it has begun.
        self.health.set("holdings", false);
        let (config, keep) = ConfigWatch::fixed(self.config.clone());
        let svc = Service {
            role: Role::Sync,
            settings,
            config,
            bus,
            health: self.health.clone(),
            shutdown: shutdown.clone(),
        };
        let task = tokio::spawn(async move {
            let _keep = keep;
            sync::run(svc).await
        });
        self.running = Some((shutdown, task));
    }

    /// Ends the service as a crash would: nothing is finished or said.
    pub(crate) async fn kill(&mut self) {
        if let Some((shutdown, task)) = self.running.take() {
            task.abort();
            shutdown.begin();
            drop(task.await);
        }
    }

    /// The service's answer; one that has only begun may not listen yet.
    pub(crate) async fn ask<A: DeserializeOwned>(&self, q: &SyncQuery) -> A {
        let start = Instant::now();
        let reply: QueryReply = loop {
            match self.bus.request_json(SYNC_QUERY, q, Duration::from_secs(5)).await {
                Ok(reply) => break reply,
                Err(e) => assert!(start.elapsed() < Duration::from_secs(10), "no answer: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        match reply {
            QueryReply::Ok(body) => serde_json::from_str(body.get()).unwrap(),
            QueryReply::Problem(p) => panic!("{p:?}"),
        }
    }

    pub(crate) fn held(&self) -> u64 {
        self.ledger.log().positions.held()
    }
}

async fn connect(nats: &Nats) -> Bus {
    let bus = Bus::connect(&nats.url(), "test", &Health::default()).await.unwrap();
    until("a bus", || bus.is_connected()).await;
    bus
}

impl Drop for Central {
    fn drop(&mut self) {
        for t in &self.tasks {
            t.abort();
        }
        if let Some((shutdown, task)) = &self.running {
            shutdown.begin();
            task.abort();
        }
    }
}

pub(crate) struct Site {
    pub(crate) net: Net,
    pub(crate) centrals: Vec<Central>,
}

impl Site {
    /// Centrals that do not run yet and see nobody.
    pub(crate) async fn new(of: usize, sync_limit: u32) -> Self {
        let net = Net::default();
        let mut centrals = Vec::new();
        for n in 1..=of {
            centrals.push(Central::new(n, of, &net, sync_limit).await);
        }
        Self { net, centrals }
    }

    pub(crate) async fn start(&mut self) {
        for c in &mut self.centrals {
            c.start().await;
        }
    }

    pub(crate) async fn link(&self, a: usize, b: usize, up: bool) {
        self.net.link(&self.centrals[a].id, &self.centrals[b].id, up).await;
    }

    pub(crate) async fn link_all(&self) {
        for a in 0..self.centrals.len() {
            for b in 0..a {
                self.link(a, b, true).await;
            }
        }
    }

    /// Events happen at a central, and those it sees get them live.
    pub(crate) async fn happen(&self, at: usize, n: usize) {
        let c = &self.centrals[at];
        let frames = c.ledger.append(n);
        c.ledger.tell(&c.bus, &frames).await;
        for peer in &self.centrals {
            if self.net.linked(&c.id, &peer.id) {
                peer.ledger.apply(&peer.bus, live(&c.id, &frames)).await;
            }
        }
    }

    pub(crate) fn agreed(&self) -> bool {
        let first = self.centrals[0].ledger.log().positions.digest();
        self.centrals.iter().all(|c| c.ledger.log().positions.digest() == first)
    }

    pub(crate) fn held(&self) -> Vec<u64> {
        self.centrals.iter().map(Central::held).collect()
    }

    /// Waits until all hold the same.
    pub(crate) async fn converge(&self, limit: Duration) -> Duration {
        let start = Instant::now();
        while !self.agreed() {
            assert!(start.elapsed() < limit, "no agreement: {:?}", self.held());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }
}

fn live(from: &CentralId, frames: &[Frame]) -> Apply {
    let carried = |f: &Frame| Carried { trace: None, committed_at: 0, frame: f.bytes().to_vec() };
    Apply { from: from.clone(), lane: ApplyLane::Live, events: frames.iter().map(carried).collect() }
}

/// Waits until something is so, with a deadline.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
