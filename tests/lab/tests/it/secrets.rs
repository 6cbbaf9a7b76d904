//! No secret leaves a central: whatever its processes log, send as telemetry, show to whoever asks, keep in the database or have in
//! their command lines is searched for every secret of the run, while people, lanes and whole services do everything, also wrongly.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use futures_util::StreamExt as _;
use lab::api::Api;
use lab::process::Signal;
use lab::topology::Service;
use lab::{Lab, until};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::otlp::{Receiver, talkative};
use crate::support::{assert_passed, central, settled, start, traffic};

const PATIENCE: Duration = Duration::from_secs(30);
const OPEN: &str = "/api/edge/barrier/open";
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// A staff member's PIN, and one that is none.
const PIN: &str = "pin-73915-xyzzy-4711";
const WRONG_PIN: &str = "pin-73915-plugh-4712";
/// What people send by mistake.
const FORGED: &str = "pmt_0123456789abcdef_f0rgedf0rgedf0rged";
/// A key where its hash belongs.
const PLAIN_KEY: &str = "plain-key-of-a-lane-73915-xyzzy";

/// What must not be found, each with its name.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, name: impl Into<String>, text: &str) {
        let name = name.into();
        assert!(text.len() >= 16, "{name} would be found by chance");
        self.0.push((name, text.to_owned()));
    }

    /// Everything this lab has drawn.
    fn of(lab: &Lab) -> Self {
        let mut all = Self::default();
        let root = lab.layout().root();
        let drawn: Value = serde_json::from_slice(&fs::read(root.join("settings.json")).unwrap()).unwrap();
        for key in ["admin_token", "plate_key", "database_password", "superuser_password", "reader_password"]
        {
            all.add(key, drawn[key].as_str().unwrap());
        }
        for (user, password) in drawn["bus_passwords"].as_object().unwrap() {
            all.add(format!("bus password of {user}"), password.as_str().unwrap());
        }
        for (edge, key) in drawn["edge_keys"].as_object().unwrap() {
            let key = key.as_str().unwrap();
            all.add(format!("key of {edge}"), key);
            let hash: String = Sha256::digest(key).iter().map(|b| format!("{b:02x}")).collect();
            all.add(format!("key_sha256 of {edge}"), &hash);
        }
        let mut keys = 0;
        for file in fs::read_dir(root.join("tls")).unwrap().map(|f| f.unwrap().path()) {
            let text = fs::read_to_string(&file).unwrap();
            if !text.contains("PRIVATE KEY") {
                continue;
            }
            keys += 1;
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('-')).collect();
            // What stands in front says which kind of key it is, and is the same for all of them.
            for line in lines.iter().skip(1).filter(|line| line.len() >= 16) {
                all.add(format!("private key {}", file.display()), line);
            }
            all.add(format!("private key {}", file.display()), &lines.concat());
        }
        assert!(keys >= 2, "{keys} private keys");
        for (name, text) in
            [("PIN", PIN), ("wrong PIN", WRONG_PIN), ("forged token", FORGED), ("key", PLAIN_KEY)]
        {
            all.add(name, text);
        }
        all
    }

    /// Where which of them stands, with what is around it.
    fn leaks(&self, place: &str, bytes: &[u8], found: &mut BTreeSet<String>) {
        let text = String::from_utf8_lossy(bytes);
        for (name, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let before: String = text[..at].chars().rev().take(100).collect();
                let around: String = before.chars().rev().collect();
                found.insert(format!("{name} in {place}: …{around}…"));
            }
        }
    }
}

/// A text that the answer shows this once.
fn minted(answer: &Value, key: &str) -> (String, String) {
    let text = |k: &str| answer[k].as_str().unwrap_or_else(|| panic!("no {k} in {answer}")).to_owned();
    (text(key), text("id"))
}

fn as_token(lab: &Lab, number: u16, token: &str) -> Api {
    let gateway = lab.file().central(central(number)).unwrap().gateway.clone();
    Api::new(Api::http(Duration::from_secs(5)).unwrap(), gateway, token)
}

async fn delete(api: &Api, path: &str) {
    api.request(Method::DELETE, path).send().await.unwrap();
}

