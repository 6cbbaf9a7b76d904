//! One central with mesh only.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::bus::events::{Apply, ApplyReply, Carried, EventBatch, Fetch, Fetched, FromPeer, decode, encode};
use wire::bus::query::{MeshQuery, QueryReply};
use wire::bus::subject;
use wire::bus::trace::TraceContext;
use wire::http::{MeshStatus, PeerState, PeerView, Problem};

use super::nats::Nats;
use super::{Issued, WITHIN, eventually};

/// An event's stand-in: mesh never looks into one.
pub(crate) fn event(n: usize) -> Carried {
    let trace = TraceContext { trace_id: [7; 16], span_id: (n as u64 + 1).to_be_bytes(), flags: 1 };
    Carried { trace: Some(trace), committed_at: 1, frame: n.to_be_bytes().repeat(40) }
}

/// What a central is made of.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Issued>,
    /// Without certificates: plain text, or no links at all.
    pub(crate) plain: bool,
    pub(crate) peers: Vec<(String, u16)>,
    /// Frames its stand-in ledger answers to a plate question.
    pub(crate) plate_frames: Vec<Vec<u8>>,
}

impl Plan {
    pub(crate) fn new(id: &str, tls: Option<Issued>) -> Self {
        Self {
            id: id.to_owned(),
            port: ports::free().unwrap(),
            tls,
            plain: true,
            peers: Vec::new(),
            plate_frames: Vec::new(),
        }
    }

    pub(crate) fn peer(mut self, id: &str, port: u16) -> Self {
        self.peers.push((id.to_owned(), port));
        self
    }

    /// Each knows all the others.
    pub(crate) fn mesh<const N: usize>(mut plans: [Self; N]) -> [Self; N] {
        let all: Vec<_> = plans.iter().map(|p| (p.id.clone(), p.port)).collect();
        for p in &mut plans {
            p.peers.extend(all.iter().filter(|(id, _)| *id != p.id).cloned());
        }
        plans
    }

    pub(crate) fn config(&self) -> serde_json::Value {
        let peer = |(id, port): &(String, u16)| json!({"id": id, "ip": "127.0.0.1", "p2p_port": port});
        json!({
            "this_central": {"id": self.id, "ip": "127.0.0.1", "p2p_port": self.port, "api_port": 1,
                "edges": [{"id": "edge-1", "type": "entry_only", "key_sha256": "00".repeat(32)}]},
            "peer_centrals": self.peers.iter().map(peer).collect::<Vec<_>>()
        })
    }
}

/// The stand-in of the ledger: what is its own to say.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The process that says it writes; none answers nobody.
    pub(crate) process: Mutex<Option<String>>,
    /// How often it said so.
    pub(crate) named: AtomicU64,
    /// It takes events and never answers.
    pub(crate) is_dead: AtomicBool,
}

/// A running central.
pub(crate) struct Central {
    pub(crate) plan: Plan,
    pub(crate) folder: PathBuf,
    pub(crate) bus: kit::Bus,
    pub(crate) ledger: Arc<Ledger>,
    /// Requests to the stand-in ledger.
    pub(crate) applied: mpsc::UnboundedReceiver<Apply>,
    /// What mesh passes to sync.
    pub(crate) for_sync: mpsc::UnboundedReceiver<FromPeer>,
    service: Option<(kit::Shutdown, JoinHandle<anyhow::Result<()>>)>,
    tasks: Vec<JoinHandle<()>>,
    nats: Nats,
}

