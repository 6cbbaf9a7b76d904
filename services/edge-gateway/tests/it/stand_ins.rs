//! Stand-ins of ledger, mesh and sync: they note what they are asked and answer what the test says.

use std::sync::{Arc, Mutex};

use kit::{Bus, Health};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use wire::access::{Grant, Holder};
use wire::bus::access::{AccessAsk, Act, BookReply};
use wire::bus::command::{Command, CommandEnvelope, CommandReply};
use wire::bus::lanes::{LaneModeNow, LanesHeard};
use wire::bus::query::{LedgerQuery, MeshQuery, QueryReply, SyncQuery};
use wire::bus::subject;
use wire::http::Problem;

/// What the ledger does with a command.
#[derive(Debug, Clone)]
pub(crate) enum LedgerMood {
    Answers,
    Replays,
    Refuses(Box<Problem>),
    Unavailable,
    Silent,
    /// Answers, eight commands a millisecond at most.
    Slow,
}

#[derive(Debug)]
struct State {
    mood: LedgerMood,
    queries_answered: bool,
    mesh_answers: bool,
    sync_answers: bool,
    commands: Vec<CommandEnvelope>,
    queries: Vec<LedgerQuery>,
    mesh_asked: Vec<MeshQuery>,
    stream: Vec<String>,
    for_lane: Vec<(String, Value)>,
    modes: Vec<LaneModeNow>,
    doors_answer: bool,
    grants: Vec<Grant>,
    acts: Vec<Act>,
}

/// The three of them.
#[derive(Clone)]
pub(crate) struct StandIns {
    state: Arc<Mutex<State>>,
    pub(crate) bus: Bus,
}

fn raw(v: &Value) -> Box<RawValue> {
    to_raw_value(v).unwrap()
}

fn session() -> Value {
    json!({"event_id": "central-1_1_29A12345", "source_central": "central-1", "edge_id": "edge-in", "sync_status": "LOCAL",
        "plate": "29A-123.45", "plate_key": "29A12345", "vehicle_class": "car", "status": "INSIDE", "entry_time": null,
        "confirmed_time": null, "exit_time": null, "exit_central": null, "exit_edge": null, "duration_s": null, "fee": null,
        "currency": "VND", "rate_table": null, "flags": []})
}

impl StandIns {
    pub(crate) async fn start(url: &str, doors: bool) -> Self {
        let bus = Bus::connect(url, "stand-ins", &Health::default()).await.unwrap();
        let state = State {
            mood: LedgerMood::Answers,
            queries_answered: true,
            mesh_answers: true,
            sync_answers: true,
            commands: Vec::new(),
            queries: Vec::new(),
            mesh_asked: Vec::new(),
            stream: Vec::new(),
            for_lane: Vec::new(),
            modes: Vec::new(),
            doors_answer: doors,
            grants: Vec::new(),
            acts: Vec::new(),
        };
        let me = Self { state: Arc::new(Mutex::new(state)), bus };
        tokio::spawn(me.clone().commands_task());
        tokio::spawn(me.clone().queries_task());
        tokio::spawn(me.clone().doors_task());
        tokio::spawn(me.clone().mesh_task());
        tokio::spawn(me.clone().sync_task());
        // All four subjects are served when each has answered once.
        crate::harness::until("the stand-ins listen", async || me.bus.is_connected()).await;
        me.bus.flush().await;
        me
    }