/// Tokens and keys are made, used, exchanged and taken away, and mistaken for something else.
async fn tokens_and_keys(lab: &Lab, secrets: &mut Secrets) {
    let admin = lab.admin(central(1));
    for role in ["viewer", "operator", "admin"] {
        let new = json!({"name": format!("marker of {role}"), "role": role});
        let answer = admin.post("/api/admin/tokens", None, &new).await.unwrap().ok().unwrap();
        let (token, id) = minted(&answer, "token");
        secrets.add(format!("token of {role}"), &token);
        secrets.add(format!("secret of {role}"), token.rsplit('_').next().unwrap());
        let person = as_token(lab, 1, &token);
        assert!(person.get("/api/p2p/status").await.unwrap().status.is_success());
        let _ = person.post("/api/admin/tokens", None, &new).await.map(|answer| {
            if let Some(token) = answer.body["token"].as_str() {
                secrets.add(format!("token minted by {role}"), token);
            }
        });
        delete(&admin, &format!("/api/admin/tokens/{id}")).await;
        assert_eq!(person.get("/api/p2p/status").await.unwrap().status.as_u16(), 401);
    }
    let keys = "/api/admin/edges/edge-1/keys";
    let first = admin.post(keys, None, &json!({"note": "marker"})).await.unwrap().ok().unwrap();
    let (key, id) = minted(&first, "key");
    let second = admin.post(keys, None, &json!({"replaces": id})).await.unwrap().ok().unwrap();
    let (other, other_id) = minted(&second, "key");
    for key in [&key, &other] {
        secrets.add("minted key", key);
        let lane = as_token(lab, 1, key);
        let answer =
            lane.post(OPEN, None, &json!({"edge_id": "edge-1", "plate": "51F-901.10"})).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
        // Another's lane.
        let _ = lane.post(OPEN, None, &json!({"edge_id": "edge-2", "plate": "51F-901.11"})).await;
    }
    delete(&admin, &format!("{keys}/{other_id}")).await;

    let stranger = as_token(lab, 1, FORGED);
    let _ = stranger.get("/api/p2p/status").await;
    let _ = stranger.post(OPEN, None, &json!({"edge_id": "edge-1", "plate": "51F-901.12"})).await;
    // Where it does not belong: in the address, in a body, in a header, in a name.
    let token = lab.file().admin_token;
    for path in [
        format!("/api/p2p/status?token={token}"),
        format!("/api/parking/history?key={key}&plate={token}"),
        format!("/api/parking/sessions/{token}"),
        format!("/api/admin/edges/{key}/keys"),
        format!("/nowhere/{token}"),
    ] {
        let _ = admin.get(&path).await;
        let _ = as_token(lab, 1, "nobody").get(&path).await;
    }
    let _ =
        admin.post(OPEN, None, &json!({"edge_id": "edge-1", "plate": "51F-901.13", "api_key": key})).await;
    let torn = admin.request(Method::POST, "/api/admin/tokens").header("Content-Type", "application/json");
    let _ = torn.body(format!("{{\"token\": \"{token}\", ")).send().await;
    let odd = admin.request(Method::GET, "/api/p2p/status").header("X-Api-Key", &key);
    let _ = odd.header("Cookie", format!("session={token}")).send().await;
}

