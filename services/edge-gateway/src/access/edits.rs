//! Edits of the configuration file stand in the record of acts, too: who opens doors and who links stands in that file.
//!
//! Who edited it is not known here: `file`. What was edited is named, never its value. A PUT of this gateway arrives the same way
//! and has its own act already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kit::{ConfigWatch, Shutdown};
use serde_json::Value;
use uuid::Uuid;
use wire::bus::access::Act;
use wire::config::P2pConfig;

use super::acts;
use crate::gateway::Gateway;

/// A PUT is seen in the file within a second, or was not written.
const OWN: Duration = Duration::from_secs(10);
/// PUTs under way at once that are remembered.
const OWN_BOUND: usize = 16;
/// Names in one act; more are counted.
const NAMES: usize = 40;

/// Configurations this gateway has asked for.
#[derive(Debug, Default)]
pub(crate) struct Puts(Mutex<Vec<(Instant, P2pConfig)>>);

impl Puts {
    /// Before the mesh is asked: the file may change before it answers.
    pub(crate) fn begin(&self, config: &P2pConfig) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(at, _)| at.elapsed() < OWN);
        if all.len() < OWN_BOUND {
            all.push((Instant::now(), config.clone()));
        }
    }

    /// The mesh refused it.
    pub(crate) fn refused(&self, config: &P2pConfig) {
        let _ = self.take(config);
    }

    fn take(&self, config: &P2pConfig) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(at, c)| at.elapsed() < OWN && c == config);
        at.map(|at| all.swap_remove(at)).is_some()
    }
}

/// Records every edit from now on.
pub(crate) fn follow(gw: &Gateway, mut config: ConfigWatch, shutdown: &Shutdown) {
    let (gw, token) = (gw.clone(), shutdown.token());
    let mut old = config.current();
    shutdown.spawn("config-edits", async move {
        while let Some(true) = token.run_until_cancelled(config.changed()).await {
            let new = config.current();
            let before = std::mem::replace(&mut old, Arc::clone(&new));
            if gw.access().puts.take(&new) {
                continue;
            }
            let names = changes(&before, &new);
            // Spaces and the like change nothing.
            if !names.is_empty() {
                acts::note(&gw, act(&names));
            }
        }
        token.cancelled().await;
        Ok(())
    });
}

fn act(names: &[String]) -> Act {
    let mut detail = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        detail.push_str(&format!(" and {} more", names.len() - NAMES));
    }
    Act {
        id: Uuid::new_v4(),
        at: kit::clock::now_ms(),
        who: "file".to_owned(),
        name: None,
        role: None,
        address: None,
        action: "config.file".to_owned(),
        target: None,
        status: 200,
        result: "ok".to_owned(),
        detail: Some(detail),
    }
}

/// What differs, by name: `edges/edge-1/key_sha256`, `peer_centrals/central-2 added`.
fn changes(old: &P2pConfig, new: &P2pConfig) -> Vec<String> {
    let json = |config| serde_json::to_value(config).unwrap_or_default();
    let (old, new) = (json(old), json(new));
    let mut names = Vec::new();
    for (list, pointer) in [
        ("edges", "/this_central/edges"),
        ("lots", "/this_central/lots"),
        ("peer_centrals", "/peer_centrals"),
    ] {
        let before = names.len();
        let (one, other) = (by_id(&old, pointer), by_id(&new, pointer));
        let ids: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
        for id in ids {
            match (one.get(id), other.get(id)) {
                (Some(a), Some(b)) => {
                    names.extend(fields(a, b).into_iter().map(|f| format!("{list}/{id}/{f}")));
                }
                (None, _) => names.push(format!("{list}/{id} added")),
                (_, None) => names.push(format!("{list}/{id} removed")),
            }
        }
        if names.len() == before && old.pointer(pointer) != new.pointer(pointer) {
            names.push(format!("{list} in another order"));
        }
    }
    let (one, other) = (&old["this_central"], &new["this_central"]);
    let own = fields(one, other).into_iter().filter(|f| !["edges", "lots"].contains(&f.as_str()));
    names.extend(own.map(|f| format!("this_central/{f}")));
    names
}

fn by_id<'a>(config: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a Value> {
    let items = config.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some((item.get("id")?.as_str()?, item))).collect()
}

/// The fields of two objects that differ.
fn fields(a: &Value, b: &Value) -> Vec<String> {
    let keys = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<BTreeSet<_>>());
    let (mut all, more) = (keys(a).unwrap_or_default(), keys(b).unwrap_or_default());
    all.extend(more);
    all.into_iter().filter(|key| a.get(key) != b.get(key)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(edit: impl FnOnce(&mut Value)) -> P2pConfig {
        let edge = |id: &str, key: char| {
            json!({"id": id, "type": "entry_only", "vehicle_classes": ["car"], "lot_id": "P01",
                "cameras": [], "key_sha256": key.to_string().repeat(64)})
        };
        let mut value = json!({
            "this_central": {"id": "central-1", "ip": "10.0.0.1", "p2p_port": 9000, "api_port": 8000,
                "edges": [edge("edge-1", 'a'), edge("edge-2", 'b')]},
            "peer_centrals": [{"id": "central-2", "ip": "10.0.0.2", "p2p_port": 9000}]
        });
        edit(&mut value);
        P2pConfig::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn changes_are_named_without_their_values() {
        let old = config(|_| {});
        let named = |edit: fn(&mut Value)| changes(&old, &config(edit));
        assert_eq!(named(|_| {}), [""; 0]);
        assert_eq!(
            named(|c| c["this_central"]["edges"][1]["key_sha256"] = "c".repeat(64).into()),
            ["edges/edge-2/key_sha256"]
        );
        assert_eq!(
            named(|c| {
                c["this_central"]["edges"].as_array_mut().unwrap().remove(0);
                c["this_central"]["time_zone"] = "Asia/Bangkok".into();
                c["this_central"]["lots"] = json!([{"id": "P01", "capacity": {"car": 7}}]);
                c["peer_centrals"][0]["disabled"] = true.into();
                let more = json!({"id": "central-9", "ip": "10.0.0.9", "p2p_port": 9000});
                c["peer_centrals"].as_array_mut().unwrap().push(more);
            }),
            [
                "edges/edge-1 removed",
                "lots/P01 added",
                "peer_centrals/central-2/disabled",
                "peer_centrals/central-9 added",
                "this_central/time_zone",
            ]
        );
        assert_eq!(
            named(|c| c["this_central"]["edges"].as_array_mut().unwrap().reverse()),
            ["edges in another order"]
        );
    }

    #[test]
    fn a_put_counts_once_and_a_refused_one_not_at_all() {
        let (puts, one) = (Puts::default(), config(|_| {}));
        assert!(!puts.take(&one));
        puts.begin(&one);
        assert!(puts.take(&one) && !puts.take(&one));
        puts.begin(&one);
        puts.refused(&one);
        assert!(!puts.take(&one));
    }

    #[test]
    fn many_changes_are_one_line() {
        let names: Vec<String> = (0..NAMES + 5).map(|n| format!("edges/edge-{n} added")).collect();
        let detail = act(&names).detail.unwrap();
        assert!(detail.ends_with("edges/edge-39 added and 5 more"), "{detail}");
    }
}
