//! A fake system with the contract's face: several centrals over one memory, honest or not.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, stream};
use lab::lab_file::{CentralEntry, EdgeEntry, LabFile};
use lab::process::ProcessRef;
use lab::topology::CentralId;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// What a fake does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The last central never hears of every tenth entry.
    Loses,
    /// Every tenth entry becomes two sessions.
    Doubles,
    /// Every tenth exit is recorded with another fee than the lane was told.
    Overcharges,
    /// The last central computes a digest of its own.
    Disagrees,
    /// Every seventh answer is lost on the way; the request has counted.
    Stutters,
}

struct World {
    fault: Fault,
    sessions: BTreeMap<String, Value>,
    answers: BTreeMap<String, Value>,
    entries: u64,
    exits: u64,
    calls: u64,
    events: broadcast::Sender<(String, String)>,
}

#[derive(Clone)]
struct Central {
    world: Arc<Mutex<World>>,
    number: u16,
    count: u16,
}

/// Starts the fake; its ports live as long as the runtime.
pub(crate) async fn start(count: u16, fault: Fault) -> LabFile {
    let world = Arc::new(Mutex::new(World {
        fault,
        sessions: BTreeMap::new(),
        answers: BTreeMap::new(),
        entries: 0,
        exits: 0,
        calls: 0,
        events: broadcast::Sender::new(100_000),
    }));
    let mut centrals = Vec::new();
    for id in CentralId::first(count) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        let central = Central { world: Arc::clone(&world), number: id.number(), count };
        let router = Router::new()
            .route("/api/edge/detection", post(|| async { Json(json!({"observation_id": "o"})) }))
            .route("/api/edge/barrier/open", post(open))
            .route("/api/edge/barrier/close", post(close))
            .route("/api/parking/history", get(history))
            .route("/api/parking/stream", get(events))
            .route("/api/p2p/status", get(status))
            .with_state(central);
        tokio::spawn(async move { axum::serve(listener, router).await });
        centrals.push(entry(id, gateway));
    }
    LabFile {
        clones: Vec::new(),
        centrals,
        admin_token: "admin".to_owned(),
        supervisor: ProcessRef::of(std::process::id()).unwrap(),
        ready: true,
        insecure: true,
        port_base: 0,
        cuts: Vec::new(),
        logs: std::env::temp_dir(),
    }
}

fn entry(id: CentralId, gateway: String) -> CentralEntry {
    let edges = id.edges().map(|edge| EdgeEntry {
        id: edge.id(),
        direction: edge.direction,
        api_key: format!("key-{}", edge.number),
    });
    CentralEntry {
        id,
        gateway,
        mesh: String::new(),
        database_url: String::new(),
        reader_url: String::new(),
        nats_url: String::new(),
        health: BTreeMap::new(),
        pids: BTreeMap::new(),
        processes: BTreeMap::new(),
        edges: edges.to_vec(),
    }
}

type Reply = (StatusCode, Json<Value>);

async fn open(State(central): State<Central>, headers: HeaderMap, Json(body): Json<Value>) -> Reply {
    let mut world = central.world.lock().unwrap();
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    if let Some(answer) = world.answers.get(&key) {
        return (StatusCode::OK, Json(answer.clone()));
    }
    let plate: String =
        body["plate"].as_str().unwrap().to_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let edge: u16 = body["edge_id"].as_str().unwrap()["edge-".len()..].parse().unwrap();
    let is_entry = (edge - 1) % 4 < 2;
    let answer = if is_entry { world.enter(&central, &plate, &body) } else { world.exit(&central, &plate) };
    world.answers.insert(key, answer.clone());
    world.reply(answer)
}

async fn close(State(central): State<Central>, Json(body): Json<Value>) -> Reply {
    let mut world = central.world.lock().unwrap();
    let event_id = body["event_id"].as_str().unwrap().to_owned();
    let passed = body["passed"].as_bool().unwrap();
    let session = world.sessions.get_mut(&event_id).unwrap();
    let (kind, event) = match (session["status"].as_str().unwrap(), passed) {
        ("EXITED", _) => ("EXIT_CONFIRMED", "VEHICLE_EXIT_CONFIRMED"),
        (_, true) => ("CONFIRMED", "VEHICLE_ENTRY_CONFIRMED"),
        (_, false) => ("ABANDONED", "VEHICLE_ENTRY_ABANDONED"),
    };
    match kind {
        "CONFIRMED" => session["status"] = json!("INSIDE"),
        "ABANDONED" => session["status"] = json!("ABANDONED"),
        _ => {}
    }
    let _ = world.events.send((event.to_owned(), event_id.clone()));
    let answer = json!({"kind": kind, "event_id": event_id});
    world.reply(answer)
}

