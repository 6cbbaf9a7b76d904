//! One central's bus and gateway for one test. Everything listens on loopback, on free ports.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kit::{Bus, ConfigWatch, Health, Role, Service, Settings, Shutdown};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use wire::config::P2pConfig;
use wire::hash::Hash32;

use crate::stand_ins::StandIns;

pub(crate) const ADMIN: &str = "admin-token-of-the-test";

/// A real NATS server; ended with the test.
pub(crate) struct Nats {
    child: Option<Child>,
    pub(crate) port: u16,
}

impl Nats {
    pub(crate) fn start() -> Self {
        let mut me = Self { child: None, port: ports::free().unwrap() };
        me.up();
        me
    }

    pub(crate) fn up(&mut self) {
        let port = self.port.to_string();
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        self.child = Some(child);
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut c) = self.child.take() {
            let _ = c.kill();
            let _ = c.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The key of an edge.
pub(crate) fn key(edge: &str) -> String {
    format!("key-of-{edge}")
}

fn hash(text: &str) -> String {
    Hash32::of(&[text.as_bytes()]).to_string()
}

/// Two one-way lanes, one that goes both ways, one that denies; one peer.
pub(crate) fn config() -> Value {
    let edge = |id: &str, lane: &str| {
        json!({"id": id, "type": lane, "vehicle_classes": ["car"], "lot_id": "P01", "cameras": [format!("cam-{id}")],
               "key_sha256": hash(&key(id))})
    };
    let mut deny = edge("edge-deny", "exit_only");
    deny["on_no_ledger"] = "deny".into();
    json!({
        "this_central": {"id": "central-1", "ip": "127.0.0.1", "p2p_port": 9000, "api_port": 8000,
            "edges": [edge("edge-in", "entry_only"), edge("edge-out", "exit_only"), edge("edge-both", "reversible"), deny]},
        "peer_centrals": [{"id": "central-2", "ip": "127.0.0.1", "p2p_port": 9001}]
    })
}

/// The gateway under test with all around it.
pub(crate) struct Rig {
    pub(crate) nats: Nats,
    pub(crate) base: String,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) stand_ins: StandIns,
    pub(crate) config: watch::Sender<Arc<P2pConfig>>,
    pub(crate) token_file: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) http: reqwest::Client,
    shutdown: Shutdown,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.begin();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Got {
    /// The problem's code; also checks what every problem must have.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        for k in ["type", "title", "detail"] {
            assert!(self.body[k].is_string(), "{k} in {self:?}");
        }
        assert!(self.body["errors"].is_array(), "{self:?}");
        if matches!(self.status, 429 | 503) {
            let after = self.headers["retry-after"].to_str().unwrap();
            assert!(after.parse::<u32>().unwrap() >= 1, "{self:?}");
        }
        self.body["code"].as_str().unwrap()
    }

    /// `field code` of every fault.
    pub(crate) fn faults(&self) -> Vec<String> {
        let all = self.body["errors"].as_array().unwrap();
        all.iter()
            .map(|e| format!("{} {}", e["field"].as_str().unwrap(), e["code"].as_str().unwrap()))
            .collect()
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(extra: &[(&str, &str)]) -> Self {
        Self::begin(extra, true).await
    }

    /// `doors`: the ledger answers about tokens and keys.
    pub(crate) async fn begin(extra: &[(&str, &str)], doors: bool) -> Self {
        let rig = Self::made(extra, doors).await;
        until("the gateway is ready", async || rig.get("/readyz").await.status == 200).await;
        until("the stand-ins are heard", async || {
            let status = rig.get("/api/p2p/status").await.body;
            status["digest"].is_string() && status["held_only_here"].is_u64()
        })
        .await;
        rig
    }

    /// One that does not speak plain HTTP: whether it is ready is for the test to find out.
    pub(crate) async fn unready(extra: &[(&str, &str)]) -> Self {
        Self::made(extra, true).await
    }

    async fn made(extra: &[(&str, &str)], doors: bool) -> Self {
        let nats = Nats::start();
        let folder = std::env::temp_dir().join(format!("gateway-test-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let token_file = folder.join("admin-token");
        std::fs::write(&token_file, format!("{ADMIN}\n")).unwrap();
        let mut vars: Vec<(String, String)> = vec![
            ("LISTEN_HOST".into(), "127.0.0.1".into()),
            ("NATS_URL".into(), nats.url()),
            ("ADMIN_TOKEN_FILE".into(), token_file.display().to_string()),
            ("IMAGE_DIR".into(), folder.join("images").display().to_string()),
            ("RATE_LIMIT_PER_SECOND".into(), "100000".into()),
        ];
        for (k, v) in extra {
            vars.retain(|(n, _)| n != k);
            vars.push(((*k).into(), (*v).into()));
        }
        let get = move |k: &str| vars.iter().find(|(n, _)| n == k).map(|(_, v)| v.clone());
        let settings = Settings::read(Role::EdgeGateway, &get).unwrap();
        let (watch, config) = ConfigWatch::fixed(P2pConfig::parse(config().to_string().as_bytes()).unwrap());
        let (health, shutdown) = (Health::default(), Shutdown::new());
        let bus = Bus::connect(&nats.url(), "gateway", &health).await.unwrap();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service {
            role: Role::EdgeGateway,
            settings,
            config: watch,
            bus,
            health: health.clone(),
            shutdown: shutdown.clone(),
        };
        tokio::spawn(edge_gateway::serve(service, listener));
        let stand_ins = StandIns::start(&nats.url(), doors).await;
        kit::tls::use_ring();
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy();
        let http = http.timeout(Duration::from_secs(30)).build().unwrap();
        let base = format!("http://{address}");
        Self { nats, base, address, stand_ins, config, token_file, folder, http, shutdown }
    }

    pub(crate) fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let r = self.http.request(method, format!("{}{path}", self.base));
        match token {
            Some(t) => r.bearer_auth(t),
            None => r,
        }
    }

    /// GET as admin.
    pub(crate) async fn get(&self, path: &str) -> Got {
        send(self.request(Method::GET, path, Some(ADMIN))).await
    }

    /// POST of JSON as whoever holds this token.
    pub(crate) async fn post_as(&self, token: &str, path: &str, body: &Value) -> Got {
        send(self.request(Method::POST, path, Some(token)).json(body)).await
    }

    /// POST of JSON as admin.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.post_as(ADMIN, path, body).await
    }
}

/// Sends and reads.
pub(crate) async fn send(request: RequestBuilder) -> Got {
    let r = request.send().await.unwrap();
    let (status, headers) = (r.status(), r.headers().clone());
    let bytes = r.bytes().await.unwrap();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&bytes));
    Got { status: status.as_u16(), headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
}

/// Waits for a condition, at most 10 s.
pub(crate) async fn until(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !met().await {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
