//! Documentation that is true: the committed files are what is served, and what is served is documented.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::harness::{ADMIN, Rig, send};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Compares a committed file with what the code says; `UPDATE_DOCS=1` writes it.
fn same(name: &str, now: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file(name), now).unwrap();
    }
    let committed = std::fs::read_to_string(file(name)).unwrap_or_default();
    assert!(committed == now, "docs/{name} is stale: UPDATE_DOCS=1 cargo test -p edge-gateway");
}

#[test]
fn the_error_list_is_current() {
    same("ERRORS.md", &edge_gateway::errors_markdown());
}

/// The first string literal behind each `call` in a source, past a status if there is one.
fn codes_behind(source: &str, call: &str) -> Vec<String> {
    let literals = source.split(call).skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace() || c == ',');
        let (code, _) = rest.strip_prefix('"')?.split_once('"')?;
        Some(code.to_owned())
    });
    literals.collect()
}

fn sources(folder: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_code_in_the_sources_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    for folder in [
        "services/edge-gateway/src",
        "services/ledger/src",
        "services/mesh/src",
        "services/sync/src",
        "libs/parking/src",
    ] {
        sources(&root.join(folder), &mut all);
    }
    let list = edge_gateway::errors_markdown();
    let mut seen = 0;
    for source in &all {
        for call in ["Problem::new(", "Problem::field(", "Refused::new(", "Refused::retry("] {
            for code in codes_behind(source, call) {
                seen += 1;
                let known = list.contains(&format!("| `{code}` |")) || code == "malformed_query";
                assert!(known, "{code} is not in docs/ERRORS.md (codes.rs)");
            }
        }
    }
    assert!(seen > 20, "the sources were read");
}

#[tokio::test]
async fn the_openapi_file_is_what_is_served() {
    same("openapi.json", &edge_gateway::openapi_json());
    let rig = Rig::start().await;
    let served =
        rig.http.get(format!("{}/api/openapi.json", rig.base)).send().await.unwrap().text().await.unwrap();
    assert_eq!(served, std::fs::read_to_string(file("openapi.json")).unwrap());
}

/// The contract's paths, by hand.
const CONTRACT: &[(&str, &str)] = &[
    ("post", "/edge/detection"),
    ("post", "/edge/barrier/open"),
    ("post", "/edge/barrier/close"),
    ("post", "/edge/batch"),
    ("post", "/edge/heartbeat"),
    ("get", "/edge/commands"),
    ("post", "/edge/commands/{id}/ack"),
    ("post", "/edge/webhooks/plate-recognizer"),
    ("get", "/parking/history"),
    ("get", "/parking/sessions/{event_id}"),
    ("get", "/parking/quote"),
    ("post", "/parking/fees/calculate"),
    ("get", "/parking/occupancy"),
    ("get", "/parking/conflicts"),
    ("get", "/parking/stream"),
    ("post", "/parking/sessions/{event_id}/correct-plate"),
    ("post", "/parking/sessions/{event_id}/void"),
    ("post", "/parking/sessions/{event_id}/waive"),
    ("post", "/parking/sessions/{event_id}/uncollected"),
    ("post", "/parking/sessions/{event_id}/price"),
    ("post", "/parking/sessions/{event_id}/soft-close"),
    ("post", "/parking/sessions/{event_id}/reopen"),
    ("get", "/parking/payments"),
    ("get", "/parking/shifts"),
    ("get", "/parking/reports/reconciliation"),
    ("post", "/parking/occupancy/corrections"),
    ("get", "/parking/unresolved"),
    ("post", "/parking/erasures"),
    ("get", "/rights/passes"),
    ("get", "/rights/lists"),
    ("get", "/rights/antipassback"),
    ("get", "/reference/rate-tables"),
    ("get", "/reference/staff"),
    ("get", "/reference/subscriptions"),
    ("get", "/p2p/audit"),
    ("post", "/p2p/audit"),
    ("get", "/p2p/bundles"),
    ("post", "/p2p/bundles/import"),
    ("get", "/admin/edges/{id}/keys"),
    ("get", "/admin/tokens"),
    ("get", "/admin/audit-log"),
    ("post", "/admin/tokens"),
    ("post", "/admin/edges/{id}/keys"),
    ("get", "/edges"),
    ("put", "/edges"),
    ("get", "/p2p/config"),
    ("put", "/p2p/config"),
    ("get", "/p2p/status"),
    ("post", "/p2p/test-connection"),
    ("get", "/p2p/sync-state"),
];

#[tokio::test]
async fn every_path_is_documented_and_served_under_both_spellings() {
    let rig = Rig::start().await;
    let doc: Value = serde_json::from_str(&edge_gateway::openapi_json()).unwrap();
    let paths = doc["paths"].as_object().unwrap();
    for (method, path) in CONTRACT {
        assert!(paths[&format!("/api/v1{path}")].get(method).is_some(), "{method} {path}");
    }
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let alias = path.replacen("/api/v1/", "/api/", 1);
            for path in [path, &alias] {
                let path = path.replace("{event_id}", "x").replace("{id}", "x");
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let r = rig.request(method, &path, Some(ADMIN)).send().await.unwrap();
                let status = r.status().as_u16();
                assert_ne!(status, 405, "{path}");
                let served = status != 404 || r.text().await.unwrap().contains("unknown_");
                assert!(served, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn the_pages_need_nothing_from_elsewhere() {
    let rig = Rig::start().await;
    for path in ["/docs", "/docs/errors"] {
        let r = rig.request(Method::GET, path, None).send().await.unwrap();
        assert_eq!(r.headers()["content-type"], "text/html; charset=utf-8");
        let html = r.text().await.unwrap();
        assert!(
            !html.contains("http://") && !html.contains("https://") && !html.contains("<script"),
            "{path}"
        );
    }
    let html = rig.request(Method::GET, "/docs", None).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("/api/v1/edge/barrier/open"));
    assert_eq!(send(rig.request(Method::GET, "/docs", None)).await.status, 200);
}