/// The PIN of a listed staff member, right and wrong, for all that asks for one.
async fn pins(lab: &Lab) {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    let salt = SaltString::encode_b64(b"salt of the test").unwrap();
    let hash = cheap.hash_password(PIN.as_bytes(), &salt).unwrap().to_string();
    let staff = json!({"version": 9, "items": [
        {"id": "s7", "name": "Marker", "role": "operator", "pin_hash": hash, "active": true}]});
    lab.external_put(&json!({"staff": staff})).unwrap();
    let admin = lab.admin(central(1));
    let listed = until(PATIENCE, async || {
        let page = admin.get("/api/reference/staff").await?.ok()?;
        anyhow::ensure!(page["version"] == 9, "{page}");
        Ok(())
    });
    listed.await.unwrap();
    let opened = lab
        .lane(central(1), "edge-1")
        .post(OPEN, None, &json!({"edge_id": "edge-1", "plate": "51F-902.20"}))
        .await
        .unwrap();
    let event_id = opened.body["event_id"].as_str().unwrap().to_owned();
    for pin in [json!(WRONG_PIN), json!([WRONG_PIN]), json!(PIN), json!({"pin": PIN})] {
        let by = |more: Value| {
            let mut all = json!({"staff_id": "s7", "pin": pin, "reason": "the wrong car"});
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        for (path, more) in [
            ("price", json!({"fee": 1000})),
            ("waive", json!({})),
            ("void", json!({})),
            ("reopen", json!({})),
        ] {
            let _ = admin.post(&format!("/api/parking/sessions/{event_id}/{path}"), None, &by(more)).await;
        }
        let _ =
            admin.post("/api/rights/lists", None, &by(json!({"kind": "watch", "plate": "51F90220"}))).await;
        let command = by(json!({"command": "open"}));
        let _ = admin.post("/api/edges/edge-1/commands", None, &command).await;
        let exit = by(json!({"edge_id": "edge-3", "plate": "51F-902.99"}));
        let _ = lab.lane(central(1), "edge-3").post(OPEN, None, &exit).await;
    }
}

/// The configuration: put, edited by hand, edited wrongly. What came of it stands in the record.
async fn configuration(lab: &Lab) {
    let admin = lab.admin(central(1));
    let file = lab.layout().p2p_config(central(1));
    let good: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let put = async |config: &Value| {
        admin.request(Method::PUT, "/api/p2p/config").json(config).send().await.unwrap().status().as_u16()
    };
    let mut wrong = good.clone();
    wrong["this_central"]["edges"][3]["key_sha256"] = json!(PLAIN_KEY);
    assert_eq!(put(&wrong).await, 422);
    let mut other = good.clone();
    other["this_central"]["edges"][3]["cameras"] = json!(["cam-4", "cam-4b"]);
    assert_eq!(put(&other).await, 200);
    fs::write(&file, wrong.to_string()).unwrap();
    let refused = until(PATIENCE, async || {
        let log = fs::read_to_string(lab.layout().log(central(1), Service::EdgeGateway))?;
        anyhow::ensure!(log.contains("configuration refused"), "not seen yet");
        Ok(())
    });
    refused.await.unwrap();
    // Another key of the same lane, by hand.
    let mut edited = good.clone();
    let hash: String = Sha256::digest(PLAIN_KEY).iter().map(|b| format!("{b:02x}")).collect();
    edited["this_central"]["edges"][3]["key_sha256"] = json!(hash);
    fs::write(&file, edited.to_string()).unwrap();
    let recorded = until(PATIENCE, async || {
        let page = admin.get("/api/admin/audit-log?action=config.file").await?.ok()?;
        let names = "edges/edge-4/cameras, edges/edge-4/key_sha256";
        anyhow::ensure!(page["items"][0]["detail"] == names && page["items"][0]["who"] == "file", "{page}");
        Ok(())
    });
    recorded.await.unwrap();
    let mine = as_token(lab, 1, PLAIN_KEY);
    let answer = mine.post(OPEN, None, &json!({"edge_id": "edge-4", "plate": "51F-903.30"})).await.unwrap();
    assert_ne!(answer.status.as_u16(), 401, "the edited key counts");
}

/// Services end and come back, and find a wrong password in their file meanwhile.
async fn trouble(lab: &Lab) {
    let file = lab.layout().root().join("secrets/nats-sync");
    let good = fs::read(&file).unwrap();
    for broken in [Service::Postgres, Service::Ledger, Service::Nats] {
        lab.kill((central(2), broken), &Signal::kill()).await.unwrap();
        let _ = lab
            .lane(central(2), "edge-5")
            .post(OPEN, None, &json!({"edge_id": "edge-5", "plate": "51F-904.40"}))
            .await;
        fs::write(&file, WRONG_PIN).unwrap();
        lab.start_target((central(2), broken)).await.unwrap();
        let health = lab.file().central(central(2)).unwrap().health[&Service::Sync].clone();
        if broken == Service::Nats {
            let http = Api::http(Duration::from_secs(5)).unwrap();
            let refused = until(PATIENCE, async || {
                let ready = http.get(format!("{health}/readyz")).send().await?;
                anyhow::ensure!(!ready.status().is_success(), "sync is ready with a wrong password");
                Ok(())
            });
            refused.await.unwrap();
        }
        fs::write(&file, &good).unwrap();
    }
    lab.start_target(central(2)).await.unwrap();
}

/// Every documented GET route of every central, both spellings where there are two, with what it needs to be answered.
async fn everything_that_is_shown(lab: &Lab, secrets: &Secrets, found: &mut BTreeSet<String>) -> usize {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let event_id = lab.admin(central(1)).get("/api/parking/history?limit=1").await.unwrap().body["items"][0]
        ["event_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut answered, mut markers) = (0, 0);
    for (template, methods) in document["paths"].as_object().unwrap() {
        let Some(get) = methods.get("get") else { continue };
        for entry in &lab.file().centrals {
            let edge = entry.edges[0].id.clone();
            let mut path = template.replace("{id}", &edge).replace("{event_id}", &event_id);
            let needed = get["parameters"].as_array().into_iter().flatten();
            for parameter in needed.filter(|p| p["in"] == "query" && p["required"] == true) {
                let value = match parameter["name"].as_str().unwrap() {
                    "edge_id" => edge.clone(),
                    "plate" => "51F-902.20".to_owned(),
                    other => panic!("{template} needs {other}"),
                };
                path = format!("{path}?{}={value}", parameter["name"].as_str().unwrap());
            }
            for path in BTreeSet::from([path.clone(), path.replacen("/api/v1/", "/api/", 1)]) {
                let request = lab.admin(entry.id).request(Method::GET, &path);
                let response = request.send().await.unwrap();
                let (status, headers) = (response.status(), format!("{:?}", response.headers()));
                // A stream has no end: what comes within a moment.
                let mut body = Vec::new();
                let mut stream = response.bytes_stream();
                let whole = timeout(Duration::from_secs(2), async {
                    while let Some(Ok(part)) = stream.next().await {
                        body.extend_from_slice(&part);
                    }
                });
                let _ = whole.await;
                let place = format!("GET {path} of {}", entry.id);
                assert!(status.as_u16() != 401 && status.as_u16() != 403, "{place}: {status}");
                answered += usize::from(status.is_success());
                markers += usize::from(String::from_utf8_lossy(&body).contains("marker of viewer"));
                secrets.leaks(&place, &body, found);
                secrets.leaks(&place, headers.as_bytes(), found);
            }
        }
    }
    assert!(markers >= 1, "what people named is shown, and looked at");
    for entry in &lab.file().centrals {
        for url in entry.health.values() {
            for path in ["livez", "readyz", "metrics", ""] {
                let http = Api::http(Duration::from_secs(5)).unwrap();
                let body = http.get(format!("{url}/{path}")).send().await.unwrap().bytes().await.unwrap();
                secrets.leaks(&format!("{url}/{path}"), &body, found);
            }
        }
    }
    answered
}

/// What the machine shows to everybody: command lines. And what a dump holds.
fn at_rest(lab: &Lab, secrets: &Secrets, found: &mut BTreeSet<String>) {
    let mut looked = 0;
    for entry in &lab.file().centrals {
        for (service, pid) in &entry.pids {
            let Some(pid) = pid else { continue };
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            looked += usize::from(!line.is_empty());
            secrets.leaks(&format!("the command line of {}/{service}", entry.id), &line, found);
        }
        let dump = Command::new("pg_dump").args(["--no-owner", &entry.reader_url]).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        assert!(String::from_utf8_lossy(&dump.stdout).contains("audit_log"));
        secrets.leaks(&format!("the database of {}", entry.id), &dump.stdout, found);
    }
    assert!(looked >= 12, "{looked} command lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_any_log_metric_span_answer_or_dump() {
    let (receiver, url) = Receiver::start().await;
    let lab = start(talkative("secrets", 2, url)).await;
    let mut secrets = Secrets::of(&lab);
    tokens_and_keys(&lab, &mut secrets).await;
    pins(&lab).await;
    configuration(&lab).await;
    trouble(&lab).await;
    settled(&lab).await;
    assert_passed(&traffic(&lab, 20.0, 1.0).await);

    let mut found = BTreeSet::new();
    let answered = everything_that_is_shown(&lab, &secrets, &mut found).await;
    assert!(answered > 80, "{answered} good answers were looked at");
    at_rest(&lab, &secrets, &mut found);
    // Everything has gone out when a span of what came last is here.
    let last = "4bf92f3577b34da6a3ce929d0e0e4738";
    let request = lab.lane(central(1), "edge-1").request(Method::POST, OPEN);
    let request = request.header("traceparent", format!("00-{last}-00f067aa0ba902b7-01"));
    request.json(&json!({"edge_id": "edge-1", "plate": "51F-905.50"})).send().await.unwrap();
    let arrived = until(PATIENCE, async || {
        anyhow::ensure!(!receiver.trace(last).is_empty(), "no span of the last request");
        for kind in ["metrics", "logs"] {
            anyhow::ensure!(receiver.paths().iter().any(|p| p.contains(kind)), "no {kind}");
        }
        Ok(())
    });
    arrived.await.unwrap();
    let (known, mut seen) = (Secrets(vec![("known".to_owned(), "central-2".to_owned())]), BTreeSet::new());
    for (path, body) in receiver.bodies() {
        known.leaks(&path, &body, &mut seen);
        secrets.leaks(&format!("OTLP {path}"), &body, &mut found);
    }
    let mut logs = 0;
    for entry in &lab.file().centrals {
        for service in Service::ALL {
            let bytes = fs::read(lab.layout().log(entry.id, service)).unwrap();
            known.leaks("a log", &bytes, &mut seen);
            logs += usize::from(!bytes.is_empty());
            secrets.leaks(&format!("the log of {}/{service}", entry.id), &bytes, &mut found);
        }
    }
    assert_eq!(logs, 12, "every process has said something");
    for name in ["/v1/traces", "/v1/metrics", "/v1/logs", "a log"] {
        assert!(seen.iter().any(|s| s.contains(&format!("in {name}"))), "nothing was searched in {name}");
    }
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
}