impl Drop for Central {
    fn drop(&mut self) {
        if let Some((shutdown, _)) = &self.service {
            shutdown.begin();
        }
        for t in &self.tasks {
            t.abort();
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn folder(id: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let d = std::env::temp_dir().join(format!("parkmesh-mesh-{}-{n}-{id}", std::process::id()));
    std::fs::create_dir_all(&d).unwrap();
    d
}

impl Central {
    pub(crate) async fn start(plan: Plan) -> Self {
        let (nats, folder) = (Nats::start(), folder(&plan.id));
        let bus = kit::Bus::connect(&nats.url, "test", &kit::Health::default()).await.unwrap();
        eventually("NATS answers", || async { bus.is_connected().then_some(()) }).await;
        let (applied_tx, applied) = mpsc::unbounded_channel();
        let (sync_tx, for_sync) = mpsc::unbounded_channel();
        let mut applies = bus.serve(subject::LEDGER_APPLY, subject::LEDGER_GROUP).await.unwrap();
        let mut fetches = bus.serve(subject::LEDGER_FETCH, subject::LEDGER_GROUP).await.unwrap();
        let mut received = bus.subscribe(subject::MESH_RECEIVED).await.unwrap();
        let mut questions = bus.serve(subject::LEDGER_QUERY, subject::LEDGER_GROUP).await.unwrap();
        let frames = plan.plate_frames.clone();
        let ledger = Arc::new(Ledger::default());
        let (taking, answering) = (ledger.clone(), ledger.clone());
        let tasks = vec![
            tokio::spawn(async move {
                while let Some(m) = questions.next().await {
                    let Some(process) = answering.process.lock().unwrap().clone() else { continue };
                    let who = json!({"process": process, "writer": true, "projection_version": 1});
                    m.reply_json(&QueryReply::Ok(serde_json::value::to_raw_value(&who).unwrap())).await;
                    answering.named.fetch_add(1, Ordering::SeqCst);
                }
            }),
            tokio::spawn(async move {
                while let Some(m) = applies.next().await {
                    let apply: Apply = decode(&m.payload).unwrap();
                    let stored = apply.events.len() as u32;
                    drop(applied_tx.send(apply));
                    if taking.is_dead.load(Ordering::SeqCst) {
                        continue;
                    }
                    m.reply(encode(&ApplyReply { stored, ..ApplyReply::default() }).unwrap()).await;
                }
            }),
            tokio::spawn(async move {
                while let Some(m) = fetches.next().await {
                    let fetched = match decode::<Fetch>(&m.payload).unwrap() {
                        Fetch::Holdings { .. } => Fetched::Holdings { streams: Vec::new(), more: false },
                        _ => {
                            let frames = frames.iter().cloned().map(Into::into).collect();
                            Fetched::Events { frames, more: false }
                        }
                    };
                    m.reply(encode(&fetched).unwrap()).await;
                }
            }),
            tokio::spawn(async move {
                while let Some(m) = received.next().await {
                    drop(sync_tx.send(decode(&m.payload).unwrap()));
                }
            }),
        ];
        std::fs::write(folder.join("p2p_config.json"), plan.config().to_string()).unwrap();
        let mut central = Self { plan, folder, bus, ledger, applied, for_sync, service: None, tasks, nats };
        central.run().await;
        central
    }

    /// Certificates that count no more here.
    pub(crate) fn deny_file(&self) -> PathBuf {
        self.folder.join("denied.txt")
    }

    /// Settings as the environment would give them.
    fn settings(&self) -> kit::Settings {
        let mut env = HashMap::from([
            ("LISTEN_HOST".to_owned(), "127.0.0.1".to_owned()),
            ("P2P_PORT".to_owned(), self.plan.port.to_string()),
            ("NATS_URL".to_owned(), self.nats.url.clone()),
            ("HEARTBEAT_INTERVAL".to_owned(), "1".to_owned()),
            ("PLATE_KEY_FILE".to_owned(), self.folder.join("plate-key").display().to_string()),
            ("P2P_CONFIG_FILE".to_owned(), self.folder.join("p2p_config.json").display().to_string()),
        ]);
        match &self.plan.tls {
            Some(issued) => {
                let files = issued.write(&self.folder).map(|f| f.display().to_string());
                let keys = ["MESH_TLS_CA_FILE", "MESH_TLS_CERT_FILE", "MESH_TLS_KEY_FILE"];
                env.extend(keys.map(str::to_owned).into_iter().zip(files));
                let denied = self.deny_file();
                if !denied.exists() {
                    std::fs::write(&denied, "").unwrap();
                }
                env.insert("MESH_TLS_DENY_FILE".to_owned(), denied.display().to_string());
            }
            None if self.plan.plain => {
                env.insert("MESH_INSECURE".to_owned(), "1".to_owned());
            }
            None => {}
        }
        kit::Settings::read(kit::Role::Mesh, &|k| env.get(k).cloned()).unwrap()
    }

    /// Starts the mesh service (again).
    pub(crate) async fn run(&mut self) {
        let settings = self.settings();
        let shutdown = kit::Shutdown::new();
        let health = kit::Health::default();
        let bus = kit::Bus::connect(settings.nats_url.expose(), "mesh", &health).await.unwrap();
        let config = kit::ConfigWatch::start(settings.config_file.clone(), &shutdown).unwrap();
        let role = kit::Role::Mesh;
        let service =
            kit::Service { role, settings, config, bus, health: health.clone(), shutdown: shutdown.clone() };
        let running = tokio::spawn(mesh::run(service));
        self.service = Some((shutdown, running));
        eventually("mesh is ready", || async { health.missing().is_empty().then_some(()) }).await;
        eventually("mesh answers", || async { self.try_status().await.map(drop) }).await;
    }

    /// Starts the service where it is expected to end at once.
    pub(crate) async fn try_run(&self) -> anyhow::Result<()> {
        let settings = self.settings();
        let shutdown = kit::Shutdown::new();
        let health = kit::Health::default();
        let bus = kit::Bus::connect(settings.nats_url.expose(), "mesh", &health).await.unwrap();
        let config = kit::ConfigWatch::start(settings.config_file.clone(), &shutdown).unwrap();
        let role = kit::Role::Mesh;
        let service = kit::Service { role, settings, config, bus, health, shutdown: shutdown.clone() };
        let ended = mesh::run(service).await;
        shutdown.begin();
        ended
    }

    /// Stops the mesh service, as a kill would as far as peers can see.
    pub(crate) async fn stop(&mut self) {
        let (shutdown, running) = self.service.take().unwrap();
        shutdown.begin();
        running.await.unwrap().unwrap();
        assert!(shutdown.drained().await, "every task ends");
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, q: &MeshQuery) -> Result<T, Problem> {
        match self.bus.request_json::<_, QueryReply>(subject::MESH_QUERY, q, WITHIN).await.unwrap() {
            QueryReply::Ok(body) => Ok(serde_json::from_str(body.get()).unwrap()),
            QueryReply::Problem(p) => Err(p),
        }
    }

    async fn try_status(&self) -> Option<MeshStatus> {
        let asked = self.bus.request_json::<_, QueryReply>(subject::MESH_QUERY, &MeshQuery::Status, WITHIN);
        match asked.await {
            Ok(QueryReply::Ok(body)) => serde_json::from_str(body.get()).ok(),
            _ => None,
        }
    }

    /// Names of the alarms that stand; none before the mesh answers.
    pub(crate) async fn alarms(&self) -> Option<Vec<String>> {
        Some(self.try_status().await?.alarms.iter().map(|a| a.code.name()).collect())
    }

    pub(crate) async fn peer(&self, id: &str) -> PeerView {
        let status = self.try_status().await.unwrap();
        status.peers.into_iter().find(|p| p.id == id).unwrap()
    }

    /// Waits until the peer stands so.
    pub(crate) async fn sees(&self, id: &str, state: PeerState) -> PeerView {
        eventually(&format!("{} sees {id} {state:?}", self.plan.id), || async {
            Some(self.peer(id).await).filter(|p| p.state == state)
        })
        .await
    }

    /// Says what the ledger says after a commit.
    pub(crate) async fn commit(&self, events: Vec<Carried>) {
        let payload = encode(&EventBatch { events }).unwrap();
        self.bus.publish(subject::EVENTS_COMMITTED, payload).await.unwrap();
    }

    /// Collects what the stand-in ledger is given until there are `n` events.
    pub(crate) async fn take_events(&mut self, n: usize) -> Vec<Carried> {
        let mut got = Vec::new();
        while got.len() < n {
            let next = tokio::time::timeout(WITHIN, self.applied.recv()).await;
            got.extend(next.expect("events arrive").expect("the ledger runs").events);
        }
        got
    }

    pub(crate) fn edit_config(&self, edit: impl FnOnce(&mut serde_json::Value)) {
        let mut config = self.plan.config();
        edit(&mut config);
        std::fs::write(self.folder.join("p2p_config.json"), config.to_string()).unwrap();
    }

    pub(crate) async fn test_connection(&self, peer: &str) -> Result<wire::http::TestConnection, Problem> {
        self.ask(&MeshQuery::TestConnection { peer_id: peer.to_owned() }).await
    }
}
