//! Postgres, NATS and ledgers for one test. Everything listens on loopback and ends with the test.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kit::{Bus, ConfigWatch, Health, Role, Service, Settings, Shutdown};
use serde::de::DeserializeOwned;
use sqlx::{Connection, PgConnection};
use wire::bus::command::{Command as LedgerCommand, CommandEnvelope, CommandReply, LaneFacts, Seen};
use wire::bus::events::{Apply, ApplyLane, ApplyReply, Carried, Fetch, Fetched, decode, encode};
use wire::bus::query::{LedgerQuery, LedgerStatus, QueryReply};
use wire::bus::subject;
use wire::config::P2pConfig;
use wire::http::{Closed, Decision, Direction, Page, Problem, Session};
use wire::id::CentralId;
use wire::position::SeqRange;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const KEY: &[u8] = b"a key of the operator";

/// Waits until `ready` gives something.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ready: impl FnMut() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(t) = ready().await {
            return t;
        }
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder that goes with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!(
            "ledger-it-{}-{name}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The account Postgres runs as: it refuses root.
fn postgres_account() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let id = |flag: &str| {
        let out = Command::new("id").args([flag, "postgres"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse().unwrap()
    };
    Some((id("-u"), id("-g")))
}

fn binary(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|d| Some(d.ok()?.path().join("bin").join(name)))
        .filter(|p| p.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn as_postgres(program: &Path) -> Command {
    let mut c = Command::new(program);
    if let Some((uid, gid)) = postgres_account() {
        c.uid(uid).gid(gid);
    }
    c.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/tmp");
    c
}

/// One cluster, made once per test process and copied. (A static only so that it is made once.)
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<Folder> = OnceLock::new();
    &TEMPLATE
        .get_or_init(|| {
            let folder = Folder::new("template");
            if let Some((uid, gid)) = postgres_account() {
                chown(&folder.0, Some(uid), Some(gid)).unwrap();
            }
            let data = folder.0.join("data");
            let made = as_postgres(&binary("initdb"))
                .args(["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D"])
                .arg(&data)
                .status()
                .unwrap();
            assert!(made.success(), "initdb");
            let settings = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nshared_buffers = 32MB\nfsync = on\n\
                            synchronous_commit = on\nmax_connections = 40\nautovacuum_naptime = 30s\n";
            let extra = std::env::var("LEDGER_IT_STATEMENTS").map_or("", |_| "shared_preload_libraries = 'pg_stat_statements'\n");
            let file = data.join("postgresql.conf");
            let before = fs::read_to_string(&file).unwrap();
            fs::write(&file, format!("{before}\n{settings}{extra}")).unwrap();
            folder
        })
        .0
}

/// A Postgres server with its own data.
pub(crate) struct Postgres {
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new("postgres");
        if let Some((uid, gid)) = postgres_account() {
            chown(&folder.0, Some(uid), Some(gid)).unwrap();
        }
        let mut p = Self { folder, port: ports::free().unwrap(), child: None };
        copy(&template().join("data"), &p.data());
        p.run().await;
        p
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) async fn run(&mut self) {
        let child = as_postgres(&binary("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .spawn()
            .unwrap();
        self.child = Some(child);
        let url = self.url();
        until("postgres answers", || async { PgConnection::connect(&url).await.ok() }).await;
    }

    /// `-QUIT` (at once, with recovery), `-INT` (orderly).
    pub(crate) async fn stop(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        until("postgres ends", || {
            let ended = child.try_wait().unwrap().is_some();
            async move { ended.then_some(()) }
        })
        .await;
    }

    /// A copy of the data as it is on disk now (server stopped).
    pub(crate) fn copy_of_disk(&self) -> Folder {
        assert!(self.child.is_none());
        let folder = Folder::new("copy");
        copy(&self.data(), &folder.0.join("data"));
        folder
    }

    /// Puts a copy in place (server stopped).
    pub(crate) fn replace_disk(&self, with: &Folder) {
        assert!(self.child.is_none());
        fs::remove_dir_all(self.data()).unwrap();
        copy(&with.0.join("data"), &self.data());
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().ok();
            child.wait().ok();
        }
    }
}

/// A NATS server.
pub(crate) struct Nats {
    port: u16,
    child: Child,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        let port = ports::free().unwrap();
        let child = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let n = Self { port, child };
        until("nats listens", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
        n
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A configuration: two entry lanes, two exit lanes.
pub(crate) fn config(central: &str) -> P2pConfig {
    let n: u32 = central.rsplit('-').next().unwrap().parse().unwrap();
    let edge = |k: u32, kind: &str| serde_json::json!({"id": format!("edge-{}", 4 * (n - 1) + k), "type": kind, "lot_id": "P01"});
    serde_json::from_value(serde_json::json!({
        "this_central": {"id": central, "ip": "127.0.0.1", "p2p_port": 9000, "api_port": 8000,
            "edges": [edge(1, "entry_only"), edge(2, "entry_only"), edge(3, "exit_only"), edge(4, "exit_only")],
            "lots": [{"id": "P01", "capacity": {"motorbike": 0}, "closed": ["truck"]}]},
        "peer_centrals": []
    }))
    .unwrap()
}

/// A ledger process's worth of ledger, in this process.
pub(crate) struct Ledger {
    pub(crate) health: Health,
    shutdown: Shutdown,
    _key: Folder,
}

impl Ledger {
    pub(crate) async fn start(central: &str, postgres: &Postgres, nats: &Nats) -> Self {
        let key = Folder::new("key");
        let file = key.0.join("plate.key");
        fs::write(&file, KEY).unwrap();
        let (database, nats) = (postgres.url(), nats.url());
        let get = |k: &str| match k {
            "DATABASE_URL" => Some(database.clone()),
            "NATS_URL" => Some(nats.clone()),
            "PLATE_KEY_FILE" => Some(file.to_string_lossy().into_owned()),
            _ => None,
        };
        let settings = Settings::read(Role::Ledger, &get).unwrap();
        let health = Health::default();
        let shutdown = Shutdown::new();
        let bus = Bus::connect(settings.nats_url.expose(), "ledger", &health).await.unwrap();
        let (config, held) = ConfigWatch::fixed(config(central));
        let service = Service {
            role: Role::Ledger,
            settings,
            config,
            bus,
            health: health.clone(),
            shutdown: shutdown.clone(),
        };
        shutdown.tracker().spawn(async move {
            let _held = held;
            ledger::run(service).await.unwrap();
        });
        Self { health, shutdown, _key: key }
    }

    pub(crate) async fn ready(self) -> Self {
        until("the ledger is ready", || async { self.health.missing().is_empty().then_some(()) }).await;
        self
    }

    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        assert!(self.shutdown.drained().await, "the ledger ends in time");
    }
}

/// A central: its Postgres, NATS and ledger, and a client on its bus.
pub(crate) struct Central {
    pub(crate) id: CentralId,
    pub(crate) postgres: Postgres,
    pub(crate) nats: Nats,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) bus: Bus,
}

impl Central {
    pub(crate) async fn start(id: &str) -> Self {
        let (postgres, nats) = tokio::join!(Postgres::start(), Nats::start());
        let ledger = Ledger::start(id, &postgres, &nats).await.ready().await;
        let bus = Bus::connect(&nats.url(), "test", &Health::default()).await.unwrap();
        until("the bus is there", || async { bus.is_connected().then_some(()) }).await;
        let c = Self { id: CentralId::new(id).unwrap(), postgres, nats, ledger: Some(ledger), bus };
        c.until_served().await;
        c
    }

    pub(crate) async fn until_served(&self) {
        until("questions are answered", || async { self.try_status().await }).await;
    }

    pub(crate) async fn restart(&mut self) {
        self.ledger.take().unwrap().stop().await;
        self.ledger = Some(Ledger::start(self.id.as_str(), &self.postgres, &self.nats).await.ready().await);
        self.until_served().await;
    }

    pub(crate) async fn command(&self, envelope: &CommandEnvelope) -> Result<CommandReply, kit::BusError> {
        self.bus.request_json(subject::LEDGER_COMMAND, envelope, Duration::from_secs(5)).await
    }

    pub(crate) async fn ask<T: DeserializeOwned>(&self, query: &LedgerQuery) -> T {
        match self.bus.request_json(subject::LEDGER_QUERY, query, Duration::from_secs(5)).await.unwrap() {
            QueryReply::Ok(body) => serde_json::from_str(body.get()).unwrap(),
            QueryReply::Problem(p) => panic!("{p:?}"),
        }
    }

    /// The problem a question is answered with.
    pub(crate) async fn refused(&self, query: &LedgerQuery) -> Problem {
        match self.bus.request_json(subject::LEDGER_QUERY, query, Duration::from_secs(5)).await.unwrap() {
            QueryReply::Problem(p) => p,
            QueryReply::Ok(body) => panic!("answered: {body}"),
        }
    }

    async fn try_status(&self) -> Option<LedgerStatus> {
        let asked = self
            .bus
            .request_json(subject::LEDGER_QUERY, &LedgerQuery::Status, Duration::from_secs(1))
            .await
            .ok()?;
        match asked {
            QueryReply::Ok(body) => serde_json::from_str(body.get()).ok(),
            QueryReply::Problem(_) => None,
        }
    }

    pub(crate) async fn status(&self) -> LedgerStatus {
        until("the status is answered", || self.try_status()).await
    }

    pub(crate) async fn history(&self, plate: Option<&str>) -> Vec<Session> {
        let page: Page<Session> = self
            .ask(&LedgerQuery::History {
                plate: plate.map(str::to_owned),
                statuses: Vec::new(),
                from: None,
                to: None,
                central: None,
                lot_id: None,
                flags: Vec::new(),
                limit: 500,
                cursor: None,
            })
            .await;
        page.items
    }

    pub(crate) async fn fetch(&self, fetch: &Fetch) -> Fetched {
        let b = self
            .bus
            .request(subject::LEDGER_FETCH, encode(fetch).unwrap(), Duration::from_secs(5))
            .await
            .unwrap();
        decode(&b).unwrap()
    }

    /// Every frame held, stream by stream.
    pub(crate) async fn all_frames(&self) -> Vec<Vec<u8>> {
        let Fetched::Holdings { streams, .. } =
            self.fetch(&Fetch::Holdings { after: None, limit: 1000 }).await
        else {
            panic!("no holdings")
        };
        let mut out = Vec::new();
        for s in streams {
            let mut from = 1;
            while from <= s.head {
                let ranges = vec![SeqRange { stream: s.stream.clone(), from, to: s.head }];
                let f = Fetch::Ranges { ranges, max_events: 700, max_bytes: 500_000 };
                let Fetched::Events { frames, more } = self.fetch(&f).await else { panic!("no events") };
                from += frames.len() as u64;
                out.extend(frames.into_iter().map(serde_bytes::ByteBuf::into_vec));
                if !more {
                    break;
                }
            }
        }
        out
    }

    pub(crate) async fn apply(&self, lane: ApplyLane, frames: &[Vec<u8>]) -> ApplyReply {
        let events =
            frames.iter().map(|f| Carried { trace: None, committed_at: 0, frame: f.clone() }).collect();
        let apply = Apply { from: CentralId::new("central-9").unwrap(), lane, events };
        let b = self.bus.request(subject::LEDGER_APPLY, encode(&apply).unwrap(), PATIENCE).await.unwrap();
        decode(&b).unwrap()
    }
}

/// The answer's body and whether it was a replay.
pub(crate) fn answer<T: DeserializeOwned>(reply: CommandReply) -> (T, bool) {
    match reply {
        CommandReply::Answer { status, replayed, body } => {
            assert_eq!(status, 200);
            (serde_json::from_str(body.get()).unwrap(), replayed)
        }
        other => panic!("{other:?}"),
    }
}

fn lane(edge: &str, direction: Direction) -> LaneFacts {
    LaneFacts {
        edge_id: edge.to_owned(),
        direction,
        lot_id: Some("P01".to_owned()),
        vehicle_classes: vec!["car".to_owned()],
        assumed: false,
    }
}

pub(crate) fn envelope(edge: &str, path: &str, key: Option<&str>, command: LedgerCommand) -> CommandEnvelope {
    let now = kit::clock::now_ms();
    CommandEnvelope {
        principal: edge.to_owned(),
        path: format!("/api/v1/edge/{path}"),
        idempotency_key: key.map(str::to_owned),
        received_at: now,
        deadline: now + 5_000,
        degraded: Vec::new(),
        command,
    }
}

/// `barrier/open`.
pub(crate) fn open(
    edge: &str,
    direction: Direction,
    plate: &str,
    at: Option<i64>,
    key: Option<&str>,
) -> CommandEnvelope {
    let seen = Seen { plate: plate.to_owned(), captured_at: at, ..Seen::default() };
    envelope(
        edge,
        "barrier/open",
        key,
        LedgerCommand::Open {
            lane: lane(edge, direction),
            seen,
            staff_id: None,
            pin: None,
            reason: None,
            event_id: None,
            lost_credential: false,
            discounts: Vec::new(),
            payment: None,
            spooled: false,
        },
    )
}

/// `barrier/close`.
pub(crate) fn close(
    edge: &str,
    direction: Direction,
    event_id: Option<&str>,
    passed: bool,
) -> CommandEnvelope {
    let command = LedgerCommand::Close {
        lane: lane(edge, direction),
        event_id: event_id.map(str::to_owned),
        passed,
        captured_at: None,
        sent_at: None,
        tailgate: false,
    };
    envelope(edge, "barrier/close", None, command)
}

/// A car enters, an hour ago.
pub(crate) async fn enter(c: &Central, edge: &str, plate: &str, at: i64) -> Decision {
    let (d, _) = answer(c.command(&open(edge, Direction::Entry, plate, Some(at), None)).await.unwrap());
    d
}

/// The car has passed the loop.
pub(crate) async fn pass(c: &Central, edge: &str, direction: Direction, event_id: &str) -> Closed {
    let (d, _) = answer(c.command(&close(edge, direction, Some(event_id), true)).await.unwrap());
    d
}

/// The car leaves.
pub(crate) async fn leave(c: &Central, edge: &str, plate: &str) -> Decision {
    let (d, _) = answer(c.command(&open(edge, Direction::Exit, plate, None, None)).await.unwrap());
    d
}