impl World {
    fn reply(&mut self, answer: Value) -> Reply {
        self.calls += 1;
        if self.fault == Fault::Stutters && self.calls.is_multiple_of(7) {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"code": "no_ledger"})));
        }
        (StatusCode::OK, Json(answer))
    }

    fn enter(&mut self, central: &Central, plate: &str, body: &Value) -> Value {
        let inside = self.sessions.values().find(|session| session["plate_key"] == plate);
        if let Some(session) = inside {
            return json!({"kind": "DUPLICATE", "recorded": false, "event_id": session["event_id"]});
        }
        self.entries += 1;
        let id = format!("central-{}_{}_{plate}", central.number, self.entries);
        let session = json!({
            "event_id": id, "plate_key": plate, "status": "PENDING", "fee": null, "exit_central": null,
            "source_central": format!("central-{}", central.number), "sync_status": "LOCAL",
            "hidden": self.fault == Fault::Loses && self.entries.is_multiple_of(10),
        });
        self.sessions.insert(id.clone(), session.clone());
        if self.fault == Fault::Doubles && self.entries.is_multiple_of(10) {
            let mut second = session;
            second["event_id"] = json!(format!("{id}~2"));
            second["status"] = json!("INSIDE");
            self.sessions.insert(format!("{id}~2"), second);
        }
        let _ = self.events.send(("VEHICLE_ENTRY_PENDING".to_owned(), id.clone()));
        let sent: jiff::Timestamp = body["sent_at"].as_str().unwrap().parse().unwrap();
        let late = sent.duration_since(body["captured_at"].as_str().unwrap().parse().unwrap()).as_secs() > 30;
        json!({"kind": "ENTRY", "recorded": true, "event_id": id, "decision": "open",
            "barrier": if late { "keep_closed" } else { "open" }})
    }

    fn exit(&mut self, central: &Central, plate: &str) -> Value {
        self.exits += 1;
        let overcharged = self.fault == Fault::Overcharges && self.exits.is_multiple_of(10);
        let inside = self.sessions.values_mut().find(|s| s["plate_key"] == plate && s["status"] == "INSIDE");
        let Some(session) = inside else {
            return json!({"kind": "NONE", "recorded": false, "decision": "ask_staff", "barrier": "keep_closed"});
        };
        session["status"] = json!("EXITED");
        session["fee"] = json!(if overcharged { 35_000 } else { 25_000 });
        session["exit_central"] = json!(format!("central-{}", central.number));
        let id = session["event_id"].as_str().unwrap().to_owned();
        let _ = self.events.send(("VEHICLE_EXIT".to_owned(), id.clone()));
        json!({"kind": "EXIT", "recorded": true, "event_id": id, "decision": "open", "barrier": "open", "fee": 25_000})
    }
}

async fn history(
    State(central): State<Central>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let world = central.world.lock().unwrap();
    let wanted = query.get("plate").map(|plate| plate.replace(['-', '.'], ""));
    let after: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let all = world.sessions.values().filter(|session| {
        let hidden = session["hidden"] == true && central.number == central.count;
        !hidden && wanted.as_ref().is_none_or(|plate| session["plate_key"] == **plate)
    });
    let own = format!("central-{}", central.number);
    let shown = all.skip(after).take(50).cloned().map(|mut session| {
        session["sync_status"] = json!(if session["source_central"] == *own { "LOCAL" } else { "SYNCED" });
        session
    });
    let items: Vec<Value> = shown.collect();
    let next = (items.len() == 50).then(|| (after + 50).to_string());
    Json(json!({"items": items, "next_cursor": next}))
}

async fn events(State(central): State<Central>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let world = central.world.lock().unwrap();
    let hides = world.fault == Fault::Loses && central.number == central.count;
    let stream = stream::unfold(world.events.subscribe(), move |mut events| async move {
        loop {
            let (kind, event_id) = events.recv().await.ok()?;
            // A stream that drops everything: history has to be asked.
            if !hides {
                let event = Event::default().event(kind).data(json!({"event_id": event_id}).to_string());
                return Some((Ok(event), events));
            }
        }
    });
    Sse::new(stream)
}

async fn status(State(central): State<Central>) -> Json<Value> {
    let disagrees =
        central.world.lock().unwrap().fault == Fault::Disagrees && central.number == central.count;
    Json(json!({
        "central_id": format!("central-{}", central.number),
        "connected_peers": central.count - 1,
        "digest": if disagrees { "ffffffffffffffff" } else { "0123456789abcdef" },
    }))
}