    pub(crate) fn mood(&self, mood: LedgerMood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub(crate) fn answer(&self, queries: bool, mesh: bool, sync: bool) {
        let mut s = self.state.lock().unwrap();
        (s.queries_answered, s.mesh_answers, s.sync_answers) = (queries, mesh, sync);
    }

    pub(crate) fn commands(&self) -> Vec<CommandEnvelope> {
        self.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn last_command(&self) -> CommandEnvelope {
        self.commands().pop().expect("a command came")
    }

    pub(crate) fn last_query(&self) -> LedgerQuery {
        self.state.lock().unwrap().queries.last().cloned().expect("a query came")
    }

    /// The next time it is asked, the ledger has this for the lane.
    pub(crate) fn for_lane(&self, edge: &str, command: Value) {
        self.state.lock().unwrap().for_lane.push((edge.to_owned(), command));
    }

    /// How lanes work, as the ledger says.
    pub(crate) fn modes(&self, modes: Vec<LaneModeNow>) {
        self.state.lock().unwrap().modes = modes;
    }

    pub(crate) fn last_mesh(&self) -> MeshQuery {
        self.state.lock().unwrap().mesh_asked.last().cloned().expect("the mesh was asked")
    }

    /// Stores an event and calls out, or keeps quiet about it.
    pub(crate) async fn store(&self, kind: &str, call: bool) {
        self.state.lock().unwrap().stream.push(kind.to_owned());
        if call {
            self.bus.publish(subject::EVENTS_STORED, Vec::new()).await.unwrap();
        }
    }

    /// Whether the ledger answers about tokens and keys.
    pub(crate) fn doors(&self, answer: bool) {
        self.state.lock().unwrap().doors_answer = answer;
    }

    /// What was written down, in the order it came.
    pub(crate) fn acts(&self) -> Vec<Act> {
        self.state.lock().unwrap().acts.clone()
    }

    /// Tokens and keys as they are kept.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        self.state.lock().unwrap().grants.clone()
    }

    async fn doors_task(self) {
        let mut sub = self.bus.serve(subject::LEDGER_ACCESS, subject::LEDGER_GROUP).await.unwrap();
        while let Some(m) = sub.next().await {
            let answer = {
                let mut s = self.state.lock().unwrap();
                if !s.doors_answer {
                    continue;
                }
                door(&mut s, m.json().unwrap())
            };
            m.reply_json(&answer).await;
        }
    }

    async fn commands_task(self) {
        let mut sub = self.bus.serve(subject::LEDGER_COMMAND, subject::LEDGER_GROUP).await.unwrap();
        while let Some(m) = sub.next().await {
            let envelope: CommandEnvelope = m.json().unwrap();
            let answer = self.decide(&envelope.command);
            let pause = {
                let mut state = self.state.lock().unwrap();
                state.commands.push(envelope);
                matches!(state.mood, LedgerMood::Slow) && state.commands.len().is_multiple_of(8)
            };
            if pause {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            if let Some(a) = answer {
                m.reply_json(&a).await;
            }
        }
    }

    fn decide(&self, command: &Command) -> Option<CommandReply> {
        let mood = self.state.lock().unwrap().mood.clone();
        let body = match command {
            Command::Open { .. } => {
                json!({"decision": "open", "barrier": "open", "reason": "ok", "kind": "ENTRY",
                "event_id": "central-1_1_29A12345", "recorded": true, "session": session(), "fee": null, "candidates": [],
                "degraded": []})
            }
            Command::Close { .. } => {
                json!({"kind": "CONFIRMED", "event_id": "central-1_1_29A12345", "session": session()})
            }
            Command::Detect { seen, lane, .. } => json!({"observation_id": "o-1",
                "plate": {"raw": seen.plate, "key": null, "display": "", "kind": "car", "flags": []},
                "lane": {"id": lane.edge_id, "type": "entry"},
                "suggestion": {"decision": "open", "reason": "ok"}, "session": null, "quote": null}),
            Command::LoseRange { range, staff_id, reason, .. } => json!({"position": "central-1/0/9",
                "central": range.stream.central, "incarnation": range.stream.incarnation, "from": range.from, "to": range.to,
                "missing": null, "state": null, "staff_id": staff_id, "reason": reason,
                "at": "2026-11-22T08:00:00.000+07:00"}),
            Command::Act { .. } => session(),
            Command::Register { .. } => json!({"id": "list-0000000000000001", "kind": "block"}),
            Command::SetPolicy { .. } => json!({"recorded": true, "policy": null, "effect": null}),
            Command::TellLane { edge_id, .. } | Command::EndLaneCommand { edge_id, .. } => {
                json!({"command_id": "00".repeat(16), "edge_id": edge_id, "state": "waiting"})
            }
            // What was put there for the lane, once.
            Command::NextForLane { edge_id, .. } => {
                let all = &mut self.state.lock().unwrap().for_lane;
                let at = all.iter().position(|(edge, _)| edge == edge_id);
                json!({"command": at.map(|i| all.remove(i).1)})
            }
            Command::SetLaneMode { edges, mode, .. } => json!({"edges": edges, "mode": mode}),
            Command::Resolve { id, event_id, .. } => json!({"id": id, "event_id": event_id}),
        };
        match mood {
            LedgerMood::Answers | LedgerMood::Slow => {
                Some(CommandReply::Answer { status: 200, replayed: false, body: raw(&body) })
            }
            LedgerMood::Replays => {
                Some(CommandReply::Answer { status: 200, replayed: true, body: raw(&body) })
            }
            LedgerMood::Refuses(p) => Some(CommandReply::Refused(*p)),
            LedgerMood::Unavailable => Some(CommandReply::Unavailable("no writer lock".into())),
            LedgerMood::Silent => None,
        }
    }

    async fn queries_task(self) {
        let mut sub = self.bus.serve(subject::LEDGER_QUERY, subject::LEDGER_GROUP).await.unwrap();
        while let Some(m) = sub.next().await {
            let query: LedgerQuery = m.json().unwrap();
            let (answers, stream) = {
                let mut s = self.state.lock().unwrap();
                match &query {
                    // The gateway asks these of itself.
                    LedgerQuery::LaneModes | LedgerQuery::LanesHeard => {}
                    _ => s.queries.push(query.clone()),
                }
                (s.queries_answered, s.stream.clone())
            };
            let of_lanes = match &query {
                LedgerQuery::LaneModes => Some(json!(self.state.lock().unwrap().modes)),
                LedgerQuery::LanesHeard => Some(json!(LanesHeard::default())),
                _ => None,
            };
            match of_lanes {
                Some(body) if answers => m.reply_json(&QueryReply::Ok(raw(&body))).await,
                None if answers => m.reply_json(&read(&query, &stream)).await,
                _ => {}
            }
        }
    }

    async fn mesh_task(self) {
        let mut sub = self.bus.serve(subject::MESH_QUERY, "mesh").await.unwrap();
        while let Some(m) = sub.next().await {
            let query: MeshQuery = m.json().unwrap();
            let answers = {
                let mut s = self.state.lock().unwrap();
                s.mesh_asked.push(query.clone());
                s.mesh_answers
            };
            let stranger =
                matches!(&query, MeshQuery::TrustBundle { exporter, .. } if exporter.as_str() == "central-9");
            if answers && stranger {
                let p =
                    Problem::new(422, "bundle_not_trusted", "The bundle is not trusted here", "a stranger");
                m.reply_json(&QueryReply::Problem(p)).await;
            } else if answers {
                m.reply_json(&QueryReply::Ok(raw(&mesh(query)))).await;
            }
        }
    }

    async fn sync_task(self) {
        let mut sub = self.bus.serve(subject::SYNC_QUERY, "sync").await.unwrap();
        while let Some(m) = sub.next().await {
            let query: SyncQuery = m.json().unwrap();
            if !self.state.lock().unwrap().sync_answers {
                continue;
            }
            let answer = match query {
                SyncQuery::State => {
                    json!({"central_id": "central-1", "catching_up": false, "backlog": 0, "unavailable": [],
                    "stalled": null, "peers": []})
                }
                // Of central-9 nothing is held anywhere, of central-2 everything by central-2.
                SyncQuery::Range(r) => match r.stream.central.as_str() {
                    "central-9" => json!({"missing": r.len(), "known": r.len(), "holders": [], "away": []}),
                    "central-2" => {
                        json!({"missing": r.len(), "known": r.len(), "holders": ["central-2"], "away": []})
                    }
                    // … and of central-4 by one that is away.
                    "central-4" => {
                        json!({"missing": r.len(), "known": r.len(), "holders": [], "away": ["central-4"]})
                    }
                    _ => json!({"missing": 0, "known": 0, "holders": [], "away": []}),
                },
                SyncQuery::Spread => {
                    json!({"not_everywhere": 4, "oldest": null, "oldest_age_s": 60, "peers": []})
                }
                SyncQuery::Holders(p) => json!(p.iter().map(|p| 11 - p.seq.min(10)).collect::<Vec<_>>()),
                SyncQuery::Reference => json!({"configured": true, "stale": false,
                    "sources": [{"kind": "rate_tables", "checked_at": 1_793_466_000_000_i64,
                        "answered_at": 1_793_466_000_000_i64, "published": true,
                        "error": {"at": 1_793_466_000_000_i64, "reason": "/version: is missing", "errors": [
                            {"field": "/version", "code": "missing", "message": "is missing"}]}}],
                    "peers": [{"id": "central-2", "documents": [
                        {"kind": "rate_tables", "version": 8, "hash": "22".repeat(32)},
                        {"kind": "rate_tables", "version": 7, "hash": "11".repeat(32)}]}]}),
                SyncQuery::Peers => json!({"held_only_here": 7,
                    "peers": [{"id": "central-2", "behind_events": 3, "held_events": 40}]}),
            };
            m.reply_json(&QueryReply::Ok(raw(&answer))).await;
        }
    }
}

/// The ledger's part in who gets in.
fn door(s: &mut State, ask: AccessAsk) -> QueryReply {
    let unknown = |code: &str| QueryReply::Problem(Problem::new(404, code, "Unknown", "not here"));
    let answer = match ask {
        AccessAsk::Book { known } => {
            let good: Vec<_> = s.grants.iter().filter(|g| g.revoked_at.is_none()).cloned().collect();
            let print = wire::hash::Hash32::of(&[&serde_json::to_vec(&good).unwrap()]);
            json!(BookReply { print, grants: (known != Some(print)).then_some(good) })
        }
        AccessAsk::List { edge_id, .. } => {
            let of = |g: &&Grant| match (&g.holder, &edge_id) {
                (Holder::Person { .. }, None) => true,
                (Holder::Lanes(lanes), Some(edge)) => lanes.contains(edge),
                _ => false,
            };
            json!({"items": s.grants.iter().filter(of).collect::<Vec<_>>(), "next_cursor": null})
        }
        AccessAsk::Add { grant, replaces, act } => {
            if let Some(old) = replaces {
                let Some(g) = s.grants.iter_mut().find(|g| g.id == old.id) else {
                    return unknown("unknown_key");
                };
                g.expires_at = Some(old.ends_at);
            }
            s.grants.push(*grant.clone());
            s.acts.push(*act);
            json!(grant)
        }
        AccessAsk::Revoke { id, edge_id, act } => {
            let code = if edge_id.is_some() { "unknown_key" } else { "unknown_token" };
            let Some(g) = s.grants.iter_mut().find(|g| g.id == id) else { return unknown(code) };
            g.revoked_at = Some(act.at);
            let g = g.clone();
            s.acts.push(*act);
            json!(g)
        }
        AccessAsk::Note(acts) => {
            s.acts.extend(acts);
            json!(null)
        }
        AccessAsk::Acts { .. } => {
            json!({"items": s.acts.iter().rev().collect::<Vec<_>>(), "next_cursor": null})
        }
    };
    QueryReply::Ok(raw(&answer))
}

fn mesh(query: MeshQuery) -> Value {
    match query {
        MeshQuery::Status => json!({"central_id": "central-1", "mode": "mesh", "peers": [{"id": "central-2",
            "state": "connected", "since": "2026-11-22T08:00:00.000+07:00", "rtt_ms": 0.4, "clock_skew_ms": 1,
            "behind_events": null, "held_events": null, "last_error": null}]}),
        MeshQuery::PutConfig(c) => serde_json::to_value(c.redacted()).unwrap(),
        MeshQuery::TestConnection { .. } => {
            json!({"ok": false, "rtt_ms": null, "stage": "tcp", "error": "refused"})
        }
        MeshQuery::TrustBundle { .. } => json!({"by": "operator_key", "ended": false}),
        _ => json!(null),
    }
}

/// The stand-in's log: positions are `p<n>`; anything else is another log's.
fn stream_page(stream: &[String], after: Option<&str>) -> Value {
    let position = |n: usize| format!("p{n}");
    let at = match after {
        None => Some(stream.len()),
        Some(a) => a.strip_prefix('p').and_then(|n| n.parse().ok()).filter(|n| *n <= stream.len()),
    };
    let Some(from) = at else {
        return json!({"events": [], "position": position(stream.len()), "reset": true});
    };
    let events: Vec<Value> = stream
        .iter()
        .enumerate()
        .skip(from)
        .take(500)
        .map(|(i, kind)| {
            json!({"id": position(i + 1), "kind": kind, "position": format!("central-1/0/{}", i + 1), "central": "central-1",
                "edge_id": null, "event_id": null, "occurred_at": "2026-11-22T08:00:00.000+07:00", "fee": null})
        })
        .collect();
    json!({"position": position(from + events.len()), "events": events, "reset": false})
}

fn read(query: &LedgerQuery, stream: &[String]) -> QueryReply {
    let answer = match query {
        LedgerQuery::History { .. } => json!({"items": [session()], "next_cursor": null}),
        LedgerQuery::Session { event_id } if event_id.contains("29A12345") => {
            let mut s = session();
            let event = |n: u64| {
                json!({"kind": "VEHICLE_ENTRY_PENDING", "position": format!("central-1/{:032x}/{n}", 5),
                "hash": "00", "central": "central-1", "edge_id": "edge-in", "occurred_at": "2026-11-22T08:00:00.000+07:00",
                "held_by": null})
            };
            s["events"] = json!([event(1), event(2)]);
            s["conflicts"] = json!([]);
            s["fee_lines"] = json!([]);
            s["held_by"] = json!(null);
            s
        }
        LedgerQuery::Session { .. } => {
            return QueryReply::Problem(Problem::new(404, "unknown_session", "No such session", "not here"));
        }
        LedgerQuery::Quote { .. } | LedgerQuery::Calculate { .. } => {
            json!({"event_id": null, "fee": 25000, "currency": "VND", "rate_table": null, "lines": [], "valid_until": null})
        }
        LedgerQuery::Lists { .. } | LedgerQuery::Passes { .. } | LedgerQuery::OccupancyCorrections { .. } => {
            json!({"items": [], "next_cursor": null})
        }
        LedgerQuery::Passback { .. } => {
            json!({"default_mode": "soft", "modes": [], "items": [], "next_cursor": null})
        }
        LedgerQuery::Occupancy { .. } => json!({"as_of": "2026-11-22T08:00:00.000+07:00", "places": []}),
        LedgerQuery::Conflicts { .. } => json!({"items": [], "next_cursor": null}),
        LedgerQuery::Policies => json!({"items": []}),
        LedgerQuery::Replay { .. } => {
            json!({"from": "x", "to": "y", "duplicate_window_ms": 90_000, "vehicles": 3,
            "sessions": [], "conflicts": [{"kind": "REENTRY", "before": 2, "after": 1}], "differing": 1, "items": [],
            "next_cursor": null})
        }
        LedgerQuery::Stream { after, .. } => stream_page(stream, after.as_deref()),
        LedgerQuery::Audit { site, days, findings } => {
            json!({"central_id": "central-1", "as_of": "2026-11-22T08:00:00.000+07:00",
            "open_findings": 0, "progress": {"recent_at": null, "recent_ms": null, "recent_chunks": *findings, "chunks": *days, "events": 0,
            "full_at": null, "full_s": null, "vehicles": 0, "rows_at": null}, "days": [], "compared": [],
            "findings": [], "site": site})
        }
        LedgerQuery::AuditNow => json!({"started": true, "recent_at": null}),
        LedgerQuery::LostRanges => json!({"items": []}),
        LedgerQuery::Storage => {
            json!({"database_bytes": 9_000_000, "budget_bytes": null, "days_left": null, "events": 20,
            "events_per_day": 20.0, "bytes_per_event": 2000.0, "history_bytes": 1, "conflict_bytes": 1, "other_bytes": 1,
            "keep_days": 400, "long_run_bytes": 16_000_000, "past_keeping_events": 0, "past_keeping_bytes": 0, "months": []})
        }
        LedgerQuery::Reference { document, limit, .. } => {
            json!({"document": document, "version": 7, "hash": "11".repeat(32),
            "source": "external_api", "came_from": null, "fetched_at": "2026-11-22T08:00:00.000+07:00",
            "fetched_by": "central-1", "age_s": 60, "etag": null, "configured": false, "stale": null, "checked_at": null,
            "answered_at": null, "published": null, "last_error": null, "newest_known": 7, "behind": false, "peers": [],
            "total": 1, "items": [{"limit": limit}], "next_cursor": null})
        }
        LedgerQuery::Status => json!({"writer": true, "reference": [{"kind": "rate_tables", "version": 7,
            "hash": "11".repeat(32)}], "digest": "ab", "positions_digest": "00".repeat(32),
            "projection_version": 1, "history_rows": 12, "conflict_rows": 0, "events": 20}),
        LedgerQuery::Identity => json!({"process": "p", "writer": true, "projection_version": 1}),
        LedgerQuery::PeerTimes => json!([]),
        LedgerQuery::LaneCommands { .. } => json!({"items": [], "next_cursor": null}),
        LedgerQuery::Unresolved { .. } => json!({"items": [], "total": 0}),
        LedgerQuery::LaneModes | LedgerQuery::LanesHeard => json!(null),
    };
    QueryReply::Ok(raw(&answer))
}
